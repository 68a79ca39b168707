#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3 http.client, unmodified. Jobs come as JSON lines on stdin, results leave on stdout."""
import http.client
import json
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

local = threading.local()
context = ssl.create_default_context()


def connection(job):
    conns = local.__dict__.setdefault("conns", {})
    if job["host"] not in conns:
        conns[job["host"]] = (
            http.client.HTTPConnection(job["host"], job["port"]) if job.get("plain") else
            http.client.HTTPSConnection(job["host"], job["port"], context=context))
    return conns[job["host"]]


def call(job):
    conn = connection(job)
    body = job["body"].encode()
    start = time.time_ns()
    conn.request("POST", job["path"], body, job["headers"])
    response = conn.getresponse()
    received, first = b"", None
    while piece := response.read1(65536):
        now = time.time_ns()
        received += piece
        # The first *content* token, as an app would notice it.
        if first is None and job["content_mark"].encode() in received:
            first = now
    response.read()  # read1 does not notice the end of a sized body
    return {"nonce": job["nonce"], "status": response.status, "start_ns": start, "first_ns": first,
            "end_ns": time.time_ns(), "received": received.decode()}


def main():
    jobs = [json.loads(line) for line in sys.stdin]
    parallel = int(sys.argv[1])
    lock = threading.Lock()

    def run(job):
        result = call(job)
        with lock:
            print(json.dumps(result), flush=True)

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(run, jobs))


main()
