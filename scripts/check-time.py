#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All time comes through base/clock: no other file of src/ and plugins/ asks the system for the time
or sleeps.

Usage: check-time.py [TOP]

A call that is right all the same (one with no effect on results, in a place where the simulated
clock cannot reach) says so on its own line: /* system time: REASON */.
"""
import pathlib
import re
import sys

# Where the system's own time is allowed: these files are base/clock.
CLOCK = {"src/base/clock.c", "src/base/wait.c"}
CALLS = re.compile(
    r"\b(time|clock_gettime|clock_nanosleep|gettimeofday|timespec_get|ftime|nanosleep|usleep|sleep"
    r"|alarm|setitimer|timer_create|timerfd_create|pthread_cond_timedwait|pthread_mutex_timedlock|sem_timedwait"
    r"|g_get_monotonic_time|g_get_real_time|g_usleep|g_date_time_new_now\w*|g_cond_wait_until)\s*\(")
EXCUSE = re.compile(r"/\* system time: .{8,} \*/")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def blank(m):
    return "".join(c if c == "\n" else " " for c in m[0])


def offences(text):
    code = STRING.sub(blank, COMMENT.sub(blank, text))
    lines = text.splitlines()
    for m in CALLS.finditer(code):
        number = code.count("\n", 0, m.start())
        before = code[:m.start()].rstrip()
        if before.endswith((".", "->")) or EXCUSE.search(lines[number]):
            continue
        yield number + 1, m[1]


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files = bad = 0
    for sub in ("src", "plugins"):
        for path in sorted((top / sub).rglob("*.[ch]")):
            name = str(path.relative_to(top))
            files += 1
            if name in CLOCK:
                continue
            for number, call in offences(path.read_text(encoding="utf-8")):
                bad += 1
                print(f"{name}:{number}: {call}() asks the system; use base/clock.h or base/wait.h")
    print(f"{files} files, {bad} offences")
    sys.exit(1 if bad or not files else 0)


if __name__ == "__main__":
    main()
