# SPDX-License-Identifier: Apache-2.0
"""A real HTTP receiver on loopback that can fail in every way a destination fails. It plays an Agent
(/info offers evp_proxy) and takes whatever else is posted; bodies are kept, decompressed.
"""
import gzip
import http.server
import json
import socket
import struct
import threading
import time


class Receiver:
    def __init__(self, port=0):
        self.status = 202        # of every answer but /info's; 202 keeps the body
        self.headers = {}        # further ones of the answer
        self.delay = 0           # seconds before the answer
        self.reset_after = None  # resets the connection after so many bytes of a body
        self.limit = None        # bodies beyond it are answered with 413
        self.taken = []          # (path, body) that were answered with success
        self.asked = 0
        self.lock = threading.Lock()
        self.closed = False
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = json.dumps({"endpoints": ["/evp_proxy/v2/"]}).encode()
                self.answer(200, body)

            def do_POST(self):
                receiver.post(self)

            def answer(self, status, body=b"{}", headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def post(self, handler):
        length = int(handler.headers.get("Content-Length", 0))
        with self.lock:
            self.asked += 1
        # Who is gone does not answer on connections that are still open either.
        if self.closed or (self.reset_after is not None and length > self.reset_after):
            handler.rfile.read(self.reset_after or 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        body = handler.rfile.read(length)
        time.sleep(self.delay)
        status = 413 if self.limit is not None and length > self.limit else self.status
        if status < 300:
            if handler.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with self.lock:
                self.taken.append((handler.path, body))
        handler.answer(status, headers=self.headers)

    def spans(self):
        """Every LLMObs span that was taken, resends included."""
        with self.lock:
            bodies = [body for path, body in self.taken if path.endswith("/api/v2/llmobs")]
        return [span for body in bodies for envelope in json.loads(body)
                for span in envelope["spans"]]

    def metrics(self):
        """Every evaluation metric that was taken."""
        with self.lock:
            bodies = [body for path, body in self.taken if path.endswith("/eval-metric")]
        return [m for body in bodies for m in json.loads(body)["data"]["attributes"]["metrics"]]

    def close(self):
        self.closed = True
        self.server.shutdown()
        self.server.server_close()
