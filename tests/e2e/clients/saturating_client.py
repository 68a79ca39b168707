#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3 at full speed: PROCESSES of THREADS, each with a connection of its own, as many calls as
there are jobs. Jobs come as JSON lines on stdin. At the end one line: calls, and the plaintext bytes
that went through the ssl module, which is what a tap should have seen.

Usage: saturating_client.py PROCESSES THREADS
"""
import http.client
import json
import os
import ssl
import sys
import threading


class Counting(ssl.SSLSocket):
    moved = 0  # by one thread each: summed per socket

    def send(self, data, flags=0):
        done = super().send(data, flags)
        self.moved += done
        return done

    def recv_into(self, buffer, nbytes=None, flags=0):
        done = super().recv_into(buffer, nbytes, flags)
        self.moved += done
        return done


context = ssl.create_default_context()
context.sslsocket_class = Counting


def calls(jobs, totals):
    connection = http.client.HTTPSConnection(jobs[0]["host"], jobs[0]["port"], context=context)
    connection.connect()
    socket = connection.sock
    for job in jobs:
        connection.request("POST", job["path"], job["body"].encode(), job["headers"])
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        assert connection.sock is socket, "the server closed the connection"
    totals.append((len(jobs), socket.moved))


def process(jobs, threads):
    totals = []
    running = [threading.Thread(target=calls, args=(jobs[i::threads], totals))
               for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return {"calls": sum(t[0] for t in totals), "bytes": sum(t[1] for t in totals)}


def main():
    processes, threads = int(sys.argv[1]), int(sys.argv[2])
    jobs = [json.loads(line) for line in sys.stdin]
    pipes = []
    for number in range(processes):
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, json.dumps(process(jobs[number::processes], threads)).encode())
            os._exit(0)
        os.close(write)
        pipes.append(read)
    parts = [json.loads(os.read(pipe, 4096)) for pipe in pipes]
    for _ in range(processes):
        os.wait()
    print(json.dumps({key: sum(part[key] for part in parts) for key in ("calls", "bytes")}))


main()
