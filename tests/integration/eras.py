#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The default files of Juno, 19.0.0 and today (tests/golden/eras) on real domains, into a real RabbitMQ and into a
file: messages arrive in the form of their era, with the meters that the era's files name, and say what the file says."""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import libvirt

import agent
import domains
import private
import rabbit
import tap

ERAS = os.path.join(HERE, "../golden/eras")
EXACT = ("user_id", "project_id", "resource_id", "timestamp", "resource_metadata", "source")
# Named in the files, but not of a host without Intel's cache monitoring, or of other agents.
NOT_HERE = re.compile(r"cpu_l3_cache$|hardware\.|volume\.")
RATES = {"cpu_util"} | {f"disk.{way}.{what}.rate" for way in ("read", "write") for what in ("bytes", "requests")} | {
    f"network.{way}.{what}.rate" for way in ("incoming", "outgoing") for what in ("bytes", "packets")}
# What `*` was on Juno's libvirt: every meter of that release but those that no libvirt has.
JUNO = {"cpu", "memory.usage", "instance", "instance:m1.nano"} | {
    f"disk.{device}{way}.{what}" for device in ("", "device.") for way in ("read", "write")
    for what in ("bytes", "requests")} | {f"disk.{which}.size" for which in ("root", "ephemeral")} | {
    f"network.{way}.{what}" for way in ("incoming", "outgoing") for what in ("bytes", "packets")}


def era_file(era, name):
    with open(f"{ERAS}/{era}/{name}", encoding="utf-8") as f:
        return f.read()


def named(era):
    """The meters that an era's polling.yaml names."""
    return set(re.findall(r"^ +- ([a-z0-9_.]+)$", era_file(era, "polling.yaml"), re.MULTILINE))


def run(lv, mq, era, change=lambda name, text: text, cycles=1, deliver="auto"):
    """One run on the era's files, each through `change`; samples of the file publisher, status of the end, log."""
    options = {"DEFAULT": {"transport_url": mq.url("rabbit"), "call_timeout": 10},
               "virtmeter": {"meter_profile": era, "deliver": deliver}}
    with agent.Agent(lv.uri_ro, 1, options=options, args=["--cycles", str(cycles)], start=False) as a:
        os.unlink(f"{a.dir}/polling.yaml")      # Juno has none
        for name in os.listdir(f"{ERAS}/{era}"):
            a.put(name, change(name, era_file(era, name)).replace("{dir}", a.dir))
        checked = agent.command("check", "--config-file", a.config)
        a.start().process.wait(60)
        lines = []
        if os.path.exists(a.file):
            with open(a.file, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f]
        return lines, a.process.returncode, a.log(), checked.stdout


def with_file(url):
    """The era's pipeline with a file beside the publisher that it names."""
    def change(name, text):
        assert name == "polling.yaml" or f'["{url}"]' in text
        return text.replace(f'["{url}"]', f'["{url}", "file://{{dir}}/samples.json?json"]').replace(
            "interval: 600", "interval: 3")
    return change


def same_samples(t, era, messages, lines):
    """What the file has is what RabbitMQ has."""
    wire = {s["message_id"]: s for m in messages for s in m.samples}
    file = {s["id"]: s for s in lines}
    t.ok(len(wire) == sum(len(m.samples) for m in messages) and len(file) == len(lines), f"{era}: no sample twice")
    t.same(sorted(wire), sorted(file), f"{era}: the {len(file)} samples of the file, and no others, are in RabbitMQ")
    bad = []
    for i in wire.keys() & file.keys():
        w, f = wire[i], file[i]
        bad += [f"{f['name']}: {k} {w[k]!r}, in the file {f[k]!r}" for k in EXACT if w[k] != f[k]]
        bad += [f"{f['name']}: {k} {w['counter_' + k]!r}, in the file {f[k]!r}" for k in ("name", "type", "unit", "volume")
                if w["counter_" + k] != f[k] or type(w["counter_" + k]) is not type(f[k])]
    t.none(bad, f"{era}: and each says the same")


