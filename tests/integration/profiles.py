#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The forms of earlier releases.  First the oracle is put to the test: a real Ceilometer 19.0.0's samples
(golden19) have to pass its judgement.  Then the agent meters the same domains with `meter_profile` 19
and juno, and names, units, types, ids and metadata have to be Ceilometer's."""
import json
import os
import re
import sys
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import libvirt

import agent
import bracket
import domains
import oracle
import private
import tap

GOLDEN = os.path.join(HERE, "golden19")
DELTAS = {"network.incoming.bytes.delta", "network.outgoing.packets.delta"}
FLAGS = {"rd_req": "rd_operations", "rd_bytes": "rd_bytes", "wr_req": "wr_operations", "wr_bytes": "wr_bytes",
         "rd_total_times": "rd_total_times", "wr_total_times": "wr_total_times"}
COUNTERS = [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop")]


def golden_samples():
    with open(f"{GOLDEN}/samples.jsonl", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def golden_snapshot(name):
    """A capture of libvirt's answers as if virsh had given them."""
    with open(f"{GOLDEN}/{name}.json", encoding="utf-8") as f:
        capture = json.load(f)
    views = {}
    for domain, d in capture["domains"].items():
        with open(f"{GOLDEN}/domains/{domain}.xml", encoding="utf-8") as f:
            xml = f.read()
        disks = {}
        for dev, e in d.get("disks", {}).items():
            disks[dev] = dict(zip(("Capacity", "Allocation", "Physical"), e["blockInfo"]))
            if isinstance(e["blockStatsFlags"], dict):      # a text when the domain is off
                disks[dev].update({k: e["blockStatsFlags"][v] for k, v in FLAGS.items()})
        nics = {dev: dict(zip(COUNTERS, e)) for dev, e in d.get("interfaces", {}).items()}
        views[d["uuid"]] = oracle.View(d["uuid"], domain, xml, d["stats"], {"state": d["state"][0]},
                                       d.get("memoryStats", {}), disks, nics)
    return oracle.Snapshot(capture["time"], capture["time"], views)


def golden_wanted():
    """What the oracle expects of Ceilometer 19 in that cycle, by the meters it was asked for."""
    after, names = golden_snapshot("after"), {s["name"] for s in golden_samples()}
    metered = {u for u, v in after.domains.items() if oracle.nova(v.tree)[0] is not None}
    wanted = [e for e in oracle.expected([golden_snapshot("before")], after, oracle.Rules("19", "compute-0"))
              if e.name in names and any(u in e.resource for u in metered)]
    for e in wanted:
        e.metadata["flavor"] = {**e.metadata["flavor"], "id": "42"}
    return wanted


def judge_oracle(t):
    samples, wanted = golden_samples(), golden_wanted()
    t.ok(len(wanted) > 100, "the oracle expects something of Ceilometer")
    t.none(oracle.judge(wanted, samples, ignore=DELTAS), "the oracle agrees with a real Ceilometer 19.0.0")
    for change, why in ((("volume", 1 << 60), "a volume"), (("unit", "X"), "a unit"), (("resource_metadata", {}), "metadata"),
                        (("resource_id", "other"), "a resource id"), (("volume", 0.5), "a number's form")):
        spoilt = [dict(s) for s in samples]
        spoilt[0][change[0]] = change[1]
        t.ok(oracle.judge(wanted, spoilt, ignore=DELTAS), f"and notices when {why} is wrong")
    t.ok(oracle.judge(wanted, samples[1:], ignore=DELTAS), "or a sample is missing")
    t.ok(oracle.judge(wanted, samples + samples[:1], ignore=DELTAS), "or comes twice")


# ---------------------------------------------------------------- the agent on the same domains

def adapted(lv, name, bases):
    """The domain's XML with its identity, devices and metadata, and disks that are here."""
    ET.register_namespace("nova", "http://openstack.org/xmlns/libvirt/nova/1.1")
    tree = ET.parse(f"{GOLDEN}/domains/{name}.xml").getroot()
    tree.attrib.pop("id", None)
    for parent in list(tree.iter()):
        for child in [c for c in parent if c.tag in ("alias", "address", "backingStore", "seclabel", "resource", "cpu")]:
            parent.remove(child)
    tree.find("os/type").set("machine", "pc")
    for i, source in enumerate(tree.iterfind("devices/disk/source")):
        path = f"{lv.instances}/{name}-{i}"
        domains.sh("qemu-img", "create", "-q", "-f", "qcow2", "-b", bases["busy" if name.endswith("3") else "idle"],
                   "-F", "qcow2", path)
        source.set("file", path)
        source.attrib.pop("index", None)
    return ET.tostring(tree, encoding="unicode")


def wait_for_balloon(domain, seconds=30):
    """A paused guest had told of its memory before."""
    end = time.monotonic() + seconds
    while "usable" not in domain.memoryStats() and time.monotonic() < end:
        time.sleep(0.1)


def bring_up(lv):
    states = golden_snapshot("after").domains
    conn, bases = libvirt.open(lv.uri), domains.bases()
    for view in sorted(states.values(), key=lambda v: v.name):
        domain = conn.defineXML(adapted(lv, view.name, bases))
        if view.info["state"] != oracle.SHUTOFF:
            domain.create()
        if view.info["state"] == libvirt.VIR_DOMAIN_PAUSED:
            wait_for_balloon(domain)
            domain.suspend()
    conn.close()


def without_flavor_id(sample):
    """The id came from a Nova API that is not here."""
    meta = dict(sample["resource_metadata"])
    meta["flavor"] = {k: v for k, v in meta["flavor"].items() if k != "id"}
    return {**sample, "resource_metadata": meta}


def same_as_golden(t, cycle):
    golden = {(s["name"], s["resource_id"]): without_flavor_id(s) for s in golden_samples()}
    names, who = {n for n, _ in golden}, {s["resource_metadata"]["instance_id"] for s in golden.values()}
    ours = {(s["name"], s["resource_id"]): s for s in cycle.samples
            if s["name"] in names and any(w in s["resource_id"] for w in who)}
    t.same(sorted(ours), sorted(golden), f"profile 19: names and ids of all {len(golden)} samples are Ceilometer's")
    bad = []
    for key in golden.keys() & ours.keys():
        a, b = without_flavor_id(ours[key]), golden[key]
        bad += [f"{key}: {k} is {a[k]!r}, should be {b[k]!r}" for k in ("type", "unit", "user_id", "project_id") if a[k] != b[k]]
        bad += [f"{key}: {x}" for x in oracle.differences("metadata", b["resource_metadata"], a["resource_metadata"])]
        if type(a["volume"]) is not type(b["volume"]):
            bad.append(f"{key}: volume {a['volume']!r}, Ceilometer's {b['volume']!r}")
        if a.keys() ^ b.keys() != {"source", "id"}:
            bad.append(f"{key}: keys {sorted(a)}")
    t.none(bad, "profile 19: so are types, units, owners, metadata, forms of numbers, keys")


def by_oracle(t, profile, seen):
    rules, number = oracle.Rules(profile), 0
    for before, after, cycle in seen:
        number += 1
        for shot in (*before, after):
            shot.domains = {u: v for u, v in shot.domains.items() if oracle.nova(v.tree)[0] is not None}
        samples = [s for s in cycle.samples if any(u in s["resource_id"] for u in after.domains)]
        wanted = oracle.expected(before[-3:], after, rules)
        t.none(oracle.judge(wanted, samples, ignore={*DELTAS, "network.outgoing.bytes.delta"}),
               f"profile {profile}, cycle {number}: {len(wanted)} samples are what virsh says, in the form of the era")


def judge_agent(t):
    with private.Libvirt() as lv:
        bring_up(lv)
        for profile in ("19", "juno"):
            with agent.Agent(lv.uri_ro, 3, options={"DEFAULT": {"meter_profile": profile}}, start=False) as a:
                seen = bracket.collect(lv, a, 2, 600)
            if profile == "19":
                same_as_golden(t, seen[-1][2])
            else:
                stamps = {s["timestamp"] for _, _, c in seen for s in c.samples}
                t.ok(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", x) for x in stamps),
                     "profile juno: times are whole seconds, with a Z", str(sorted(stamps)[:3]))
                keys = {k for _, _, c in seen for s in c.samples for k in s}
                t.ok(not keys & {"monotonic_time", "user_name", "project_name"}, "profile juno: no later keys", str(keys))
            by_oracle(t, profile, seen)


if __name__ == "__main__":
    with tap.Suite("profiles") as suite:
        judge_oracle(suite)
        judge_agent(suite)
