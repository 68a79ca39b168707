#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captured calls leave as OTLP and as Sentry spans: read back with a protobuf reader of its own and
compared with the same calls' LLMObs events. tests/clients/test_exporters.py shows them to the real
receivers.

Usage: test_otlp.py [-v] [TEST...]
"""
import json
import unittest

import otlp_peer
from harness import CLIENTS, WorldCase, job
from otlp_peer import Receiver

PLAYS = ["openai_stream", "anthropic_stream", "openai_json", "anthropic_tool_stream", "openai_401"]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Otlp(WorldCase):
    def setUp(self):
        self.peer = Receiver()
        self.addCleanup(self.peer.close)

    def run_calls(self, env, config="", plays=PLAYS, **headers):
        """Runs the calls, ends the daemon (it flushes); their LLMObs events."""
        file = self.world.dir / "llmtap.yaml"
        file.write_text("delivery:\n  spool_dir:\n" + config)
        daemon = self.daemon("--config", file, env=env)
        jobs = [job(play, **headers) for play in plays]
        self.world.client(CLIENTS["curl"], jobs, 1)
        events = daemon.wait(len(jobs))
        self.assertEqual(len(events), len(jobs), daemon.log.read_text())
        daemon.stop()
        return events

    def environment(self, **more):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.peer.url, **more}

    def spans(self, path="/v1/traces"):
        return [span for body in self.peer.bodies(path) for span in otlp_peer.spans(body)]

    def test_signals(self):
        events = self.run_calls(self.environment(
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_AND_EVENT",
            OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test"),
            traceparent=f"00-{TRACE}-{PARENT}-01")
        spans = self.spans()
        self.assertEqual(len(spans), len(PLAYS))
        self.assertEqual(len({span["span_id"] for span in spans}), len(PLAYS))
        by_start = {span["start"]: span for span in spans}
        for event, play in zip(sorted(events, key=lambda e: e["start_ns"]), PLAYS):
            span = by_start[event["start_ns"]]
            with self.subTest(play=play):
                self.check_span(span, event, play)
        for path, headers, _ in self.peer.requests:
            self.assertEqual(headers["content-type"], "application/x-protobuf", path)
            self.assertEqual(headers["content-encoding"], "gzip", path)
            self.assertEqual(headers["api-key"], "a b", path)
        self.check_metrics(spans)
        self.check_events(spans)

    def check_span(self, span, event, play):
        got = span["attributes"]
        self.assertEqual(span["trace_id"], TRACE)
        self.assertEqual(span["parent"], PARENT)
        self.assertEqual(span["kind"], 3)
        self.assertEqual(span["end"] - span["start"], event["duration"])
        self.assertEqual(span["resource"]["deployment.environment.name"], "test")
        self.assertIn(f"service:{span['resource']['service.name']}", event["tags"])
        self.assertIn("process.pid", span["resource"])
        self.assertEqual(got["gen_ai.provider.name"], play.split("_")[0])
        self.assertEqual(got["gen_ai.operation.name"], "chat")
        self.assertEqual(got["gen_ai.request.max_tokens"], 64)
        self.assertEqual(json.loads(got["gen_ai.input.messages"])[0]["role"], "user")
        if play.endswith("401"):
            self.assertEqual(span["status"], 2)
            self.assertEqual(got["http.response.status_code"], 401)
            self.assertIn("error.type", got)
            return
        self.assertEqual(span["status"], 0)
        for ours, theirs in (("input", "input"), ("output", "output")):
            tokens = event["metrics"].get(f"{theirs}_tokens")
            self.assertEqual(got.get(f"gen_ai.usage.{ours}_tokens"), tokens)
        self.assertTrue(json.loads(got["gen_ai.output.messages"])[0]["parts"])

    def check_metrics(self, spans):
        bodies = self.peer.bodies("/v1/metrics")
        self.assertTrue(bodies)
        points = otlp_peer.histograms(bodies[-1])
        durations = points["gen_ai.client.operation.duration"]
        self.assertEqual(sum(count for _, count, _ in durations), len(spans))
        self.assertAlmostEqual(sum(total for _, _, total in durations),
                               sum(span["end"] - span["start"] for span in spans) / 1e9, places=6)

    def check_events(self, spans):
        records = [r for body in self.peer.bodies("/v1/logs") for r in otlp_peer.logs(body)]
        details = [r for r in records
                   if r["event"] == "gen_ai.client.inference.operation.details"]
        self.assertEqual({r["span_id"] for r in details}, {s["span_id"] for s in spans})
        self.assertIsInstance(details[0]["attributes"]["gen_ai.input.messages"], list)
        failed = [r for r in records if r["event"] == "gen_ai.client.operation.exception"]
        self.assertEqual([r["severity"] for r in failed], [13])

    def test_no_content_and_no_events_unless_asked_for(self):
        self.run_calls(self.environment(), plays=["openai_stream"])
        attributes = self.spans()[0]["attributes"]
        self.assertFalse([key for key in attributes if "messages" in key])
        self.assertEqual(self.peer.bodies("/v1/logs"), [])

    def test_variables(self):
        self.run_calls(self.environment(
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=self.peer.url + "/own",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/json", OTEL_EXPORTER_OTLP_COMPRESSION="none",
            OTEL_METRICS_EXPORTER="none",
            OTEL_SEMCONV_STABILITY_OPT_IN="http,gen_ai_latest_experimental"),
            plays=["openai_stream"])
        self.assertEqual({path for path, _, _ in self.peer.requests}, {"/own"})
        _, headers, body = self.peer.requests[0]
        self.assertEqual(headers["content-type"], "application/json")
        self.assertNotIn("content-encoding", headers)
        group = json.loads(body)["resourceSpans"][0]
        self.assertIn("gen-ai-dev", group["schemaUrl"])
        self.assertEqual(group["scopeSpans"][0]["spans"][0]["name"], "chat gpt-3.5-turbo")

    def test_disabled(self):
        self.run_calls(self.environment(OTEL_SDK_DISABLED="true"), plays=["openai_json"])
        self.assertEqual(self.peer.requests, [])

    def dsn(self):
        return self.peer.url.replace("http://", "http://publickey@") + "/42"

    def test_sentry_over_otlp(self):
        self.run_calls({"SENTRY_DSN": self.dsn(), "SENTRY_ENVIRONMENT": "test"},
                       plays=["openai_stream", "openai_401"])
        spans = self.spans("/api/42/integration/otlp/v1/traces")
        self.assertEqual(len(spans), 2)
        self.assertEqual({s["attributes"]["sentry.op"] for s in spans}, {"gen_ai.chat"})
        self.assertEqual({s["attributes"]["sentry.environment"] for s in spans}, {"test"})
        self.assertEqual(self.peer.requests[0][1]["x-sentry-auth"], "sentry sentry_key=publickey")

    def test_sentry_envelopes(self):
        self.run_calls({"SENTRY_DSN": self.dsn()}, plays=["openai_json", "anthropic_json"],
                       config="sentry:\n  format: envelope\n")
        bodies = self.peer.bodies("/api/42/envelope/")
        self.assertEqual(len(bodies), 2)
        for body in bodies:
            head, item, payload = (json.loads(line) for line in body.decode().splitlines())
            self.assertEqual(item["item_count"], 1)
            self.assertEqual(head["trace"]["trace_id"], payload["items"][0]["trace_id"])


if __name__ == "__main__":
    unittest.main()
