#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libcurl by pycurl, with whatever TLS library that one brings. Jobs as JSON lines on stdin."""
import io
import json
import os
import sys

import pycurl

handle = pycurl.Curl()
for job in [json.loads(line) for line in sys.stdin]:
    received = io.BytesIO()
    handle.setopt(pycurl.URL, f"https://{job['host']}:{job['port']}{job['path']}")
    handle.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
    handle.setopt(pycurl.HTTPHEADER, [f"{k}: {v}" for k, v in job["headers"].items()])
    handle.setopt(pycurl.POSTFIELDS, job["body"])
    handle.setopt(pycurl.WRITEDATA, received)
    handle.perform()
    print(json.dumps({"nonce": job["nonce"], "status": handle.getinfo(pycurl.RESPONSE_CODE),
                      "received": received.getvalue().decode(), "by": pycurl.version}), flush=True)
