#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the collector, with SQLite, beside Ceilometer's notification agent with its file publisher.  Each finds a
backlog of the same telemetry.polling messages, 50 samples each, in a private RabbitMQ (ours more of them, for it is
soon done with few), and the CPU that a sample takes is compared, for others use the machine too.  Environment: BUILD."""
import json
import os
import sys
import time

BUILD = os.environ.get("BUILD", "build-release")
os.environ["VIRTMETER"] = os.path.abspath(f"{BUILD}/src/virtmeter")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/../tests/integration/lib", f"{HERE}/../tests/integration"]
import collector
import peers
import postgres
import private
import rabbit

EACH, OURS, THEIRS = 50, 4000, 600
QUEUE = "notifications.sample"


def body(number):
    """A message as the polling agent sends it; instances come again every 20 messages."""
    metadata = {"display_name": "vm-7", "name": "instance-00000007", "host": "0" * 56, "status": "active", "vcpus": 2,
                "flavor": {"id": "42", "name": "m1.nano", "vcpus": 2, "ram": 64, "disk": 1, "ephemeral": 0},
                "image": {"id": "fc162488-bbfa-51ec-be0a-2bbf3cf87b8f"}, "architecture": "x86_64", "state": "running"}
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 86400 + number))
    samples = [{"source": "openstack", "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns",
                "counter_volume": 10 ** 9 + number * EACH + i, "user_id": "u" * 32, "project_id": "p" * 32, "user_name": None,
                "project_name": None, "resource_id": f"6694f229-359b-4548-81a0-{number % 20 * EACH + i:012x}", "timestamp": when,
                "resource_metadata": metadata, "message_id": f"0b3f1b9e-6609-11f1-8f0a-{number * EACH + i:012x}",
                "monotonic_time": 1.5, "message_signature": ""} for i in range(EACH)]
    inner = {"message_id": f"0b3f1b9e-6609-11f1-8f0b-{number:012x}", "publisher_id": "ceilometer.polling",
             "event_type": "telemetry.polling", "priority": "SAMPLE", "payload": {"samples": samples}, "timestamp": when}
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()


def backlog(mq, messages):
    import amqp
    with mq.connect() as c:
        channel = c.channel()
        channel.exchange_declare("ceilometer", "topic", durable=False, auto_delete=False)
        channel.queue_declare(QUEUE, durable=False, auto_delete=False)
        channel.queue_bind(QUEUE, "ceilometer", QUEUE)
        for number in range(messages):
            channel.basic_publish(amqp.Message(body(number), content_type="application/json"), "", QUEUE)


def cpu(pid):
    """Seconds that the process and its children took so far."""
    total, tick = 0, os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{pid}/stat") as f:
        total += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as f:
            total += sum(cpu(int(child)) for child in f.read().split()) * tick
    return total / tick


def lines(path):
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def drain(pid, count, samples):
    """Microseconds of CPU and samples a second, from the first samples that are through to the last."""
    rabbit.until(lambda: count() > 0, 120, "the first samples")
    first, begin, before = count(), time.monotonic(), cpu(pid)
    rabbit.until(lambda: count() >= samples, 600, "the backlog is through")
    passed, used = time.monotonic() - begin, cpu(pid) - before
    return used / (samples - first) * 1e6, (samples - first) / passed


def own(mq, **more):
    """Our collector's, of the backlog that waits."""
    backlog(mq, OURS)
    options = {"DEFAULT": {"transport_url": mq.url("rabbit")}, "virtmeter": {"accept_unsigned": "true"}}
    with collector.Collector(["notifications://"], options, **more) as c:
        return drain(c.pid, lambda: (c.receiver("notifications") or {"accepted": 0})["accepted"], OURS * EACH)


def into_postgresql(mq):
    """A row to know, without a peer: Ceilometer has no such store any more."""
    with postgres.Postgres() as pg:
        used, rate = own(mq, publishers=(pg.url(),))
    print(f"collector  a sample from RabbitMQ into PostgreSQL takes {used:.2f} us of the collector's CPU; {rate:.0f} samples/s")


def main():
    try:
        with rabbit.Rabbit() as mq:
            ours, rate = own(mq)
            into_postgresql(mq)
        with rabbit.Rabbit() as mq:
            backlog(mq, THEIRS)
            with peers.NotificationAgent(mq.url("rabbit")) as n:
                theirs, their_rate = drain(n.process.process.pid, lambda: lines(n.path), THEIRS * EACH)
    except private.Missing as e:
        print(f"collector: left out: {e}")
        return 0
    met = theirs >= 20 * ours
    print(f"collector  a sample from RabbitMQ into SQLite takes {ours:.2f} us of CPU, Ceilometer's notification agent into a"
          f" file {theirs:.2f} us: {theirs / ours:.1f} times as much  >= 20  {'met' if met else 'MISSED'}")
    print(f"  {rate:.0f} samples/s; Ceilometer {their_rate:.0f} samples/s")
    return not met


if __name__ == "__main__":
    sys.exit(main())
