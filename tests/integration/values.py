#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every meter of every domain and device, over many cycles, against what virsh says just before and just
after each cycle: numbers, units, ids, metadata; nothing missing, nothing invented, in the file as in the
store."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import bracket
import domains
import oracle
import private
import tap

CYCLES = int(os.environ.get("VALUES_CYCLES", "8"))
INTERVAL = 6
METERS = ("*", "vm.*")
DELTAS = {"network.incoming.bytes.delta": "network.incoming.bytes",
          "network.outgoing.bytes.delta": "network.outgoing.bytes"}
# their metadata is not Nova's, or not whole; what is made of them is judged by itself
ODD = ("no-owner", "no-flavor-name", "bad-numbers", "deep")


def judge_cycles(t, made, seen):
    odd = {made[k].uuid for k in ODD if k in made}
    rules = oracle.Rules(own=True)
    for number, (before, after, cycle) in enumerate(seen, 1):
        for shot in (*before, after):
            shot.domains = {u: v for u, v in shot.domains.items() if u not in odd}
        wanted = oracle.expected(before[-3:], after, rules)
        samples = [s for s in cycle.samples if not any(u in s["resource_id"] for u in odd)]
        t.none(oracle.judge(wanted, samples, ignore={*DELTAS, "vm.outcome", *(r[0] for r in oracle.RATES)}),
               f"cycle {number}: {len(wanted)} volumes of {len(after.domains)} domains are what virsh says")


def judge_deltas(t, seen):
    bad, last, count = [], {}, 0
    for number, (_, _, cycle) in enumerate(seen, 1):
        for delta, base in DELTAS.items():
            now, told = cycle.volumes(base), cycle.volumes(delta)
            if now.keys() != told.keys():
                bad.append(f"cycle {number}: {delta} for {sorted(told)}, {base} for {sorted(now)}")
            for resource, volume in told.items():
                before = last.get((base, resource))
                want = 0 if before is None else now[resource] - before
                count += volume > 0
                if volume != want:
                    bad.append(f"cycle {number}: {delta} {resource}: {volume}, should be {want}")
            last.update({(base, r): v for r, v in now.items()})
    t.none(bad, "a delta is the growth since the cycle before, and zero at first")
    t.ok(count, "some of them grow")


def judge_rates(t, seen):
    """Rates and utilisation, from the second cycle on, over the time between the readings."""
    bad, last, count = [], {}, 0
    for number, (_, _, cycle) in enumerate(seen, 1):
        samples = {(s["name"], s["resource_id"]): s for s in cycle.samples}
        for meter, unit, counter, factor in oracle.RATES:
            told = cycle.volumes(meter)
            known = {r for r in cycle.volumes(counter) if (counter, r) in last}
            if told.keys() != known and number > 1:
                bad.append(f"cycle {number}: {meter} for {len(told)} resources, {counter} grew for {len(known)}")
            for resource in told.keys() & known:
                now, before = samples[counter, resource], last[counter, resource]
                seconds = now["monotonic_time"] - before["monotonic_time"]
                want = (now["volume"] - before["volume"]) / seconds * factor(now)
                count += want > 0
                s = samples[meter, resource]
                if abs(s["volume"] - want) > 1e-6 * max(1, want) or s["unit"] != unit or s["type"] != "gauge":
                    bad.append(f"cycle {number}: {meter} {resource}: {s['volume']} {s['unit']}, should be {want} {unit}")
        last = {k: s for k, s in samples.items()}
    t.none(bad, "a rate is the growth over the time since the cycle before")
    t.ok(count, "some of them are not zero")


def judge_outcomes(t, made, seen):
    bad = []
    for number, (_, after, cycle) in enumerate(seen, 1):
        told = cycle.volumes("vm.outcome")
        want = {d.uuid: 2 if d.state == "shutoff" else 1 for d in made.domains if d.key not in ODD}
        bad += [f"cycle {number}: {u} {told.get(u)}, should be {v}" for u, v in want.items() if told.get(u) != v]
    t.none(bad, "each instance has its outcome in each cycle")


