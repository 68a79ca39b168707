#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP to model servers on this node: every client kind, sequential and 50 at once, with both
ends on the node; what is attached when; what is not LLM traffic; a gateway; addresses.

LLMTAP_E2E_CALLS=200 calls per client and mode.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time
import unittest

from harness import BINARY, CLIENTS, HERE, PYTHON, WorldCase, job, nonce_of

CALLS = int(os.environ.get("LLMTAP_E2E_CALLS", 200))
PLAYS = ["openai_stream", "openai_json", "openai_tool_stream", "openai_tool_json", "openai_401",
         "anthropic_stream"]
OLLAMA, VLLM, GATEWAY = 11434, 8000, 4000
KINDS = {kind: CLIENTS[kind]
         for kind in ("curl", "python-http.client", "python-asyncio", "node-https", "node-fetch")}


def attached(pid):
    """Raw tracepoints that this process has a BPF program on."""
    names = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = info.read_text().splitlines()
        except OSError:
            continue
        names |= {line.split()[1] for line in lines if line.startswith("tp_name:")}
    return names


def reading_sockets(process):
    return bool({"sock_send_length", "sock_recv_length"} & attached(process.pid))


def wait_for(condition, seconds):
    deadline = time.time() + seconds
    while not condition() and time.time() < deadline:
        time.sleep(0.05)
    return condition()


def plain(play, port=VLLM, host="127.0.0.1", **changes):
    return {**job(play, x_delay_ms=1), "host": host, "port": port, "plain": True, **changes}


