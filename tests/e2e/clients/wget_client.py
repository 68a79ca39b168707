#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One wget process per job. Jobs as JSON lines on stdin."""
import json
import os
import subprocess
import sys

for job in [json.loads(line) for line in sys.stdin]:
    command = ["wget", "-q", "-O", "-", "--ca-certificate=" + os.environ["SSL_CERT_FILE"],
               "--post-data=" + job["body"],
               *(f"--header={k}: {v}" for k, v in job["headers"].items()),
               f"https://{job['host']}:{job['port']}{job['path']}"]
    received = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    print(json.dumps({"nonce": job["nonce"], "received": received.decode()}), flush=True)
