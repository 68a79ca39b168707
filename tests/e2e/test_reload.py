#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: the configuration changes under a running daemon; connections, calls and records do not
notice. An invalid configuration is refused."""
import json
import os
import signal
import subprocess
import threading
import time
import unittest

from harness import BINARY, CLIENTS, Daemon, WorldCase, job, nonce_of


class ConfiguredDaemon(Daemon):
    """Its destinations come from a file that a test rewrites."""

    def start(self):
        self.config = self.dir / "llmtap.yaml"
        self.write("a.jsonl")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "run", "--config", str(self.config), "--no-store"], stdout=log,
                stderr=subprocess.STDOUT, env=dict(os.environ))
        self.world.processes.append(self.process)
        self.until("watching", 0, 30)

    def write(self, jsonl, more=""):
        self.config.write_text(f"jsonl: {{path: '{self.dir / jsonl}'{more}}}\n"
                               f"metrics: {{listen: ''}}\n"
                               f"delivery: {{spool_dir: '{self.dir / 'spool'}'}}\n")

    def until(self, said, before, seconds=10):
        deadline = time.time() + seconds
        while self.log.read_text().count(said) <= before:
            assert self.process.poll() is None, f"the daemon ended: {self.log.read_text()}"
            assert time.time() < deadline, f"no '{said}' in: {self.log.read_text()}"
            time.sleep(0.02)

    def reload(self, said="configuration reloaded"):
        before = self.log.read_text().count(said)
        self.process.send_signal(signal.SIGHUP)
        self.until(said, before)

    def lines(self, name, count=0, seconds=10):
        """Span events in a file, once there are `count`."""
        path = self.dir / name
        deadline = time.time() + seconds
        while True:
            text = path.read_text() if path.exists() else ""
            events = [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]
            if len(events) >= count or time.time() > deadline:
                return events
            time.sleep(0.05)


class Reload(WorldCase):
    def configured(self):
        daemon = ConfiguredDaemon(self.world)
        self.addCleanup(daemon.stop)
        return daemon

    def one_call(self, daemon, name="a.jsonl"):
        """A call, and the events that it leaves in the file."""
        call = job("openai_json")
        self.world.client(CLIENTS["curl"], [call], 1)
        return call["nonce"], daemon.lines(name, 1)

    def test_a_stream_goes_on_and_ends_at_the_new_destination(self):
        daemon = self.configured()
        first, stream, last = job("openai_json"), job("openai_stream", x_delay_ms=100), job("openai_json")
        results = {}
        # One connection for all three.
        calls = threading.Thread(target=lambda: results.update(self.world.client(
            CLIENTS["python-asyncio"], [first, stream, last], 1)))
        asked = len(self.world.requests())
        calls.start()
        self.assertEqual({nonce_of(e) for e in daemon.lines("a.jsonl", 1)}, {first["nonce"]})
        while len(self.world.requests()) < asked + 2 and calls.is_alive():
            time.sleep(0.02)
        daemon.write("b.jsonl")
        daemon.reload()
        self.assertTrue(calls.is_alive(), "the stream ended before the reload")
        calls.join()
        events = daemon.lines("b.jsonl", 2)
        self.assertEqual([nonce_of(e) for e in events], [stream["nonce"], last["nonce"]])
        self.assertIn("time_to_first_token", events[0]["metrics"])
        self.assertFalse([t for t in events[0]["tags"] if t.startswith(("end:", "partial"))])
        self.assertEqual(len(daemon.lines("a.jsonl")), 1)
        self.assertEqual([results[j["nonce"]]["status"] for j in (first, stream, last)], [200] * 3)

    def test_what_is_wrong_is_refused(self):
        daemon = self.configured()
        daemon.config.write_text("jsonl:\n  path: /nowhere\n  colour: red\n")
        daemon.reload("reload refused")
        self.assertIn(f"reload refused: {daemon.config}:3: jsonl.colour: unknown key; "
                      "the former configuration stays", daemon.log.read_text())
        nonce, events = self.one_call(daemon)
        self.assertEqual([nonce_of(e) for e in events], [nonce])

    def test_a_destination_that_cannot_be_opened(self):
        daemon = self.configured()
        daemon.write("missing/directory/b.jsonl")
        daemon.reload("the former destination stays")
        nonce, events = self.one_call(daemon)
        self.assertEqual([nonce_of(e) for e in events], [nonce])

    def test_content_policy_holds_at_once(self):
        daemon = self.configured()
        daemon.write("a.jsonl", ", content: none")
        daemon.reload()
        nonce, events = self.one_call(daemon)
        self.assertEqual(len(events), 1)
        self.assertNotIn(nonce, json.dumps(events))

    def test_reloads_under_load(self):
        daemon = self.configured()
        jobs = [job("openai_json", x_first_delay_ms=50) for _ in range(200)]
        load = threading.Thread(target=lambda: self.world.client(CLIENTS["python-asyncio"], jobs, 8))
        load.start()
        during = 0
        for name in ["b.jsonl", "c.jsonl", "a.jsonl"] * 3:
            time.sleep(0.1)
            daemon.write(name)
            daemon.reload()
            during += load.is_alive()
        load.join()
        time.sleep(1)
        daemon.stop()
        seen = [nonce_of(e) for name in ["a.jsonl", "b.jsonl", "c.jsonl"] for e in daemon.lines(name)]
        print(f"  {during} reloads within {len(jobs)} calls; {len(seen)} records", flush=True)
        self.assertGreater(during, 2)
        self.assertEqual(sorted(seen), sorted(j["nonce"] for j in jobs))


if __name__ == "__main__":
    unittest.main()
