# SPDX-License-Identifier: Apache-2.0
"""Cycles of an agent, each between snapshots of what virsh says."""
import time

import agent
import oracle
import private


def collect(lv, a, count, seconds):
    """Starts the agent unless it runs, looks all the time, and answers `count` of its cycles with the snapshots around
    them: [(snapshots before, snapshot after, cycle)]."""
    shots, cycles, out = [oracle.snapshot(lv)], [], []
    if not a.running():
        a.start()
    end = time.monotonic() + seconds
    while len(out) < count:
        if time.monotonic() > end or not a.running():
            raise private.Failed(f"{len(out)} of {count} cycles came; log: {a.log()[-2000:]}")
        cycles += a.tail.cycles()
        shots.append(oracle.snapshot(lv))
        while cycles and shots[-1].start > cycles[0].seen:
            cycle = cycles.pop(0)
            began = min(agent.moment(s["timestamp"]) for s in cycle.samples) - 0.001
            before = [s for s in shots if s.end < began]
            after = next(s for s in shots if s.start > cycle.seen)
            if before:
                out.append((before, after, cycle))
    return out
