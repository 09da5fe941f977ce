#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The source checks pass on this tree, and fail on trees that break their rule; the sum of a test run
counts what crashed.  TAP.

Usage: checkers.py TOP
"""
import json
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(sys.argv[1]).resolve()
TABLE = """| folder | owns | may include |
|---|---|---|
| `src/base` | ground | contract |
| `src/model` | data | contract, base |
| `src` | all | all |
| `plugins/*` | plugins | contract, base |
"""
GOOD = {
    "doc/architecture.md": TABLE,
    "src/base/a.h": "",
    "src/base/a.c": '#include "base/a.h"\n#include <stdio.h>\n/* time() is only spoken of, "sleep(" too */\n',
    "src/model/m.h": '#include "base/a.h"\n#include <virtmeter/plugin.h>\n',
    "src/main.c": '#include "model/m.h"\nint f(struct s *s) { return s->time(3) + lifetime(2); }\n',
    "plugins/shared/s.h": "",
    "plugins/inspector/shared/i.c": '#include "plugins/shared/s.h"\n#include "base/a.h"\n',
}
# script, what is laid over the good tree, what the message must say (None: passes)
CASES = [
    ("check-includes.py", {}, None),
    ("check-includes.py", {"src/base/b.c": '#include "model/m.h"\n'}, "src/base/b.c:1: src/base may not include src/model"),
    ("check-includes.py", {"src/base/b.c": '\n#  include "../model/m.h"\n'}, "src/base/b.c:2:"),
    ("check-includes.py", {"plugins/x/y.c": '#include "model/m.h"\n'}, "plugins/x may not include src/model"),
    ("check-includes.py", {"plugins/x/y.c": '#include "plugins/shared/s.h"\n'}, "plugins/x may not include plugins/shared"),
    ("check-includes.py", {"src/new/n.c": '#include "base/a.h"\n'}, "no row for src/new"),
    ("check-includes.py", {"src/model/m.c": '#include "model/none.h"\n'}, "is not found"),
    ("check-includes.py", {"doc/architecture.md": "no table\n"}, "no table"),
    ("check-time.py", {}, None),
    ("check-time.py", {"src/base/clock.c": "int f(void) { return clock_gettime(0, 0); }\n"}, None),
    ("check-time.py", {"src/base/t.c": "int f(void) { return clock_gettime(0, 0); }\n"}, "src/base/t.c:1: clock_gettime()"),
    ("check-time.py", {"plugins/x/y.c": "\nint f(void) { return (int)time(NULL); }\n"}, "plugins/x/y.c:2: time()"),
    ("check-time.py", {"src/base/t.c": "void f(void) { sleep(1); /* system time: nobody waits for it */ }\n"}, None),
    ("check-time.py", {"src/base/t.c": "void f(void) { sleep(1); /* system time: */ }\n"}, "sleep()"),
]

# result of a test program, its output, the counts wanted
SUMS = [
    ("OK", "1..2\nok 1 - a\nok 2 - b\n", "2 0 0"),
    ("OK", "ok 1 a\nok 2 # SKIP no loop device\n1..2\n", "1 0 1"),
    ("FAIL", "1..2\nok 1 - a\nnot ok 2 - b\n", "1 1 0"),
    ("OK", "not ok 1 - later # TODO\n1..1\n", "1 0 0"),
    ("ERROR", "1..3\nok 1 - a\n", "1 1 0"),
    ("FAIL", "1..1\nok 1 - a\n", "1 1 0"),
    ("TIMEOUT", "", "0 1 0"),
    ("OK", "1..0 # SKIP no libvirtd\n", "0 0 1"),
    ("OK", "no TAP\n", "1 0 0"),
    ("SKIP", "", "0 0 1"),
    ("FAIL", "", "0 1 0"),
]


def sums(result, out):
    with tempfile.NamedTemporaryFile("w") as log:
        json.dump({"name": "t", "stdout": out, "result": result, "returncode": 0}, log)
        log.flush()
        p = subprocess.run([sys.executable, TOP / "scripts/test-sum.py", "meson", log.name], capture_output=True, text=True)
    return p.stdout.splitlines()


def run(script, top):
    p = subprocess.run([sys.executable, TOP / "scripts" / script, str(top)], capture_output=True, text=True)
    return p.returncode, p.stdout + p.stderr


def main():
    n = 1
    got = sums("FAIL", "not ok 1 - a\n# Traceback\n# why\n1..1\n")
    print(f"{'ok' if got == ['0 1 0', 't: a (Traceback | why)'] else 'not ok'} {n} - test-sum.py: a failure's reason")
    for script in ("check-includes.py", "check-time.py"):
        n += 1
        status, said = run(script, TOP)
        print("".join(f"# {line}\n" for line in said.splitlines()), end="")
        print(f"{'ok' if status == 0 else 'not ok'} {n} - {script}: this tree")
    for script, files, message in CASES:
        n += 1
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in {**GOOD, **files}.items():
                path = pathlib.Path(tmp) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            status, said = run(script, tmp)
        good = status == 0 if message is None else status == 1 and message in said
        print(f"{'ok' if good else 'not ok'} {n} - {script}: {message or 'passes'}")
        if not good:
            print(f"# status {status}: {said!r}")
    for result, out, wanted in SUMS:
        n += 1
        got = sums(result, out)[0]
        print(f"{'ok' if got == wanted else 'not ok'} {n} - test-sum.py: {result} {out!r}: {wanted}"
              .replace("#", "%"))
        if got != wanted:
            print(f"# {got}")
    print(f"1..{n}")


main()
