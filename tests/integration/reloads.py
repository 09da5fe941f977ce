#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ten reloads a second, by SIGHUP and by `virtmeter reload`, on real domains: one publisher that stays, one whose URL
changes, one that comes and goes, files that are broken.  The ledgers add up, and no sample is lost or doubled."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import domains
import private
import sequence
import tap

RELOADS, EVERY = 200, 0.1
STAYS, CHANGES, COMES = "stays.json", "changes.json", "comes.json"


def pipeline(a, k):
    """The k-th pipeline.yaml: what changes, what is not there, what is broken, and a transformer that nobody has."""
    publishers = [f"file://{a.dir}/{STAYS}?json", f"file://{a.dir}/{CHANGES}?json&max_queue_length={100000 + k // 3}"]
    if k % 4 < 2:
        publishers.append(f"file://{a.dir}/{COMES}?json")
    broken = "{" if k % 20 == 9 else ""
    unknown = "    transformers: [{name: nosuch, parameters: }]\n" if k % 20 == 19 else ""
    return ("sources:\n  - name: all\n    meters: ['*']\n    sinks: [out]\n"
            f"sinks:\n  - name: out\n    publishers: {agent.yaml_list(publishers)}{broken}\n{unknown}")


def swap(a, name, text):
    """Whole or not at all: a reload may look at any time."""
    a.put(f"{name}.new", text)
    os.rename(f"{a.dir}/{name}.new", f"{a.dir}/{name}")


def counted(a):
    """Reloads that the log tells of, its folded lines too: (taken, refused)."""
    of, last = {"new": 0, "old": 0}, None
    for line in a.log().splitlines():
        found = re.search(r"the (new|old) configuration (?:is|stays) in force", line)
        again = re.search(r"last message repeated (\d+) times", line)
        last = found[1] if found else last
        of[last or "new"] += 1 if found else int(again[1]) if again and last else 0
    return of["new"], of["old"]


def storm(a):
    """Signals ten times a second; where a reload takes longer they fold, and there are more.  Some are by command: their
    numbers with what was said."""
    commands, begin, k = [], time.monotonic(), 0
    while k % 20 or (sum(counted(a)) < RELOADS and time.monotonic() < begin + 150):
        time.sleep(max(0, begin + k * EVERY - time.monotonic()))
        swap(a, "pipeline.yaml", pipeline(a, k))
        if k % 20 in (3, 9, 19):
            commands.append((k, a.reload()))
        else:
            a.process.send_signal(signal.SIGHUP)
        k += 1
    return commands


def samples(a, name):
    with open(f"{a.dir}/{name}", encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def at_rest(a):
    """The status between two cycles, and what the files had then."""
    def look():
        before = os.path.getsize(f"{a.dir}/{STAYS}")
        doc = a.ask("status")
        files = {n: samples(a, n) for n in (STAYS, CHANGES, COMES)}
        still = os.path.getsize(f"{a.dir}/{STAYS}") == before
        return still and not any(p["queued"] for p in doc["publishers"]) and (doc, files)
    return a.wait(look, 60, "a moment between two cycles")


def ledgers(t, doc, files):
    bad = [p for p in doc["publishers"]
           if p["produced"] != p["confirmed"] + p["queued"] + sum(p["dropped"].values())]
    t.none(bad, "every publisher's ledger adds up")
    t.none([p for p in doc["publishers"] if p["dropped"] or p["dead_letters"]], "nothing was dropped")
    for name in (STAYS, CHANGES):
        mine = [p for p in doc["publishers"] if name in p["url"]]
        t.same([p["confirmed"] for p in mine], [len(files[name])], f"{name}: what the ledger of {RELOADS} reloads counts lies in the file")
    bad = [p for p in doc["pipelines"] if p["in"] + p["made"] != p["out"] + p["filtered"] + p["consumed"]]
    t.none(bad, "every pipeline's ledger adds up")


def contents(t, doc, files):
    for name, lines in files.items():
        t.none(sequence.doubled(lines), f"{name}: nothing is doubled")
    ids = {n: {s["id"] for s in lines} for n, lines in files.items()}
    t.ok(ids[STAYS] == ids[CHANGES], "the publisher whose URL changed has every sample of the one that stayed",
         f"{len(ids[STAYS] - ids[CHANGES])} missing, {len(ids[CHANGES] - ids[STAYS])} more")
    t.ok(ids[COMES] and ids[COMES] < ids[STAYS], "the one that comes and goes has some of them",
         f"{len(ids[COMES])} of {len(ids[STAYS])}")
    ran = sum(x["cycles"] for x in doc["tasks"])
    series = sequence.series(files[STAYS])
    # two domains without a pause: each cycle has all of their series
    bad = {k: len(v) for k, v in series.items() if k[0] in ("cpu", "disk.device.read.bytes") and len(v) != ran}
    t.ok(ran > RELOADS * EVERY / 2 and not bad, "each of the cycles that the agent counts has a sample of every series",
         f"{ran} cycles; {bad}")


def main(t):
    every = {d.key: d for d in domains.suite()}
    with private.Libvirt() as lv:
        domains.Set(lv, [every[k] for k in ("plain", "busy")]).create()
        options = {"DEFAULT": {"call_timeout": 20}, "virtmeter": {"align": "true"}}
        with agent.Agent(lv.uri_ro, 1, options=options, start=False) as a:
            a.put("pipeline.yaml", pipeline(a, 0))
            a.start()
            a.wait(lambda: os.path.exists(f"{a.dir}/{STAYS}"), 60, "the first cycle")
            commands = storm(a)
            taken, refused = counted(a)
            t.ok(taken > RELOADS / 4 and refused >= RELOADS / 20 and taken + refused >= RELOADS,
                 f"{taken} reloads were taken, {refused} refused", a.log()[-1000:])
            t.same([k for k, done in commands if done.returncode], [k for k, _ in commands if k % 10 == 9],
                   "`virtmeter reload` says which it took: the broken files it did not")
            why = {9: "did not find expected", 19: "No transformer named nosuch loaded"}
            t.none([done.stderr for k, done in commands if k % 20 in why
                    and not ("pipeline.yaml:" in done.stderr and why[k % 20] in done.stderr)], "and where they are broken")
            doc, files = at_rest(a)
            ledgers(t, doc, files)
            contents(t, doc, files)
            t.same(a.stop(), 0, "the agent ends in an orderly way")
            t.same({s["id"] for s in samples(a, STAYS)}, {s["id"] for s in samples(a, CHANGES)}, "and both have the last cycle")


if __name__ == "__main__":
    with tap.Suite("reloads") as suite:
        main(suite)
