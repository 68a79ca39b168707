#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts gunicorn (pre-forked workers) with prefork_app and hands it the jobs over plain HTTP."""
import http.client
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

PORT = 8099
parallel = int(sys.argv[1])
jobs = [line.strip() for line in sys.stdin]
lock = threading.Lock()
server = subprocess.Popen(
    ["gunicorn", "--preload", "--workers", "4", "--bind", f"127.0.0.1:{PORT}", "--log-level",
     "error", "--keep-alive", "5", "prefork_app:app"],
    cwd=pathlib.Path(__file__).parent, stdout=subprocess.DEVNULL)


def post(job):
    conn = http.client.HTTPConnection("127.0.0.1", PORT)
    conn.request("POST", "/", job)
    line = conn.getresponse().read().decode()
    with lock:
        print(line, flush=True)
    conn.close()


try:
    for _ in range(100):
        try:
            http.client.HTTPConnection("127.0.0.1", PORT).connect()
            break
        except OSError:
            time.sleep(0.1)
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(post, jobs))
finally:
    server.send_signal(signal.SIGTERM)
    server.wait()
