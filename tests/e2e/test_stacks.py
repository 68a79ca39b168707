#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS stacks that Debian has packages for: GnuTLS, and OpenSSL in every form it is linked in. Those
that come from PyPI, npm, Maven, crates.io or with Go: tests/clients/test_stacks.py.
"""
import unittest

from harness import HERE, PYTHON, job
from stack_case import PLAYS, PROGRAMS, StackCase, raw_request


class Stacks(StackCase):
    def exchange(self, name, library, command, until_end=True):
        """Programs that move bytes: a request each, the answer until the server closes."""
        before, jobs = len(self.running.events()), [job(play) for play in PLAYS]
        sites = []
        for one in jobs:
            process = self.start([part.format(**one) for part in map(str, command)])
            sites = self.wait_for_library(process, library)
            process.stdin.write(raw_request(one))
            process.stdin.flush()
            if until_end:
                process.stdin.close()
            answer = process.stdout.read()
            self.assertIn(b"HTTP/1.1 200", answer, process.stderr.read())
        self.check_spans(name, library, jobs, before, sites)

    def test_gnutls_cli(self):
        self.exchange("gnutls-cli", "GnuTLS", ["gnutls-cli", "--x509cafile",
                      self.world.dir / "ca.pem", "-p", "{port}", "{host}"], until_end=False)

    def test_wget(self):
        before, jobs = len(self.running.events()), [job(play) for play in PLAYS]
        self.world.client([PYTHON, HERE / "clients" / "wget_client.py"], jobs, 1)
        self.check_spans("wget", "GnuTLS", jobs, before)

    def test_libcurl_gnutls_over_http2(self):
        self.check("python3-pycurl (libcurl-gnutls)", "GnuTLS",
                   [PYTHON, HERE / "clients" / "pycurl_client.py"])

    def test_openssl(self):
        program = PROGRAMS / "https_exchange"
        for form in ("plain", "ex"):
            for kind in ("", "_static", "_stripped"):
                with self.subTest(form=form, kind=kind):
                    self.exchange(f"OpenSSL 3{kind.replace('_', ', ')}, {form}", "OpenSSL",
                                  [f"{program}{kind}", "{host}", "{port}", form])


if __name__ == "__main__":
    unittest.main()
