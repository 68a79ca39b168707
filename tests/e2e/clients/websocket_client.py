#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3-websockets (permessage-deflate offered): OpenAI Responses over one WebSocket, a prewarm
first, then every job as one response.create. Usage: websocket_client.py [QUERY] PARALLEL; the query
tells the server how to answer the offer."""
import asyncio
import json
import ssl
import sys

import websockets


async def main():
    jobs = [json.loads(line) for line in sys.stdin]
    url = f"wss://{jobs[0]['host']}:{jobs[0]['port']}/v1/responses"
    if len(sys.argv) > 2:
        url += "?" + sys.argv[1]
    async with websockets.connect(url, ssl=ssl.create_default_context(), max_size=None,
                                  extra_headers={"Authorization": "Bearer sk-e2e-0123456789"}) as ws:
        await ws.send(json.dumps({"type": "response.create", "generate": False, "model": "gpt-4o",
                                  "input": []}))
        while json.loads(await ws.recv())["type"] != "response.completed":
            pass
        for job in jobs:
            await ws.send(json.dumps({"type": "response.create", "model": "gpt-4o",
                                      "input": json.loads(job["body"])["messages"]}))
            while (event := json.loads(await ws.recv()))["type"] != "response.completed":
                pass
            print(json.dumps({"nonce": job["nonce"], "usage": event["response"]["usage"]}))


asyncio.run(main())
