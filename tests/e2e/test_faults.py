#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that a destination, a disk and a kill can do to spans on their way: what was emitted
arrives, by id, or the daemon says what it dropped. Receivers and disks are real (a tmpfs that is
full). How Delivery reacts to single answers: tests/unit/sinks/delivery_test.cpp; ten minutes of
outage at 500 calls a second: scripts/bench_store.
"""
import signal
import subprocess
import time
import unittest

from harness import CLIENTS, Daemon, WorldCase, job, run
from receiver import Receiver


SERVICE = "faults-client"  # whatever else runs on this machine is seen as well


def ours(spans):
    return [span for span in spans if f"service:{SERVICE}" in span["tags"]]


def ids(spans):
    return {span["span_id"] for span in ours(spans)}


class Faults(WorldCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(lambda: self.receiver.close())
        self.port = self.receiver.port

    def down(self):
        self.receiver.close()

    def up(self, **state):
        """A receiver on the same port, with what the former ones took."""
        taken = self.receiver.taken
        self.receiver = Receiver(self.port)
        self.receiver.taken = taken
        for name, value in state.items():
            setattr(self.receiver, name, value)

    def make_daemon(self, config="", kind=Daemon):
        file = self.world.dir / f"faults-{time.time_ns()}.yaml"
        file.write_text(f"datadog: {{enabled: true, agent_url: 'http://127.0.0.1:{self.port}'}}\n"
                        f"otlp: {{enabled: false}}\nmetrics: {{listen: ''}}\n" + config)
        daemon = kind(self.world, "--config", file)
        self.addCleanup(daemon.stop)
        return daemon

    def calls(self, daemon, count, size=0):
        """Makes calls and waits until they are captured; the time for the spool is granted."""
        before = len(ours(daemon.events()))
        jobs = [job("openai_json", prompt="x" * size) for _ in range(count)]
        results = self.world.client(CLIENTS["python-http.client"], jobs, 4, {"DD_SERVICE": SERVICE})
        self.assertEqual(len(results), count, "the client itself failed")
        deadline = time.time() + 20
        while len(ours(daemon.events())) < before + count and time.time() < deadline:
            time.sleep(0.05)
        events = ours(daemon.events())[before:]
        self.assertEqual(len(events), count)
        time.sleep(0.5)
        return ids(events)

    def assert_arrive(self, emitted, seconds=20):
        deadline = time.time() + seconds
        while ids(self.receiver.spans()) < emitted and time.time() < deadline:
            time.sleep(0.1)
        self.assertEqual(ids(self.receiver.spans()), emitted)

    def test_down_then_up(self):
        daemon = self.make_daemon()
        emitted = self.calls(daemon, 20)
        self.assert_arrive(emitted)
        self.down()
        emitted |= self.calls(daemon, 40)
        self.up()
        emitted |= self.calls(daemon, 20)
        self.assert_arrive(emitted, 60)
        self.assertEqual(len(ours(self.receiver.spans())), len(emitted), "nothing was sent twice")

    def test_answers(self):
        """429 with Retry-After, 413, 401, a reset in the middle of the body, no answer in time."""
        daemon = self.make_daemon()
        emitted = set()
        for name, state in {"429": {"status": 429, "headers": {"Retry-After": "1"}},
                            "reset": {"reset_after": 500}, "500": {"status": 500}}.items():
            with self.subTest(name):
                for key, value in state.items():
                    setattr(self.receiver, key, value)
                emitted |= self.calls(daemon, 10)
                self.assertGreater(self.receiver.asked, 0)
                self.receiver.status, self.receiver.headers = 202, {}
                self.receiver.reset_after = None
                self.assert_arrive(emitted, 30)
        with self.subTest("413"):
            self.receiver.limit = 8000  # a few spans at once are too many
            emitted |= self.calls(daemon, 10)
            self.assert_arrive(emitted, 30)
            self.receiver.limit = None
        with self.subTest("401"):
            self.receiver.status = 401
            kept = self.calls(daemon, 10)
            asked = self.receiver.asked
            time.sleep(2)
            self.assertLessEqual(self.receiver.asked - asked, 1, "a refused key is no reason to hurry")
            self.assertIn("the API key is refused", daemon.log.read_text())
            daemon.stop()
            self.receiver.status = 202
            daemon.start()  # with the key that is right now
            self.assert_arrive(emitted | kept, 30)

    def test_slow(self):
        """A receiver that takes its time holds up nothing else."""
        self.receiver.delay = 1.5
        daemon = self.make_daemon()
        start = time.time()
        emitted = self.calls(daemon, 40)
        self.assertLess(time.time() - start, 20)
        self.assertEqual(len(daemon.calls(f"service:{SERVICE}")), 40, "the store did not wait")
        self.assert_arrive(emitted, 30)

    def test_kill_9_in_each_state(self):
        states = {
            "down": lambda: self.down(),
            "backing off": lambda: setattr(self.receiver, "status", 503),
            "in a batch": lambda: setattr(self.receiver, "delay", 3),
            "flushing": lambda: setattr(self.receiver, "delay", 3),
        }
        for name, spoil in states.items():
            with self.subTest(name):
                daemon = self.make_daemon()
                emitted = self.calls(daemon, 10)
                self.assert_arrive(ids(self.receiver.spans()) | emitted)
                spoil()
                late = self.calls(daemon, 20)
                if name == "flushing":
                    daemon.process.send_signal(signal.SIGTERM)
                    time.sleep(0.3)
                daemon.stop(signal.SIGKILL)
                if name == "down":
                    self.up()
                self.receiver.status, self.receiver.delay = 202, 0
                daemon.start()
                time.sleep(3.5)  # what was under way at the kill is answered as well
                got = [s["span_id"] for s in ours(self.receiver.spans())]
                self.assertEqual(set(got) & (emitted | late), emitted | late)
                again = [one for one in got if got.count(one) > 1]
                print(f"  killed {name}: {len(emitted | late)} emitted, all there; "
                      f"{len(set(again))} came twice, with the same id", flush=True)
                daemon.stop()
                check = subprocess.run(["/usr/bin/python3", "-c", INTEGRITY, str(daemon.db)],
                                       stdout=subprocess.PIPE, text=True)
                self.assertEqual(check.stdout.strip(), "ok", "the store survived")
                self.assertEqual(len(daemon.calls(f"service:{SERVICE}")), 30)
                self.receiver.taken.clear()

    def test_disk_full(self):
        disk = self.world.dir / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(disk)]))
        class OnDisk(Daemon):
            def start(self):
                self.db = disk / "llmtap.db"
                super().start()
        daemon = self.make_daemon(kind=OnDisk)
        self.assert_arrive(emitted := self.calls(daemon, 10))
        self.receiver.status = 503
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass  # full
        emitted |= self.calls(daemon, 60, size=4000)
        log = daemon.log.read_text()
        self.assertIn("calls are not kept until it works again", log)
        self.assertIn("keeping records in memory", log)
        filler.unlink()
        after = self.calls(daemon, 10)
        self.receiver.status = 202
        self.assert_arrive(emitted | after, 60)
        self.assertIn("store: writing again", daemon.log.read_text())
        daemon.stop()
        stored = len(daemon.calls(f"service:{SERVICE}"))
        lost = int(next(line for line in daemon.log.read_text().splitlines()
                        if "calls could not be kept" in line).split("store: ")[1].split()[0])
        print(f"  disk full: 80 calls captured and delivered, {stored} stored, {lost} counted as lost",
              flush=True)
        self.assertGreaterEqual(stored + lost, 80)
        self.assertGreaterEqual(stored, 20)


INTEGRITY = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])
"""


if __name__ == "__main__":
    unittest.main()
