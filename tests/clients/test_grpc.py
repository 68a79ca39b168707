#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SDKs that speak gRPC (xAI's, Google's client of the Gemini API), unmodified, by lock file, against
a server that answers with messages of their own classes: each call is one span, and says what the SDK
returned to its caller. `prepare` installs.

Usage: test_grpc.py prepare | test_grpc.py [-v] [TEST...]
"""
import json
import subprocess
import sys
import unittest

from test_sdks import BUILD, HERE, run, text_of
from harness import Daemon, PYTHON, WorldCase, nonce_of

SOURCE = HERE / "grpc"
VENV_PYTHON = BUILD / "grpc" / "bin" / "python"
PORT = "8443"
PROVIDERS = {"xai-sdk": "xai", "google-ai-generativelanguage": "gemini"}


def prepare():
    BUILD.mkdir(parents=True, exist_ok=True)
    if not VENV_PYTHON.exists():
        run(PYTHON, "-m", "venv", BUILD / "grpc")
    run(VENV_PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "-r", SOURCE / "requirements.lock")


def last_nonce(messages):
    """A talk that goes on repeats the nonces before."""
    found = [nonce_of({"meta": {"input": message}}) for message in messages]
    return next((nonce for nonce in reversed(found) if nonce), None)


def event_nonce(event):
    return last_nonce(event["meta"].get("input", {}).get("messages", []))


class GrpcCase(WorldCase):
    """A daemon and the calls of a client beside it, as `rows` of the store and `events`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.world.spawn(VENV_PYTHON, SOURCE / "server.py", f"127.0.0.1:{PORT}",
                                 cls.world.dir / "cert.pem", cls.world.dir / "key.pem",
                                 stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n", "the gRPC server did not start"
        cls.make_calls()
        cls.events = cls.running.wait(len(cls.results))
        cls.rows = cls.running.calls()

    @classmethod
    def client(cls, *arguments):
        roots = str(cls.world.dir / "ca.pem")
        return cls.world.spawn(VENV_PYTHON, SOURCE / "calls.py", PORT, *arguments,
                               env={"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": roots}, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)

    @classmethod
    def finish(cls, client, line=""):
        out, err = client.communicate(line, timeout=120)
        assert client.returncode == 0, err[-2000:]
        cls.results = [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def row(self, result):
        rows = [row for row in self.rows if last_nonce(row.get("input", [])) == result["nonce"]]
        self.assertEqual(len(rows), 1, "rows for this call")
        return rows[0]

    def check_answer(self, result, row):
        output = row.get("output", [])
        self.assertEqual(len(output), result.get("choices", len(output)))
        parts = output[0]["parts"] if output else []

        def text(kind):
            return "".join(part.get("text", "") for part in parts if part["kind"] == kind)
        self.assertEqual(text("text"), result["text"])
        self.assertEqual(text("reasoning"), result.get("reasoning", ""))
        tools = [[part["tool_id"], part["tool_name"], part["arguments"]] for part in parts
                 if part["kind"] == "tool_call"]
        self.assertEqual(tools, result.get("tools", []))
        self.assertEqual(len(row.get("tools", [])), result.get("tool_definitions", 0))
        for key, name in (("model_served", "model"), ("finish_reason", "finish"),
                          ("response_id", "id")):
            if name in result:
                self.assertEqual(row[key], result[name])

    def check_usage(self, result, row):
        if "total" not in result:
            return
        usage = row["usage"]
        self.assertEqual(usage["input"], result["input_tokens"])
        self.assertEqual(usage["cache_read"], result["cached"])
        self.assertEqual(usage["input_uncached"] + usage["cache_read"], usage["input"])
        self.assertEqual(usage["output"], result["output_tokens"])
        self.assertEqual(usage.get("reasoning", 0), result.get("reasoning_tokens", 0))
        self.assertEqual(usage["output_visible"] + usage.get("reasoning", 0), usage["output"])
        self.assertEqual(usage["input"] + usage["output"], result["total"])
        if result["sdk"] == "xai-sdk":  # the vendor says what it cost
            self.assertAlmostEqual(row["cost"]["total_usd"], 0.0037756)


class Grpc(GrpcCase):
    @classmethod
    def make_calls(cls):
        cls.running = Daemon(cls.world)
        cls.finish(cls.client())

    def test_one_span_each(self):
        # By nonce: the daemon sees whatever else runs on this machine.
        seen = {}
        for event in self.events:
            seen.setdefault(event_nonce(event), []).append(event)
        for result in self.results:
            with self.subTest(sdk=result["sdk"], kind=result["kind"]):
                events = seen.get(result["nonce"], [])
                self.assertEqual(len(events), 1, "spans for this call")
                self.assertNotIn("observed:server", events[0]["tags"], "only its server was seen")

    def test_what_the_sdk_returned(self):
        for result in self.results:
            if "text" not in result:
                continue
            with self.subTest(sdk=result["sdk"], kind=result["kind"]):
                row = self.row(result)
                self.check_answer(result, row)
                self.check_usage(result, row)
                self.assertEqual(row["streamed"], result.get("streamed", False))
                self.assertEqual(row["provider"], PROVIDERS[result["sdk"]])
                self.assertEqual(row["end"], "complete")
                self.assertNotIn("error", row)
        print(f"  {len(self.results)} calls by {len(PROVIDERS)} SDKs", flush=True)

    def test_spans_show_the_text(self):
        by_nonce = {event_nonce(event): event for event in self.events}
        for result in self.results:
            if result["kind"] in ("chat", "async chat stream", "generate"):
                event = by_nonce[result["nonce"]]
                self.assertEqual(text_of(event), result["text"])
                self.assertEqual(event["metrics"]["input_tokens"], result["input_tokens"])
                self.assertEqual(event["metrics"]["output_tokens"], result["output_tokens"])
                self.assertEqual(event["status"], "ok")

    def test_errors(self):
        for result in self.results:
            if "error" in result:
                with self.subTest(kind=result["kind"]):
                    row = self.row(result)
                    self.assertEqual([row["error"]["type"], row["error"]["message"]],
                                     result["error"])

    def test_a_caller_that_leaves(self):
        result = next(r for r in self.results if r.get("cancelled"))
        row = self.row(result)
        self.assertEqual(row["end"], "cancelled")
        self.assertEqual(row["output"][0]["parts"][0]["text"], "They ")

    def test_no_key_is_kept(self):
        self.assertNotIn("xai-e2e-0123456789", json.dumps(self.rows) + json.dumps(self.events))


class Late(GrpcCase):
    """The daemon starts when the connections are there: HPACK's tables hide path, host, types."""

    @classmethod
    def make_calls(cls):
        client = cls.client("late")
        assert client.stdout.readline() == "ready\n", client.communicate()[1]
        cls.running = Daemon(cls.world)
        cls.finish(client, "go\n")

    def test_what_the_sdk_returned(self):
        self.assertEqual(len(self.results), 3)
        for result in self.results:
            with self.subTest(sdk=result["sdk"], kind=result["kind"]):
                row = self.row(result)
                self.check_answer(result, row)
                self.check_usage(result, row)
                self.assertEqual(row["streamed"], result.get("streamed", False))
                self.assertTrue(row["partial"])


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
