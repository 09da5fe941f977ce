#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`virtmeter collector` with agents of ours, bodies that Ceilometer 19.0.0 sent, clients of oslo.messaging, and a real
RabbitMQ: every sample arrives, each is stored once, whoever is killed meanwhile.  KILLS says how often a collector is
killed (20)."""
import ast
import base64
import collections
import ctypes
import glob
import http.server
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import private
import rabbit
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
RECEIVED = os.path.join(HERE, "..", "golden", "received")
KILLS = int(os.environ.get("KILLS", "20"))

# run by a Python that has oslo.messaging: a notifier and an RPC client, each sends the samples on stdin
CLIENT = """
import json, sys
from oslo_config import cfg
import oslo_messaging
url, samples = sys.argv[1], json.load(sys.stdin)
conf = cfg.CONF
conf([], project="client")
oslo_messaging.set_transport_defaults("ceilometer")
transport = oslo_messaging.get_notification_transport(conf, url=url)
notifier = oslo_messaging.Notifier(transport, driver="messagingv2", publisher_id="ceilometer.polling",
                                   topics=["notifications"])
notifier.sample({}, "telemetry.polling", {"samples": samples[0]})
rpc = oslo_messaging.get_rpc_transport(conf, url=url)
client = oslo_messaging.get_rpc_client(rpc, oslo_messaging.Target(topic="metering", version="1.0")) \\
    if hasattr(oslo_messaging, "get_rpc_client") else \\
    oslo_messaging.RPCClient(rpc, oslo_messaging.Target(topic="metering", version="1.0"))
