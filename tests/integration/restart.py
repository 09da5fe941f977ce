#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent through everything that happens to a hypervisor while it runs: libvirtd killed, restarted, hung,
absent at the start; domains that come, go, grow and shrink.  Every cycle's samples have to be there again,
none twice, and in the steady state one call a cycle has to do."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import libvirt

import agent
import domains
import oracle
import private
import rpc
import sequence
import tap

INTERVAL = 2
SOON = 5        # cycles within which a change has to show


def until(a, condition, cycles=SOON, patience=30):
    """The first of the next cycles that fulfils the condition, None if there is none; all of them."""
    seen, end = [], time.monotonic() + cycles * INTERVAL + patience
    while time.monotonic() < end and len(seen) < cycles:
        for cycle in a.tail.cycles():
            seen.append(cycle)
            if condition(cycle):
                return cycle, seen
        time.sleep(0.05)
    return None, seen


def has(uuid):
    return lambda cycle: any(s["name"] == "cpu" and s["resource_id"] == uuid for s in cycle.samples)


def whole(cycle, wanted):
    """Are all these (meter, resource) there?"""
    return wanted <= cycle.resources()


class History:
    """What may never happen, over all cycles of an agent."""

    def __init__(self):
        self.cycles = []

    def add(self, cycles):
        self.cycles += cycles

    def samples(self):
        return [s for cycle in self.cycles for s in cycle.samples]

    def doubled(self):
        return sequence.doubled(self.samples())

    def shrunk(self, names=("cpu", "network.outgoing.bytes", "disk.device.write.bytes")):
        """The guests run on, so no counter of theirs goes down."""
        bad, last = [], {}
        for number, cycle in enumerate(self.cycles, 1):
            for s in cycle.samples:
                key = s["name"], s["resource_id"]
                if s["name"] in names:
                    if s["volume"] < last.get(key, 0):
                        bad.append(f"cycle {number}: {key} fell from {last[key]} to {s['volume']}")
                    last[key] = s["volume"]
        return bad

    def lost_growth(self, delta="network.outgoing.bytes.delta", base="network.outgoing.bytes"):
        """The deltas of a series add up to its growth, whatever happened in between."""
        bad, first, last, sums = [], {}, {}, {}
        for cycle in self.cycles:
            for resource, volume in cycle.volumes(base).items():
                first.setdefault(resource, volume)
                last[resource] = volume
            for resource, volume in cycle.volumes(delta).items():
                sums[resource] = sums.get(resource, 0) + volume
        for resource in first:
            if sums.get(resource) != last[resource] - first[resource]:
                bad.append(f"{resource}: deltas add up to {sums.get(resource)}, grew by {last[resource] - first[resource]}")
        return bad


def few():
    every = {d.key: d for d in domains.suite()}
    return [every[k] for k in ("plain", "busy", "hotplug", "shutoff", "bare")]


# ---------------------------------------------------------------- calls

def undisturbed(lv, run):
    """(calls, what run() gave) of a run in which no call was late: on a busy machine one may be, and then the agent asks
    libvirt who holds it up (control info), which is not what is counted here."""
    for _ in range(6):
        counter = rpc.Counter(lv)
        result = run()
        calls = dict(counter.take())
        if "control-info" not in calls:
            break
    return calls, result


