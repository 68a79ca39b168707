#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A thousand calls with known keys, cookies and tokens in headers, URLs, prompts, tool arguments, tool
results, streamed answers and error bodies: none is in store, spool, logs, exports or metrics.
"""
import base64
import json
import pathlib
import socket
import sqlite3
import time
import unittest
import urllib.request
import uuid

from harness import CLIENTS, WorldCase, job
from receiver import Receiver

CALLS = 1000
SERVICE = "canary-client"
# 16 characters that a key id may have too; every canary has it in its secret part.
MARK = "CNRY" + uuid.uuid4().hex[:12].upper()
TAIL = "aB3dE5fG7hJ9kL1mN"
BASIC = base64.b64encode(f"user:{MARK}".encode()).decode()

# In texts: each a secret in the form in which people paste it.
TEXTS = [
    f"sk-{MARK}{TAIL}", f"sk-proj-{MARK}-{TAIL}", f"sk-ant-api03-{MARK}{TAIL}", f"AIza{MARK}{TAIL}ab",
    f"gsk_{MARK}{TAIL}", f"hf_{MARK}{TAIL}", f"ghp_{MARK}{TAIL}", f"github_pat_{MARK}_{TAIL}",
    f"xoxb-12345-{MARK}", f"AKIA{MARK}", f"eyJhbGciOi{MARK}.eyJzdWIi{MARK}.{MARK}",
    f"-----BEGIN PRIVATE KEY-----\n{MARK}\n-----END PRIVATE KEY-----",
    f"Authorization: Bearer {MARK}{TAIL}", f"Authorization: Basic {BASIC}",
    f"Cookie: sid={MARK}; theme=dark", f"Set-Cookie: sid={MARK}; Path=/; HttpOnly",
    f'{{"api_key": "{MARK}{TAIL}"}}', f"AWS_SECRET_ACCESS_KEY={MARK}{TAIL}abcdefg",
    f"password={MARK}", f"postgres://app:{MARK}@db/x", f"https://x.example/?key={MARK}{TAIL}&a=1",
    f"https://s3.example/o?X-Amz-Signature={MARK}{TAIL}", f"GITHUB_TOKEN={MARK}{TAIL}",
    f"AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature={MARK}{TAIL}",
]
PLAYS = ["openai_json", "openai_stream", "openai_tool_json", "openai_tool_stream", "anthropic_json",
         "anthropic_stream", "anthropic_tool_stream", "canary_tool", "canary_stream", "canary_error"]


def make_job(number):
    play = PLAYS[number % len(PLAYS)]
    secret = TEXTS[number % len(TEXTS)]
    kind = play if not play.startswith("canary") else "openai_" + play.split("_")[1]
    one = job("anthropic_json" if kind.startswith("anthropic") else "openai_json",
              prompt=f"what is {secret} for?")
    one["content_mark"] = "never"
    body = json.loads(one["body"])
    body["stream"] = play.endswith("stream")
    body["metadata"] = {"note": secret}
    if kind.startswith("openai"):
        body["messages"] = [{"role": "system", "content": f"use {secret}"}] + body["messages"][:-1] + [
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {
                    "name": "fetch", "arguments": json.dumps({"headers": secret, "n": 1})}}]},
            {"role": "tool", "tool_call_id": "c1", "content": f"$ env\n{secret}\n"},
        ] + body["messages"][-1:]
        body["tools"] = [{"type": "function", "function": {
            "name": "fetch", "description": f"e.g. with {secret}", "parameters": {
                "type": "object", "properties": {"headers": {"type": "string", "default": secret}}}}}]
    one["body"] = json.dumps(body)
    one["path"] += ["", f"?key={MARK}{TAIL}", f"?api_key={MARK}{TAIL}&x=1",
                    f"?access_token={MARK}{TAIL}"][number % 4]
    one["headers"].update({
        "x-play": play, "x-canary": f"sk-{MARK}{TAIL}", "Authorization": f"Bearer sk-{MARK}{TAIL}",
        "Cookie": f"session={MARK}", "x-api-key": f"{MARK}{TAIL}", "x-goog-api-key": f"AIza{MARK}{TAIL}",
        "Proxy-Authorization": f"Basic {BASIC}", "api-key": f"{MARK}{TAIL}",
        "x-amz-security-token": f"{MARK}{TAIL}"})
    return one


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Canary(WorldCase):
    def check_clean(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        for needle in (MARK.encode(), MARK.lower().encode(), BASIC.encode()):
            at = data.find(needle)
            self.assertEqual(at, -1, f"{name} has a canary: {data[max(0, at - 200):at + 60]!r}")

    def check_files(self, directory):
        count = 0
        for file in pathlib.Path(directory).rglob("*"):
            if file.is_file():
                count += 1
                self.check_clean(file.name, file.read_bytes())
        self.assertGreater(count, 0, directory)

    def test_nowhere(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        receiver.status = 503  # so that everything goes through the spools
        port = free_port()
        config = self.world.dir / "canary.yaml"
        config.write_text(
            f"datadog: {{enabled: true, agent_url: '{receiver.url}'}}\n"
            f"otlp: {{endpoint: '{receiver.url}', protocol: http/json, content: full, events: true,"
            f" content_on: both}}\n"
            f"sentry: {{dsn: 'http://key@127.0.0.1:{receiver.port}/1', content: full}}\n"
            f"evaluations: [{{label: failed, when: 'status:error'}}]\n"
            f"metrics: {{listen: '127.0.0.1:{port}'}}\n")
        daemon = self.daemon("--config", config)
        jobs = [make_job(number) for number in range(CALLS)]
        results = self.world.client(CLIENTS["python-http.client"], jobs, 8, {"DD_SERVICE": SERVICE})
        self.assertEqual(len(results), CALLS, "the client itself failed")
        # Whatever else runs on this machine is seen as well.
        events = [e for e in daemon.wait(CALLS, 60) if f"service:{SERVICE}" in e["tags"]]
        self.assertEqual(len(events), CALLS)
        emitted = {event["span_id"] for event in events}
        time.sleep(1)
        spool = pathlib.Path(str(daemon.db) + ".spool")
        spooled = sum(file.stat().st_size for file in spool.rglob("*.spool"))
        self.assertGreater(spooled, CALLS * 500, "the spans wait in the spool")
        self.check_files(spool)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read()
        self.assertIn(b"llmtap_", metrics)
        self.check_clean("/metrics", metrics)

        receiver.status = 202
        deadline = time.time() + 60
        while not emitted <= {s["span_id"] for s in receiver.spans()} and time.time() < deadline:
            time.sleep(0.2)
        daemon.stop()
        self.assertLessEqual(emitted, {s["span_id"] for s in receiver.spans()})
        self.assertGreaterEqual(len(receiver.metrics()), CALLS)
        paths = {path.split("?")[0] for path, _ in receiver.taken}
        self.assertTrue(any(path.endswith("/v1/traces") for path in paths), paths)
        for path, body in receiver.taken:
            self.check_clean(path, body)

        self.check_clean("the log", daemon.log.read_bytes())
        self.check_clean("JSON lines", daemon.jsonl.read_bytes())
        self.assertGreater(daemon.jsonl.read_text().count("[REDACTED:"), CALLS)
        self.check_clean("calls --json", json.dumps(daemon.calls()))  # what is compressed on disk
        self.assertEqual(len(daemon.calls(f"service:{SERVICE}")), CALLS)
        self.check_files(daemon.dir)
        with sqlite3.connect(f"file:{daemon.db}?mode=ro", uri=True) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE name GLOB 'search_[0-9]*'"
                                       " AND name NOT GLOB 'search_*_*'").fetchall():
                hits = db.execute(f"SELECT count(*) FROM {table} WHERE {table} MATCH ?",
                                  [MARK.lower() + "*"]).fetchone()[0]
                self.assertEqual(hits, 0, f"{table} finds a canary")


if __name__ == "__main__":
    unittest.main()
