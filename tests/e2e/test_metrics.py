#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/metrics and /healthz of the real daemon after real calls, checked by Prometheus' own tool."""
import re
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from harness import CLIENTS, WorldCase, job, unpacked


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def samples(text):
    """{(name, frozenset of (label, value)): value}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
        found[(name, frozenset(pairs))] = float(value)
    return found


def total(found, metric, **labels):
    """Sum over all samples of the metric that have these labels."""
    wanted = set(labels.items())
    return sum(value for (name, pairs), value in found.items() if name == metric and wanted <= pairs)


class Metrics(WorldCase):
    def watched(self, port):
        config = self.world.dir / f"metrics-{port}.yaml"
        config.write_text(f"metrics: {{listen: '127.0.0.1:{port}'}}\n")
        return self.daemon("--config", config)

    def scrape(self, port, calls, seconds=10):
        deadline = time.time() + seconds
        while True:
            text = get(port, "/metrics")
            if total(samples(text), "llmtap_calls_total") >= calls or time.time() > deadline:
                return text
            time.sleep(0.1)

    def test_after_real_calls(self):
        port = free_port()
        daemon = self.watched(port)
        self.assertEqual(get(port, "/healthz"), "ok\n")
        plays = ["openai_json"] * 3 + ["openai_stream"] * 2 + ["anthropic_401", "anthropic_json"]
        jobs = [job(play) for play in plays]
        self.world.client(CLIENTS["python-http.client"], jobs, 1)
        daemon.wait(len(plays))
        text = self.scrape(port, len(plays))
        checked = subprocess.run([unpacked("prometheus", "usr/bin/promtool"), "check", "metrics"],
                                 input=text, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))

        found = samples(text)
        self.assertEqual(total(found, "llmtap_calls_total"), len(plays))
        self.assertEqual(total(found, "llmtap_calls_total", provider="openai", status="ok"), 5)
        self.assertEqual(total(found, "llmtap_call_errors_total", provider="anthropic",
                               http_status="401", **{"class": "auth"}), 1)
        self.assertEqual(total(found, "llmtap_call_duration_seconds_count"), len(plays))
        self.assertEqual(total(found, "llmtap_call_time_to_first_token_seconds_count",
                               provider="openai"), 2)
        self.assertGreater(total(found, "llmtap_tokens_total", **{"class": "output_visible"}), 0)
        self.assertGreater(total(found, "llmtap_cost_usd_total"), 0)
        for label in ["provider", "model", "service"]:
            values = {dict(pairs)[label] for name, pairs in found if name == "llmtap_calls_total"}
            self.assertNotIn("", values, label)
        # The store sums up the same.
        usage = {row["provider"]: row for row in daemon.usage("--by", "provider")}
        for provider in ["openai", "anthropic"]:
            self.assertEqual(usage[provider]["calls"],
                             total(found, "llmtap_calls_total", provider=provider))
            self.assertEqual(usage[provider]["errors"],
                             total(found, "llmtap_call_errors_total", provider=provider))
        self.assertAlmostEqual(usage["openai"]["cost_usd"],
                               total(found, "llmtap_cost_usd_total", provider="openai"), places=8)
        for one in jobs:
            self.assertNotIn(one["nonce"], text)
        self.assertNotIn("sk-e2e", text)

    def test_the_daemon_itself(self):
        port = free_port()
        daemon = self.watched(port)
        jobs = [job("openai_stream") for _ in range(20)]
        self.world.client(CLIENTS["python-asyncio"], jobs, 4)
        daemon.wait(len(jobs))
        found = samples(self.scrape(port, len(jobs)))
        self.assertEqual(total(found, "llmtap_records_total", outcome="complete"), len(jobs))
        for sink in ["store", "jsonl", "metrics"]:
            self.assertEqual(total(found, "llmtap_sink_calls_total", sink=sink), len(jobs), sink)
            self.assertEqual(total(found, "llmtap_sink_dropped_calls_total", sink=sink), 0, sink)
        self.assertEqual(total(found, "llmtap_store_calls_total", outcome="stored"), len(jobs))
        self.assertGreater(total(found, "llmtap_store_bytes"), 0)
        self.assertGreater(total(found, "llmtap_capture_bytes_total", outcome="delivered"), 0)
        self.assertGreaterEqual(total(found, "llmtap_processes", state="running"),
                                total(found, "llmtap_processes", state="hooked"))
        self.assertGreater(total(found, "llmtap_hooked_files"), 0)
        self.assertEqual(total(found, "llmtap_build_info"), 1)
        self.assertGreater(total(found, "process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(total(found, "process_cpu_seconds_total"), 0)
        self.assertLess(abs(total(found, "process_start_time_seconds") - time.time()), 120)

        # issued = delivered + withheld + lost, once nothing is on its way.
        deadline = time.time() + 5
        while time.time() < deadline:
            found = samples(get(port, "/metrics"))
            issued = total(found, "llmtap_capture_issued_bytes_total")
            accounted = total(found, "llmtap_capture_bytes_total")
            if issued == accounted:
                break
            time.sleep(0.2)
        self.assertGreater(issued, 0)
        self.assertEqual(issued, accounted)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            daemon = self.watched(port)
            self.assertIn(f"no metrics: 127.0.0.1:{port}: Address already in use",
                          daemon.log.read_text())
            call = job("openai_json")
            self.world.client(CLIENTS["curl"], [call], 1)
            self.assertEqual(len(daemon.wait(1)), 1)

    def test_other_pages(self):
        port = free_port()
        self.watched(port)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            get(port, "/etc/passwd")
        self.assertEqual(caught.exception.code, 404)


if __name__ == "__main__":
    unittest.main()