class Plain(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        go = shutil.which("go") or "/usr/local/go/bin/go"
        if not pathlib.Path(go).exists():
            print("no Go toolchain: its client is left out", flush=True)
            return
        binary = cls.world.dir / "net_http_client"
        subprocess.run([go, "build", "-o", binary, HERE / "clients" / "net_http_client.go"],
                       check=True, env={**os.environ, "GO111MODULE": "off"})
        KINDS["go-net-http"] = [binary]

    def start(self, *arguments, linger="60s", enabled="true"):
        config = self.world.dir / "plain.yaml"
        config.write_text(f"plain_http: {{linger: {linger}, enabled: {enabled}}}\n")
        return self.daemon("--config", config, *arguments)

    def serve(self, port):
        server = self.world.spawn("node", HERE / "provider_server.js", "--port", port,
                                  stdout=subprocess.PIPE, text=True)
        self.assertEqual(server.stdout.readline(), "ready\n")
        self.addCleanup(lambda: (server.terminate(), server.wait(10)))
        return server

    def test_clients(self):
        self.serve(VLLM)
        daemon = self.start()
        for client, command in KINDS.items():
            for parallel in (1, 50):
                with self.subTest(client=client, parallel=parallel):
                    jobs = [plain(PLAYS[i % len(PLAYS)]) for i in range(CALLS)]
                    self.round(daemon, client, command, jobs, parallel)

    def test_nothing_is_attached_without_sockets_of_interest(self):
        daemon = self.start(linger="1s")
        self.assertFalse(reading_sockets(daemon.process), "is a model server's port in use on this machine?")
        server = self.serve(OLLAMA)
        self.assertTrue(wait_for(lambda: reading_sockets(daemon.process), 5),
                        "a listening server is of interest")
        one = plain("openai_json", OLLAMA)
        self.world.client(KINDS["curl"], [one], 1)
        self.assertEqual([nonce_of(e) for e in daemon.wait(1)], [one["nonce"]])
        server.terminate()
        server.wait(10)
        self.assertTrue(wait_for(lambda: not reading_sockets(daemon.process), 10), "let go after a while")

    def test_nothing_at_all_when_it_is_disabled(self):
        daemon = self.start(enabled="false")
        self.assertIn("sched_process_exit", attached(daemon.process.pid))
        self.assertNotIn("inet_sock_set_state", attached(daemon.process.pid))
        self.assertFalse(reading_sockets(daemon.process))

    def test_server_and_connection_from_before(self):
        server = self.serve(OLLAMA)
        script = ("import http.client, sys, json\n"
                  f"c = http.client.HTTPConnection('127.0.0.1', {OLLAMA})\n"
                  "for line in sys.stdin:\n"
                  "    j = json.loads(line)\n"
                  "    c.request('POST', j['path'], j['body'], j['headers'])\n"
                  "    print(c.getresponse().read() and 'done', flush=True)\n")
        client = self.world.spawn(PYTHON, "-c", script, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.communicate)
        jobs = [plain("openai_json", OLLAMA) for _ in range(3)]

        def call(one):
            client.stdin.write(json.dumps(one) + "\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), "done\n")

        call(jobs[0])
        daemon = self.start()
        call(jobs[1])
        call(jobs[2])
        self.assertEqual([nonce_of(e) for e in daemon.wait(2)], [j["nonce"] for j in jobs[1:]])
        self.assertIsNone(server.poll())

    def test_ollama(self):
        self.serve(OLLAMA)
        daemon = self.start()
        one = plain("openai_json", OLLAMA, path="/api/chat")
        body = json.loads(one["body"])
        for play, stream in (("ollama_stream", True), ("ollama_json", False)):
            one["headers"]["x-play"] = play
            one["body"] = json.dumps({"model": "llama3.2", "messages": body["messages"],
                                      "stream": stream})
            self.world.client(KINDS["python-http.client"], [one], 1)
        events = daemon.wait(2)
        self.assertEqual(len(events), 2)
        for event in events:
            self.assertEqual(nonce_of(event), one["nonce"])
            self.assertGreater(event["metrics"]["output_tokens"], 0)
        self.assertTrue(all("ollama" in call["dialect"] for call in daemon.calls()))

    def test_other_traffic_is_left_alone(self):
        self.serve(VLLM)
        daemon = self.start()
        script = ("import http.client, socket\n"
                  f"c = http.client.HTTPConnection('127.0.0.1', {VLLM})\n"
                  "for i in range(50):\n"
                  "    c.request('GET', '/page'); c.getresponse().read()\n"
                  "    c.request('POST', '/form', b'x' * 3000); c.getresponse().read()\n"
                  f"s = socket.create_connection(('127.0.0.1', {VLLM}))\n"
                  "s.sendall(b'\\x16\\x03\\x01\\x00\\x05hello' * 20)\n"
                  "s.recv(1000)\n")
        subprocess.run(self.world.inside(PYTHON, "-c", script), check=True)
        one = plain("openai_json")
        self.world.client(KINDS["curl"], [one], 1)
        self.assertEqual([nonce_of(e) for e in daemon.wait(1)], [one["nonce"]])

    def records_of(self, run_clients):
        """What `record` sees while the clients run, as `replay` tells it."""
        recorded = self.world.dir / f"recording-{time.time_ns()}"
        recorder = subprocess.Popen([str(BINARY), "record", str(recorded)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(recorder.stderr.close)
        self.assertTrue(wait_for(
            lambda: "inet_sock_set_state" in attached(recorder.pid), 20))
        time.sleep(2)  # libraries are hooked
        run_clients()
        time.sleep(1)
        recorder.terminate()
        recorder.wait(20)
        out = subprocess.run([str(BINARY), "replay", str(recorded), "--to", "calls"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def test_both_ends_and_addresses(self):
        """One record; what it says about the addresses and the server's end."""
        self.serve(VLLM)
        records = self.records_of(
            lambda: self.world.client(KINDS["python-http.client"], [plain("openai_stream")], 1))
        self.assertEqual(len(records), 1)
        self.assertEqual(records[0]["observed"], "client")
        self.assertEqual(records[0]["remote_address"], f"127.0.0.1:{VLLM}")
        self.assertTrue(records[0]["local_address"].startswith("127.0.0.1:"))
        self.assertLess(records[0]["server"]["timing"]["response_start_ns"],
                        records[0]["timing"]["response_start_ns"] + 1_000_000)

    def test_addresses_of_tls_connections(self):
        """Learned within TLS calls or, where memory stands between, from what a thread sends."""
        kinds = list(KINDS)

        def run_clients():
            for kind in kinds:
                jobs = [job("openai_stream", x_first_delay_ms=30, x_delay_ms=3) for _ in range(2)]
                self.world.client(KINDS[kind], jobs, 1)

        daemon = self.start()
        run_clients()
        daemon.wait(2 * len(kinds))
        records = [r for r in daemon.calls() if r["observed"] == "client"]
        records.sort(key=lambda record: record["timing"]["request_start_ns"])
        self.assertEqual(len(records), 2 * len(kinds))
        known = [record.get("remote_address") for record in records]
        print("  addresses of TLS connections:", dict(zip(kinds, zip(known[::2], known[1::2]))),
              flush=True)
        self.assertLessEqual(set(known), {None, "127.0.0.1:443"})
        self.assertGreaterEqual(len([k for k in known if k]), len(kinds))

    def test_gateway(self):
        """app → gateway (plain) → provider (TLS): two calls, each once, from its client's end."""
        gateway = ("import http.server, http.client, ssl\n"
                   "class Handler(http.server.BaseHTTPRequestHandler):\n"
                   "    protocol_version = 'HTTP/1.1'\n"
                   "    def do_POST(self):\n"
                   "        body = self.rfile.read(int(self.headers['content-length']))\n"
                   "        up = http.client.HTTPSConnection('api.openai.com', 443,\n"
                   "                                         context=ssl.create_default_context())\n"
                   "        up.request('POST', self.path, body, {'content-type': 'application/json',\n"
                   "                                             'x-play': 'openai_json'})\n"
                   "        answer = up.getresponse().read()\n"
                   "        self.send_response(200)\n"
                   "        self.send_header('content-length', str(len(answer)))\n"
                   "        self.end_headers()\n"
                   "        self.wfile.write(answer)\n"
                   "    def log_message(self, *_): pass\n"
                   f"server = http.server.ThreadingHTTPServer(('127.0.0.1', {GATEWAY}), Handler)\n"
                   "print('ready', flush=True)\n"
                   "server.serve_forever()\n")
        process = self.world.spawn(PYTHON, "-c", gateway, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.terminate(), process.wait(10)))
        self.assertEqual(process.stdout.readline(), "ready\n")
        daemon = self.start()
        jobs = [plain("openai_json", GATEWAY) for _ in range(10)]
        results = self.world.client(KINDS["python-http.client"], jobs, 3)
        self.assertEqual(len(results), len(jobs))
        events = daemon.wait(2 * len(jobs))
        for one in jobs:
            self.assertEqual([nonce_of(e) for e in events].count(one["nonce"]), 2)
        self.assertEqual(len(events), 2 * len(jobs))


if __name__ == "__main__":
    unittest.main()
