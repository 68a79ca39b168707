#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of runc: a libssl that exists only inside an image (overlayfs), in mount and pid
namespaces of its own, in containers that come and go, also several at once; and programs that
replace their library or themselves.
"""
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest
import uuid

from harness import WorldCase, job, nonce_of, run, seen_at_client
from stack_case import PROGRAMS, raw_request

CONTAINERS = 10


def copy_program(program, directory, name=None):
    """A program and what it loads into an image, under its own path or `name`."""
    program = pathlib.Path(program).resolve()
    listing = run("ldd", program, stdout=subprocess.PIPE, text=True).stdout
    paths = {path: path for path in re.findall(r"(/\S+)", listing)}
    for path, place in {**paths, str(program): name or str(program)}.items():
        target = directory / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(pathlib.Path(path).resolve(), target)
    for name in ("etc", "tmp", "proc", "dev", "sys"):
        (directory / name).mkdir(exist_ok=True)
    return program


class Container:
    """A bundle over an image: an overlay of its own, the network of the world."""

    def __init__(self, world, image):
        self.id = uuid.uuid4().hex * 2  # what docker and containerd call theirs
        self.world = world
        self.dir = world.dir / f"container-{self.id[:8]}"
        for name in ("upper", "work", "root"):
            (self.dir / name).mkdir(parents=True)
        run("mount", "-t", "tmpfs", "tmpfs", self.dir / "upper")  # overlay wants no overlay below
        for name in ("u", "w"):
            (self.dir / "upper" / name).mkdir()
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={image},upperdir={self.dir}/upper/u,workdir={self.dir}/upper/w",
            self.dir / "root")
        shutil.copy(world.dir / "ca.pem", self.dir / "root" / "ca.pem")
        shutil.copy(f"/etc/netns/{world.name}/hosts", self.dir / "root" / "etc" / "hosts")

    def curl(self, curl, call):
        command = [str(curl), "-sS", "--http1.1", "--cacert", "/ca.pem", "-o", "/tmp/answer",
                   "-w", "%{http_code}", "--data-binary", call["body"],
                   f"https://{call['host']}:{call['port']}{call['path']}"]
        for key, value in call["headers"].items():
            command += ["-H", f"{key}: {value}"]
        (self.dir / "config.json").unlink(missing_ok=True)
        run("runc", "spec", cwd=self.dir)
        config = json.loads((self.dir / "config.json").read_text())
        config["root"] = {"path": str(self.dir / "root"), "readonly": False}
        config["process"].update(terminal=False, args=command)
        for namespace in config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = f"/run/netns/{self.world.name}"
        (self.dir / "config.json").write_text(json.dumps(config))
        return run("runc", "run", self.id, cwd=self.dir, stdout=subprocess.PIPE, text=True).stdout

    def remove(self):
        for name in ("root", "upper"):
            subprocess.run(["umount", "-l", self.dir / name], check=False)


class Containers(WorldCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = cls.world.dir / "image"
        cls.curl = copy_program(shutil.which("curl"), cls.image)  # nothing else

    def test_containers_that_come_and_go(self):
        daemon = self.daemon()
        ids = {}
        for _ in range(CONTAINERS):
            container = Container(self.world, self.image)
            self.addCleanup(container.remove)
            call = job("openai_json")
            self.assertEqual(container.curl(self.curl, call), "200")
            ids[call["nonce"]] = container.id
        events = daemon.wait(CONTAINERS)
        captured = {nonce_of(event) for event in events} & set(ids)
        print(f"  containers, one call each: captured {len(captured)}/{CONTAINERS}", flush=True)
        self.assertEqual(captured, set(ids))
        self.assertEqual(len(events), CONTAINERS)
        seen = {row["process"].get("container_id") for row in daemon.calls()}
        self.assertEqual(seen, set(ids.values()))

    def test_several_containers_at_once(self):
        """Each with a file of its own, by inode: an overlay's upper layer, as an update leaves it."""
        daemon = self.daemon()
        calls = {}
        for _ in range(4):
            container = Container(self.world, self.image)
            self.addCleanup(container.remove)
            library = next((container.dir / "root").rglob("libssl.so.3"))
            library.touch()  # copied up: another device and inode than the image's
            calls[container] = [job("openai_json"), job("openai_stream")]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for number in range(2):
                codes = pool.map(lambda c, n=number: c.curl(self.curl, calls[c][n]), calls)
                self.assertEqual(list(codes), ["200"] * 4)
        issued = {call["nonce"] for both in calls.values() for call in both}
        captured = {nonce_of(event) for event in seen_at_client(daemon.wait(len(issued)))}
        first = {both[0]["nonce"] for both in calls.values()}
        print(f"  containers at once: captured {len(captured & issued)}/{len(issued)}, first calls "
              f"{len(captured & first)}/{len(first)}", flush=True)
        self.assertLessEqual(issued - first, captured)
        self.assertGreaterEqual(len(captured & first), 3)  # the library was never seen before

    def test_library_replaced_while_running(self):
        """An update puts a new file in the place of the old one: another inode."""
        daemon = self.daemon()
        libraries = self.world.dir / "updated"
        libraries.mkdir()
        source = next(self.image.rglob("libssl.so.3"))
        issued = set()
        for number in range(4):
            fresh = libraries / f"new-{number}"
            shutil.copy2(source, fresh)
            fresh.rename(libraries / "libssl.so.3")
            call = job("openai_json")
            done = self.world.client(["/usr/bin/python3", CURL_CLIENT], [call], 1,
                                     env={"LD_LIBRARY_PATH": str(libraries)})
            self.assertIn(call["nonce"], done)
            again = job("openai_json")  # the first may be too early for a library never seen
            self.world.client(["/usr/bin/python3", CURL_CLIENT], [again], 1,
                              env={"LD_LIBRARY_PATH": str(libraries)})
            issued.add(again["nonce"])
        captured = {nonce_of(event) for event in seen_at_client(daemon.wait(2 * 4, 5))}
        print(f"  replaced library: captured {len(captured)}/8, all second calls "
              f"{issued <= captured}", flush=True)
        self.assertLessEqual(issued, captured)

    def test_program_that_updates_itself(self):
        """A new file takes the program's name while the old one still runs; both are captured."""
        daemon = self.daemon()
        program = self.world.dir / "agent"
        calls, running = [], []
        for number in range(3):
            fresh = self.world.dir / "agent.new"
            shutil.copy2(PROGRAMS / "https_exchange_stripped", fresh)
            fresh.rename(program)
            calls.append(job("openai_json"))
            running.append(self.world.spawn(program, calls[-1]["host"], calls[-1]["port"],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            exe = pathlib.Path(f"/proc/{running[-1].pid}/exe")
            while exe.stat().st_ino != program.stat().st_ino:
                time.sleep(0.01)  # ip netns exec is still on its way
        time.sleep(0.5)
        for process, call in zip(running, calls):
            answer, _ = process.communicate(raw_request(call), 20)
            self.assertIn(b"HTTP/1.1 200", answer)
        captured = {nonce_of(event) for event in seen_at_client(daemon.wait(3))}
        print(f"  updated program: captured {len(captured)}/3", flush=True)
        self.assertEqual(captured, {call["nonce"] for call in calls})


CURL_CLIENT = pathlib.Path(__file__).resolve().parent / "clients" / "curl_client.py"

if __name__ == "__main__":
    if shutil.which("runc") is None:
        sys.exit("test_containers needs runc (Debian package runc)")
    unittest.main()
