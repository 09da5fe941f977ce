#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what a test run did: `PASSED FAILED SKIPPED` on one line, then a line per failure, with the last of
what the test said of it.

Usage: test-sum.py meson TESTLOG.json    meson's log: one JSON object per test program
       test-sum.py tap STATUS FILE       output of one TAP program and its exit status

A program's TAP lines are counted one by one.  One that ended badly without saying `not ok` (crash,
time-out, wrong plan, sanitizer's complaint) is one failure more; one without TAP counts as one test.
"""
import json
import re
import sys

LINE = re.compile(r"^(not )?ok\b(?:\s+\d+)?\s*-?\s*([^#]*)(#\s*(SKIP|TODO)\b.*)?", re.I)
SAID = 4        # lines of what a failure said of itself
PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*SKIP\b.*)?", re.I)


def explain(failed, said):
    if said:
        failed[-1] += f" ({' | '.join(said[-SAID:])[-1000:]})"


def tap(text, bad):
    """(passed, failed, skipped, names of the failed); `bad`: the program ended badly."""
    passed, skipped, failed, plan = 0, 0, [], None
    said = None         # what follows the last failure
    for line in text.splitlines():
        m = LINE.match(line)
        if said is not None and line.startswith("# "):
            said.append(line[2:].strip())
        if m or PLAN.match(line):
            explain(failed, said)
            said = None
        if m:
            if m[4] and m[4].upper() == "SKIP":
                skipped += 1
            elif m[1] and not m[4]:
                failed.append(m[2].strip())
                said = []
            else:
                passed += 1
        m = PLAN.match(line)
        if m:
            plan = int(m[1])
            if plan == 0:
                skipped += 1
                plan = None if m[2] else 0
    explain(failed, said)
    seen = passed + len(failed) + skipped
    if plan is not None and plan and plan != seen:
        failed.append(f"planned {plan} tests, {seen} told their result")
    elif bad and not failed:
        failed.append("ended badly")
    return passed, len(failed), skipped, failed


def program(name, result, text, status):
    bad = result not in ("OK", "SKIP", "EXPECTEDFAIL")
    if re.search(r"^(not )?ok\b|^1\.\.\d", text, re.M):
        passed, failed, skipped, names = tap(text, bad)
        return passed, failed, skipped, [f"{name}: {n}" for n in names]
    if result == "SKIP":
        return 0, 0, 1, []
    return (0, 1, 0, [f"{name}: {result.lower()}, exit status {status}"]) if bad else (1, 0, 0, [])


def main():
    rows = []
    if sys.argv[1] == "meson":
        with open(sys.argv[2], encoding="utf-8") as log:
            for line in log:
                t = json.loads(line)
                rows.append(program(t["name"], t["result"], t.get("stdout") or "", t.get("returncode")))
    else:
        with open(sys.argv[3], encoding="utf-8", errors="replace") as out:
            status = int(sys.argv[2])
            result = {0: "OK", 77: "SKIP"}.get(status, "FAIL")
            rows.append(program(sys.argv[3].rsplit("/", 1)[-1], result, out.read(), status))
    print(*(sum(r[i] for r in rows) for i in range(3)))
    for r in rows:
        print("".join(f"{n}\n" for n in r[3]), end="")


main()
