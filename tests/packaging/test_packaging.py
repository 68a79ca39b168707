#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the program: manual page, completions, unit, Kubernetes manifest. No root
and no kernel needed: the program only speaks about itself."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("LLMTAP_BINARY", ROOT / "build" / "llmtap"))


def say(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def commands(*prefix):
    """Names of the subcommands, nested ones as ("eval", "submit"), by --help."""
    found = []
    inside = False
    for line in say(BINARY, *prefix, "--help").splitlines():
        if line.startswith("Subcommands:"):
            inside = True
        elif inside and not line.startswith("  "):
            break
        elif inside and re.match(r"  \w", line):
            name = (*prefix, line.split()[0])
            found += [name, *commands(*name)]
    return found


def options(command):
    """Long and short options of a command, by --help."""
    found = set()
    listed = say(BINARY, *command, "--help").split("\nOptions:\n", 1)[1].split("\n\n", 1)[0]
    for line in listed.splitlines():
        if re.match(r"  -", line):
            head = re.split(r"\s{2,}", line.strip())[0]
            found |= set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", head))
    return found


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.source = say(BINARY, "manual")
        cls.page = re.sub(".\x08", "", subprocess.run(
            ["mandoc", "-T", "utf8", "-O", "width=200"], input=cls.source, text=True, check=True,
            stdout=subprocess.PIPE).stdout).replace("\u2212", "-").replace("\u2010", "-")

    def test_mandoc_finds_nothing_wrong(self):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=self.source, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_names_every_command_and_option(self):
        every = commands()
        self.assertIn(("run",), every)
        sections = re.split(r"^   llmtap ", self.page, flags=re.M)
        by_name = {s.splitlines()[0].strip(): s for s in sections[1:]}
        for command in every:
            self.assertIn(" ".join(command), by_name)
            for option in options(command):
                self.assertRegex(by_name[" ".join(command)], re.escape(option) + r"\b", command)

    def test_signals_and_files(self):
        for text in ["SIGHUP", "/etc/llmtap/llmtap.yaml", "/var/lib/llmtap/spool", "9464/metrics"]:
            self.assertIn(text, self.page)


class Completion(unittest.TestCase):
    def script(self, shell):
        path = pathlib.Path(tempfile.mkstemp(suffix=f".{shell}")[1])
        self.addCleanup(path.unlink)
        path.write_text(say(BINARY, "completion", shell))
        return path

    def bash(self, *words):
        line = " ".join(f"'{w}'" for w in words)
        return say("bash", "--norc", "-c", f". {self.script('bash')}; COMP_WORDS=({line}); "
                   f"COMP_CWORD={len(words) - 1}; _llmtap; printf '%s\\n' \"${{COMPREPLY[@]}}\"").split()

    def test_bash(self):
        top = self.bash("llmtap", "")
        for command in commands():
            outer = ["llmtap", *command]
            if len(command) == 1:
                self.assertIn(command[0], top)
            self.assertTrue(options(command) <= set(self.bash(*outer, "-")), command)
        self.assertEqual(self.bash("llmtap", "re"), ["record", "replay"])
        self.assertEqual(set(self.bash("llmtap", "replay", "--to", "")), {"table", "calls", "llmobs"})
        self.assertIn("zsh", self.bash("llmtap", "completion", ""))
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "my.yaml"
            file.touch()
            self.assertEqual(self.bash("llmtap", "run", "-c", f"{directory}/my"), [str(file)])
        self.assertIn("python3", self.bash("llmtap", "run", "--", "python3"))

    def test_fish(self):
        script = self.script("fish")

        def fish(line):
            out = say("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
            return {entry.split("\t")[0] for entry in out.splitlines()}
        self.assertTrue({c[0] for c in commands() if len(c) == 1} <= fish("llmtap "))
        self.assertIn("--check-config", fish("llmtap run --"))
        self.assertEqual(fish("llmtap replay --to "), {"table", "calls", "llmobs"})

    def test_zsh(self):
        script = self.script("zsh")
        say("zsh", "-n", script)
        # The functions are defined, and _arguments is given every option.
        seen = say("zsh", "-f", "-c", f"compdef() {{ :; }}; _arguments() {{ print -l -- \"$@\"; }}; "
                   f"source {script}; _llmtap_run")
        for option in options(("run",)):
            self.assertIn(option + "[", seen)


class Deployment(unittest.TestCase):
    def unit(self):
        return (ROOT / "config" / "llmtap.service").read_text()

    def manifest(self):
        documents = yaml.safe_load_all((ROOT / "config" / "kubernetes.yaml").read_text())
        return {document["kind"]: document for document in documents}

    def test_unit_reloads(self):
        self.assertIn("ExecReload=/bin/sh -c 'kill -HUP $MAINPID'", self.unit())

    def test_unit_runs_nothing_that_a_minimal_system_lacks(self):
        programs = re.findall(r"^Exec\w+=[-+!@]*(\S+)", self.unit(), re.M)
        self.assertEqual(set(programs), {"/usr/bin/llmtap", "/bin/sh"})

    def test_manifest_has_the_privileges_of_the_unit(self):
        pod = self.manifest()["DaemonSet"]["spec"]["template"]["spec"]
        self.assertTrue(pod["hostPID"])
        granted = pod["containers"][0]["securityContext"]["capabilities"]
        unit = re.search(r"^CapabilityBoundingSet=(.*)$", self.unit(), re.M).group(1).split()
        self.assertEqual(sorted("CAP_" + c for c in granted["add"]), sorted(unit))
        self.assertEqual(granted["drop"], ["ALL"])

    def test_configuration_in_the_manifest_is_fine(self):
        kinds = self.manifest()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(kinds["ConfigMap"]["data"]["llmtap.yaml"])
            file.flush()
            done = subprocess.run([BINARY, "run", "--config", file.name, "--check-config"], text=True,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        port = re.search(r"metrics: http://:(\d+)/metrics", done.stderr).group(1)
        container = kinds["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual(container["ports"], [{"name": "metrics", "containerPort": int(port)}])
        self.assertEqual(kinds["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]
                         ["prometheus.io/port"], port)

    def test_shipped_configuration_is_fine(self):
        say(BINARY, "run", "--config", ROOT / "config" / "llmtap.yaml", "--check-config")


if __name__ == "__main__":
    unittest.main()
