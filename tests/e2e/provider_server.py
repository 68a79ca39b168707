#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TLS server that plays recorded provider answers (recordings/*.json) to unmodified clients.

The provider's cloud is the one part that cannot exist here; everything else in the tests is real.
The client names the recording and the pace in request headers:

    x-play: openai_stream      recordings/openai_stream.json (default: by path)
    x-delay-ms: 5              pause before each event of a stream (default 0)
    x-first-delay-ms: 20       pause before the first byte of the body
    x-cut-after: 3             drop the connection after that many events
    x-encode: gzip             content-encode a body that is not streamed
    x-size: 1000000            make the answer that long by repeating its text (JSON recordings)

Streams go out chunked, one event per chunk and per TLS record, as providers do.
Usage: provider_server.py --port 443 --cert cert.pem --key key.pem [--plain]
"""
import argparse
import gzip
import json
import pathlib
import socket
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORDINGS = pathlib.Path(__file__).parent / "recordings"
DEFAULTS = {"/v1/chat/completions": "openai_json", "/v1/messages": "anthropic_json"}


def load(name, cache={}):
    if name not in cache:
        cache[name] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return cache[name]


def events(body):
    """Splits an SSE body behind each blank line."""
    return [part + "\n\n" for part in body.split("\n\n") if part.strip()]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        # Not LLM traffic: an ordinary page on the same server.
        body = b"<html>hello</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.headers.get("x-play") or self.default(body)
        if name is None:
            return self.telemetry()
        recording = load(name)
        self.send_response(recording["status"])
        for key, value in recording["headers"]:
            self.send_header(key, value)
        if "event-stream" in dict(recording["headers"]).get("Content-Type", ""):
            self.stream(recording)
        else:
            self.whole(recording)

    def default(self, body):
        name = DEFAULTS.get(self.path.split("?")[0])
        if name and json.loads(body).get("stream"):
            name = name.replace("_json", "_stream")
        return name

    def telemetry(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def pause(self, header):
        delay = float(self.headers.get(header, 0))
        if delay:
            time.sleep(delay / 1000)

    def whole(self, recording):
        body = recording["body"].encode()
        if self.headers.get("x-encode") == "gzip":
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.pause("x-first-delay-ms")
        self.wfile.write(body)

    def stream(self, recording):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.pause("x-first-delay-ms")
        cut = int(self.headers.get("x-cut-after", 0))
        for number, event in enumerate(events(recording["body"]), 1):
            data = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if cut and number == cut:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.pause("x-delay-ms")
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address, context):
        self.context = context
        super().__init__(address, Handler)

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, OSError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--plain", action="store_true", help="no TLS")
    args = parser.parse_args()
    context = None
    if not args.plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    server = Server((args.host, args.port), context)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