def steady(t, lv):
    """One call per task and cycle, by libvirtd's count."""
    with agent.Agent(lv.uri_ro, INTERVAL) as a:
        a.wait_cycles(3)
        calls, _ = undisturbed(lv, lambda: a.wait_cycles(5))
        t.same(calls, {"bulk-stats": 5}, "steady state: one call a cycle, no XML, nothing else")
    with agent.Agent(lv.uri_ro, INTERVAL, meters=["cpu"]) as a:
        a.wait_cycles(3)
        calls, _ = undisturbed(lv, lambda: a.wait_cycles(3))
        t.same(calls, {"bulk-stats": 3}, "the same for a single meter")
    with agent.Agent(lv.uri_ro, INTERVAL, start=False) as a:
        a.put("polling.yaml", f"""sources:
  - {{name: fast, interval: {INTERVAL}, meters: [cpu, "network.*"]}}
  - {{name: slow, interval: {INTERVAL * 2}, meters: ["disk.*", memory.usage]}}
""")
        a.start()
        a.wait_cycles(4)

        def cycles():
            return {x["interval_s"]: x["cycles"] for x in a.status()["tasks"]}

        def span():
            before = cycles()
            time.sleep(INTERVAL * 6)
            return before, cycles()

        calls, (before, after) = undisturbed(lv, span)
        ran = sum(after.values()) - sum(before.values())
        t.ok(set(calls) == {"bulk-stats"} and abs(calls["bulk-stats"] - ran) <= 1,
             "two intervals: one call per task and cycle", f"{calls} for {ran} cycles {before} to {after}")


# ---------------------------------------------------------------- libvirtd comes and goes

def restarts(t, lv, made):
    history = History()
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"call_timeout": 2}}) as a:
        first, seen = until(a, has(made["busy"].uuid))
        history.add(seen)
        full = first.resources()
        for what, away, back in (("is killed and comes back at once", lv.crash, 0), ("is away for three cycles", lv.crash, 3),
                                 ("is restarted in an orderly way", lv.stop, 0), ("is killed again", lv.crash, 1)):
            away()
            time.sleep(back * INTERVAL)
            lv.start()
            again, seen = until(a, lambda c: whole(c, full), cycles=SOON + back)
            history.add(seen)
            t.ok(again, f"libvirtd {what}: all {len(full)} series are there again",
                 f"{len(seen)} cycles; missing in the last: {sorted(full - seen[-1].resources())[:8] if seen else 'all'}")
        hung(t, lv, a, history, full)
        doc = a.status()
        t.ok(doc and doc["tasks"][0]["cycles"] >= len(history.cycles), "the agent tells of its cycles", str(doc)[:500])
        t.same(a.stop(), 0, "and ends in an orderly way")
        history.add(a.tail.cycles())
    t.none(sequence.too_many(history.samples(), doc["tasks"][0]["cycles"] + 1), "a cycle has no series twice")
    t.none(history.doubled(), f"no sample of {len(history.cycles)} cycles comes twice")
    t.none(history.shrunk(), "no counter goes down")
    t.none(history.lost_growth(), "no growth is lost to the deltas")


def hung(t, lv, a, history, full):
    """libvirtd stops in the middle of a call: the call is given up in time, and what comes after works."""
    lv.pause()
    time.sleep(INTERVAL * 4)
    doc = a.status()
    t.ok(doc is not None, "libvirtd hangs: the agent still answers")
    if doc:
        counts = doc["inspectors"][0]["instances"]
        t.ok(counts["ok"] == 0 and counts["unreachable"] > 0, "and calls the instances unreachable, not well", str(counts))
    lv.crash()
    lv.start()
    again, seen = until(a, lambda c: whole(c, full), cycles=SOON + 4)
    history.add(seen)
    t.ok(again, "it is killed in mid-call and started: all series are there again", f"{len(seen)} cycles")


def absent(t, lv, made):
    lv.crash()
    with agent.Agent(lv.uri_ro, INTERVAL) as a:
        time.sleep(INTERVAL * 2)
        t.ok(a.running(), "libvirtd absent at the start: the agent runs")
        t.same(a.tail.cycles(), [], "and invents nothing")
        t.ok("next try in" in a.log(), "its log says that it will try again", a.log()[-500:])
        lv.start()
        found, seen = until(a, has(made["busy"].uuid), cycles=SOON + 2, patience=40)
        t.ok(found, "then libvirtd comes, and samples with it", a.log()[-500:])


# ---------------------------------------------------------------- domains come and go

