#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A process that is busy with TLS and never speaks to an LLM loses its probes and pays nothing; the
others, also those that start then, are seen as ever. A process that is hooked and sends past its
probes is reported. Both can be asked for.
"""
import json
import subprocess
import time
import unittest

import harness
from harness import BINARY, CLIENTS, PYTHON, WorldCase, job, nonce_of

PINGPONG = BINARY.parent / "tls_pingpong"


class PingPong:
    """Two ends in one process, as fast as it can; the system's libssl."""

    def __init__(self):
        self.process = subprocess.Popen([PINGPONG], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.ask("new")

    def tell(self, command):
        self.process.stdin.write(command + "\n")

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, command):
        self.tell(command)
        return self.answer()

    def ns_per_call(self):
        return float(self.ask("bench 512 400"))

    def end(self):
        self.process.communicate()


class Unhook(WorldCase):
    def wait_for(self, daemon, text, seconds):
        deadline = time.time() + seconds
        while text not in daemon.log.read_text():
            if time.time() > deadline:
                self.fail(f"no '{text}': {daemon.log.read_text()}")
            time.sleep(0.1)

    def test_busy_process_pays_nothing(self):
        self.assertTrue(PINGPONG.exists(), "tls_pingpong is not built")
        busy = PingPong()
        self.addCleanup(busy.end)
        # Others' probes in libssl go first: they would be measured.
        bare = min(busy.ns_per_call() for _ in range(3))
        config = self.world.dir / "unhook.yaml"
        config.write_text("unhook: {calls_per_second: 1000, after: 2s, retry: 60s}\n")
        daemon = self.daemon("--config", config)
        hooked = busy.ns_per_call()
        busy.tell("bench 512 8000")
        self.wait_for(daemon, f"left unhooked: tls_pingpong (pid {busy.process.pid})", 8)
        self.assertTrue(busy.answer())
        unhooked = busy.ns_per_call()
        print(f"  ns per TLS call: {bare:.0f} bare, {hooked:.0f} hooked, {unhooked:.0f} unhooked",
              flush=True)
        self.assertGreater(hooked, bare + 300, "it was not hooked: this proves nothing")
        self.assertLess(unhooked - bare, 0.15 * (hooked - bare))

        report = json.loads(subprocess.run(
            [BINARY, "doctor", "--json", str(busy.process.pid)], stdout=subprocess.PIPE,
            text=True).stdout)
        self.assertIn("left unhooked", report["processes"][0]["note"])

        # Processes that start now share the library.
        jobs = [job("openai_json") for _ in range(20)]
        for one in jobs:
            self.world.client(CLIENTS["curl"], [one], 1)
        events = daemon.wait(20)
        seen = {nonce_of(event) for event in events}
        print(f"  captured of 20 processes started meanwhile: {len(seen)}", flush=True)
        self.assertEqual(seen, {one["nonce"] for one in jobs})
        self.assertNotIn("unmatched_return", daemon.log.read_text())

    def test_attached_but_silent(self):
        config = self.world.dir / "silent.yaml"
        config.write_text("unhook: {after: 500ms}\n")  # looks at everything more often
        daemon = self.daemon("--config", config)
        process = subprocess.Popen([PYTHON, "-c", SILENT], stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        name = f"(pid {process.pid})"
        self.wait_for(daemon, f"{name} sends over HTTPS and none of its probes sees it", 30)
        self.assertEqual(daemon.log.read_text().count(name), 1)
        report = json.loads(subprocess.run(
            [BINARY, "doctor", "--json", str(process.pid)], stdout=subprocess.PIPE,
            text=True).stdout)
        self.assertIn("attached but silent", report["processes"][0]["note"])


# Maps a TLS library that is hooked, and sends to port 443 without it, until stdin ends.
SILENT = """
import select, socket, ssl, sys
listener = socket.create_server(("127.0.0.77", 443))
sender = socket.create_connection(("127.0.0.77", 443))
receiver = listener.accept()[0]
while not select.select([sys.stdin], [], [], 0.2)[0]:
    sender.sendall(b"x" * 1000)
    receiver.recv(4096)
"""


if __name__ == "__main__":
    unittest.main()
