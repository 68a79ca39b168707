#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real peers for the framings beyond plain HTTP/1.1: HTTP/2 multiplexed (node http2, curl, nginx), a
daemon that joins a live HTTP/2 connection, WebSocket by upgrade and by extended CONNECT, compressed
bodies. Go's peers and libcurl's WebSocket, which Debian's build is without, are in tests/clients."""
import json
import subprocess
import threading
import time
import unittest

from harness import HERE, PYTHON, WorldCase, job, nonce_of, unpacked

NODE_HTTP2 = ["node", HERE / "clients" / "http2_client.js"]
WEBSOCKET = [PYTHON, HERE / "clients" / "websocket_client.py"]
# Debian's node 18 has no WebSocket of its own, Debian's undici has.
NODE_WEBSOCKET = ["env", "NODE_PATH=/usr/share/nodejs", "node", "--no-warnings",
                  HERE / "clients" / "websocket_client.js"]

# nginx speaks HTTP/2 to the clients and plain HTTP/1.1 to the provider server behind it.
NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:8443 ssl http2; http2_max_concurrent_streams 64;
    ssl_certificate %(dir)s/cert.pem; ssl_certificate_key %(dir)s/key.pem;
    location / {
      proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $host; proxy_set_header Connection "";
    }
  }
}
"""


def nonces(events):
    return sorted(nonce_of(event) or "?" for event in events)


class Framings(WorldCase):
    def test_http2_multiplexed(self):
        daemon = self.daemon()
        jobs = [job(("openai_stream", "openai_json", "openai_tool_stream")[i % 3], x_delay_ms=2)
                for i in range(150)]
        results = self.world.client(NODE_HTTP2, jobs, 50)
        self.assertEqual(len(results), 150, "the client itself failed")
        self.assertEqual(nonces(daemon.wait(150)), sorted(results))

    def test_http2_curl(self):
        daemon = self.daemon()
        call = job("anthropic_stream")
        self.world.curl(call, "--http2")
        events = daemon.wait(1)
        self.assertEqual(nonces(events), [call["nonce"]])
        self.assertEqual(events[0]["meta"]["model_provider"], "anthropic")

    def test_http2_joined_late(self):
        jobs = [job("openai_stream", x_delay_ms=10) for _ in range(120)]
        results = {}
        load = threading.Thread(target=lambda: results.update(
            self.world.client(NODE_HTTP2, jobs, 4)))
        load.start()
        time.sleep(1.5)
        daemon = self.daemon()  # the one HTTP/2 connection is older than the daemon
        load.join()
        self.assertEqual(len(results), len(jobs))
        events = daemon.wait(len(jobs), 3)
        known = {j["nonce"] for j in jobs}
        got = [n for n in nonces(events) if n in known]
        last = {j["nonce"] for j in jobs[-40:]}
        print(f"  HTTP/2 joined late: {len(got)} of {len(jobs)} calls seen", flush=True)
        self.assertEqual(last - set(got), set(), "calls begun after the daemon was there")
        self.assertEqual(len(got), len(set(got)))

    def test_websocket_responses(self):
        daemon = self.daemon()
        jobs = [job("openai_json") for _ in range(5)]
        results = self.world.client(WEBSOCKET, jobs, 1)
        self.assertEqual(len(results), 5, "the client itself failed")
        events = daemon.wait(5)
        self.assertEqual(nonces(events), sorted(results))  # and no span for the prewarm
        for event in events:
            usage = results[nonce_of(event)]["usage"]
            self.assertEqual(event["metrics"]["input_tokens"], usage["input_tokens"])
            self.assertEqual(event["metrics"]["output_tokens"], usage["output_tokens"])

    def check_socket(self, daemon, command):
        before = len(daemon.events())
        jobs = [job("openai_json") for _ in range(5)]
        results = self.world.client(command, jobs, 1)
        self.assertEqual(len(results), 5, "the client itself failed")
        events = daemon.wait(before + 5)[before:]
        self.assertEqual(nonces(events), sorted(results))
        for event in events:
            usage = results[nonce_of(event)]["usage"]
            self.assertEqual(event["metrics"]["output_tokens"], usage["output_tokens"])

    def test_websocket_deflate(self):
        daemon = self.daemon()
        for query in ("deflate=context", "deflate=none"):
            with self.subTest(query):
                self.check_socket(daemon, [*WEBSOCKET, query])

    def test_websocket_node(self):
        daemon = self.daemon()
        for transport in ("http1", "http2"):  # http2: extended CONNECT, RFC 8441
            with self.subTest(transport):
                self.check_socket(daemon, [*NODE_WEBSOCKET, transport])

    def test_http2_nginx(self):
        folder = self.world.dir / "nginx"
        folder.mkdir()
        (folder / "nginx.conf").write_text(NGINX % {"dir": self.world.dir})
        backend = self.world.spawn("node", HERE / "provider_server.js", "--port", 8080,
                                   stdout=subprocess.PIPE, text=True)
        self.assertEqual(backend.stdout.readline(), "ready\n")
        self.world.spawn(unpacked("nginx", "usr/sbin/nginx"), "-e", "stderr", "-p", folder,
                         "-c", folder / "nginx.conf")
        daemon = self.daemon()
        jobs = [{**job(("openai_stream", "openai_json", "anthropic_stream")[i % 3]), "port": 8443}
                for i in range(60)]
        results = self.world.client(NODE_HTTP2, jobs, 20)
        self.assertEqual(len(results), 60, "the client itself failed")
        events = daemon.wait(60)
        # How often a proxied call is shown is another test's matter.
        self.assertEqual(set(nonces(events)), set(results))
        for event in events:
            self.assertEqual(event["status"], "ok")

    def test_gzip(self):
        daemon = self.daemon()
        call = job("openai_json", x_encode="gzip")
        self.world.curl(call, "--compressed")
        events = daemon.wait(1)
        self.assertEqual(nonces(events), [call["nonce"]])
        self.assertIn("strawberry", json.dumps(events[0]["meta"]["output"]))


if __name__ == "__main__":
    unittest.main()
