#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `llmtap decode --to llmobs` against the corpus of recorded interactions.

Runs the binary on every provider file of the corpus, then compares field by field:
  expected_llmobs.jsonl      what the SDK's own test suites assert; subset rules as in its README
  reference_llmobs.jsonl.gz  what the SDK's extraction gives for the recorded bytes alone

A field is: name, span kind, model name, model provider, each metadata key, each metric, each
message (by position), the tool definitions, embedding input and output. What the expected file
marks as not on the wire is not counted, nor is the text of an error (the SDK's exception text).

Exit code 1: the agreement is below a threshold or an interaction is not classified.
Exit code 2: the corpus or the binary is missing.
"""
import argparse
import collections
import glob
import gzip
import json
import os
import subprocess
import sys

ABSENT = "<absent>"
# Metrics that llmtap adds on top of the SDK's, and the metadata both sides may have beyond.
ADDITIVE_METRICS = {"time_to_first_token"}


def equal(want, got):
    if isinstance(want, dict):
        if want.get("$any") is True:
            return True
        if not isinstance(got, dict):
            return False
        keys = set(want) | set(got)
        return all(
            equal(want.get(k, "" if k == "role" else ABSENT), got.get(k, "" if k == "role" else ABSENT))
            for k in keys
        )
    if isinstance(want, list):
        return isinstance(got, list) and len(want) == len(got) and all(map(equal, want, got))
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, (int, float)) and isinstance(got, (int, float)):
        return abs(want - got) <= 1e-9 * max(1.0, abs(want), abs(got))
    return type(want) is type(got) and want == got


def messages(fields, prefix, want, got):
    want = want if isinstance(want, list) else []
    got = got if isinstance(got, list) else []
    for i in range(max(len(want), len(got))):
        fields.append(
            (prefix, want[i] if i < len(want) else ABSENT, got[i] if i < len(got) else ABSENT)
        )


def reference_fields(want, got):
    """(kind, wanted, got) for one line of the reference. Kinds name the field, not the position."""
    fields = []
    if want["name"] is not None:
        fields.append(("name", want["name"], got["name"]))
    wm, gm = want["meta"], got["meta"]
    fields.append(("span.kind", want["span_kind"], gm["span"]["kind"]))
    for key in ("model_name", "model_provider"):
        fields.append((key, wm.get(key, ABSENT), gm.get(key, ABSENT)))
    for side in ("input", "output"):
        w, g = wm.get(side, {}), gm.get(side, {})
        messages(fields, side + ".messages", w.get("messages"), g.get("messages"))
        for key in ("documents", "value", "prompt"):
            if key in w or key in g:
                fields.append((side + "." + key, w.get(key, ABSENT), g.get(key, ABSENT)))
    if wm.get("tool_definitions") or gm.get("tool_definitions"):
        messages(fields, "tool_definitions", wm.get("tool_definitions"), gm.get("tool_definitions"))
    for group, w, g in (
        ("metadata", wm.get("metadata", {}), gm.get("metadata", {})),
        ("metrics", want["metrics"], got["metrics"]),
    ):
        for key in sorted(set(w) | (set(g) - ADDITIVE_METRICS)):
            fields.append((group + "." + key, w.get(key, ABSENT), g.get(key, ABSENT)))
    return fields


def full_list(line, key):
    """The whole list of the SDK's own event, where `key` names one of its message lists."""
    side, _, kind = key.partition("_")
    return line["event"]["meta"].get(side, {}).get(kind, [])


def by_position(line, key):
    """True if the test looks at single positions (`messages[1]`) and says nothing about the length:
    every position that it names was filled from the SDK's own event, and that event has more. What
    is behind them must then equal that event."""
    names = [f"{key}[{i}]" for i in range(len(line["expected"].get(key) or []))]
    return bool(names) and set(names) <= set(line["filled"]) and len(full_list(line, key)) > len(names)


def expected_fields(line, got):
    """The asserted fields of one line of the expected file, without what the wire does not hold."""
    want, skip, fields, gm = line["expected"], line["not_on_wire"], [], got["meta"]
    where = {
        "span_kind": gm["span"]["kind"],
        "name": got["name"],
        "model_name": gm.get("model_name", ABSENT),
        "model_provider": gm.get("model_provider", ABSENT),
        "input_messages": gm.get("input", {}).get("messages", ABSENT),
        "output_messages": gm.get("output", {}).get("messages", ABSENT),
        "input_documents": gm.get("input", {}).get("documents", ABSENT),
        "output_value": gm.get("output", {}).get("value", ABSENT),
        "tool_definitions": gm.get("tool_definitions", ABSENT),
    }
    for key, value in want.items():
        if key in skip:
            continue
        if key in ("metadata", "metrics"):
            have = gm.get("metadata", {}) if key == "metadata" else got["metrics"]
            for name, one in value.items():
                if f"{key}.{name}" not in skip:
                    fields.append((f"{key}.{name}", one, have.get(name, ABSENT)))
        elif key == "error":
            fields.append(("error.type", value["type"], gm.get("error", {}).get("type", ABSENT)))
        else:
            if by_position(line, key):
                value = value + full_list(line, key)[len(value):]
            fields.append((key, value, where.get(key, ABSENT)))
    return fields


class Score:
    def __init__(self):
        self.same = collections.Counter()
        self.all = collections.Counter()
        self.diffs = []

    def add(self, row, ident, fields):
        for kind, want, got in fields:
            self.all[row] += 1
            if equal(want, got):
                self.same[row] += 1
            else:
                self.diffs.append((row, kind, ident, want, got))

    def kept_out(self):
        """Metadata and metrics that the SDK does not have at all: more, not different."""
        return sum(1 for _, kind, _, want, _ in self.diffs
                   if want == ABSENT and kind.startswith(("metadata.", "metrics.")))

    def share(self):
        return sum(self.same.values()) / max(1, sum(self.all.values()))

    def table(self, title):
        print(f"\n{title}: {100 * self.share():.2f} % of {sum(self.all.values())} fields")
        if self.kept_out():
            share = (sum(self.same.values()) + self.kept_out()) / max(1, sum(self.all.values()))
            print(f"  {self.kept_out()} of the differences are keys that the SDK does not have;"
                  f" not counting them {100 * share:.2f} %")
        for row in sorted(self.all):
            share = 100 * self.same[row] / self.all[row]
            print(f"  {' / '.join(row):60} {self.same[row]:6} of {self.all[row]:6}  {share:6.2f} %")
        kinds = collections.Counter((row, kind) for row, kind, *_ in self.diffs)
        for (row, kind), times in sorted(kinds.items(), key=lambda kv: -kv[1]):
            print(f"    differs {times:5}  {kind:32} {' / '.join(row)}")


def short(value, width):
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= width else text[:width] + "..."


def classify(line):
    """decoded, partly or not, for the table of done."""
    if line["outcome"] == "undecodable":
        return "not"
    if line["outcome"] == "not_llm":
        return "management" if "operation" in line else "unrecognised"
    event = line["event"]
    empty = not event["meta"].get("output") and event["status"] == "ok"
    return "partly" if empty or line.get("losses") else "decoded"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llmtap", required=True, help="the binary")
    parser.add_argument("--corpus", required=True, help="directory of the corpus")
    parser.add_argument("--only", help="providers, separated by commas")
    parser.add_argument("--endpoint", help="only this endpoint")
    parser.add_argument("--min-expected", type=float, default=0, help="percent")
    parser.add_argument("--min-reference", type=float, default=0, help="percent")
    parser.add_argument("--show", type=int, default=0, help="print so many differences of a kind")
    parser.add_argument("--kind", help="show differences of this kind only")
    parser.add_argument("--width", type=int, default=400)
    args = parser.parse_args()

    expected_path = os.path.join(args.corpus, "expected_llmobs.jsonl")
    reference_path = os.path.join(args.corpus, "reference_llmobs.jsonl.gz")
    for path in (expected_path, reference_path, args.llmtap):
        if not os.path.exists(path):
            print(f"compare_llmobs: {path} is missing: nothing can be compared", file=sys.stderr)
            return 2
    files = sorted(
        f for f in glob.glob(os.path.join(args.corpus, "*.jsonl.gz")) if f != reference_path
    )
    meta = {}
    for path in files:
        for text in gzip.open(path, "rt", encoding="utf-8"):
            head = json.loads(text)
            meta[head["id"]] = (head["provider"], head["endpoint"], head["response"]["status"])
    run = subprocess.run(
        [args.llmtap, "decode", "--format", "corpus", *files, "--to", "llmobs"],
        stdout=subprocess.PIPE, check=False)
    decoded = {}
    for text in run.stdout.splitlines():
        line = json.loads(text)
        decoded[line["id"]] = line

    def wanted(row):
        return (not args.only or row[0] in args.only.split(",")) and (
            not args.endpoint or row[1] == args.endpoint)

    bad = []
    if run.returncode != 0:
        bad.append(f"decode exited with {run.returncode}")
    lost = sorted(set(meta) - set(decoded))
    if lost:
        bad.append(f"{len(lost)} interactions without a line, the first: {lost[0]}")

    table = collections.defaultdict(collections.Counter)
    for ident, line in decoded.items():
        row = meta.get(ident, ("?", "?", 0))[:2]
        if wanted(row):
            table[row][classify(line)] += 1
    states = ("decoded", "partly", "management", "unrecognised", "not")
    print(f"{'provider / endpoint':60}" + "".join(f"{s:>14}" for s in states))
    for row in sorted(table):
        print(f"{' / '.join(row):60}" + "".join(f"{table[row][s] or '':>14}" for s in states))
    open_ends = sum(c["not"] + c["unrecognised"] for c in table.values())
    if open_ends:
        bad.append(f"{open_ends} interactions are not classified")

    expected, reference = Score(), Score()
    for text in open(expected_path, encoding="utf-8"):
        line = json.loads(text)
        row = (line["provider"], line["endpoint"])
        if not wanted(row):
            continue
        got = decoded.get(line["id"], {})
        if got.get("outcome") != "call":
            expected.add(row, line["id"], [("call", "call", got.get("outcome", ABSENT))])
        else:
            expected.add(row, line["id"], expected_fields(line, got["event"]))
    for text in gzip.open(reference_path, "rt", encoding="utf-8"):
        line = json.loads(text)
        row = (line["provider"], line["endpoint"])
        if not wanted(row):
            continue
        got = decoded.get(line["id"], {})
        if got.get("outcome") != "call":
            reference.add(row, line["id"], [("call", "call", got.get("outcome", ABSENT))])
        else:
            reference.add(row, line["id"], reference_fields(line["event"], got["event"]))
    expected.table("expected")
    reference.table("reference")

    if args.show:
        for score in (expected, reference):
            seen = collections.Counter()
            for row, kind, ident, want, got in score.diffs:
                if args.kind and kind != args.kind:
                    continue
                seen[row, kind] += 1
                if seen[row, kind] <= args.show:
                    print(f"\n{' / '.join(row)}  {kind}  {ident}")
                    print("  want", short(want, args.width))
                    print("  got ", short(got, args.width))
    for name, score, least in (("expected", expected, args.min_expected),
                               ("reference", reference, args.min_reference)):
        if 100 * score.share() < least:
            bad.append(f"{name}: {100 * score.share():.2f} % is below {least} %")
    for line in bad:
        print("FAILED:", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
