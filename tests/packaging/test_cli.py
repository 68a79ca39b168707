#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: help on 80 columns, errors, exit codes, output that cannot be
written. Needs neither root nor eBPF."""
import os
import pathlib
import pty
import subprocess
import tempfile
import unittest

from test_packaging import BINARY, commands


def llmtap(*arguments, env=None, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([str(BINARY), *map(str, arguments)], text=True, stderr=subprocess.PIPE,
                          env={**os.environ, **(env or {})}, **options)


class Help(unittest.TestCase):
    def test_fits_80_columns(self):
        for command in [(), *commands()]:
            for line in llmtap(*command, "--help").stdout.splitlines():
                self.assertLessEqual(len(line), 80, (command, line))

    def test_every_command_has_examples_of_its_own(self):
        for command in commands():
            text = llmtap(*command, "--help").stdout
            self.assertRegex(text, f"Examples?:\n(.*\n)*?.*llmtap {' '.join(command)}", command)

    def test_without_a_command(self):
        done = llmtap()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Subcommands:", done.stdout)


class Errors(unittest.TestCase):
    def test_a_wrong_command_line(self):
        for arguments, what in [(["nope"], "unknown command 'nope'; see llmtap --help"),
                                (["calls", "--nope"], "--nope; see llmtap calls --help"),
                                (["calls", "--since"], "see llmtap calls --help"),
                                (["replay"], "see llmtap replay --help"),
                                (["usage", "--by"], "see llmtap usage --help"),
                                (["completion", "tcsh"], "see llmtap completion --help")]:
            done = llmtap(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(what, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_an_error(self):
        for arguments in [["calls", "--db", "/nonexistent/x.db"], ["calls", "--since", "soon"],
                          ["usage", "--by", "vendor"], ["usage", "host:x", "--db", "/nonexistent/x"],
                          ["calls", "duration:fast"], ["calls", "--config", "/"]]:
            done = llmtap(*arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""), arguments)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_variables_of_exporters_do_not_concern_who_reads(self):
        done = llmtap("calls", "--db", "/nonexistent/x.db",
                      env={"DD_LLMOBS_AGENTLESS_ENABLED": "1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
        self.assertIn("no store here yet", done.stderr)
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "c.yaml"
            config.write_text(f"store: {{path: {folder}/there.db}}\ndatadog: {{agentless: true}}\n")
            done = llmtap("calls", "-c", config, env={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
            self.assertIn("there.db: no store here yet", done.stderr)

    def test_output_that_cannot_be_written(self):
        for arguments in [["--help"], ["--version"], ["manual"], ["completion", "bash"]]:
            with open("/dev/full", "w") as full:
                done = llmtap(*arguments, stdout=full)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("cannot be written", done.stderr)

    def test_messages_cannot_steer_a_terminal(self):
        done = llmtap("calls", "--db", "/nonexistent/\x1b[2J\x9b.db")
        self.assertNotIn("\x1b", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


class Colors(unittest.TestCase):
    def shown(self, **variables):
        """What `doctor` of one process writes to a terminal."""
        ours, theirs = pty.openpty()
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        process = subprocess.Popen([str(BINARY), "doctor", str(os.getpid())], stdout=theirs,
                                   stderr=theirs, env={**env, "TERM": "xterm", **variables})
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 65536):
                text += piece
        except OSError:
            pass  # the other end is closed
        os.close(ours)
        process.wait(30)
        return text

    def test_only_where_they_are_wanted(self):
        self.assertIn(b"\x1b[", self.shown())
        self.assertIn(b"\x1b[", self.shown(NO_COLOR=""))  # no-color.org: not empty
        self.assertNotIn(b"\x1b[", self.shown(NO_COLOR="1"))
        self.assertNotIn(b"\x1b[", self.shown(TERM="dumb"))
        self.assertNotIn("\x1b[", llmtap("doctor", os.getpid()).stdout)


if __name__ == "__main__":
    unittest.main()
