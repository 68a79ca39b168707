#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Daemon and processes coming and going: first calls of binaries never seen before, kill -9 under
load, cut and cancelled streams, both ends on one node, mixed keep-alive connections, one command.
"""
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import unittest

import harness
from harness import CLIENTS, HERE, PYTHON, Daemon, WorldCase, job, nonce_of, seen_at_client

FRESH_RUNS = int(os.environ.get("LLMTAP_E2E_FRESH", 200))


def nonces(events):
    return {nonce_of(event) for event in events}


class Lifecycle(WorldCase):
    def fresh(self, binary, make_command, runs):
        """Runs `runs` fresh copies of `binary`, one call each; returns the captured share."""
        daemon = self.daemon()
        issued = set()
        for number in range(runs):
            copy = self.world.dir / f"fresh-{number}"
            shutil.copy2(binary, copy)
            one = job("openai_json")
            done = self.world.client(make_command(copy), [one], 1)
            self.assertIn(one["nonce"], done, "the client itself failed")
            issued.add(one["nonce"])
            copy.unlink()
        captured = issued & nonces(seen_at_client(daemon.wait(runs)))
        print(f"  fresh copies of {binary.name}: captured {len(captured)}/{runs}", flush=True)
        return len(captured) / runs

    def test_fresh_curl(self):
        curl = pathlib.Path(shutil.which("curl")).resolve()
        share = self.fresh(curl, lambda copy: CLIENTS["curl"] + ["--curl", copy], FRESH_RUNS)
        self.assertEqual(share, 1.0)  # libssl is hooked before the copy ever runs

    def test_fresh_python(self):
        python = pathlib.Path(PYTHON).resolve()
        share = self.fresh(python, lambda copy: [copy, HERE / "clients" / "http_client.py"],
                           max(1, FRESH_RUNS // 4))
        self.assertEqual(share, 1.0)  # likewise

    def test_fresh_node(self):
        node = pathlib.Path(shutil.which("node")).resolve()
        share = self.fresh(node, lambda copy: [copy, HERE / "clients" / "https_client.js"],
                           max(1, FRESH_RUNS // 4))
        self.assertGreaterEqual(share, 0.9)

    def test_kill_9_under_load(self):
        daemon = Daemon(self.world)
        jobs = [job("openai_stream", x_delay_ms=3) for _ in range(400)]
        results = {}
        load = threading.Thread(
            target=lambda: results.update(self.world.client(CLIENTS["python-asyncio"], jobs, 8)))
        load.start()
        while len(daemon.events()) < 20:
            time.sleep(0.05)
        daemon.stop(signal.SIGKILL)
        before = nonces(daemon.events())
        time.sleep(0.3)
        again = Daemon(self.world)
        self.addCleanup(again.stop)
        load.join()
        self.assertEqual(len(results), len(jobs), "a client noticed")
        self.assertTrue(all(r["status"] == 200 for r in results.values()))
        after = nonces(again.wait(len(jobs) - len(before) - 60, 5))
        print(f"  kill -9: {len(results)} calls fine, {len(before)} captured before, {len(after)} "
              f"after the restart, on the same 8 connections", flush=True)
        # The last calls run on connections that are older than the second daemon.
        self.assertGreaterEqual(len(after & {j["nonce"] for j in jobs[-50:]}), 50)

    def test_cut_and_cancelled_streams(self):
        daemon = self.daemon()
        cut = job("openai_stream", x_cut_after=4)
        self.world.client(CLIENTS["python-http.client"], [cut], 1)
        events = daemon.wait(1, 5)
        self.assertEqual(nonces(events), {cut["nonce"]})
        cancelled = job("anthropic_stream", x_delay_ms=200)
        command = CLIENTS["curl"][:1] + ["-c", CANCELLING_CLIENT, json.dumps(cancelled)]
        subprocess.run(self.world.inside(*command), env=self.world.environment(), check=True)
        events = daemon.wait(2, 3)
        self.assertEqual(nonces(events), {cut["nonce"], cancelled["nonce"]})
        ends = {nonce_of(e): [t for t in e["tags"] if t.startswith("end:")] for e in events}
        self.assertEqual(ends[cut["nonce"]], ["end:truncated"])
        self.assertEqual(ends[cancelled["nonce"]], ["end:cancelled"])

    def test_mixed_keep_alive(self):
        daemon = self.daemon()
        calls = [job("openai_json") for _ in range(10)]
        command = [PYTHON, "-c", MIXED_CLIENT, json.dumps(calls)]
        subprocess.run(self.world.inside(*command), env=self.world.environment(), check=True)
        events = daemon.wait(10)
        self.assertEqual(nonces(events), {c["nonce"] for c in calls})
        self.assertEqual(len(events), 10)

    def test_unknown_gateway(self):
        daemon = self.daemon()
        call = job("openai_json")
        call["host"] = "gateway.example.internal"
        call["path"] = "/llm/proxy/v1/chat/completions"
        self.world.client(CLIENTS["python-http.client"], [call], 1)
        self.assertEqual(nonces(daemon.wait(1)), {call["nonce"]})

    def test_server_end_when_nobody_is_its_client(self):
        port = 8443
        server = [harness.BINARY, "run", "--jsonl", self.world.dir / "server.jsonl", "--db",
                  self.world.dir / "server.db", "--", "node", HERE / "provider_server.js", "--port",
                  port, "--cert", self.world.dir / "cert.pem", "--key", self.world.dir / "key.pem"]
        log = (self.world.dir / "server.log").open("w")
        process = self.world.spawn(*server, stdout=log, stderr=log)
        call = job("openai_json")
        call["port"] = port
        deadline = time.time() + 20
        while "ready" not in (self.world.dir / "server.log").read_text():
            self.assertLess(time.time(), deadline, "the server under `llmtap run --` is not up")
            time.sleep(0.1)
        self.assertIn(call["nonce"], self.world.client(CLIENTS["python-asyncio"], [call], 1))
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        events = [json.loads(l) for l in (self.world.dir / "server.jsonl").read_text().splitlines()]
        self.assertEqual(nonces(events), {call["nonce"]})
        self.assertIn("observed:server", events[0]["tags"])

    def test_only_the_command(self):
        out = self.world.dir / "only.jsonl"
        inside, outside = job("openai_json"), job("openai_json")
        script = self.world.dir / "jobs"
        script.write_text(json.dumps(inside) + "\n")
        client = " ".join(map(str, CLIENTS["python-http.client"]))
        command = [harness.BINARY, "run", "--jsonl", out, "--db", self.world.dir / "only.db", "--",
                   "sh", "-c", f"sleep 1; {client} 1 < {script}"]
        process = self.world.spawn(*command, stdout=subprocess.DEVNULL)
        while not out.exists() and process.poll() is None:
            time.sleep(0.05)
        self.world.client(CLIENTS["python-http.client"], [outside], 1)
        process.wait(20)
        events = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual(nonces(events), {inside["nonce"]})

    def test_in_the_store_within_a_second(self):
        daemon = self.daemon()
        call = job("anthropic_json")
        result = self.world.client(CLIENTS["curl"], [call], 1)[call["nonce"]]
        while not daemon.events() and time.time_ns() - result["end_ns"] < 5e9:
            time.sleep(0.01)
        age = (time.time_ns() - result["end_ns"]) / 1e9
        print(f"  exported {age * 1000:.0f} ms after the client was done", flush=True)
        self.assertLess(age, 1.0)
        while len(daemon.calls()) < 1 and time.time_ns() - result["end_ns"] < 5e9:
            time.sleep(0.05)
        rows = daemon.calls()
        self.assertEqual(len(rows), 1)
        self.assertLess((time.time_ns() - result["end_ns"]) / 1e9, 2.0)

    def test_idle_with_200_processes(self):
        idlers = [subprocess.Popen([PYTHON, "-c", "import ssl, time; time.sleep(60)"])
                  for _ in range(200)]
        self.addCleanup(lambda: [p.kill() for p in idlers] + [p.wait() for p in idlers])
        time.sleep(8)
        daemon = self.daemon()
        time.sleep(2)
        stat = pathlib.Path(f"/proc/{daemon.process.pid}/stat")

        def cpu():
            fields = stat.read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = cpu()
        time.sleep(10)
        used = (cpu() - before) / 10 * 100
        status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        rss = int(next(l for l in status.splitlines() if l.startswith("VmRSS")).split()[1]) / 1024
        print(f"  idle, 200 processes with libssl: {used:.2f} % of a core, RSS {rss:.0f} MiB",
              flush=True)
        self.assertLess(used, 2.0)
        self.assertLess(rss, 300)


CANCELLING_CLIENT = """
import http.client, json, ssl, sys
job = json.loads(sys.argv[1])
conn = http.client.HTTPSConnection(job["host"], job["port"], context=ssl.create_default_context())
conn.request("POST", job["path"], job["body"].encode(), job["headers"])
response = conn.getresponse()
while b"text_delta" not in response.read1(65536):
    pass
response.close()
conn.close()
"""

MIXED_CLIENT = """
import http.client, json, ssl, sys
conn = None
for job in json.loads(sys.argv[1]):
    conn = conn or http.client.HTTPSConnection(job["host"], job["port"],
                                               context=ssl.create_default_context())
    conn.request("GET", "/index.html")
    conn.getresponse().read()
    conn.request("POST", "/api/event_logging/batch", b'{"events": [' + b'0,' * 50000 + b'0]}')
    conn.getresponse().read()
    conn.request("POST", job["path"], job["body"].encode(), job["headers"])
    conn.getresponse().read()
"""

if __name__ == "__main__":
    unittest.main()