client.cast({}, "record_metering_data", data=samples[1])
client.prepare(server="collector-0").cast({}, "record_metering_data", data=samples[2][0])
client.prepare(fanout=True).cast({}, "record_metering_data", data=samples[3])
"""


class Collector(agent.Agent):
    """`virtmeter collector`; what it stores is at .db."""

    def __init__(self, receivers, options=None, **more):
        options = {s: dict(v) for s, v in (options or {}).items()}
        options.setdefault("DEFAULT", {})["host"] = "collector-0"
        options.setdefault("virtmeter", {}).setdefault("queue_dir", "")
        options["virtmeter"]["receivers"] = ",".join(receivers)
        more.setdefault("publishers", ("sqlite://{dir}/store.db",))
        super().__init__("", 1, meters=("*", "vm.*"), options=options, **more)

    def start(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                [agent.PROGRAM, "collector", "--config-file", self.config, *self.args], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.env, cwd="/")
        return self

    @property
    def db(self):
        return f"{self.dir}/store.db"

    def receiver(self, scheme):
        doc = self.status()
        return next((r for r in doc["receivers"] if r["url"].startswith(scheme)), None) if doc else None

    def kept(self):
        """How many points there are."""
        try:
            with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=20) as c:
                return c.execute("SELECT count(*) FROM point").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    def stored(self):
        """Its points, as key() has them."""
        done = agent.command("samples", "--store", f"sqlite://{self.db}", "--format", "json", "--limit", "1000000")
        if done.returncode:
            raise private.Failed(f"samples: {done.stderr}")
        return [key(s) for s in map(json.loads, done.stdout.splitlines())]

    def balanced(self):
        doc = self.status()
        flows = all(p["in"] == p["out"] + p["filtered"] + p["consumed"] - p["made"] and p["consumed"] >= p["held"] + p["lost"]
                    for p in doc["pipelines"])
        return flows and all(r["received"] == r["accepted"] + r["duplicates"] + r["returned"] + r["pending"]
                   + r["interrupted"] + sum(r["rejected"].values())
                   for r in doc["receivers"])


def key(sample):
    name = sample.get("name") or sample["counter_name"]
    volume = sample["volume"] if "volume" in sample else sample["counter_volume"]
    return (name, sample["resource_id"], agent.moment(sample["timestamp"].split("+")[0]), volume,
            json.dumps(sample["resource_metadata"], sort_keys=True))


def made(n, meter="made", start=1795390000):
    """n samples that are like no others."""
    return [{"source": "openstack", "counter_name": meter, "counter_type": "gauge", "counter_unit": "B",
             "counter_volume": i, "user_id": None, "project_id": "p", "resource_id": f"r-{i % 7}",
             "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + i)),
             "resource_metadata": {"k": "caf\u00e9"}, "message_id": f"0b3f1b9e-6609-11f1-8f0a-{i:012x}",
             "message_signature": ""} for i in range(n)]


def golden(name):
    with open(f"{RECEIVED}/{name}.jsonl", "rb") as f:
        return f.read().splitlines()


def samples_of(bodies):
    return [s for b in bodies for s in rabbit.Message("", "", {}, b).samples]


def send(mq, bodies, queue="notifications.sample", exchange="ceilometer", **properties):
    import amqp
    with mq.connect() as c:
        channel = c.channel()
        for body in bodies:
            channel.basic_publish(amqp.Message(body, delivery_mode=2, **properties), exchange, queue)


def demo(urls, cycles=2):
    """One run of simulated instances: its samples, from a file."""
    with agent.Agent("", 1, publishers=[*urls, "file://{dir}/samples.json?json"],
                     args=["--demo", "--cycles", str(cycles)]) as a:
        a.process.wait(90)
        with open(a.file, encoding="utf-8") as f:
            return [key(s) for s in map(json.loads, f)]


def drained(mq):
    return all(q["messages"] == 0 for q in mq.listed("list_queues", "name", "messages"))


def ends_well(t, c, what):
    balanced = c.balanced()
    code = c.stop()
    t.ok(code == 0 and balanced, f"{what}: the ledger balances, and it leaves in good order", c.log()[-800:])


def check(c):
    return agent.command("status", "--check", "--collector", "--socket", c.socket)


def sockets(t):
    port = rabbit.free_port()
    with Collector([f"udp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"]) as c:
        c.wait(c.status, 30, "the collector answers")
        urls = [f"udp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"]
        wanted = demo(urls)
        c.wait(lambda: sum(c.receiver(s)["accepted"] + c.receiver(s)["duplicates"] for s in ("tcp", "udp"))
               == 2 * len(wanted), 30, "samples")
        t.ok(sorted(c.stored()) == sorted(wanted), "udp and tcp: every sample of our agent once, though it came twice",
             f"{c.kept()} of {len(wanted)}")
        checked = check(c)
        t.ok(checked.returncode == 0, "status --check finds nothing", checked.stderr)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for size in (1, 50, 1400, 60000):
                for _ in range(50):
                    s.sendto(os.urandom(size), ("127.0.0.1", port))
        more = demo(urls[:1], 1)
        c.wait(lambda: c.kept() == len(set(wanted) | set(more)), 30, "samples between garbage")
        r = c.receiver("udp")
        t.ok(sum(r["rejected"].values()) + r["lost"] >= 200, "garbage is counted by reason", r)
        t.same(r["unkept"], sum(r["rejected"].values()), "without a durable log nothing of it is kept, which is counted, too")
        checked = check(c)
        t.ok(checked.returncode == 1 and all(f"receivers: {k}" in checked.stderr for k in ("rejected.", "unkept is")),
             "status --check says so", checked.stderr)
        before = c.pid
        t.ok(c.reload().returncode == 0 and c.pid == before, "a reload is taken", c.log()[-500:])
        c.conf["virtmeter"]["receivers"] = f"udp://127.0.0.1:{port},nowhere://"
        c.write()
        t.ok(c.reload().returncode == 1, "a reload with an unknown receiver is not")
        c.conf["virtmeter"]["receivers"] = f"tcp://127.0.0.1:{port}"
        c.write()
        t.ok(c.reload().returncode == 0 and [r["url"][:3] for r in c.status()["receivers"]] == ["tcp"],
             "a reload takes a receiver away", c.log()[-500:])
        names = {line.split(": ")[0].split()[-1] for line in c.log().splitlines()}
        t.ok("collector" in names and "agent" not in names, "the collector's lines in the log are its own", names)
        ends_well(t, c, "udp and tcp")


def packed(value):
    """msgpack, of what a sample needs."""
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return b"\xd3" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, str):
        raw = value.encode()
        return b"\xdb" + len(raw).to_bytes(4, "big") + raw
    return b"\xdf" + len(value).to_bytes(4, "big") + b"".join(packed(k) + packed(v) for k, v in value.items())


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Vector)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("gap", ctypes.c_int),
                ("sent", ctypes.c_uint)]


def send_at_once(s, datagrams, times):
    """The same ones again and again, by sendmmsg(2); how many went."""
    libc, sent = ctypes.CDLL(None, use_errno=True), 0
    vectors = [Vector(d, len(d)) for d in datagrams]
    headers = (Header * len(datagrams))(*(Header(iov=ctypes.pointer(v), iovlen=1) for v in vectors))
    for _ in range(times):
        n = libc.sendmmsg(s.fileno(), headers, len(datagrams), 0)
        if n < 0:
            raise private.Failed(f"sendmmsg: {os.strerror(ctypes.get_errno())}")
        sent += n
    return sent


def flood(t):
    """Garbage as fast as it can be sent, small and of 60 kB, and samples between."""
    port = rabbit.free_port()
    options = {"virtmeter": {"accept_unsigned": "true"}}
    with Collector([f"udp://127.0.0.1:{port}"], options) as c, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        c.wait(lambda: (c.receiver("udp") or {}).get("state") == "ok", 30, "the collector listens")
        s.connect(("127.0.0.1", port))
        good, sent = [packed(sample) for sample in made(2000, "flood")], 0
        for i in range(0, len(good), 50):
            size = 60000 if i % 500 == 0 else random.choice((1, 40, 300, 1400))
            sent += send_at_once(s, [os.urandom(size) for _ in range(64)], 1 if size == 60000 else 20)
            sent += send_at_once(s, good[i:i + 50], 1)

        def through():
            """The kernel tells how many it dropped with the next that it takes."""
            nonlocal sent
            sent += send_at_once(s, [b"\xc1"], 1)
            r = c.receiver("udp")
            return r["messages"] + r["lost"] == sent and r["pending"] == 0 and r
        r = c.wait(through, 60, "each datagram is read or counted as dropped by the kernel")
        t.ok(r["accepted"] == c.kept() and r["received"] == r["messages"] and len(good) - r["lost"] <= r["accepted"] <= len(good),
             f"a flood of {sent} datagrams, {r['lost']} of which the kernel dropped: every sample of the others is stored", r)
        t.ok(r["accepted"] > 0 and sum(r["rejected"].values()) == r["messages"] - r["accepted"], "all garbage is counted by reason", r)
        day = 86400
        late = made(3, "flood.time", int(time.time()) + day + 60)
        send_at_once(s, [packed(sample) for sample in late], 1)
        c.wait(lambda: c.receiver("udp")["received"] == r["received"] + 3, 30, "samples of tomorrow are read")
        t.same(c.receiver("udp")["rejected"].get("future"), 3, "what is more than a day ahead is rejected")
        c.conf.setdefault("database", {})["time_to_live"] = str(8 * day)
        c.write()
        t.same(c.reload().returncode, 0, "a time_to_live is taken")
        c.wait(lambda: c.receiver("udp")["messages"] == 0 and c.receiver("udp")["state"] == "ok", 30, "it listens again")
        for age in (9, 7):
            send_at_once(s, [packed(sample) for sample in made(4, f"flood.{age}", int(time.time()) - age * day)], 1)
        before = r["accepted"]
        c.wait(lambda: c.kept() == before + 4, 30, "samples of a week ago are taken")
        t.same(c.receiver("udp")["rejected"], {"old": 4}, "what is older than time_to_live is not")
        ends_well(t, c, "flood")


def alone(t, mq):
    """Transformers that compare samples need all that a queue has."""
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""}}
    with Collector(["notifications://"], options) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
        with open(f"{c.dir}/pipeline.yaml", encoding="utf-8") as f:
            text = f.read()
        c.put("pipeline.yaml", f"{text}    transformers:\n      - name: delta\n        parameters:"
                               " {target: {name: made.delta}}\n")
        place = f"{c.dir}/pipeline.yaml:{text.count(chr(10)) + 2}:15: delta keeps samples"
        done, checked = c.reload(), agent.command("check", "--config-file", c.config)
        t.ok(done.returncode == 1 and place in done.stdout + done.stderr and place in checked.stdout,
             "a delta of a shared queue is refused, by check too", done.stdout + done.stderr + checked.stdout)
        c.conf["virtmeter"]["amqp_exclusive"] = "true"
        c.write()
        done = c.reload()
        t.ok(done.returncode == 0, "of a queue that nobody else consumes it is not", done.stdout + done.stderr)
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2 and c.receiver("notif")["state"] == "ok", 60,
               "it consumes alone")
        with Collector(["notifications://"], options) as other:
            other.wait(lambda: (other.receiver("notif") or {}).get("state") == "retrying", 60, "another one is told")
            t.ok("exclusive" in other.receiver("notif")["last_error"], "another collector is refused by the broker",
                 other.receiver("notif"))
        ends_well(t, c, "alone")


def volatile(t, mq):
    """What an aggregator holds when the collector is killed, and what was on its way: counted, over restarts."""
    with tempfile.TemporaryDirectory(prefix="vm-held-") as folder:
        options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
                   "virtmeter": {"queue_dir": f"{folder}/queue", "amqp_exclusive": "true"}}
        with Collector(["notifications://"], options) as c:
            c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
            with open(f"{c.dir}/pipeline.yaml", encoding="utf-8") as f:
                text = f.read()
            c.put("pipeline.yaml", f"{text}    transformers:\n      - name: aggregator\n        parameters: {{size: 1000}}\n")
            done = c.reload()
            t.ok(done.returncode == 0, "an aggregator of all that a queue has is taken", done.stdout + done.stderr)
            samples = made(2600, "held")
            bodies = [json.dumps({"payload": samples[i:i + 20]}) for i in range(0, 2600, 20)]

            def pipeline():
                doc = c.status()
                return doc and doc["pipelines"][0]

            def taken(n):
                return drained(mq) and pipeline()["in"] == n and c.receiver("notif")["pending"] == 0 and pipeline()
            send(mq, bodies[:30])
            p = c.wait(lambda: taken(600), 60, "600 samples are taken")
            t.ok(p["held"] == 600 and p["lost"] == 0 and c.balanced(), "samples that an aggregator waits with are told as held", p)
            c.stop(signal.SIGKILL)
            c.start()
            p = c.wait(pipeline, 60, "the collector answers")
            r = c.receiver("notif")
            t.ok((p["in"], p["consumed"], p["held"], p["lost"]) == (600, 600, 0, 600) and c.balanced(),
                 "after a SIGKILL those are lost, and counted", p)
            t.ok((r["received"], r["accepted"], r["interrupted"]) == (600, 600, 0), "the receiver's ledger goes on", r)
            checked = check(c)
            t.ok(checked.returncode == 1 and "pipelines: lost is 600" in checked.stderr, "status --check says so", checked.stderr)
            t.ok("pipeline all:out: 600 samples that transformers held are lost with the process before this one" in c.log(),
                 "and the log, in one line", c.log()[-800:])
            c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed again")
            send(mq, bodies[30:80])
            p = c.wait(lambda: taken(1600), 60, "1000 more are taken")
            c.wait(lambda: c.kept() == 7, 30, "their aggregates are stored")
            t.ok((p["held"], p["lost"], p["made"], p["out"]) == (0, 600, 7, 7) and c.balanced(),
                 "what something was made of is not held any more", p)
            send(mq, bodies[80:])
            c.stop(signal.SIGKILL)
            c.start()
            c.wait(lambda: pipeline() and drained(mq) and c.receiver("notif")["pending"] == 0, 60, "the rest is taken")
            r, p = c.receiver("notif"), pipeline()
            t.ok(c.balanced() and r["accepted"] >= 2600 and r["received"] == r["accepted"] + r["interrupted"]
                 and p["lost"] >= 600, "killed at any moment, what was on its way is interrupted and comes again", [r, p])
            ends_well(t, c, "volatile")
            before = p
            c.start()
            p = c.wait(pipeline, 60, "the collector answers")
            t.ok(p["in"] == before["in"] and p["lost"] == before["lost"] + before["held"] and p["held"] == 0,
                 "an orderly end leaves the same ledger", [before, p])


def broker(t, mq):
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}}
    with Collector(["rpc://", "notifications://"], options) as c:
        c.wait(lambda: mq.listed("list_consumers", "queue_name") or None, 60, "the collector consumes")
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 5, 30, "all queues are consumed")
        wanted = demo([mq.url("rpc"), mq.url("notifier"), mq.url("polling")])
        c.wait(lambda: drained(mq) and c.kept() == len(wanted), 60, "samples of our agent")
        t.same(sum(c.receiver(s)["duplicates"] for s in ("rpc", "notifications")), 2 * len(wanted),
               "what came again is counted as duplicates")
        t.ok(sorted(c.stored()) == sorted(wanted), "rpc, notifier and polling: every sample once, though each came thrice",
             f"{c.kept()} of {len(wanted)}")
        bodies = golden("polling-19") + golden("notifier-19")
        before = c.kept()
        send(mq, golden("polling-19"))
        send(mq, golden("notifier-19"), "metering.sample")
        own = {key(s) for s in samples_of(bodies)}
        c.wait(lambda: c.kept() == before + len(own), 30, "Ceilometer's bodies")
        t.ok(own <= set(c.stored()), "what Ceilometer 19.0.0 sent is stored, value for value, signatures verified",
             sorted(own - set(c.stored()))[:2])
        send(mq, bodies)
        poison = [b"", b"{", b"[]", b'{"oslo.version": "9.0", "oslo.message": "{}"}', os.urandom(100),
                  json.dumps({"payload": [{"counter_name": 1}]}).encode(), golden("bare-unsigned-19")[0]]
        send(mq, poison)
        c.wait(lambda: drained(mq), 30, "poison leaves the queue")
        r = c.receiver("notifications")
        t.ok(sum(r["rejected"].values()) >= len(poison) - 1 and r["returned"] == 0,
             "poison is counted, acknowledged, and does not come again", r)
        t.same(c.kept(), before + len(own), "a repetition changes nothing")
        clash = made(2, "clash") + [{**made(1, "clash")[0], "counter_volume": 99}]
        c.conf["virtmeter"]["accept_unsigned"] = "true"
        c.write()
        t.same(c.reload().returncode, 0, "unsigned samples are taken")
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 5, 30, "all queues are consumed again")
        send(mq, [json.dumps({"payload": clash})] * 2)
        c.wait(lambda: drained(mq) and c.receiver("notifications")["received"] == 6, 30, "two values at one time")
        r, p = c.receiver("notifications"), c.status()["publishers"][0]
        t.ok((r["accepted"], r["duplicates"], r["rejected"]) == (2, 2, {"conflict": 2}) and p["conflicts"] == 2,
             "another value under a key that is taken is counted as a conflict, a repeat as a duplicate", [r, p])
        ends_well(t, c, "amqp")
    t.ok(all(q["messages"] == 0 for q in mq.listed("list_queues", "name", "messages")), "nothing came back")


def letters(t, mq):
    """What is poison is on the disk before the broker hears of it."""
    poison = [os.urandom(64) for _ in range(300)]
    good = [json.dumps({"payload": made(5, f"m{i}")}).encode() for i in range(40)]
    mixed = json.dumps({"payload": [{"counter_name": 1}, *made(3, "mixed")]}).encode()
    bodies = poison + good + [mixed]
    random.shuffle(bodies)
    with tempfile.TemporaryDirectory(prefix="vm-dead-") as folder:
        options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
                   "virtmeter": {"queue_dir": f"{folder}/queue", "amqp_prefetch": "50"}}
        port = rabbit.free_port()
        with Collector(["notifications://", f"udp://127.0.0.1:{port}"], options) as c:
            c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
            send(mq, bodies)
            c.wait(lambda: drained(mq), 60, "poison leaves the queue")
            c.stop(signal.SIGKILL)
            kept = [json.loads(line) for line in
                    agent.command("spool", "export", "--dead", f"{folder}/queue").stdout.splitlines()]
            amqp = {base64.b64decode(k["message_base64"]) if "message_base64" in k else k["message"].encode()
                    for k in kept if k["publisher"].startswith("notifications:")}
            t.ok(amqp == {*poison, mixed} and {k["reason"] for k in kept} <= {"format", "shape", "type", "envelope"},
                 "every rejected message is a dead letter, byte for byte, whenever the collector is killed",
                 f"{len(amqp & set(poison))} of {len(poison)} in {len(kept)}: {kept[:1]}")
            c.start()
            c.wait(c.status, 30, "the collector answers")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"no sample", ("127.0.0.1", port))
            r = c.wait(lambda: c.receiver("udp")["dead_letters"] and c.receiver("udp"), 30, "a datagram is rejected")
            t.ok(r["dead_letters"] == 1 and r["unkept"] == 0 and r["rejected"] == {"format": 1},
                 "a datagram is kept, too, and counted", r)
            ends_well(t, c, "dead letters")
            done = agent.command("spool", "ls", "--dead", "--format", "json", "-p", f"udp://127.0.0.1:{port}",
                                 f"{folder}/queue")
            t.ok('"samples":1,"bytes":9,"reason":"format"}' in done.stdout, "and shown", done.stdout + done.stderr)


def oslo(t, mq):
    try:
        subprocess.run(["/usr/bin/python3", "-c", "import oslo_messaging"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        t.skip("clients of oslo.messaging", "oslo.messaging is not installed (Debian package python3-oslo.messaging)")
        return
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "virtmeter": {"accept_unsigned": "true"}}
    with Collector(["rpc://", "notifications://"], options) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 5, 60, "all queues are consumed")
        parts = [made(40, f"oslo.{i}") for i in range(4)]
        done = subprocess.run(["/usr/bin/python3", "-c", CLIENT, mq.url("rabbit")], input=json.dumps(parts), text=True,
                              capture_output=True, timeout=60)
        wanted = {key(s) for i, p in enumerate(parts) for s in (p[:1] if i == 2 else p)}
        if done.returncode:
            raise private.Failed(f"the client of oslo.messaging: {done.stderr[-800:]}")
        c.wait(lambda: c.kept() >= len(wanted), 30, "samples of oslo.messaging's clients")
        t.ok(set(c.stored()) == wanted, "a notifier and RPC casts (topic, server, fanout) of oslo.messaging arrive",
             f"{c.kept()} of {len(wanted)}")
        ends_well(t, c, "oslo.messaging")


def store_away(t, mq):
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
               "virtmeter": {"publish_timeout": "2", "amqp_prefetch": "10"}}
    with Collector(["notifications://"], options) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
        send(mq, [json.dumps({"payload": made(5, "first")})])
        c.wait(lambda: c.kept() == 5, 30, "the store is there")
        with sqlite3.connect(c.db, isolation_level=None) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            send(mq, [json.dumps({"payload": made(5, f"m{i}")}) for i in range(40)])
            c.wait(lambda: c.status()["publishers"][0]["state"] == "retrying", 30, "the store does not take anything")
            cpu = cpu_of(c.pid)
            time.sleep(5)
            used = cpu_of(c.pid) - cpu
            queue = next(q for q in mq.listed("list_queues", "name", "messages_unacknowledged", "messages_ready")
                         if q["name"] == "notifications.sample")
            t.ok(queue["messages_unacknowledged"] == 10 and queue["messages_ready"] == 30,
                 "while the store is away nothing is acknowledged, and no more than the prefetch is taken", queue)
            t.ok(used < 0.5, "and nobody is busy", f"{used} s of CPU in 5 s")
            lock.execute("ROLLBACK")
        c.wait(lambda: c.kept() == 205 and drained(mq), 90, "the store is back")
        t.ok(c.receiver("notifications")["pending"] == 0, "then all is stored and acknowledged")
        ends_well(t, c, "store away")


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def consumers(mq):
    """How many each queue has; that of the fanout exchange as "fanout"."""
    names = [q["queue_name"] for q in mq.listed("list_consumers", "queue_name")]
    return dict(collections.Counter("fanout" if n.startswith("metering_fanout_") else n for n in names))


def several(queues, count):
    return dict.fromkeys(queues, count)


def workers(t, mq):
    """Three consumers of each queue, one of whose connections the broker cuts."""
    queues = ("notifications.sample", "metering.sample", "metering", "metering.collector-0", "fanout")
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""}, "collector": {"workers": "3"},
               "virtmeter": {"publish_timeout": "2", "amqp_prefetch": "10"}}
    with Collector(["rpc://", "notifications://"], options) as c:
        c.wait(lambda: consumers(mq) == several(queues, 3), 60, "three workers consume each queue")
        t.same(len(mq.listed("list_connections", "pid")), 6, "workers = 3: three consumers of every queue, each with a connection")
        t.same([r["workers"] for r in c.status()["receivers"]], [3, 3], "the status has a row a receiver, and says how many work")
        cast = {"method": "record_metering_data", "args": {"data": made(5, "cast")}}
        send(mq, [json.dumps(cast)], "", "metering_fanout")
        c.wait(lambda: c.kept() == 5, 30, "a cast to all servers")
        t.same(c.receiver("rpc")["received"], 5, "what goes to all servers comes once to the process")
        with sqlite3.connect(c.db, isolation_level=None) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            send(mq, [json.dumps({"payload": made(5, f"w{i}")}) for i in range(60)])

            def taken():
                return next(q["messages_unacknowledged"] for q in mq.listed("list_queues", "name", "messages_unacknowledged")
                            if q["name"] == "notifications.sample")
            c.wait(lambda: taken() == 30, 30, "each of the three takes its prefetch")
            channel = next(pid for queue, pid in mq.rows("list_consumers", "queue_name", "channel_pid")
                           if queue == "notifications.sample")
            mq.ctl("close_connection", dict(mq.rows("list_channels", "pid", "connection"))[channel], "test")
            c.wait(lambda: consumers(mq) == several(queues, 3) and taken() == 30, 30, "the third is back")
            lock.execute("ROLLBACK")
        c.wait(lambda: c.kept() == 305 and drained(mq), 90, "the store is back")
        r = c.receiver("notifications")
        t.ok(len(set(c.stored())) == 305 and r["accepted"] == 300 and r["pending"] == 0 and r["received"] > 300,
             "a connection is cut amid its messages: none is lost, none doubled", r)
        t.ok(c.balanced(), "the ledger of three balances", r)
        c.conf["collector"]["workers"] = "1"
        c.write()
        t.same(c.reload().returncode, 0, "a reload takes another number")
        c.wait(lambda: consumers(mq) == several(queues, 1), 30, "one worker is left")
        t.same([r["workers"] for r in c.status()["receivers"]], [1, 1], "one worker is left")
        del c.conf["collector"]
        c.conf["DEFAULT"]["collector_workers"] = "2"
        c.conf["virtmeter"]["amqp_exclusive"] = "true"
        c.write()
        t.same(c.reload().returncode, 0, "Juno's name is taken, too")
        told, checked = "notifications:// has one consumer, as amqp_exclusive says", agent.command("check", "--config-file", c.config)
        t.ok(f"collector_workers: {told}" in checked.stdout and told in c.log(),
             "where a queue may have one consumer only there is one, which check and the log tell", checked.stdout + c.log()[-500:])
        c.wait(lambda: consumers(mq) == several(queues, 1) and all(r["state"] == "ok" for r in c.status()["receivers"]), 60,
               "each is alone")
        t.same([r["workers"] for r in c.status()["receivers"]], [1, 1], "each is alone")
        ends_well(t, c, "workers")


class Posted(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted in the server's list."""

    def do_POST(self):
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


