# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: a network namespace of their own, where the providers' names
resolve to loopback; the provider server in it; the real daemon outside; unmodified clients inside.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = pathlib.Path(os.environ.get("LLMTAP_BINARY", ROOT / "build" / "llmtap"))
PYTHON = "/usr/bin/python3"
HOSTS = ["api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com",
         "bedrock-runtime.us-east-1.amazonaws.com", "api.cohere.com", "api.mistral.ai", "api.x.ai",
         "ollama.example.internal", "gateway.example.internal", "www.example.com"]
PORT = 443


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def unpacked(package, program):
    """A program of a Debian package, unpacked beside the binary: installed, the package would be a
    service of this machine."""
    folder = BINARY.resolve().parent / package
    if not (folder / program).exists():
        folder.mkdir(exist_ok=True)
        run("apt-get", "-qq", "download", package, cwd=folder)
        run("dpkg", "-x", next(folder.glob(f"{package}_*.deb")).name, ".", cwd=folder)
    return folder / program


class World:
    """Namespace, certificates, provider server. Use as a context manager."""

    def __init__(self):
        self.name = f"llmtap-e2e-{os.getpid()}"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="llmtap-e2e-"))
        self.processes = []

    def __enter__(self):
        try:
            self._namespace()
            self._certificates()
            self.server = self.spawn("node", HERE / "provider_server.js", "--port", PORT,
                                     "--cert", self.dir / "cert.pem", "--key", self.dir / "key.pem",
                                     "--log", self.dir / "requests",
                                     stdout=subprocess.PIPE, text=True)
            assert self.server.stdout.readline() == "ready\n", "the provider server did not start"
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL)
        shutil.rmtree(f"/etc/netns/{self.name}", ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _namespace(self):
        etc = pathlib.Path("/etc/netns") / self.name
        etc.mkdir(parents=True)
        (etc / "hosts").write_text("127.0.0.1 localhost " + " ".join(HOSTS) + "\n")
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def _certificates(self):
        """A CA and a leaf of its own: rustls refuses a CA certificate as a server's."""
        names = ",".join(f"DNS:{host}" for host in HOSTS + ["localhost"])
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
        quiet = {"stderr": subprocess.DEVNULL, "cwd": self.dir}
        run("openssl", "req", "-x509", *key, "ca.key", "-out", "ca.pem", "-days", "2", "-subj",
            "/CN=llmtap-e2e CA", **quiet)
        run("openssl", "req", *key, "key.pem", "-out", "leaf.csr", "-subj", "/CN=llmtap-e2e", **quiet)
        (self.dir / "leaf.ext").write_text(
            f"subjectAltName={names},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        run("openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "leaf.ext", "-out", "cert.pem", **quiet)

    def environment(self, **extra):
        cert = str(self.dir / "ca.pem")
        return {**os.environ, "SSL_CERT_FILE": cert, "NODE_EXTRA_CA_CERTS": cert,
                "CURL_CA_BUNDLE": cert, "AWS_CA_BUNDLE": cert, "REQUESTS_CA_BUNDLE": cert,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True", **extra}

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def spawn(self, *command, env=None, **options):
        """Starts a command inside the namespace; ended with the world."""
        process = subprocess.Popen(self.inside(*command), env=self.environment(**(env or {})),
                                   **options)
        self.processes.append(process)
        return process

    def requests(self):
        """What the server has been asked so far."""
        log = self.dir / "requests"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def client(self, command, jobs, parallel, env=None):
        """Runs a client over jobs; returns {nonce: result}."""
        done = subprocess.run(
            self.inside(*command, parallel), env=self.environment(**(env or {})), text=True,
            input="".join(json.dumps(job) + "\n" for job in jobs), stdout=subprocess.PIPE,
            timeout=300)
        if done.returncode < 0 or done.returncode > 128:
            raise AssertionError(f"a client was killed by a signal: {done.returncode}")
        results = [json.loads(line) for line in done.stdout.splitlines()]
        return {result["nonce"]: result for result in results}

    def curl(self, call, *options):
        """Makes one call with the curl program."""
        headers = [word for key, value in call["headers"].items() for word in ("-H", f"{key}: {value}")]
        run(*self.inside("curl", "-sS", *options, f"https://{call['host']}{call['path']}", "-d",
                         call["body"], *headers),
            env=self.environment(), stdout=subprocess.DEVNULL)


class Daemon:
    """The real binary, writing JSON lines and a store into a directory of its own."""

    def __init__(self, world, *arguments, env=None):
        self.world = world
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="daemon-", dir=world.dir))
        self.jsonl = self.dir / "events.jsonl"
        self.db = self.dir / "llmtap.db"
        self.log = self.dir / "log"
        self.arguments = arguments
        self.env = env or {}
        self.start()

    def start(self):
        command = [BINARY, "run", "--jsonl", self.jsonl, "--db", self.db, *self.arguments]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdout=log,
                                            stderr=subprocess.STDOUT,
                                            env={**os.environ, **self.env})
        self.world.processes.append(self.process)
        deadline = time.time() + 30
        while "watching" not in self.log.read_text():
            assert self.process.poll() is None, f"the daemon ended: {self.log.read_text()}"
            assert time.time() < deadline, f"the daemon is not ready: {self.log.read_text()}"
            time.sleep(0.05)

    def events(self):
        """LLMObs span events so far."""
        if not self.jsonl.exists():
            return []
        return [json.loads(line) for line in self.jsonl.read_text().splitlines(True)
                if line.endswith("\n")]

    def wait(self, count, seconds=10):
        """Events once there are `count`, or what is there after `seconds`."""
        deadline = time.time() + seconds
        while len(self.events()) < count and time.time() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # anything that should not come
        return self.events()

    def ask(self, command, *arguments):
        """JSON lines that a command of the CLI reads out of the store."""
        out = run(BINARY, command, "--db", self.db, "--json", *arguments,
                  stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def calls(self, *arguments):
        return self.ask("calls", "--limit", "100000", *arguments)

    def usage(self, *arguments):
        return self.ask("usage", "--since", "15m", *arguments)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait(20)
        return self.process.returncode


class WorldCase(unittest.TestCase):
    """A suite in a world of its own; daemons of a test end with it."""

    @classmethod
    def setUpClass(cls):
        cls.world = World().__enter__()
        cls.addClassCleanup(cls.world.__exit__)

    def daemon(self, *arguments, env=None):
        daemon = Daemon(self.world, *arguments, env=env)
        self.addCleanup(daemon.stop)
        return daemon

    def check_span(self, event, issued, result):
        """The span of one call is what its client sent, received and measured."""
        recorded = recording(issued["play"])
        self.assertEqual(result["received"], recorded["body"])
        self.assertEqual(event["status"], "ok" if recorded["status"] < 400 else "error")
        if recorded["status"] < 400:
            self.assertGreater(event["metrics"]["output_tokens"], 0)
        self.assertGreaterEqual(event["start_ns"] + 2_000_000, result["start_ns"])
        self.assertLessEqual(event["start_ns"] + event["duration"], result["end_ns"] + 2_000_000)

    def round(self, daemon, client, command, jobs, parallel):
        """A client makes `jobs`: every call is exactly one span, and nothing else is. Returns how far
        the times to first token are off, in ms."""
        before = len(daemon.events())
        results = self.world.client(command, jobs, parallel)
        self.assertEqual(len(results), len(jobs), "the client itself failed")
        by_nonce = {}
        for event in daemon.wait(before + len(jobs))[before:]:
            by_nonce.setdefault(nonce_of(event), []).append(event)
        captured = [j for j in jobs if j["nonce"] in by_nonce]
        off = []
        for issued in captured:
            event, result = by_nonce[issued["nonce"]][0], results[issued["nonce"]]
            self.check_span(event, issued, result)
            first = event["metrics"].get("time_to_first_token")
            if first is not None and issued["play"].endswith("stream"):
                off.append(abs(event["start_ns"] + first * 1e9 - result["first_ns"]) / 1e6)
        off.sort()
        print(f"  {client:20} x{parallel:<3} captured {len(captured)}/{len(jobs)} = "
              f"{len(captured) / len(jobs):.3f}  ttft off by median {statistics.median(off):.2f} ms, "
              f"p99 {off[int(len(off) * 0.99)]:.2f} ms, max {off[-1]:.2f} ms", flush=True)
        self.assertEqual(len(captured), len(jobs))
        self.assertTrue(all(len(events) == 1 for events in by_nonce.values()),
                        "a call must be one span")
        self.assertEqual(len(by_nonce), len(jobs), "something else was captured")
        return off


def recording(name):
    return json.loads((HERE / "recordings" / f"{name}.json").read_text())


MODELS = {"openai": ("api.openai.com", "/v1/chat/completions", "gpt-3.5-turbo"),
          "anthropic": ("api.anthropic.com", "/v1/messages", "claude-3-opus-20240229")}


def content_mark(name):
    """The bytes with which the first content of a recorded answer shows up."""
    body = recording(name)["body"]
    if "data:" not in body:
        return body[-20:]
    for event in body.split("\n\n"):
        data = event[event.find("{"):]
        if not data.startswith("{"):
            continue
        parsed = json.loads(data)
        delta = (parsed.get("choices") or [{}])[0].get("delta", parsed.get("delta", {}))
        if any(delta.get(k) for k in ("content", "tool_calls", "text", "partial_json")):
            return data
    raise ValueError(name)


def job(play, prompt="say hello", body_extra=None, **headers):
    """One call: a unique nonce in the prompt ties the client's view to the captured span."""
    provider = play.split("_")[0]
    host, path, model = MODELS[provider]
    nonce = uuid.uuid4().hex
    request = {"model": model, "messages": [{"role": "user", "content": f"{prompt} {nonce}"}],
               "max_tokens": 64}
    if play.endswith("stream"):
        request["stream"] = True
    request.update(body_extra or {})
    secret = {"openai": ("Authorization", "Bearer sk-e2e-0123456789abcdefghijklmnop"),
              "anthropic": ("x-api-key", "sk-ant-e2e-0123456789abcdefghijklmnop")}[provider]
    all_headers = {"Content-Type": "application/json", secret[0]: secret[1], "x-play": play}
    all_headers.update({k.replace("_", "-"): str(v) for k, v in headers.items()})
    return {"nonce": nonce, "host": host, "port": PORT, "path": path, "play": play,
            "headers": all_headers, "body": json.dumps(request),
            "content_mark": content_mark(play)}


def seen_at_client(events):
    """Without the calls of which only the server's end was seen: the provider server is on this
    machine, too, so a call that is missed at its client is still there."""
    return [event for event in events if "observed:server" not in event["tags"]]


def nonce_of(event):
    text = json.dumps(event["meta"].get("input", {}))
    found = re.search(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", text)
    return found and found.group(0)


CLIENTS = {
    "curl": [PYTHON, HERE / "clients" / "curl_client.py"],
    "python-http.client": [PYTHON, HERE / "clients" / "http_client.py"],
    "python-asyncio": [PYTHON, HERE / "clients" / "asyncio_client.py"],
    "node-https": ["node", HERE / "clients" / "https_client.js"],
    "node-fetch": ["node", HERE / "clients" / "fetch_client.js"],
    "gunicorn-prefork": [PYTHON, HERE / "clients" / "prefork_client.py"],
}
