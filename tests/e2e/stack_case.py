# SPDX-License-Identifier: Apache-2.0
"""One row of the README's table of TLS stacks: a real client starts, the doctor says which library it
carries, the client makes its calls, and each is one span with the recorded text.
"""
import json
import subprocess
import time

from harness import BINARY, Daemon, WorldCase, job, nonce_of, recording
from test_capture import expected_text, output_text

# Built by tests/programs/CMakeLists.txt.
PROGRAMS = BINARY.parent
PLAYS = ["openai_json", "openai_stream", "anthropic_stream"]


def libraries(pid):
    """What the doctor finds in a process: [(library, file, function)], and its remark."""
    out = subprocess.run([BINARY, "doctor", "--json", str(pid)], stdout=subprocess.PIPE,
                         timeout=60).stdout
    found, remark = [], ""
    for process in json.loads(out)["processes"]:
        remark = process.get("remark", "")
        found += [(site["library"], file["path"], site["function"])
                  for file in process["files"] for site in file["sites"]]
    return found, remark


def raw_request(call):
    """A call as bytes of HTTP/1.1, for programs that only know how to move bytes."""
    head = [f"POST {call['path']} HTTP/1.1", f"Host: {call['host']}", "Connection: close",
            f"Content-Length: {len(call['body'])}"]
    head += [f"{key}: {value}" for key, value in call["headers"].items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + call["body"].encode()


class StackCase(WorldCase):
    """Every test of a suite shares one daemon: files are known by what came before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.running = Daemon(cls.world)

    def start(self, command, env=None):
        process = subprocess.Popen(self.world.inside(*command), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.world.environment(**(env or {})))
        self.addCleanup(process.__exit__, None, None, None)  # closes the pipes, waits
        self.addCleanup(process.kill)
        return process

    def wait_for_library(self, process, library, file="", seconds=30):
        """Until the doctor sees it in the process, which waits for its jobs meanwhile; in a file
        whose path has `file` in it. Returns the functions that are probed."""
        deadline = time.time() + seconds
        while time.time() < deadline:
            self.assertIsNone(process.poll(), "the client ended before its jobs")
            found, _ = libraries(process.pid)
            functions = {f for name, path, f in found if name == library and file in path}
            if functions:
                time.sleep(0.5)  # the daemon, which runs beside, is as fast as the doctor
                return functions
            time.sleep(0.2)
        raise AssertionError(f"the doctor does not see {library}: {found}")

    def check(self, name, library, command, env=None, file=""):
        """The client reads jobs from stdin until its end, then makes them one by one."""
        before = len(self.running.events())
        jobs = [job(play) for play in PLAYS]
        process = self.start(command, env)
        sites = self.wait_for_library(process, library, file)
        out, err = process.communicate("".join(json.dumps(j) + "\n" for j in jobs).encode(), 120)
        results = {}
        for line in out.splitlines():
            result = json.loads(line)
            results[result["nonce"]] = result
        self.assertEqual(set(results), {j["nonce"] for j in jobs}, err.decode()[-2000:])
        self.check_spans(name, library, jobs, before, sites)

    def check_spans(self, name, library, jobs, before, sites=()):
        spans = {}
        for event in self.running.wait(before + len(jobs))[before:]:
            self.assertNotIn("observed:server", event["tags"], f"{name}: only its server was seen")
            spans.setdefault(nonce_of(event), []).append(event)
        print(f"  {name}: {library}, {sum(len(s) for s in spans.values())} spans for {len(jobs)} "
              f"calls ({'; '.join(sorted(sites))})", flush=True)
        for issued in jobs:
            events = spans.get(issued["nonce"], [])
            self.assertEqual(len(events), 1, f"{name}: spans of one {issued['play']}")
            self.assertEqual(events[0]["status"], "ok")
            self.assertEqual(output_text(events[0]).strip(), expected_text(issued["play"]).strip())
        self.assertEqual(sum(len(s) for s in spans.values()), len(jobs))
