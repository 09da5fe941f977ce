#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A cycle with the kernel's readings beside the bare six-group bulk call, and readings of the kernel alone every
second.  The agent runs inside the namespaces of the private libvirtd, as on a host.

Environment: as in real.py, and BENCH_FAST_DOMAINS  running domains for the readings every second (200; 0: none)
"""
import os
import sys
import time

import real         # sets the paths
import agent
import domains
import private

FAST_DOMAINS = int(os.environ.get("BENCH_FAST_DOMAINS", "200"))


def measure(lv, limit, interval):
    with agent.Inside(lv, interval, real.METERS) as a:
        a.wait(lambda: (a.status() or {"inspectors": [{"readings": ""}]})["inspectors"][0]["readings"].startswith(
            f"hybrid: {real.DOMAINS} of"), 60 * interval, "a proof of all domains")
        result = real.turns(lv, limit, a, real.CYCLES, wall=True)
        a.stop()
    return result


def fast(lv, table, count):
    with agent.Inside(lv, 600, real.METERS + ["vm.*"], options={"virtmeter": {"fast_interval": 1}}) as a:
        a.tail.interval = 1
        a.wait_cycles(4, 300)
        cpu, begun, samples = real.cpu_ns([a.pid]), time.monotonic(), 0
        while time.monotonic() < begun + 15:
            samples += sum(len(c.samples) for c in a.tail.cycles())
            time.sleep(0.2)
        share = (real.cpu_ns([a.pid]) - cpu) / 1e9 / (time.monotonic() - begun) * 100
        a.stop()
    table.row(f"readings of {count} domains every second, of a core", share, None, "%", 2, ratio=False)
    print(f"  {samples / 15:.0f} samples a second, written as JSON to a file")


def main():
    real.favour(os.getpid())
    with private.Libvirt() as lv:
        domains.many(lv, real.DOMAINS)
        real.favour(lv.libvirtd_pid())
        real.wait_quiet(30)
        limit = real.Limit(lv)
        first = real.median([limit.call()["wall_ns"] for _ in range(3)]) / 1e9
        got = measure(lv, limit, max(2, round(4 * first + 1)))
        limit.close()
        table = real.Table()
        bare = got["bare"]
        table.row("wall of a hybrid cycle : bare bulk call", real.median(got["wall_ns"]) / 1e6,
                  real.median([b["wall_ns"] for b in bare]) / 1e6, "ms", 0.75)
        table.row("libvirtd's CPU in it : bare bulk call", real.median(got["server_ns"]) / 1e6,
                  real.median([b["server_ns"] for b in bare]) / 1e6, "ms", 0.75)
        if FAST_DOMAINS:
            domains.Set(lv, [domains.Domain(f"many-{i}", metadata=domains.nova(f"vm-{i}"))
                             for i in range(real.DOMAINS + 1, FAST_DOMAINS + 1)]).create()
            fast(lv, table, FAST_DOMAINS)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        sys.exit(main())
    except (private.Missing, private.Failed) as e:
        sys.exit(f"bench: {e}")