def form(t, era, messages, event, sender, exact):
    inner = [m.inner for m in messages]
    t.ok(messages and all("oslo.message" in m.outer for m in messages), f"{era}: in oslo.messaging's envelope")
    t.same({(i["event_type"], i["publisher_id"], i["priority"]) for i in inner}, {(event, sender, "SAMPLE")},
           f"{era}: event, sender and priority")
    t.ok(all(isinstance(i["payload"], dict if event == "telemetry.polling" else list) for i in inner),
         f"{era}: samples lie in the payload where that era's reader looks")
    keys = {frozenset(s) for m in messages for s in m.samples}
    t.ok(len(keys) == 1, f"{era}: every sample has the same keys", keys)
    t.same({k for k in next(iter(keys)) if k in ("monotonic_time", "user_name", "project_name")}, exact,
           f"{era}: later keys as that era had them")


def names(messages):
    return {s["counter_name"] for m in messages for s in m.samples}


def juno(t, lv, mq):
    lines, code, log, checked = run(lv, mq, "juno", with_file("notifier://"), cycles=3)
    messages = mq.take("metering.sample")
    t.ok(code == 0 and checked.endswith("ok\n"), "juno: the agent takes the files and ends well", checked + log)
    form(t, "juno", messages, "metering", "metering.publisher.compute-0", set())
    same_samples(t, "juno", messages, lines)
    t.none(sorted((JUNO | RATES) - names(messages)),
           "juno: every meter that `*` was, and the rates of the three transforming sinks")
    samples = [s for m in messages for s in m.samples]
    t.ok(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", s["timestamp"]) for s in samples), "juno: times as Juno wrote them")
    both = {n: [s for s in samples if s["counter_name"] == n] for n in ("cpu", "cpu_util")}
    there = {s["resource_id"] for s in both["cpu"]}
    t.same(sorted(s["resource_id"] for s in both["cpu_util"]), sorted(2 * [*there]),
           "juno: a rate for each instance in each cycle after the first")
    rate(t, both)


def rate(t, both):
    """cpu_util is what Juno's formula makes of the samples of cpu."""
    bad = []
    for util in both["cpu_util"]:
        series = sorted((s["timestamp"], s["counter_volume"]) for s in both["cpu"] if s["resource_id"] == util["resource_id"])
        at = [x for x, _ in series].index(util["timestamp"])
        (t0, v0), (t1, v1) = series[at - 1:at + 1]
        seconds = agent.moment(t1) - agent.moment(t0)
        wanted = 100.0 / (10 ** 9 * (util["resource_metadata"].get("cpu_number") or 1)) * ((v1 - v0) / seconds)
        if abs(util["counter_volume"] - wanted) > 1e-9 * max(1, abs(wanted)):
            bad.append(f"{util['resource_id']}: {util['counter_volume']}, of {v0} to {v1} in {seconds} s {wanted}")
    t.none(bad, "juno: cpu_util is cpu's growth by the time of its samples and the number of CPUs")


def notifications(t, lv, mq, era, later):
    """polling.yaml to a notification agent; pipeline.yaml is that one's, and with deliver = both ours, too."""
    lines, code, log, checked = run(lv, mq, era)
    messages = mq.take("notifications.sample")
    t.ok(code == 0 and checked.endswith("ok\n") and not lines, f"{era}: the agent takes the files and ends well", checked + log)
    t.ok("has only publishers of the notification agent" in checked, f"{era}: check says where samples go", checked)
    form(t, era, messages, "telemetry.polling", "ceilometer.polling", later)
    t.same(names(messages), {n for n in named(era) if not NOT_HERE.match(n)}, f"{era}: the meters that polling.yaml names")
    lines, code, log, checked = run(lv, mq, era, with_file("gnocchi://"), deliver="both")
    t.ok(code == 0, f"{era}: a file beside gnocchi://, and the notification agent", log)
    t.ok("gnocchi" in log, f"{era}: that gnocchi:// is not for us is told", log)
    same_samples(t, era, mq.take("notifications.sample"), lines)


def main(t):
    every = {d.key: d for d in domains.suite()}
    with rabbit.Rabbit() as mq, private.Libvirt() as lv:
        domains.Set(lv, [every[k] for k in ("plain", "busy")]).create()
        conn = libvirt.open(lv.uri)
        for domain in conn.listAllDomains():
            rabbit.until(lambda d=domain: "usable" in d.memoryStats(), 60, "the guest's balloon")
        conn.close()
        juno(t, lv, mq)
        notifications(t, lv, mq, "19", {"monotonic_time"})
        notifications(t, lv, mq, "26", {"monotonic_time", "user_name", "project_name"})


if __name__ == "__main__":
    with tap.Suite("eras") as suite:
        main(suite)
