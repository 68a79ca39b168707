#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Go's own HTTP/2 and a Go WebSocket library as peers, through the daemon.

Usage: test_peers.py prepare | test_peers.py [-v] [TEST...]
"""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import WorldCase, job, nonce_of  # noqa: E402

BUILD = pathlib.Path(os.environ.get("LLMTAP_CLIENTS", HERE.parents[1] / "build" / "clients"))
PEERS = BUILD / "go-peers"


def prepare():
    if not shutil.which("go"):
        sys.exit("the peer tests need Go 1.26+")
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(PEERS), "./peers"],
                   cwd=HERE / "go", check=True)


def nonces(events):
    return sorted(nonce_of(event) or "?" for event in events)


class Peers(WorldCase):
    def test_http2_multiplexed(self):
        daemon = self.daemon()
        self.world.client([PEERS, "http2"], [job("openai_json")], 1)  # a new binary is analysed
        before = len(daemon.wait(1, 3))
        jobs = [job(("openai_stream", "anthropic_stream", "openai_json")[i % 3], x_delay_ms=2)
                for i in range(150)]
        results = self.world.client([PEERS, "http2"], jobs, 50)
        self.assertEqual(len(results), 150, "the client itself failed")
        self.assertEqual({r["major"] for r in results.values()}, {2})
        events = daemon.wait(before + 150)[before:]
        self.assertEqual(nonces(events), sorted(results))

    def test_websocket_deflate(self):
        daemon = self.daemon()
        done = 0
        for query in ("deflate=context", "deflate=none"):
            with self.subTest(query):
                jobs = [job("openai_json") for _ in range(5)]
                results = self.world.client([PEERS, "websocket", query], jobs, 1)
                self.assertEqual(len(results), 5, "the client itself failed")
                events = daemon.wait(done + 5)[done:]
                done += len(events)
                self.assertEqual(nonces(events), sorted(results))
                for event in events:
                    usage = results[nonce_of(event)]["usage"]
                    self.assertEqual(event["metrics"]["output_tokens"], usage["output_tokens"])


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
