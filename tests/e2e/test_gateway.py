#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A gateway on the node shows every call twice: the client's hop becomes a workflow without figures,
the call to the vendor is the one that counts; what a tracer has propagated and the configuration's
rules say whose call it is."""
import json
import subprocess
import unittest
import uuid

from harness import HERE, PYTHON, WorldCase, nonce_of

PORT = 8443
ASK = """
import json, sys, urllib.request
host, nonce, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
body = json.dumps({"model": "gpt-3.5-turbo", "metadata": {"chat": "c-7"},
                   "messages": [{"role": "user", "content": "say hello " + nonce}]}).encode()
request = urllib.request.Request(f"https://{host}/v1/chat/completions", data=body,
                                 headers={"content-type": "application/json", **headers})
print(urllib.request.urlopen(request).read().decode())
"""
RULES = "sessions:\n  - {json: $.metadata.chat}\nusers:\n  - {header: x-who}\n"


class GatewayCalls(WorldCase):
    def ask(self, host, nonce, **headers):
        done = subprocess.run(
            self.world.inside(PYTHON, "-c", ASK, host, nonce, json.dumps(headers)), check=True,
            env=self.world.environment(), stdout=subprocess.PIPE, text=True, timeout=60)
        return json.loads(done.stdout)

    def test_both_hops(self):
        gateway = self.world.spawn(PYTHON, HERE / "clients" / "gateway.py", PORT,
                                   self.world.dir / "cert.pem", self.world.dir / "key.pem",
                                   stdout=subprocess.PIPE, text=True)
        self.assertEqual(gateway.stdout.readline(), "ready\n")
        daemon = self.daemon()
        nonces = [uuid.uuid4().hex for _ in range(5)]
        for nonce in nonces:
            self.ask(f"gateway.example.internal:{PORT}", nonce)
        events = daemon.wait(2 * len(nonces))
        self.assertEqual(len(events), 2 * len(nonces))
        for nonce in nonces:
            hop, call = sorted((e for e in events if nonce in json.dumps(e["meta"]["input"])),
                               key=lambda e: e["start_ns"])
            self.assertEqual(hop["meta"]["span"]["kind"], "workflow")
            self.assertEqual(hop["metrics"], {})
            self.assertIn(nonce, hop["meta"]["input"]["value"])
            self.assertEqual(call["meta"]["span"]["kind"], "llm")
            self.assertGreater(call["metrics"]["input_tokens"], 0)
        rows = daemon.calls()
        self.assertEqual(sum(1 for row in rows if row.get("cost") or row.get("cost_usd")),
                         len(nonces), "calls with a cost")

    def test_rules_and_propagation(self):
        rules = self.world.dir / "rules.yaml"
        rules.write_text(RULES)
        daemon = self.daemon("--config", rules)
        nonce = uuid.uuid4().hex
        self.ask("api.openai.com", nonce, **{"x-who": "ann", "x-datadog-trace-id": "42",
                                             "x-datadog-tags": "_dd.p.llmobs_sid=dd-1"})
        events = daemon.wait(1)
        self.assertEqual([nonce_of(e) for e in events], [nonce])
        self.assertEqual(events[0]["session_id"], "c-7", "a rule beats what was propagated")


if __name__ == "__main__":
    unittest.main()
