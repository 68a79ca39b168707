# SPDX-License-Identifier: Apache-2.0
"""A gateway as LiteLLM's proxy is one: takes a call over TLS, makes it at the vendor, passes the
answer on. Usage: gateway.py PORT CERT KEY; says "ready"."""
import http.server
import ssl
import sys
import urllib.request

VENDOR = "https://api.openai.com"


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request = urllib.request.Request(VENDOR + self.path, data=body, headers={
            "content-type": "application/json",
            "authorization": "Bearer sk-e2e-0123456789abcdefghijklmnop"})
        with urllib.request.urlopen(request) as answer:
            text, kind = answer.read(), answer.headers["content-type"]
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