def dispatchers(t):
    """The configuration of a Juno collector whose samples went to a file and to an HTTP server, and no pipeline.yaml."""
    port = rabbit.free_port()
    with http.server.HTTPServer(("127.0.0.1", 0), Posted) as server, tempfile.TemporaryDirectory(prefix="vm-dispatch-") as folder:
        server.posted = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {"DEFAULT": {"dispatcher": "database\ndispatcher = file\ndispatcher = http", "pipeline_cfg_file": None},
                   "publisher": {"metering_secret": "secret"}, "virtmeter": {"accept_unsigned": "true", "meter_profile": "juno"},
                   "dispatcher_file": {"file_path": f"{folder}/meters.log", "max_bytes": "4000", "backup_count": "2"},
                   "dispatcher_http": {"target": f"http://127.0.0.1:{server.server_port}/meters?token=x"}}
        with Collector([f"udp://127.0.0.1:{port}"], options, start=False) as c:
            os.unlink(f"{c.dir}/pipeline.yaml")
            checked = agent.command("check", "--config-file", c.config).stdout
            t.ok("dispatcher file: a collector writes" in checked and "dispatcher http: a collector writes" in checked
                 and "dispatcher: option" not in checked, "check tells what Juno's dispatchers come to", checked)
            c.start()
            c.wait(lambda: (c.receiver("udp") or {}).get("state") == "ok", 30, "the collector listens")
            samples = made(12, "dispatched")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for sample in samples:
                    s.sendto(packed(sample), ("127.0.0.1", port))
            c.wait(lambda: len(server.posted) == len(samples) and c.receiver("udp")["pending"] == 0, 30, "all are posted")
            lines = [line for n in (".2", ".1", "") if os.path.exists(f"{folder}/meters.log{n}")
                     for line in open(f"{folder}/meters.log{n}", encoding="utf-8")]
            wrote = [m for line in lines for m in ast.literal_eval(line)]
            wanted = [{k: v for k, v in s.items() if k != "message_signature"} for s in samples]

            def plain(messages):
                """In the samples' order, and times in one form."""
                return sorted(({**{k: v for k, v in m.items() if k != "message_signature"}, "timestamp": m["timestamp"][:19]}
                               for m in messages), key=lambda m: m["counter_volume"])
            t.same(plain(server.posted), wanted, "each message is posted by itself, with the names that it came with")
            t.ok(plain(wrote) == wanted and all(line.startswith("[{u'") for line in lines),
                 "and written to the file, as Python 2 shows it", lines[:1])
            t.ok(os.path.exists(f"{folder}/meters.log.1") and max(map(os.path.getsize, glob.glob(f"{folder}/meters.log*"))) < 4000,
                 "which is rotated", os.listdir(folder))
            t.ok(all(len(m["message_signature"]) == 64 for m in server.posted + wrote), "both signed")
            ends_well(t, c, "dispatchers")
        server.shutdown()


