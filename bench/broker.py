#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: polling:// with confirms beside a bare librabbitmq loop (bench_amqp), and beside Ceilometer's own
notifier publisher with the same samples, secret and messages of 50, on a private RabbitMQ.  The broker bounds the rate of both, so that
it is their CPU for a sample that is compared.  Environment: BUILD."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/integration/lib"))
import private
import rabbit

BUILD = os.environ.get("BUILD", "build-release")


def samples_of(path):
    """Ceilometer's samples of the messages that we send, message by message."""
    from ceilometer import sample
    with open(path) as f:
        for line in f:
            inner = json.loads(json.loads(line)["oslo.message"])
            yield [sample.Sample(m["counter_name"], m["counter_type"], m["counter_unit"], m["counter_volume"],
                                 m["user_id"], m["project_id"], m["resource_id"], m["timestamp"],
                                 m["resource_metadata"], source=m["source"], id=m["message_id"],
                                 monotonic_time=m["monotonic_time"])
                   for m in inner["payload"]["samples"]]


def theirs(url, path, rounds=5):
    """Samples a second of ceilometer.publisher.messaging's NotifierPublisher, signing as it does, and nanoseconds of
    CPU for one: the best round of each."""
    from ceilometer import service
    from ceilometer.publisher import messaging
    from oslo_utils import netutils
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(f"[DEFAULT]\ntransport_url = {url}\n")
        f.flush()
        conf = service.prepare_service(argv=[], config_files=[f.name])
    publisher = messaging.SampleNotifierPublisher(conf, netutils.urlsplit("notifier://?topic=bench"))
    messages = list(samples_of(path))
    count = sum(map(len, messages))
    publisher.publish_samples(messages[0])      # connects
    rates, costs = [], []
    for _ in range(rounds):
        start, cpu = time.monotonic(), time.process_time_ns()
        for m in messages:
            publisher.publish_samples(m)
        rates.append(count / (time.monotonic() - start))
        costs.append((time.process_time_ns() - cpu) / count)
    return max(rates), min(costs)


def main():
    try:
        with rabbit.Rabbit() as mq, tempfile.NamedTemporaryFile() as sent:
            with mq.connect() as c:     # the broker keeps the last ones only
                c.channel().queue_declare("notifications.sample", durable=False, auto_delete=False,
                                          arguments={"x-max-length": 500})
            done = subprocess.run([f"{BUILD}/bench/bench_amqp", "127.0.0.1", str(mq.port), rabbit.USER, rabbit.PASSWORD,
                                   rabbit.VHOST, sent.name], capture_output=True, text=True, timeout=600)
            lines = done.stdout.splitlines()
            print("\n".join(lines[:-1]) or done.stderr)
            if len(lines) < 2:
                return 1
            ours, our_cpu, bare_cpu = map(float, lines[-1].split())
            peer, peer_cpu = theirs(mq.url("rabbit"), sent.name)
            met = peer_cpu >= 20 * our_cpu
            print(f"AMQP     a sample takes {our_cpu / 1e3:.2f} us of CPU, Ceilometer's notifier publisher "
                  f"{peer_cpu / 1e3:.2f} us: {peer_cpu / our_cpu:.1f} times as much  >= 20  {'met' if met else 'MISSED'}")
            print(f"  {ours:.0f} samples/s, confirmed (a bare loop takes {bare_cpu / 1e3:.2f} us, without encoding);"
                  f" Ceilometer {peer:.0f} samples/s, each message confirmed before the next")
            return done.returncode or not met
    except private.Missing as e:
        print(f"AMQP     left out: {e}")
        return 0


sys.exit(main())
