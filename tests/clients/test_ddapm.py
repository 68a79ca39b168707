#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Datadog's own test agent (ddapm-test-agent, PyPI, by lock file) as the Agent: captured calls go from
the real daemon to its evp_proxy; what it recorded is compared with what the clients did.

Usage: test_ddapm.py prepare | test_ddapm.py [-v] [TEST...]
"""
import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import BINARY, CLIENTS, PYTHON, WorldCase, job, nonce_of  # noqa: E402

BUILD = pathlib.Path(os.environ.get("LLMTAP_CLIENTS", HERE.parents[1] / "build" / "clients"))


def prepare():
    """Installs the test agent by lock file; quick when it is there."""
    BUILD.mkdir(parents=True, exist_ok=True)
    if not (BUILD / "ddapm").exists():
        subprocess.run([PYTHON, "-m", "venv", BUILD / "ddapm"], check=True)
    subprocess.run([BUILD / "ddapm" / "bin" / "python", "-m", "pip", "install", "-q",
                    "--disable-pip-version-check", "-r", HERE / "ddapm" / "requirements.lock"],
                   check=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Agent:
    """The test agent, forwarding nothing."""

    def __init__(self, directory):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (directory / "agent.log").open("w")
        self.process = subprocess.Popen(
            [BUILD / "ddapm" / "bin" / "ddapm-test-agent", "--port", str(self.port),
             "--otlp-http-port", str(free_port()), "--otlp-grpc-port", str(free_port()),
             "--disable-llmobs-data-forwarding", "--max-requests", "10000"],
            cwd=directory, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.time() + 60
        while True:
            try:
                self.get("/info")
                return
            except OSError:
                assert self.process.poll() is None, "the test agent ended: see agent.log"
                assert time.time() < deadline, "the test agent does not answer"
                time.sleep(0.2)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def requests(self, ending):
        """Bodies and headers of what came in under a path."""
        return [(json.loads(base64.b64decode(one["body"])),
                 {name.lower(): value for name, value in one["headers"].items()})
                for one in self.get("/test/session/requests") if one["url"].endswith(ending)]

    def spans(self):
        return [(envelope, span) for body, _ in self.requests("/evp_proxy/v2/api/v2/llmobs")
                for envelope in body for span in envelope["spans"]]

    def metrics(self):
        return [metric for body, _ in self.requests("/api/intake/llm-obs/v2/eval-metric")
                for metric in body["data"]["attributes"]["metrics"]]

    def wait(self, read, count, seconds=30):
        deadline = time.time() + seconds
        while len(read()) < count and time.time() < deadline:
            time.sleep(0.2)
        return read()


class TestAgent(WorldCase):
    def setUp(self):
        self.agent = Agent(self.world.dir)
        self.addCleanup(self.agent.close)

    def run_daemon(self):
        config = self.world.dir / "ddapm.yaml"
        config.write_text("otlp: {enabled: false}\nmetrics: {listen: ''}\nevaluations:\n"
                          "  - {label: failed, when: 'status:error', assessment: fail}\n"
                          "  - {label: vendor, when: 'provider:anthropic', value: claude}\n"
                          "  - {label: points, when: 'stream:true', value: 0.75}\n")
        return self.daemon("--config", config, env={"DD_TRACE_AGENT_URL": self.agent.url,
                                                    "DD_LLMOBS_ML_APP": "shop", "DD_ENV": "test"})

    def test_spans_and_evaluations(self):
        self.run_daemon()  # which way, it finds out by the agent's /info
        plays = ["openai_json", "openai_stream", "anthropic_json", "anthropic_stream", "openai_401"]
        jobs = []
        for play in plays * 4:
            one = job("openai_json" if play == "openai_401" else play)
            one["headers"]["x-play"] = one["play"] = play
            jobs.append(one)
        results = self.world.client(CLIENTS["python-http.client"], jobs, 4)
        self.assertEqual(len(results), len(jobs))
        recorded = self.agent.wait(self.agent.spans, len(jobs))
        self.assertEqual(len(recorded), len(jobs))

        by_nonce = {}
        for envelope, span in recorded:
            self.assertEqual(envelope["event_type"], "span")
            self.assertEqual(envelope["_dd.stage"], "raw")
            self.assertEqual(len(envelope["spans"]), 1)
            self.assertRegex(span["span_id"], r"^[0-9]{1,20}$")
            self.assertRegex(span["trace_id"], r"^[0-9a-f]{32}$")
            self.assertIn("ml_app:shop", span["tags"])
            self.assertIn("env:test", span["tags"])
            by_nonce[nonce_of(span)] = span
        for one in jobs:
            span = by_nonce[one["nonce"]]
            failed = one["play"] == "openai_401"
            self.assertEqual(span["status"], "error" if failed else "ok")
            self.assertEqual(span["meta"]["model_provider"], one["play"].split("_")[0])
            if not failed:
                self.assertGreater(span["metrics"]["output_tokens"], 0)
                self.assertTrue(span["meta"]["output"]["messages"][0]["content"])
        for _, headers in self.agent.requests("/evp_proxy/v2/api/v2/llmobs"):
            self.assertEqual(headers["x-datadog-evp-subdomain"], "llmobs-intake")
            self.assertNotIn("dd-api-key", headers)

        expected = {}
        for one in jobs:
            span = by_nonce[one["nonce"]]
            key = span["span_id"], span["trace_id"]
            expected[(*key, "failed")] = ("boolean", span["status"] == "error")
            if span["meta"]["model_provider"] == "anthropic":
                expected[(*key, "vendor")] = ("categorical", "claude")
            if one["play"].endswith("stream"):
                expected[(*key, "points")] = ("score", 0.75)
        metrics = self.agent.wait(self.agent.metrics, len(expected))
        got = {}
        for metric in metrics:
            join = metric["join_on"]["span"]
            kind = metric["metric_type"]
            got[join["span_id"], join["trace_id"], metric["label"]] = (kind, metric[f"{kind}_value"])
            self.assertEqual(metric["ml_app"], "shop")
        self.assertEqual(got, expected)
        print(f"  {len(recorded)} spans, {len(metrics)} evaluation metrics, each joined to its span",
              flush=True)

    def submit(self, *arguments, env=None):
        return subprocess.run([str(BINARY), "eval", "submit", *map(str, arguments)], text=True,
                              env={**os.environ, "DD_TRACE_AGENT_URL": self.agent.url, **(env or {})},
                              stderr=subprocess.PIPE, timeout=60)

    def test_eval_submit(self):
        done = self.submit("--label", "helpful", "--value", "true", "--tag", "request_id:req_1",
                           "--ml-app", "shop", "--assessment", "pass", "--reasoning", "it was")
        self.assertEqual(done.returncode, 0, done.stderr)
        metric, = self.agent.metrics()
        self.assertEqual(metric["join_on"], {"tag": {"key": "request_id", "value": "req_1"}})
        self.assertEqual((metric["metric_type"], metric["boolean_value"]), ("boolean", True))
        self.assertEqual((metric["assessment"], metric["reasoning"]), ("pass", "it was"))
        self.assertLess(abs(metric["timestamp_ms"] / 1000 - time.time()), 60)
        _, headers = self.agent.requests("/api/intake/llm-obs/v2/eval-metric")[0]
        self.assertEqual(headers["x-datadog-evp-subdomain"], "api")

        for wrong in (["--label", "a.b", "--value", "1", "--tag", "a:b", "--ml-app", "x"],
                      ["--label", "a", "--value", "1", "--ml-app", "x"],
                      ["--label", "a", "--value", "1", "--span-id", "12", "--ml-app", "x"],
                      ["--label", "a", "--value", "1", "--tag", "a:b"]):
            with self.subTest(wrong):
                done = self.submit(*wrong)
                self.assertEqual(done.returncode, 1)
                self.assertIn("error", done.stderr)
        self.assertEqual(len(self.agent.metrics()), 1)

        gone = self.submit("--label", "a", "--value", "1", "--tag", "a:b", "--ml-app", "x",
                           "--timeout", "2s", env={"DD_TRACE_AGENT_URL": "http://127.0.0.1:1",
                                                   "DD_LLMOBS_AGENTLESS_ENABLED": "false"})
        self.assertEqual(gone.returncode, 1)


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
