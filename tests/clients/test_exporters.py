#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A captured call, shown to the real receivers: an OpenTelemetry Collector built from its modules
(collector/, by lock file) writes what it understood to files; Sentry's own normalisation
(sentry-relay) reads the AI spans. Needs the Go proxy and PyPI once; `prepare` installs.

Usage: test_exporters.py prepare | test_exporters.py [-v] [TEST...]
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import CLIENTS, PYTHON, WorldCase, job  # noqa: E402
from otlp_peer import Receiver  # noqa: E402

BUILD = pathlib.Path(os.environ.get("LLMTAP_CLIENTS", HERE.parents[1] / "build" / "clients"))
COLLECTOR = BUILD / "collector"
RELAY = BUILD / "exporters" / "bin" / "python"
PLAYS = ["openai_stream", "anthropic_stream", "openai_tool_stream", "anthropic_json", "openai_401"]

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  file/traces: {{path: {folder}/traces, flush_interval: 50ms}}
  file/metrics: {{path: {folder}/metrics, flush_interval: 50ms}}
  file/logs: {{path: {folder}/logs, flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"""

# Reads an event, prints what Sentry's ingestion makes of it.
NORMALIZE = """
import json, sys
from sentry_relay.processing import StoreNormalizer
normalizer = StoreNormalizer(is_renormalize=False, remove_other=True)
print(json.dumps(normalizer.normalize_event(json.load(sys.stdin))))
"""


def run(*command, **options):
    subprocess.run([str(c) for c in command], check=True, **options)


def prepare():
    """Builds the collector and installs sentry-relay by lock file; quick when they are there."""
    if not shutil.which("go"):
        sys.exit("the exporter tests need go: install Go 1.26+")
    BUILD.mkdir(parents=True, exist_ok=True)
    run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", COLLECTOR, ".", cwd=HERE / "collector")
    if not RELAY.exists():
        run(PYTHON, "-m", "venv", BUILD / "exporters")
    run(RELAY, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r",
        HERE / "collector" / "requirements.lock")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def value_of(any_value):
    """An AnyValue of OTLP's JSON."""
    (kind, value), = any_value.items() if any_value else [("none", None)]
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [value_of(item) for item in value.get("values", [])]
    if kind == "kvlistValue":
        return attributes(value.get("values", []))
    return value


def attributes(pairs):
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


class Collector:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "config.yaml").write_text(CONFIG.format(port=port, folder=folder))
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen([COLLECTOR, "--config", folder / "config.yaml"],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.time() + 30
        while "Everything is ready" not in (folder / "log").read_text():
            assert self.process.poll() is None and time.time() < deadline, \
                (folder / "log").read_text()
            time.sleep(0.05)

    def stop(self):
        """What it has understood is in its files then."""
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def items(self, signal, groups, scopes, items):
        """(resource, scope, item) of every item of the signal."""
        file = self.folder / signal
        for line in file.read_text().splitlines() if file.exists() else []:
            for group in json.loads(line)[groups]:
                resource = attributes(group["resource"].get("attributes", []))
                for scope in group[scopes]:
                    for item in scope[items]:
                        yield resource, scope, item


class Exporters(WorldCase):
    def run_calls(self, env, config=""):
        """Runs the calls and ends the daemon, which flushes; their LLMObs events by start."""
        file = self.world.dir / f"{self._testMethodName}.yaml"
        file.write_text("delivery:\n  spool_dir:\n" + config)
        daemon = self.daemon("--config", file, env=env)
        self.world.client(CLIENTS["python-http.client"], [job(play) for play in PLAYS], 1)
        events = daemon.wait(len(PLAYS))
        daemon.stop()
        self.assertEqual(len(events), len(PLAYS), daemon.log.read_text())
        self.assertNotIn("refused", daemon.log.read_text())
        return {event["start_ns"]: event for event in events}

    def check_collector(self, protocol):
        collector = Collector(self.world.dir / f"collector-{protocol.replace('/', '-')}")
        try:
            events = self.run_calls({
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"})
        finally:
            collector.stop()
        spans = list(collector.items("traces", "resourceSpans", "scopeSpans", "spans"))
        self.assertEqual(len(spans), len(events))
        self.assertEqual(len({span["spanId"] for _, _, span in spans}), len(events))
        for resource, scope, span in spans:
            event = events[int(span["startTimeUnixNano"])]
            self.check_span(resource, scope, span, event)
        self.check_metrics(collector, len(events))
        logs = list(collector.items("logs", "resourceLogs", "scopeLogs", "logRecords"))
        details = [log for _, _, log in logs if log["eventName"].endswith("operation.details")]
        self.assertEqual({log["spanId"] for log in details},
                         {span["spanId"] for _, _, span in spans})
        messages = attributes(details[0]["attributes"])["gen_ai.input.messages"]
        self.assertEqual(messages[0]["parts"][0]["type"], "text")

    def check_span(self, resource, scope, span, event):
        got = attributes(span["attributes"])
        self.assertEqual(scope["schemaUrl"], "https://opentelemetry.io/schemas/1.41.1")
        self.assertEqual(scope["scope"]["name"], "llmtap")
        self.assertIn(f"service:{resource['service.name']}", event["tags"])
        self.assertEqual(span["kind"], 3)
        self.assertEqual(len(span["traceId"]), 32)
        failed = event["status"] == "error"
        self.assertEqual(span["status"].get("code", 0), 2 if failed else 0)
        for key in ("input_tokens", "output_tokens"):
            self.assertEqual(got.get(f"gen_ai.usage.{key}"), event["metrics"].get(key))
        said = [m.get("content") for m in event["meta"]["input"]["messages"]]
        sent = json.loads(got["gen_ai.input.messages"])
        self.assertEqual([m["parts"][0]["content"] for m in sent], said)

    def check_metrics(self, collector, calls):
        last = {}
        for _, _, metric in collector.items("metrics", "resourceMetrics", "scopeMetrics",
                                            "metrics"):
            self.assertEqual(metric["histogram"]["aggregationTemporality"], 2)
            last[metric["name"]] = metric
        duration = last["gen_ai.client.operation.duration"]
        points = duration["histogram"]["dataPoints"]
        self.assertEqual(duration["unit"], "s")
        self.assertEqual(sum(int(p["count"]) for p in points), calls)
        self.assertEqual(points[0]["explicitBounds"][:3], [0.01, 0.02, 0.04])
        self.assertIn("gen_ai.client.token.usage", last)
        self.assertIn("gen_ai.client.operation.time_to_first_chunk", last)

    def test_collector_protobuf(self):
        self.check_collector("http/protobuf")

    def test_collector_json(self):
        self.check_collector("http/json")

    def test_sentry_normalises_the_spans(self):
        """sentry-relay's Python library reads events, not span items: each span goes in as the root
        of a transaction, with the same ids, times, op and data."""
        peer = Receiver()
        self.addCleanup(peer.close)
        events = self.run_calls({"SENTRY_DSN": peer.url.replace("//", "//key@") + "/1"},
                                config="sentry:\n  format: envelope\n  content: full\n")
        bodies = peer.bodies("/api/1/envelope/")
        self.assertEqual(len(bodies), len(events))
        for body in bodies:
            _, _, payload = (json.loads(line) for line in body.decode().splitlines())
            self.check_sentry_span(payload["items"][0])

    def check_sentry_span(self, item):
        data = {key: attribute["value"] for key, attribute in item["attributes"].items()}
        span = {"trace_id": item["trace_id"], "span_id": item["span_id"], "op": data["sentry.op"],
                "status": {"ok": "ok", "error": "internal_error"}[item["status"]],
                "description": item["name"], "start_timestamp": item["start_timestamp"],
                "timestamp": item["end_timestamp"], "data": data}
        parent = {**span, "span_id": "1" * 16}
        span["parent_span_id"] = parent["span_id"]
        transaction = {"type": "transaction", "platform": "other", "transaction": item["name"],
                       "start_timestamp": item["start_timestamp"],
                       "timestamp": item["end_timestamp"], "contexts": {"trace": parent},
                       "spans": [span]}
        done = subprocess.run([RELAY, "-c", NORMALIZE], input=json.dumps(transaction), text=True,
                              stdout=subprocess.PIPE, check=True)
        event = json.loads(done.stdout)
        self.assertNotIn("errors", event)
        self.assertNotIn("_meta", event, "Sentry found something to complain about")
        got = event["spans"][0]
        self.assertEqual(got["op"], "gen_ai.chat")
        # What Sentry's AI views filter by: it has recognised the span.
        self.assertEqual(got["data"]["gen_ai.operation.type"], "ai_client")
        for key in ("gen_ai.provider.name", "gen_ai.request.model", "gen_ai.usage.input_tokens",
                    "gen_ai.input.messages"):
            self.assertEqual(got["data"].get(key), data.get(key), key)


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
