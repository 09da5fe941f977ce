#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ceilometer 19.0.0's own polling agent on real domains, and two takers of what it publishes: its notification agent with
a file, our collector with a store.  Both queues are bound to the one exchange by the one routing key, so that each gets
every message; every sample of the file is in the store, member for member, and nothing else."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import collector
import domains
import peers
import private
import rabbit
import tap

CYCLES, INTERVAL = 3, 3
THEIRS, OURS = "notifications.sample", "copies.sample"
# what each meter needs of a guest: without these the comparison would be one of little
NEEDED = {"cpu", "memory.usage", "memory.resident", "disk.device.read.bytes", "disk.device.write.latency",
          "disk.device.capacity", "network.incoming.bytes", "network.outgoing.packets", "network.incoming.bytes.delta"}


def guests():
    return [
        domains.Domain("polled", metadata=domains.nova("vm-polled", flavor_id="42")),
        domains.Domain("polled-busy", guest="busy", vcpus=2, nics=[domains.Nic(), domains.Nic()],
                       disks=[domains.Disk(), domains.Disk("raw")],
                       metadata=domains.nova("vm-busy", vcpus=2, ephemeral=1, disk=3)),
        domains.Domain("polled-paused", guest="busy", state="paused", metadata=domains.nova("vm-paused")),
        domains.Domain("polled-unicode", name="вм-ünï", metadata=domains.nova("名前 – Ünïcode 😀", flavor="größe.ß",
                                                                            image=None)),
    ]


def queues(mq):
    """As the polling agent would declare them, before it comes."""
    with mq.connect() as c:
        channel = c.channel()
        channel.exchange_declare("ceilometer", "topic", durable=False, auto_delete=False)
        for queue in (THEIRS, OURS):
            channel.queue_declare(queue, durable=False, exclusive=False, auto_delete=False)
            channel.queue_bind(queue, "ceilometer", THEIRS)


def stored(c):
    done = agent.command("samples", "--store", f"sqlite://{c.db}", "--format", "json", "--limit", "1000000")
    if done.returncode:
        raise private.Failed(f"samples: {done.stderr}")
    return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]


def differences(theirs, ours):
    """Members of Ceilometer's line that are another in ours.  Its notification agent forgets the monotonic time."""
    bad = []
    for member in theirs.keys() - {"monotonic_time"}:
        here, there = ours.get(member), theirs[member]
        if member == "timestamp":
            here, there = agent.moment(here.split("+")[0]), agent.moment(there.split("+")[0])
        if here != there or type(here) is not type(there):
            bad.append(f"{theirs['name']} {theirs['resource_id']} {member}: {here!r}, in the file {there!r}")
    return bad


def compare(t, theirs, ours):
    names = {s["name"] for s in theirs}
    t.ok(NEEDED <= names, "the agent's messages are of all kinds", NEEDED - names)
    t.ok(len({s["id"] for s in theirs}) == len(theirs) and len({s["id"] for s in ours}) == len(ours),
         "ids are there once, in the file and in the store")
    known = {s["id"]: s for s in ours}
    t.same(sorted(known.keys() ^ {s["id"] for s in theirs}), [], f"the store has the file's {len(theirs)} ids and no other")
    t.none([d for s in theirs if s["id"] in known for d in differences(s, known[s["id"]])],
           "every value, unit, type, owner, time and all metadata are the file's")
    t.ok(len({(s["resource_id"]) for s in theirs}) >= 8 and any(s["volume"] for s in theirs if "disk" in s["name"]),
         "of instances, disks and interfaces, and they did something")


def main(t):
    options = {"publisher": {}, "oslo_messaging_notifications": {"topics": "copies"}}
    with private.Libvirt() as lv, rabbit.Rabbit() as mq:
        made = domains.Set(lv, guests()).create()
        queues(mq)
        options["DEFAULT"] = {"transport_url": mq.url("rabbit")}
        with collector.Collector(["notifications://"], options,
                                 publishers=("sqlite://{dir}/store.db?store_message_ids=true",)) as c, \
                peers.NotificationAgent(mq.url("rabbit")) as n:
            c.wait(lambda: {THEIRS, OURS} <= {q["queue_name"] for q in mq.listed("list_consumers", "queue_name")}, 60,
                   "both take from their queues")
            with peers.Polling(lv.uri_ro, mq.url("rabbit"), INTERVAL) as p:
                c.wait(lambda: len({s["timestamp"] for s in n.samples() if s["name"] == "cpu"}) >= CYCLES, 120,
                       f"{CYCLES} cycles of ceilometer-polling")
                t.same(p.process.process.poll(), None, "ceilometer-polling runs on")
            c.wait(lambda: collector.drained(mq) and c.kept() >= len(n.samples()), 60, "all is stored")
            compare(t, n.samples(), stored(c))
            r = c.receiver("notifications")
            t.ok(r["accepted"] == r["received"] == c.kept() and not r["rejected"] and not r["duplicates"],
                 "all of it accepted, signatures verified, nothing twice", r)
            collector.ends_well(t, c, "beside Ceilometer")
        t.same(len(made.domains), 4, "all domains were there")


if __name__ == "__main__":
    with tap.Suite("polling") as suite:
        main(suite)
