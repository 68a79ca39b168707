#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The vendors' own SDKs, unmodified, current majors by lock file, as clients: every span is compared
with what the SDK returned to its caller. Needs PyPI, npm and the Go proxy once; `prepare` installs.

Usage: test_sdks.py prepare | test_sdks.py [-v] [TEST...]
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import Daemon, PYTHON, WorldCase, nonce_of  # noqa: E402

BUILD = pathlib.Path(os.environ.get("LLMTAP_CLIENTS", HERE.parents[1] / "build" / "clients"))
COMMANDS = {
    "python": [BUILD / "python" / "bin" / "python", HERE / "python" / "calls.py"],
    "node": ["node", BUILD / "node" / "calls.mjs"],
    "go": [BUILD / "go-client"],
}


def run(*command, **options):
    subprocess.run([str(c) for c in command], check=True, **options)


def npm_install(folder, files):
    """`npm ci` of HERE/folder in BUILD/folder, unless its lock file is the same as last time."""
    source, target = HERE / folder, BUILD / folder
    target.mkdir(parents=True, exist_ok=True)
    done = target / "installed.lock"
    lock = (source / "package-lock.json").read_bytes()
    for name in files:
        shutil.copy(source / name, target / name)
    if not done.exists() or done.read_bytes() != lock:
        run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
            cwd=target)
        done.write_bytes(lock)


def prepare():
    """Installs the SDKs by lock file; quick when they are there."""
    missing = [tool for tool in ("node", "npm", "go") if not shutil.which(tool)]
    if missing:
        sys.exit(f"the client tests need {', '.join(missing)}: install Node.js 20+ and Go 1.26+")
    BUILD.mkdir(parents=True, exist_ok=True)
    if not (BUILD / "python").exists():
        run(PYTHON, "-m", "venv", BUILD / "python")
    run(BUILD / "python" / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r",
        HERE / "python" / "requirements.lock")
    npm_install("node", ["package.json", "package-lock.json", "calls.mjs"])
    run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", BUILD / "go-client", ".",
        cwd=HERE / "go")


def text_of(event):
    return "".join(m.get("content") or "" for m in event["meta"]["output"].get("messages", [])
                   if m.get("role") != "reasoning")


class Sdks(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.running = Daemon(cls.world)

    def check(self, language):
        before = len(self.running.events())
        done = subprocess.run(self.world.inside(*COMMANDS[language]), text=True, timeout=300,
                              env=self.world.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        self.assertTrue(results, done.stderr)
        failed = [r for r in results if r.get("failed")]
        self.assertEqual(failed, [], "an SDK failed by itself")
        self.running.wait(before + len(results))
        spans = {}
        for event in self.running.events()[before:]:
            spans.setdefault(nonce_of(event), []).append(event)
        for result in results:
            with self.subTest(sdk=result["sdk"], kind=result["kind"]):
                events = spans.get(result["nonce"], [])
                self.assertEqual(len(events), 1, "spans for this call")
                event = events[0]
                self.assertNotIn("observed:server", event["tags"], "only its server was seen")
                self.assertEqual(event["status"], "ok")
                if result.get("text"):
                    self.assertEqual(text_of(event).strip(), result["text"].strip())
                if result.get("model"):
                    self.assertEqual(event["meta"]["model_name"], result["model"])
                for key in ("input_tokens", "output_tokens"):
                    if result.get(key) is not None:
                        self.assertEqual(event["metrics"][key], result[key], key)
        print(f"  {language}: {len(results)} calls by {len({r['sdk'] for r in results})} SDKs",
              flush=True)

    def test_python(self):
        self.check("python")

    def test_node(self):
        self.check("node")

    def test_go(self):
        self.check("go")


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