def changes(t, lv, made):
    history, conn = History(), libvirt.open(lv.uri)
    with agent.Agent(lv.uri_ro, INTERVAL) as a:
        def soon(condition, what):
            found, seen = until(a, condition)
            history.add(seen)
            t.ok(found, what, f"{len(seen)} cycles")
            return found

        soon(has(made["hotplug"].uuid), "the first cycle")
        grow(conn, lv, made["hotplug"], soon)
        come_and_go(conn, lv, made, soon)
        t.same(a.stop(), 0, "the agent ends in an orderly way")
        history.add(a.tail.cycles())
    t.none(history.doubled(), "nothing came twice")
    conn.close()


def grow(conn, lv, spec, soon):
    domain = conn.lookupByUUIDString(spec.uuid)

    def cpus(count):
        return lambda c: c.volumes("vcpus").get(spec.uuid) == count and any(
            s["resource_metadata"].get("cpu_number") == count for s in c.samples
            if s["name"] == "cpu" and s["resource_id"] == spec.uuid)

    soon(cpus(2), "two virtual CPUs at first")
    domain.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    soon(cpus(3), "a third is plugged in: it counts")

    path, tap_name = f"{lv.instances}/plugged.raw", "tapplugged"
    with open(path, "wb") as f:
        f.truncate(1 << 20)
    disk = (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>"
            "<target dev='vdx' bus='virtio'/></disk>")
    nic = (f"<interface type='ethernet'><mac address='fa:16:3e:00:99:00'/><target dev='{tap_name}'/>"
           "<model type='virtio'/></interface>")
    resources = {f"{spec.uuid}-vdx", f"{domain.name()}-{spec.uuid}-{tap_name}"} if spec.nics else {f"{spec.uuid}-vdx"}

    def shown(cycle):
        return resources & {r for _, r in cycle.resources()}

    for xml in (disk, nic)[:len(resources)]:
        domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    soon(lambda c: shown(c) == resources, "a disk and a NIC are plugged in: they are metered")
    for xml in (disk, nic)[:len(resources)]:
        domain.detachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    soon(lambda c: not shown(c), "and pulled out: they are not")


def come_and_go(conn, lv, made, soon):
    spec = domains.Domain("late", guest="busy", metadata=domains.nova("vm-late"))
    here = has(spec.uuid)

    def known(cycle):
        return any(spec.uuid in s["resource_id"] for s in cycle.samples)

    new = domains.Set(lv, [spec])
    new.create()
    soon(here, "a domain is defined and started: it is metered")
    domain = conn.lookupByUUIDString(spec.uuid)
    domain.suspend()
    soon(lambda c: c.volumes("power.state").get(spec.uuid) == libvirt.VIR_DOMAIN_PAUSED, "paused: its state says so")
    domain.resume()
    soon(lambda c: c.volumes("power.state").get(spec.uuid) == libvirt.VIR_DOMAIN_RUNNING, "resumed: likewise")
    domain.destroy()
    soon(lambda c: not here(c) and known(c), "destroyed: nothing is read any more, but it is known")
    domain.create()
    first = soon(here, "started anew: it is metered again")
    if first:
        again = soon(lambda c: here(c) and c is not first, "and once more")
        if again:
            growth = again.volumes("cpu")[spec.uuid] - first.volumes("cpu")[spec.uuid]
            soon(lambda c: growth >= 0, "its counters grow")
    domain.destroy()
    domain.undefine()
    soon(lambda c: not known(c), "undefined: it is gone")
    domains.remove_disks(lv, spec)

    other = conn.lookupByUUIDString(made["shutoff"].uuid)
    other.create()
    soon(has(made["shutoff"].uuid), "one that was off at the start is started: it is metered")
    other.destroy()


def main(t):
    with private.Libvirt(log_filters=rpc.FILTERS) as lv:
        made = domains.Set(lv, few()).create()
        steady(t, lv)
        restarts(t, lv, made)
        absent(t, lv, made)
        changes(t, lv, made)


if __name__ == "__main__":
    with tap.Suite("restart") as suite:
        main(suite)
