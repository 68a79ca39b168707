#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every client kind, sequential and 50 at once: captured / issued must be 1.000, each span must say
what the client itself sent and received, and its first token must lie within 2 ms of the client's.

Usage: test_capture.py [CLIENT...]     LLMTAP_E2E_CALLS=200 calls per client and mode.
"""
import json
import os
import statistics
import sys
import unittest

from harness import CLIENTS, Daemon, WorldCase, job, recording

CALLS = int(os.environ.get("LLMTAP_E2E_CALLS", 200))
PLAYS = ["openai_stream", "anthropic_stream", "openai_json", "anthropic_json", "openai_tool_stream",
         "anthropic_tool_stream", "openai_tool_json", "openai_401", "anthropic_401"]
SECRETS = ["sk-e2e-0123456789", "sk-ant-e2e-0123456789"]
TTFT_LIMIT_MS = 2.0


def expected_text(play):
    """The assistant's text as a client library would put it together from the recording."""
    body = recording(play)["body"]
    if "data:" not in body:
        parsed = json.loads(body)
        if "choices" in parsed:
            return "".join(c["message"].get("content") or "" for c in parsed["choices"])
        return "".join(b.get("text", "") for b in parsed.get("content", []))
    text = ""
    for event in body.split("\n\n"):
        data = event[event.find("{"):]
        if data.startswith("{"):
            parsed = json.loads(data)
            delta = (parsed.get("choices") or [{}])[0].get("delta", parsed.get("delta", {}))
            text += delta.get("content") or delta.get("text") or ""
    return text


def output_text(event):
    return "".join(m.get("content") or "" for m in event["meta"]["output"]["messages"])


class Capture(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.running = Daemon(cls.world)

    def check_span(self, event, issued, result):
        super().check_span(event, issued, result)
        self.assertNotIn("observed:server", event["tags"], "only its server was seen")
        self.assertEqual(event["meta"]["model_provider"], issued["play"].split("_")[0])
        if recording(issued["play"])["status"] < 400:
            self.assertEqual(output_text(event).strip(), expected_text(issued["play"]).strip())

    def call(self, client, parallel):
        jobs = [job(PLAYS[i % len(PLAYS)], x_delay_ms=1) for i in range(CALLS)]
        return self.round(self.running, client, CLIENTS[client], jobs, parallel)

    def test_no_secret_left_the_process(self):
        # Runs last by name order only in part; the check is on all that was written so far.
        text = self.running.jsonl.read_text() if self.running.jsonl.exists() else ""
        for secret in SECRETS:
            self.assertNotIn(secret, text)
            for path in self.running.dir.iterdir():
                self.assertNotIn(secret.encode(), path.read_bytes(), path)


def add_tests(names):
    for name in names:
        def sequential(self, name=name):
            off = self.call(name, 1)
            self.assertLess(statistics.median(off), TTFT_LIMIT_MS)

        def parallel(self, name=name):
            self.call(name, 50)
        key = name.replace("-", "_").replace(".", "_")
        setattr(Capture, f"test_{key}_sequential", sequential)
        setattr(Capture, f"test_{key}_parallel", parallel)


if __name__ == "__main__":
    chosen = [a for a in sys.argv[1:] if a in CLIENTS]
    add_tests(chosen or CLIENTS)
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if a not in CLIENTS])