def exchanges(t, mq):
    """Every topic on every exchange."""
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
               "oslo_messaging_notifications": {"topics": "notifications,telemetry"},
               "notification": {"notification_control_exchanges": "nova\nnotification_control_exchanges = glance"}}
    topics, wanted = ("metering", "notifications", "telemetry"), set()
    with Collector(["notifications://"], options) as c:
        c.wait(lambda: consumers(mq) == {f"{topic}.sample": 1 for topic in topics}, 60, "all topics are consumed")
        for exchange in ("nova", "glance"):
            for topic in topics:
                samples = made(2, f"{exchange}.{topic}")
                wanted |= {key(s) for s in samples}
                send(mq, [json.dumps({"payload": samples})], f"{topic}.sample", exchange)
        c.wait(lambda: drained(mq) and c.kept() >= len(wanted), 30, "what was sent to each of the exchanges")
        t.same(set(c.stored()), wanted, "notifications come from every exchange on every topic")
        ends_well(t, c, "exchanges")


def peak_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


def oversized(t, mq):
    """A body beyond message_bytes has no memory: nothing of it is kept."""
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
               "virtmeter": {"message_bytes": "65536"}}
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}     # freed memory is not the collector's
    with Collector(["notifications://"], options, env=env) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
        send(mq, [json.dumps({"payload": made(5, "before")})])
        c.wait(lambda: c.kept() == 5, 30, "a message of the usual size")
        before = peak_mb(c.pid)
        send(mq, [b"[" + b" " * (15 << 20) + b"]", json.dumps({"payload": made(5, "behind")})])
        c.wait(lambda: c.kept() == 10 and drained(mq), 60, "the message behind it, and the queue is empty")
        r, grown = c.receiver("notifications"), peak_mb(c.pid) - before
        t.ok(r["rejected"] == {"size": 1} and r["accepted"] == 10 and r["returned"] == 0,
             "a body above message_bytes is counted and acknowledged, and does not come again", r)
        t.ok(grown < 7, f"none of its 15 MiB were kept: {grown:.1f} MiB more at the most")
        ends_well(t, c, "oversized")


