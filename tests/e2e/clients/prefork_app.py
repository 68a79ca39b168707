# SPDX-License-Identifier: Apache-2.0
"""WSGI app for gunicorn with --preload: the parent imports ssl, the forked workers call."""
import http.client
import json
import ssl
import time

context = ssl.create_default_context()
connections = {}


def call(job):
    conn = connections.setdefault(
        job["host"], http.client.HTTPSConnection(job["host"], job["port"], context=context))
    start = time.time_ns()
    conn.request("POST", job["path"], job["body"].encode(), job["headers"])
    response = conn.getresponse()
    received, first = b"", None
    while piece := response.read1(65536):
        received += piece
        if first is None and job["content_mark"].encode() in received:
            first = time.time_ns()
    response.read()  # read1 does not notice the end of a sized body
    return {"nonce": job["nonce"], "status": response.status, "start_ns": start,
            "first_ns": first, "end_ns": time.time_ns(), "received": received.decode()}


def app(environ, start_response):
    job = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    body = json.dumps(call(job)).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]
