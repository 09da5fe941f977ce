#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The forms of earlier releases.  First the oracle is put to the test: a real Ceilometer 19.0.0's samples
(golden19) have to pass its judgement.  Then the agent meters the same domains with `meter_profile` 19
and juno, and names, units, types, ids and metadata have to be Ceilometer's."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
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


with tap.Suite("profile") as suite:
    judge_oracle(suite)
