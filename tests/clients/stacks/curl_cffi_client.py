# SPDX-License-Identifier: Apache-2.0
"""curl_cffi: libcurl on BoringSSL, as a browser. Jobs as JSON lines on stdin."""
import json
import os
import sys

from curl_cffi import requests

session = requests.Session(impersonate="chrome", verify=os.environ["SSL_CERT_FILE"])
for job in [json.loads(line) for line in sys.stdin]:
    response = session.post(f"https://{job['host']}:{job['port']}{job['path']}",
                            headers=job["headers"], data=job["body"])
    print(json.dumps({"nonce": job["nonce"], "received": response.text}), flush=True)
