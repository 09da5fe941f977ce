#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Isolation at full size: tests/integration/stuck.py with 50 domains every 5 s, then 200 starts and destroys under
polling.

Usage: stuck.py [DOMAINS [STARTS]]    the program is $VIRTMETER
"""
import os
import pathlib
import random
import subprocess
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/integration/lib"))
import agent
import domains
import libvirt
import private

DOMAINS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
STARTS = int(sys.argv[2]) if len(sys.argv) > 2 else 200
CHURNING, STAYING, INTERVAL = 6, 6, 2


def churn(lv, made, over, done):
    """Starts what does not run and destroys what does, one after the other."""
    conn = libvirt.open(lv.uri)
    while done[0] < STARTS:
        domain = conn.lookupByUUIDString(random.choice(made).uuid)
        if domain.isActive():
            domain.destroy()
        else:
            domain.create()
        done[0] += 1
    conn.close()
    over.set()


def starts():
    """What was wrong: a VM that stays is whole in each cycle, or in every other one; at the end all are as they are."""
    faults, missed, cycles = [], {}, 0
    with private.Libvirt() as lv:
        made = domains.many(lv, CHURNING + STAYING).domains
        churned, stay = made[:CHURNING], {d.uuid for d in made[CHURNING:]}
        passing = {d.uuid for d in churned}
        with agent.Agent(lv.uri_ro, interval=INTERVAL, meters=("*", "vm.*")) as a:
            a.wait_cycles(3)
            before = a.cycles()
            over, done = threading.Event(), [0]
            threading.Thread(target=churn, args=(lv, churned, over, done), daemon=True).start()
            while not over.is_set():
                for cycle in a.wait_cycles(1, 120):
                    if cycle.volumes("vm.outcome").keys() <= passing:
                        continue        # what one has left that was destroyed, or has that was started, between two cycles
                    cycles += 1
                    read = {r[:36] for r in cycle.volumes("disk.device.read.bytes")}
                    for uuid in stay:
                        missed[uuid] = 0 if uuid in read else missed.get(uuid, 0) + 1
                        if missed[uuid] == 2:
                            faults.append(f"cycle {cycles}: {uuid} was read in neither of two cycles")
            if cycles < a.cycles() - before - 1:
                faults.append(f"{cycles} cycles came of {a.cycles() - before}")
            conn = libvirt.open(lv.uri)
            wanted = {d.uuid: 1 if conn.lookupByUUIDString(d.uuid).isActive() else 2 for d in made}
            a.wait_cycles(6, 120)
            last = a.wait_cycles(1, 120)[-1].volumes("vm.outcome")
            faults += [f"{u}: outcome {last.get(u)}, not {o}" for u, o in wanted.items() if last.get(u) != o]
            if a.stop() != 0:
                faults.append("the agent did not end in good order")
    print(f"{done[0]} starts and destroys in {cycles} cycles, {len(faults)} faults")
    return faults


def main():
    suite = subprocess.run(["/usr/bin/python3", TOP / "tests/integration/stuck.py", str(DOMAINS), "5"],
                           stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "VIRTMETER_REQUIRE": "1"})
    print("\n".join(x for x in suite.stdout.splitlines() if x.startswith(("not ok", "#", "1.."))))
    faults = starts()
    for fault in faults:
        print(f"stuck: {fault}", file=sys.stderr)
    sys.exit(1 if faults or suite.returncode else 0)


main()
