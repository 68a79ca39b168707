#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that leave no CPU idle: captured / issued for calls and for bytes, what the daemon costs,
and that issued = parsed + withheld + dropped holds to the byte when it does not keep up.

LLMTAP_E2E_SATURATION=N: N calls per client (scripts/bench asks for more).
"""
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import unittest

import harness
from harness import BINARY, CLIENTS, HERE, PYTHON, WorldCase, job, nonce_of

CALLS = int(os.environ.get("LLMTAP_E2E_SATURATION", 600))
TICK = os.sysconf("SC_CLK_TCK")
SUMS = re.compile(r"TLS: (\d+) calls moved (\d+) bytes = (\d+) parsed \+ (\d+) not looked at \+ "
                  r"(\d+) withheld \+ (\d+) lost")


def sums(log):
    """The sums that the daemon logs at its end."""
    found = SUMS.search(log)
    assert found, f"no sums in the log: {log}"
    return dict(zip(("calls", "bytes", "parsed", "skipped", "withheld", "lost"),
                    map(int, found.groups())))


def usage(pid):
    """CPU seconds and resident MiB of a process."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
    return (int(words[11]) + int(words[12])) / TICK, rss


class Busy:
    """How busy the CPUs are, 0 to 1, from its start to its end."""

    @staticmethod
    def _read():
        words = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
        return sum(words), words[3] + words[4]

    def __enter__(self):
        self.before = self._read()
        return self

    def __exit__(self, *_):
        total, idle = (now - then for now, then in zip(self._read(), self.before))
        self.share = 1 - idle / max(total, 1)


class Saturation(WorldCase):
    def assert_balanced(self, got):
        self.assertEqual(got["bytes"],
                         got["parsed"] + got["skipped"] + got["withheld"] + got["lost"])

    def test_calls_of_the_whole_node(self):
        daemon = self.daemon()
        idle_rss = usage(daemon.process.pid)[1]
        jobs = {name: [job("openai_json" if i % 2 else "anthropic_stream") for i in range(CALLS)]
                for name in ("python-http.client", "node-https")}
        cpu = usage(daemon.process.pid)[0]
        start = time.time()
        with Busy() as busy:
            clients = [threading.Thread(target=self.world.client, args=(CLIENTS[name], todo, 8))
                       for name, todo in jobs.items()]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        took = time.time() - start
        issued = {one["nonce"] for todo in jobs.values() for one in todo}
        deadline = time.time() + 20
        while True:  # what else runs on this machine is seen as well
            events = [e for e in daemon.wait(2 * CALLS, 1) if nonce_of(e) in issued]
            # The server's end of a call may not be joined when the machine lags (e2e.gateway).
            seen = [nonce_of(e) for e in events if "observed:server" not in e["tags"]]
            if len(seen) >= 2 * CALLS or time.time() > deadline:
                break
        cpu = usage(daemon.process.pid)[0] - cpu
        rss = usage(daemon.process.pid)[1]
        daemon.stop()
        got = sums(daemon.log.read_text())
        for name, todo in jobs.items():
            captured = len({j["nonce"] for j in todo} & set(seen))
            print(f"  {name:20} captured {captured}/{CALLS} = {captured / CALLS:.3f}")
        print(f"  server's ends that were not joined: {len(events) - len(seen)}")
        gigabytes = got["bytes"] / 1e9
        print(f"  {2 * CALLS / took:.0f} calls/s, CPUs {busy.share:.0%} busy; daemon {cpu:.2f} s = "
              f"{cpu / gigabytes:.1f} s per GB of plaintext, {cpu / (2 * CALLS) * 1e6:.0f} us per "
              f"call; RSS {rss:.0f} MiB (idle {idle_rss:.0f})", flush=True)
        self.assertEqual(issued - set(seen), set())
        self.assertEqual(len(seen), 2 * CALLS, "a call must be one span")
        self.assert_balanced(got)
        self.assertEqual(got["lost"], 0)

    def run_command(self, *options):
        """One saturating program under `llmtap run -- CMD`: what it moved, and what was seen."""
        jobs = [job("openai_json") for _ in range(CALLS)]
        jsonl = self.world.dir / f"saturation-{len(os.listdir(self.world.dir))}.jsonl"
        command = [BINARY, "run", "--no-store", "--jsonl", jsonl, *options, "--",
                   *self.world.inside(PYTHON, HERE / "clients" / "saturating_client.py", 2, 4)]
        done = subprocess.run([str(c) for c in command], input="".join(
            json.dumps(one) + "\n" for one in jobs), env=self.world.environment(), text=True, capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        issued = next(json.loads(line) for line in done.stdout.splitlines()
                      if line.startswith('{"calls"'))
        return issued, sums(done.stderr), jsonl.read_text().splitlines()

    def test_bytes_of_one_program(self):
        issued, got, events = self.run_command()
        print(f"  bytes: seen {got['bytes']}/{issued['bytes']} = "
              f"{got['bytes'] / issued['bytes']:.6f}, parsed "
              f"{got['parsed'] / issued['bytes']:.6f}; calls {len(events)}/{issued['calls']}",
              flush=True)
        self.assertEqual(issued["calls"], CALLS)
        self.assertEqual(len(events), CALLS)
        self.assertEqual(got["bytes"], issued["bytes"])
        self.assertEqual(got["parsed"], issued["bytes"])
        self.assert_balanced(got)

    def test_sums_hold_when_the_ring_is_full(self):
        config = self.world.dir / "tiny.yaml"
        config.write_text("ring_size: 16KB\n")
        issued, got, events = self.run_command("--config", config)
        print(f"  a ring of 16 KiB: seen {got['bytes']}, parsed {got['parsed']}, lost {got['lost']}; "
              f"calls {len(events)}/{issued['calls']}", flush=True)
        self.assertGreater(got["lost"], 0, "nothing was dropped: this proves nothing")
        self.assertEqual(got["bytes"], issued["bytes"])
        self.assert_balanced(got)


if __name__ == "__main__":
    unittest.main()
