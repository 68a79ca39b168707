# SPDX-License-Identifier: Apache-2.0
"""urllib3 over pyOpenSSL: the OpenSSL inside of the cryptography wheel. Jobs on stdin."""
import json
import os
import sys

import urllib3
import urllib3.contrib.pyopenssl

urllib3.contrib.pyopenssl.inject_into_urllib3()
pool = urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"])
for job in [json.loads(line) for line in sys.stdin]:
    response = pool.request("POST", f"https://{job['host']}:{job['port']}{job['path']}",
                            headers=job["headers"], body=job["body"])
    print(json.dumps({"nonce": job["nonce"], "received": response.data.decode()}), flush=True)
