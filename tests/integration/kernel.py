#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the host's kernel says in libvirt's place: equal to libvirt's own values within the brackets of virsh before and
after, absent where it may not be used; what a stopped QEMU still has; first and last samples; counters over a
restart; the fast interval.  The agent runs inside the namespaces of the private libvirtd, as on a host."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import bracket
import domains
import libvirt
import oracle
import private
import tap

INTERVAL = 5
BASE = ["cpu", "vm.cpu.*", "vcpus", "network.*", "memory.resident", "vm.io.*", "vm.outcome", "vm.sample.age"]
SUITE = ("plain", "busy", "paused", "hotplug", "macvtap", "filter")


def readings(a):
    doc = a.status()
    return doc["inspectors"][0]["readings"] if doc else ""


def equal(t, lv, made):
    with agent.Inside(lv, INTERVAL, ("*", "vm.*"), start=False) as a:
        seen = bracket.collect(lv, a, 4, 600)
        rules, bad, count, whole = oracle.Rules(own=True), [], 0, 0
        for before, after, cycle in seen:
            wanted = oracle.expected(before[-3:], after, rules)
            skip = {"vm.outcome", *(r[0] for r in oracle.RATES), "network.incoming.bytes.delta",
                    "network.outgoing.bytes.delta"}
            # virsh's own questions sometimes have a monitor: then a reading is short, and says so
            short = [u for u, v in cycle.volumes("vm.outcome").items() if v == 5]
            bad += [x for x in oracle.judge(wanted, cycle.samples, ignore=skip)
                    if not (x.endswith(": missing") and any(u in x for u in short))]
            count += len(wanted)
            whole += len(made.domains) - len(short)
        t.none(bad, f"{count} volumes lie between virsh's before and after, the kernel's among them")
        t.ok(whole > len(seen) * len(made.domains) / 2, "most of them were read whole", whole)
        said = readings(a)
        t.ok(said.startswith("hybrid:"), "the status says where readings come from", said)
        replaced = int(said.split()[1])
        plain = [d for d in made.domains if d.key != "macvtap"]
        t.ok(replaced >= len(plain), "every domain with taps alone is read from the kernel", said)
        if "macvtap" in made:
            t.ok("macvtap" in said, "and the status says what of the one with a macvtap is not", said)
        busy = [s for s in seen[-1][2].samples if s["resource_id"] == made["busy"].uuid and s["name"].startswith("vm.io.")]
        t.same(len(busy), 6, "the process's own input and output, under names of its own")
        return a.stop()


def outside(t, lv):
    """Seen from another network namespace nothing comes from the kernel."""
    with agent.Agent(lv.uri_ro, 2, BASE) as a:
        a.wait_cycles(3)
        said = readings(a)
        t.ok(said.startswith("hybrid: 0 of") and "namespace" in said, "in other namespaces it is off, and says so", said)
        a.stop()


def stuck(t, lv, made):
    """A QEMU that is stopped has what the kernel says, and an outcome that says why that is all."""
    uuid = made["plain"].uuid
    pid = next(p for p in lv.qemu_pids() if uuid.encode() in open(f"/proc/{p}/cmdline", "rb").read())
    with agent.Inside(lv, 3, [*BASE, "power.state"]) as a:
        a.wait_cycles(3)
        os.kill(pid, signal.SIGSTOP)
        try:
            got = a.wait_cycles(4)[1:]
            for cycle in got:
                outcome = cycle.volumes("vm.outcome").get(uuid)
                names = {s["name"] for s in cycle.samples if uuid in s["resource_id"]}
                t.ok(outcome in (4, 5), f"the stopped one's outcome is {outcome}: stuck")
                t.ok({"cpu", "vm.cpu.delay", "memory.resident", "network.incoming.bytes"} <= names,
                     "and it has its kernel values", sorted(names))
            ages = [c.volumes("vm.sample.age").get(uuid, 0) for c in got]
            t.ok(ages == sorted(ages) and ages[-1] > ages[0], "its age grows", ages)
        finally:
            os.kill(pid, signal.SIGCONT)
        a.stop()


