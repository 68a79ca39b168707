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

import harness
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
        cls.seen = 0

    def check_event(self, event, issued, result):
        recorded = recording(issued["play"])
        self.assertNotIn("observed:server", event["tags"], "only its server was seen")
        self.assertEqual(result["received"], recorded["body"])
        self.assertEqual(event["meta"]["model_provider"], issued["play"].split("_")[0])
        self.assertEqual(event["status"], "ok" if recorded["status"] < 400 else "error")
        if recorded["status"] < 400:
            self.assertEqual(output_text(event).strip(), expected_text(issued["play"]).strip())
            self.assertGreater(event["metrics"]["output_tokens"], 0)
        self.assertGreaterEqual(event["start_ns"] + 2_000_000, result["start_ns"])
        self.assertLessEqual(event["start_ns"] + event["duration"], result["end_ns"] + 2_000_000)

    def round(self, client, parallel):
        plays = [PLAYS[i % len(PLAYS)] for i in range(CALLS)]
        jobs = [job(play, x_delay_ms=1) for play in plays]
        results = self.world.client(CLIENTS[client], jobs, parallel)
        self.assertEqual(len(results), CALLS, "the client itself failed")
        type(self).seen += CALLS
        by_nonce = {}
        for event in self.running.wait(self.seen):
            by_nonce.setdefault(harness.nonce_of(event), []).append(event)
        captured = [j for j in jobs if j["nonce"] in by_nonce]
        doubled = [j for j in captured if len(by_nonce[j["nonce"]]) > 1]
        off = []
        for issued in captured:
            event, result = by_nonce[issued["nonce"]][0], results[issued["nonce"]]
            self.check_event(event, issued, result)
            ttft = event["metrics"].get("time_to_first_token")
            if ttft is not None and issued["play"].endswith("stream"):
                off.append(abs(event["start_ns"] + ttft * 1e9 - result["first_ns"]) / 1e6)
        print(f"  {client:20} x{parallel:<3} captured {len(captured)}/{len(jobs)} = "
              f"{len(captured) / len(jobs):.3f}  ttft off by median {statistics.median(off):.2f} ms, "
              f"p99 {sorted(off)[int(len(off) * 0.99)]:.2f} ms, max {max(off):.2f} ms", flush=True)
        self.assertEqual(len(captured), len(jobs))
        self.assertEqual(doubled, [], "a call must be one span")
        return off

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
            off = self.round(name, 1)
            self.assertLess(statistics.median(off), TTFT_LIMIT_MS)

        def parallel(self, name=name):
            self.round(name, 50)
        key = name.replace("-", "_").replace(".", "_")
        setattr(Capture, f"test_{key}_sequential", sequential)
        setattr(Capture, f"test_{key}_parallel", parallel)


if __name__ == "__main__":
    chosen = [a for a in sys.argv[1:] if a in CLIENTS]
    add_tests(chosen or CLIENTS)
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if a not in CLIENTS])
