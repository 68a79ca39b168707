#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One curl process per job. The binary may be given: --curl PATH (a fresh copy, say)."""
import argparse
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

parser = argparse.ArgumentParser()
parser.add_argument("parallel", type=int)
parser.add_argument("--curl", default="curl")
args = parser.parse_args()
lock = threading.Lock()


def call(job):
    scheme = "http" if job.get("plain") else "https"
    command = [args.curl, "-sS", "-N", "--http1.1", "-o", "-", "-w", "%{stderr}%{http_code}",
               "-X", "POST", f"{scheme}://{job['host']}:{job['port']}{job['path']}",
               "--data-binary", "@-"]
    for key, value in job["headers"].items():
        command += ["-H", f"{key}: {value}"]
    start = time.time_ns()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdin.write(job["body"].encode())
    process.stdin.close()
    received, first = b"", None
    while piece := process.stdout.read1(65536):
        received += piece
        if first is None and job["content_mark"].encode() in received:
            first = time.time_ns()
    status = int(process.stderr.read() or 0)
    process.wait()
    with lock:
        print(json.dumps({"nonce": job["nonce"], "status": status, "start_ns": start,
                          "first_ns": first, "end_ns": time.time_ns(),
                          "received": received.decode()}), flush=True)


with ThreadPoolExecutor(args.parallel) as pool:
    list(pool.map(call, [json.loads(line) for line in sys.stdin]))
