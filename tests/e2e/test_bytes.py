#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Byte identity: what `llmtap record` wrote of a client's connections is, byte for byte, what the
client sent and what the server played, for every client kind."""
import collections
import json
import shlex
import struct
import subprocess
import unittest

import harness
from harness import CLIENTS, WorldCase, job, recording

CALLS = 60
HEADER = struct.Struct("<IBBHQQQQQQII")  # userspace/capture/recording.h
WRITE, READ = 0, 1


def streams(path):
    """{(connection, direction): bytes}; fails on any hole."""
    data, at = path.read_bytes(), 8
    assert data[:8] == b"LLMTAPR1"
    out = collections.defaultdict(bytearray)
    while at < len(data):
        (tgid, kind, direction, _, conn, generation, offset, _, _, missing, length,
         _) = HEADER.unpack_from(data, at)
        at += HEADER.size
        if kind == 0:
            stream = out[(tgid, conn, generation, direction)]
            assert offset == len(stream) and missing == 0, "a hole in the recording"
            stream += data[at:at + length]
        at += length
    return out


def played(name):
    """The answer's body as the server frames it: sized, or one chunk per event."""
    body = recording(name)["body"].encode()
    if b"data:" not in body:
        return body
    events = [part + b"\n\n" for part in body.split(b"\n\n") if part]
    return b"".join(b"%x\r\n%s\r\n" % (len(e), e) for e in events) + b"0\r\n\r\n"


class Bytes(WorldCase):
    def check(self, client):
        plays = ["openai_stream", "openai_json", "anthropic_stream", "anthropic_401"]
        jobs = [job(plays[i % len(plays)]) for i in range(CALLS)]
        directory = self.world.dir / client
        directory.mkdir()
        (directory / "jobs").write_text("".join(json.dumps(j) + "\n" for j in jobs))
        command = shlex.join(map(str, self.world.inside(*CLIENTS[client], 8)))
        subprocess.run(
            [harness.BINARY, "record", directory / "out.rec", "--", "sh", "-c",
             f"sleep 0.3; {command} < {directory}/jobs > {directory}/results"],
            env=self.world.environment(), check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=120)
        results = [json.loads(l) for l in (directory / "results").read_text().splitlines()]
        self.assertEqual(len(results), CALLS, "the client itself failed")
        seen = streams(directory / "out.rec")
        sent = b"\0".join(bytes(s) for key, s in seen.items() if key[3] == WRITE)
        got = b"\0".join(bytes(s) for key, s in seen.items() if key[3] == READ)
        for issued in jobs:
            self.assertEqual(sent.count(issued["body"].encode()), 1)
        for play in plays:
            self.assertEqual(got.count(played(play)), CALLS // len(plays), play)
        print(f"  {client}: {len(sent)} bytes sent, {len(got)} received, {CALLS} bodies identical",
              flush=True)


for name in CLIENTS:
    key = name.replace("-", "_").replace(".", "_")
    setattr(Bytes, f"test_{key}", lambda self, name=name: self.check(name))

if __name__ == "__main__":
    unittest.main()
