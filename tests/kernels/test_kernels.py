#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debian's other kernels, emulated by qemu: the daemon starts, says how it attaches, and captures a
call over TLS and, from Linux 6.3 on, one over plain HTTP. A verifier knows less in older kernels than
in the one that the other suites run on. Needs neither root nor KVM; a minute for each kernel.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import BINARY, recording, run  # noqa: E402
from test_containers import copy_program  # noqa: E402

IMAGE = "linux-image-cloud-amd64"
SECONDS = 300


def output_of(*command):
    return run(*command, stdout=subprocess.PIPE, text=True).stdout


def kernel(suite):
    """The kernel image of a Debian suite, from where this machine gets its packages."""
    folder = BINARY.resolve().parent / "kernels" / suite
    if not list(folder.glob("boot/vmlinuz-*")):
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        places = output_of("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)",
                           "Created-By: Packages").splitlines()
        uri = next(place.split()[1] for place in places if place.split()[0] == "bookworm")
        (folder / "sources.list").write_text(f"deb {uri} {suite} main\n")
        options = ["-qq", "-o", f"Dir::Etc::SourceList={folder}/sources.list",
                   "-o", "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={folder}/lists",
                   "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
        run("apt-get", *options, "update")
        needed = output_of("apt-cache", *options, "depends", IMAGE)
        name = next(word for word in needed.split() if word.startswith("linux-image-"))
        if name == IMAGE:
            name = next(w for w in needed.split() if w.startswith("linux-image-") and w != IMAGE)
        run("apt-get", *options, "download", name, cwd=folder)
        run("dpkg", "-x", next(folder.glob("*.deb")).name, ".", cwd=folder)
    return next(folder.glob("boot/vmlinuz-*"))


def make_system(root):
    """A system in memory: the daemon, a client, a server, busybox."""
    copy_program(BINARY, root, "/usr/bin/llmtap")
    run("strip", root / "usr/bin/llmtap")
    copy_program(shutil.which("curl"), root)
    python = copy_program("/usr/bin/python3", root, "/usr/bin/python3")
    library = pathlib.Path("/usr/lib") / python.name
    shutil.copytree(library, root / str(library)[1:],
                    ignore=shutil.ignore_patterns("test", "__pycache__", "config-*"))
    for module in library.glob("lib-dynload/_ssl*.so"):
        copy_program(module, root)
    (root / "bin").mkdir()
    shutil.copy("/bin/busybox", root / "bin")
    for name in ("init", "server.py"):
        shutil.copy(HERE / name, root / name)
    (root / "init").chmod(0o755)
    (root / "answer").write_text(recording("openai_json")["body"])
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", root / "key.pem", "-out", root / "cert.pem", "-days", "2", "-subj",
        "/CN=api.openai.com", "-addext", "subjectAltName=DNS:api.openai.com",
        stderr=subprocess.DEVNULL)


class Kernels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="llmtap-kernels-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        make_system(cls.directory / "root")
        with (cls.directory / "initrd").open("wb") as archive:
            names = output_of("find", cls.directory / "root", "-mindepth", "1", "-printf", "%P\\0")
            run("cpio", "--quiet", "--null", "-o", "-H", "newc", cwd=cls.directory / "root",
                input=names, text=True, stdout=archive)

    def boot(self, suite):
        # Without cx16: qemu 7.2 emulates that instruction wrongly, and 6.12 uses it.
        done = subprocess.run(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,-cx16,-la57", "-smp", "2",
             "-m", "1024", "-nographic", "-nic", "none", "-no-reboot", "-kernel", kernel(suite),
             "-initrd", self.directory / "initrd", "-append", "console=ttyS0 quiet panic=-1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
            timeout=SECONDS).stdout
        release, log, calls = "", [], []
        for line in done.splitlines():
            word, _, rest = line.partition(" ")
            if word == "RELEASE":
                release = rest
            elif word == "LOG":
                log.append(rest)
            elif word == "CALL":
                calls.append(json.loads(rest))
        self.assertTrue(release, done[-2000:])
        print(f"  Linux {release}: {len(calls)} calls; {log[0] if log else 'no log'}", flush=True)
        self.assertEqual([line for line in log if not line.startswith("llmtap: ")], [])
        return "\n".join(log), sorted(json.dumps(call) for call in calls)

    def check(self, suite, mode, prompts):
        log, calls = self.boot(suite)
        self.assertIn(f"({mode})", log)
        self.assertEqual(len(calls), len(prompts), log)
        for prompt in prompts:
            self.assertEqual(sum(prompt in call for call in calls), 1, prompt)

    def test_6_1(self):
        self.check("bookworm", "perf event", ["over tls"])

    def test_6_12(self):
        self.check("bookworm-backports", "uprobe_multi", ["over tls", "over plain http"])


if __name__ == "__main__":
    for program in ("qemu-system-x86_64", "busybox", "cpio"):
        if shutil.which(program) is None:
            sys.exit(f"test_kernels needs {program}: scripts/install-packages kernels")
    unittest.main()
