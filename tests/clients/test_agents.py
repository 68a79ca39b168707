#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Agent command lines from npm (Claude Code: Bun with stripped BoringSSL; Codex: rustls; Gemini CLI:
node), unmodified, in a namespace without a route out: every model call is a span, and none of their
telemetry and settings traffic to the same hosts is.

Usage: test_agents.py prepare | test_agents.py [-v] [TEST...]
"""
import collections
import os
import pathlib
import subprocess
import sys
import unittest

from test_sdks import BUILD, HERE, npm_install
import harness
from harness import Daemon, WorldCase

MODULES = BUILD / "agents" / "node_modules"
# Where the agents send what is no model call.
harness.HOSTS += ["chatgpt.com", "statsig.anthropic.com", "console.anthropic.com",
                  "platform.claude.com", "play.googleapis.com", "cloudcode-pa.googleapis.com"]
AGENTS = {
    "claude": [MODULES / "@anthropic-ai" / "claude-code-linux-x64" / "claude", "-p", "say hello"],
    "codex": ["node", MODULES / "@openai" / "codex" / "bin" / "codex.js", "exec",
              "--skip-git-repo-check", "say hello"],
    "gemini": ["node", MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js", "-p",
               "say hello"],
}


class Agents(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Installed: in PATH, so the daemon knows these large static programs before they run.
        installed = [AGENTS["claude"][0].parent,
                     *MODULES.glob("@openai/codex-linux-x64/vendor/*/bin")]
        cls.running = Daemon(cls.world, env={
            "PATH": ":".join([*map(str, installed), os.environ["PATH"]])})

    def check(self, agent):
        home = self.world.dir / agent
        (home / "work").mkdir(parents=True)
        environment = self.world.environment(
            HOME=str(home), ANTHROPIC_API_KEY="sk-ant-e2e-0123456789abcdefghijkl",
            CODEX_API_KEY="sk-e2e-0123456789abcdefghijklmnop", IS_SANDBOX="1",
            GEMINI_API_KEY="AIzaE2E0123456789abcdefghijklmnopqrstuv",
            GEMINI_CLI_TRUST_WORKSPACE="true", CODEX_CA_CERTIFICATE=str(self.world.dir / "ca.pem"))
        seen, asked = len(self.running.events()), len(self.world.requests())
        subprocess.run(self.world.inside(*AGENTS[agent]), env=environment, cwd=home / "work",
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)
        requests = self.world.requests()[asked:]
        calls = [r for r in requests if r["played"]]
        self.assertTrue(calls, "the agent asked no model")
        events = self.running.wait(seen + len(calls))[seen:]
        other = [r for r in requests if not r["played"]]
        print(f"  {agent}: {len(events)} spans for {len(calls)} model calls; {len(other)} other "
              f"requests ({sum(r['bytes'] for r in other)} bytes) to the same hosts", flush=True)
        self.assertEqual(len(events), len(calls), collections.Counter(
            (r["host"], r["path"], r["played"]) for r in requests))
        for event in events:
            self.assertNotIn("observed:server", event["tags"], "only its server was seen")
            self.assertTrue(event["meta"]["output"]["messages"])

    def test_claude(self):
        self.check("claude")

    def test_codex(self):
        self.check("codex")

    def test_gemini(self):
        self.check("gemini")


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        npm_install("agents", ["package.json", "package-lock.json"])
    else:
        unittest.main()