def lives(t, lv, made):
    """Started and destroyed between two polls: first and last samples all the same."""
    conn = libvirt.open(lv.uri)
    dom = conn.lookupByUUIDString(made["hotplug"].uuid)
    uuid = made["hotplug"].uuid
    if dom.isActive():
        dom.destroy()
    with agent.Inside(lv, 60, BASE) as a:
        a.wait_cycles(1)
        dom.create()
        first = a.wait(lambda: [s for c in a.tail.cycles() for s in c.samples if uuid in s["resource_id"]], 40, "a first sample")
        t.ok(any(s["name"] == "cpu" for s in first), "started between polls: a first sample", [s["name"] for s in first])
        t.none([s["name"] for s in first if "final" in s["resource_metadata"]], "which is not marked")
        time.sleep(1)
        dom.destroy()
        last = a.wait(lambda: [s for c in a.tail.cycles() for s in c.samples if uuid in s["resource_id"]], 40, "a last sample")
        t.none([s["name"] for s in last if s["resource_metadata"].get("final") is not True], "ended: last samples, all marked")
        cpu = [[s["volume"] for s in part if s["name"] == "cpu"] for part in (first, last)]
        t.ok(len(cpu[0]) == len(cpu[1]) == 1 and cpu[1][0] >= cpu[0][0], "one of cpu each, the last is no smaller", cpu)
        time.sleep(2)
        t.none([s for c in a.tail.cycles() for s in c.samples if uuid in s["resource_id"]], "and there is only one last")
        a.stop()
    dom.create()
    conn.close()


def restart(t, lv, made):
    """Deltas add up over an orderly stop and over a kill, and a device plugged in meanwhile counts from zero."""
    resource = None
    with agent.Inside(lv, 3, ["network.outgoing.bytes", "network.outgoing.bytes.delta"], start=False) as a:
        os.mkdir(f"{a.dir}/state")
        os.chmod(f"{a.dir}/state", 0o777)
        a.conf["virtmeter"] = {"state_dir": f"{a.dir}/state"}
        a.write()
        totals, base = [], None
        for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            a.start()
            for cycle in a.wait_cycles(3):
                now, delta = cycle.volumes("network.outgoing.bytes"), cycle.volumes("network.outgoing.bytes.delta")
                resource = resource or next(r for r in now if made["busy"].uuid in r)
                if base is None:
                    base = now[resource]
                else:
                    totals.append((delta[resource], now[resource]))
            a.stop(sig)
        grown = totals[-1][1] - base
        t.same(sum(d for d, _ in totals), grown, "over two restarts the deltas are the growth, to the byte")
        t.ok(grown > 0, "and it grew")


def fast(t, lv, made):
    with agent.Inside(lv, 20, BASE, options={"virtmeter": {"fast_interval": 1}}) as a:
        a.tail.interval = 1
        a.wait(lambda: "hybrid: 0" not in readings(a) and readings(a), 60, "a proof")
        a.wait_cycles(1)
        got = a.wait_cycles(12)
        uuid = made["busy"].uuid
        cpu = [c.volumes("vm.cpu.time")[uuid] for c in got if uuid in c.volumes("vm.cpu.time")]
        t.ok(len(cpu) >= 8 and cpu == sorted(cpu), "CPU time every second", cpu)
        names = {s["name"] for c in got[:5] for s in c.samples}
        t.ok("network.outgoing.bytes" in names and "vm.io.write.bytes" in names, "the counters of NICs and process, too", names)
        t.none([n for n in names if n.endswith(".delta")], "no delta is counted twice")
        a.stop()


def main(t):
    with private.Libvirt() as lv:
        made = domains.Set(lv, [d for d in domains.suite() if d.key in SUITE]).create()
        for what, why in made.left_out.items():
            t.skip(f"domains that need {what}", why)
        equal(t, lv, made)
        outside(t, lv)
        stuck(t, lv, made)
        fast(t, lv, made)
        restart(t, lv, made)
        lives(t, lv, made)


if __name__ == "__main__":
    with tap.Suite("kernel") as suite:
        main(suite)
