#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Go's own HTTP/2, a Go WebSocket library and libcurl's WebSocket as peers, through the daemon.

Usage: test_peers.py prepare | test_peers.py [-v] [TEST...]
"""
import json
import shutil
import subprocess
import sys
import time
import unittest

from test_stacks import BUILD, HERE, SOURCE, python_of, venv
from harness import WorldCase, job, nonce_of, recording
from stack_case import StackCase
from test_capture import output_text

PEERS = BUILD / "go-peers"


def prepare():
    if not shutil.which("go"):
        sys.exit("the peer tests need Go 1.26+")
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(PEERS), "./peers"],
                   cwd=HERE / "go", check=True)
    venv("python", "requirements.lock")


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


def spoken():
    """What the recorded Responses stream says: its text and what it counts."""
    events = [json.loads(line[6:]) for line in recording("responses_stream")["body"].splitlines()
              if line.startswith("data: {")]
    usage = events[-1]["response"]["usage"]
    return ("".join(event["delta"] for event in events if event["type"].endswith("text.delta")),
            usage["input_tokens"], usage["output_tokens"])


class Libcurl(StackCase):
    """Responses over libcurl's WebSocket. Debian's libcurl is built without."""

    def talk(self, stack, library, file, query):
        """Jobs, what the client did, and what daemon and server had seen before. The fork's client
        hangs in one of some 30 connections on a busy machine: the first message never arrives, with no
        daemon as well: then another begins. Upstream's has one try."""
        for last in [True] if stack == "pycurl" else [False, False, True]:
            before, asked = len(self.running.events()), len(self.world.requests())
            jobs = [job("openai_json", prompt="curl says: grüß Gott " * size) for size in
                    (1, 10, 100, 1_000, 4_000, 1, 10, 100, 1_000)]
            process = self.start([python_of("python"), SOURCE / "curl_websocket.py", stack, *query])
            self.wait_for_library(process, library, file)
            lines = "".join(json.dumps(j) + "\n" for j in jobs).encode()
            try:
                out, err = process.communicate(lines, 20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                if last or len(self.world.requests()) > asked:
                    raise
                print(f"  {stack} {' '.join(query)}: nothing arrived, again", flush=True)
                time.sleep(1)  # a span of it would come now
                continue
            results = {r["nonce"]: r for r in map(json.loads, out.splitlines())}
            self.assertEqual(set(results), {j["nonce"] for j in jobs}, err.decode()[-2000:])
            return jobs, results, before, asked

    def check_socket(self, stack, library, file, query, sent):
        """Calls over one connection: each is one span, word for word. `sent`: how the server saw the
        messages, as (frames, compressed by the client, compression agreed)."""
        jobs, results, before, asked = self.talk(stack, library, file, query)
        seen = [(r["frames"], r["packed"], r["deflate"]) for r in self.world.requests()[asked:]]
        self.assertEqual(seen, [sent[i % len(sent)] for i in range(len(jobs))])

        events = self.running.wait(before + len(jobs))[before:]
        print(f"  {stack} {' '.join(query)}: {len(events)} spans of {len(jobs)} calls", flush=True)
        self.assertEqual(nonces(events), sorted(results))
        said, tokens_in, tokens_out = spoken()
        by_nonce = {nonce_of(event): event for event in events}
        for issued in jobs:
            event = by_nonce[issued["nonce"]]
            self.assertNotIn("observed:server", event["tags"], "only its server was seen")
            self.assertEqual(event["status"], "ok")
            self.assertEqual([m["content"] for m in event["meta"]["input"]["messages"]],
                             [json.loads(issued["body"])["messages"][0]["content"]])
            self.assertEqual(output_text(event), said)
            self.assertEqual(event["metrics"]["input_tokens"], tokens_in)
            self.assertEqual(event["metrics"]["output_tokens"], tokens_out)

    def test_upstream(self):
        self.check_socket("pycurl", "OpenSSL", "pycurl.libs/", [],
                          [(1, False, False), (3, False, False), (1, False, False)])

    def test_impersonating(self):
        for query in ("deflate=context", "deflate=none"):
            with self.subTest(query):
                self.check_socket("curl_cffi", "BoringSSL", "curl_cffi", [query],
                                  [(1, True, True)])


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
