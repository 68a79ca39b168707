#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3 asyncio streams (TLS over memory BIOs). Jobs as JSON lines on stdin."""
import asyncio
import json
import ssl
import sys
import time

context = ssl.create_default_context()


async def read_body(reader, headers, job):
    """Returns the body and when the first content was there."""
    first, received = None, b""

    def seen(data):
        nonlocal first, received
        received += data
        if first is None and job["content_mark"].encode() in received:
            first = time.time_ns()

    if "content-length" in headers:
        left = int(headers["content-length"])
        while left:
            data = await reader.read(left)
            if not data:
                raise ConnectionError("cut")
            left -= len(data)
            seen(data)
    else:
        while size := int(await reader.readline(), 16):
            seen(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
    return received, first


async def call(reader, writer, job):
    body = job["body"].encode()
    head = [f"POST {job['path']} HTTP/1.1", f"Host: {job['host']}", f"Content-Length: {len(body)}"]
    head += [f"{key}: {value}" for key, value in job["headers"].items()]
    start = time.time_ns()
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    status = int((await reader.readline()).split()[1])
    headers = {}
    while (line := (await reader.readline()).strip()) != b"":
        key, _, value = line.decode().partition(":")
        headers[key.lower()] = value.strip()
    received, first = await read_body(reader, headers, job)
    print(json.dumps({"nonce": job["nonce"], "status": status, "start_ns": start, "first_ns": first,
                      "end_ns": time.time_ns(), "received": received.decode()}), flush=True)


async def worker(queue):
    streams = None
    while queue:
        job = queue.pop()
        if streams is None:
            tls = None if job.get("plain") else context
            streams = await asyncio.open_connection(job["host"], job["port"], ssl=tls)
        await call(*streams, job)
    if streams:
        streams[1].close()


async def main():
    queue = [json.loads(line) for line in sys.stdin][::-1]
    await asyncio.gather(*(worker(queue) for _ in range(int(sys.argv[1]))))


asyncio.run(main())
