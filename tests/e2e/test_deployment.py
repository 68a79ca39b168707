#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as config/kubernetes.yaml starts it: a container of runc with the manifest's privileges,
mounts and environment, a network, host name and read-only root of its own, the node's processes. It
captures a call that is made outside of it.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

import yaml

from harness import BINARY, CLIENTS, ROOT, WorldCase, job, nonce_of, run
from test_containers import copy_program

NODE = {"status.hostIP": "127.0.0.1", "spec.nodeName": "node-7"}


def daemon_set():
    documents = yaml.safe_load_all((ROOT / "config" / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


class Pod:
    """The DaemonSet's one container as a kubelet and containerd would start it; the node's
    directories are kept beside the bundle instead."""

    def __init__(self, directory):
        self.dir, self.id = directory, f"llmtap-pod-{os.getpid()}"
        kinds = daemon_set()
        self.spec = kinds["DaemonSet"]["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.root = directory / "image"
        copy_program(BINARY, self.root, "/usr/bin/llmtap")
        copy_program(shutil.which("curl"), self.root)
        self.volumes = {volume["name"]: self._volume(volume, kinds["ConfigMap"]["data"])
                        for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            target = self.root / mount["mountPath"].lstrip("/")
            if not mount["mountPath"].startswith("/sys/"):  # the container's own sysfs has it
                target.mkdir(parents=True, exist_ok=True)
        self._bundle()

    def _volume(self, volume, data):
        if volume.get("hostPath", {}).get("path", "").startswith("/sys/"):
            return volume["hostPath"]["path"]
        folder = self.dir / volume["name"]
        folder.mkdir()
        if "configMap" in volume:
            for name, text in data.items():
                (folder / name).write_text(text)
        return str(folder)

    def _environment(self):
        values = {}
        for variable in self.container["env"]:
            if "valueFrom" in variable:
                value = NODE[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            else:
                value = variable["value"]
                for name, known in values.items():
                    value = value.replace(f"$({name})", known)
            values[variable["name"]] = value
        return ["PATH=/usr/bin", *(f"{name}={value}" for name, value in values.items())]

    def _bundle(self):
        run("runc", "spec", cwd=self.dir)
        config = json.loads((self.dir / "config.json").read_text())
        context = self.container["securityContext"]
        granted = ["CAP_" + name for name in context["capabilities"]["add"]]
        process = config["process"]
        process.update(terminal=False, args=self.container["command"], env=self._environment(),
                       noNewPrivileges=not context["allowPrivilegeEscalation"],
                       capabilities={kind: granted for kind in ("bounding", "effective", "permitted")},
                       user={"uid": context["runAsUser"], "gid": 0})
        config["hostname"] = "llmtap-x7k2p"
        config["root"] = {"path": str(self.root), "readonly": context["readOnlyRootFilesystem"]}
        config["mounts"] += [
            {"destination": m["mountPath"], "type": "bind", "source": self.volumes[m["name"]],
             "options": ["rbind", "ro" if m.get("readOnly") else "rw"]}
            for m in self.container["volumeMounts"]]
        if self.spec["hostPID"]:
            config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"]
                                             if n["type"] != "pid"]
        limit = self.container["resources"]["limits"]["memory"]
        config["linux"]["resources"] = {"memory": {"limit": int(limit.removesuffix("Gi")) << 30}}
        (self.dir / "config.json").write_text(json.dumps(config))

    def start(self):
        self.log = self.dir / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(["runc", "run", self.id], cwd=self.dir, stdout=log,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        deadline = time.time() + 30
        while "watching" not in self.log.read_text():
            assert self.process.poll() is None, f"it ended: {self.log.read_text()}"
            assert time.time() < deadline, f"it is not ready: {self.log.read_text()}"
            time.sleep(0.05)

    def inside(self, *command):
        return subprocess.run(["runc", "exec", self.id, *command], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30).stdout

    def stop(self):
        """SIGTERM, as a kubelet sends it; the exit code and the seconds that it took."""
        began = time.time()
        if self.process.poll() is None:
            run("runc", "kill", self.id, "TERM")
        return self.process.wait(30), time.time() - began


class Deployment(WorldCase):
    def test_daemon_set(self):
        directory = self.world.dir / "pod"
        directory.mkdir()
        pod = Pod(directory)
        pod.start()
        self.addCleanup(pod.stop)
        probe = pod.container["readinessProbe"]["httpGet"]
        port = pod.container["ports"][0]["containerPort"]
        self.assertEqual(pod.inside("/usr/bin/curl", "-s", f"localhost:{port}{probe['path']}"), "ok\n")

        calls = [job("openai_json"), job("openai_stream"), job("anthropic_json")]
        issued = {call["nonce"] for call in calls}
        for name, call in zip(("curl", "python-http.client", "node-https"), calls):
            self.assertIn(call["nonce"], self.world.client(CLIENTS[name], [call], 1))
        deadline = time.time() + 15
        rows = []
        while time.time() < deadline and len(rows) < len(calls):
            time.sleep(0.2)
            out = run(BINARY, "calls", "--db", pathlib.Path(pod.volumes["state"]) / "llmtap.db",
                      "--json", stdout=subprocess.PIPE, text=True).stdout
            rows = [json.loads(line) for line in out.splitlines()]
        captured = {nonce for row in rows for nonce in issued if nonce in json.dumps(row)}
        print(f"  from a pod: captured {len(captured)}/{len(calls)}", flush=True)
        self.assertEqual(captured, issued)

        code, seconds = pod.stop()
        print(f"  a pod's end: {seconds:.1f} s", flush=True)
        self.assertEqual(code, 0, pod.log.read_text())
        self.assertLess(seconds, pod.spec["terminationGracePeriodSeconds"])
        self.assertEqual(pathlib.Path("/sys/kernel/rcu_expedited").read_text(), "0\n")


if __name__ == "__main__":
    if shutil.which("runc") is None:
        sys.exit("test_deployment needs runc (Debian package runc)")
    unittest.main()