def judge_common(t, seen):
    bad, ids = [], set()
    keys = ("name type unit volume user_id user_name project_id project_name resource_id timestamp "
            "resource_metadata source id monotonic_time").split()
    for _, _, cycle in seen:
        for s in cycle.samples:
            if list(s) != keys:
                bad.append(f"keys of a sample: {list(s)}")
            if s["source"] != "openstack" or s["id"] in ids or s["id"][14] != "1":
                bad.append(f"source {s['source']}, id {s['id']}")
            ids.add(s["id"])
            if not isinstance(s["monotonic_time"], float) or s["monotonic_time"] > time.monotonic():
                bad.append(f"monotonic time {s['monotonic_time']!r}")
    t.none(bad, "each sample has its keys in their order, an id of its own, a time")


def judge_growth(t, made, seen):
    """What a busy guest does has to show: a meter that stands still would pass every bracket."""
    first, last = seen[0][2], seen[-1][2]
    busy = made["busy"].uuid
    names = ["cpu", "memory.usage", "memory.swap.in", "memory.swap.out"]
    names += [f"disk.device.{w}.{x}" for w in ("read", "write") for x in ("bytes", "requests", "latency")]
    still = []
    for name in names:
        a, b = first.volumes(name), last.volumes(name)
        grew = [r for r in b if r.startswith(busy) and r in a and b[r] > a[r]]
        devices = 2 if name.startswith("disk.device") else 1
        if len(grew) != devices:
            still.append(f"{name}: grew for {grew}")
    sent = [r for r, v in last.volumes("network.outgoing.packets").items() if busy in r and v > 0]
    if len(sent) != len(made["busy"].nics):
        still.append(f"network.outgoing.packets: {sent}")
    t.none(still, "the busy guest's meters grow")


def judge_odd(t, made, seen):
    for key in (k for k in ODD if k in made):
        uuid, bad = made[key].uuid, []
        for _, _, cycle in seen:
            for s in (s for s in cycle.samples if uuid in s["resource_id"]):
                meta = s["resource_metadata"]
                if not isinstance(meta, dict) or any(isinstance(v, float) for v in meta.values()):
                    bad.append(f"metadata {meta!r:.200}")
        t.none(bad, f"{key}: survives, with sane metadata or passed over")


def judge_store(t, a, seen):
    points = agent.stored(f"{a.dir}/samples.db")
    wanted = {}
    for _, _, cycle in seen:
        for s in cycle.samples:
            wanted.setdefault((s["name"], s["resource_id"]), []).append((s["timestamp"], s["volume"]))
    bad = []
    for key, series in wanted.items():
        have = dict(points.get(key, []))
        bad += [f"{key} at {when}: store {have.get(when)!r}, file {volume!r}" for when, volume in series
                if have.get(when) != volume]
    t.none(bad, "the store has the file's points")
    t.same(agent.sound(f"{a.dir}/samples.db"), "ok", "and SQLite finds it sound")


def main(t):
    with private.Libvirt() as lv:
        made = domains.Set(lv).create()
        for what, why in made.left_out.items():
            t.skip(f"domains that need {what}", why)
        with agent.Agent(lv.uri_ro, INTERVAL, METERS, start=False,
                         publishers=("file://{dir}/samples.json?json", "sqlite://{dir}/samples.db")) as a:
            seen = bracket.collect(lv, a, CYCLES, 600)      # a busy machine's virsh takes long
            t.same(a.stop(), 0, "the agent ends in an orderly way")
            judge_store(t, a, seen)
        judge_cycles(t, made, seen)
        judge_deltas(t, seen)
        judge_rates(t, seen)
        judge_outcomes(t, made, seen)
        judge_common(t, seen)
        judge_growth(t, made, seen)
        judge_odd(t, made, seen)


if __name__ == "__main__":
    with tap.Suite("values") as suite:
        main(suite)