def kills(t, mq):
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
               "virtmeter": {"amqp_prefetch": "20"}}
    messages, size = 1500, 20
    samples = made(messages * size, "kill")
    bodies = [json.dumps({"payload": samples[i:i + size]}) for i in range(0, len(samples), size)]
    wanted = {key(s) for s in samples}
    doubled = bodies + random.sample(bodies, messages // 5)
    random.shuffle(doubled)
    with Collector(["notifications://"], options) as one, Collector(["notifications://"], options) as two:
        one.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 4, 60, "both collectors consume")
        both, sent = [one, two], 0
        for i in range(KILLS):
            upto = len(doubled) * (i + 1) // KILLS
            send(mq, doubled[sent:upto])
            sent = upto
            time.sleep(random.random() * 0.3)
            victim = random.choice(both)
            victim.stop(signal.SIGKILL)
            victim.start()
        one.wait(lambda: drained(mq), 120, "the queue is empty")
        got = one.stored() + two.stored()
        t.ok(set(got) == wanted, f"two collectors on one queue, {KILLS} times SIGKILL, duplicates: every sample is stored",
             f"{len(set(got))} of {len(wanted)}; {len(set(got) - wanted)} foreign")
        t.ok(all(len(set(c.stored())) == c.kept() for c in both), "no store has a sample twice")
        ends_well(t, one, "kills: one")
        ends_well(t, two, "kills: two")


def main():
    with tap.Suite("collector") as t:
        sockets(t)
        dispatchers(t)
        flood(t)
        with rabbit.Rabbit() as mq:
            for part in (broker, alone, volatile, letters, oslo, store_away, workers, exchanges, oversized, kills):
                part(t, mq)
                for q in mq.listed("list_queues", "name"):
                    mq.ctl("delete_queue", "-p", rabbit.VHOST, q["name"])


if __name__ == "__main__":
    main()
