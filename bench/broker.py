#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: polling:// with confirms beside a bare librabbitmq loop (bench_amqp), and beside Ceilometer's own
notifier publisher with as many samples a message, on a private RabbitMQ.  The broker bounds the rate of both, so that
it is their CPU for a sample that is compared.  Environment: BUILD."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/integration/lib"))
import private
import rabbit

BUILD = os.environ.get("BUILD", "build-release")


def theirs(url, count=2000, each=50):
    """Samples a second of ceilometer.publisher.messaging's NotifierPublisher, signing as it does, and nanoseconds of
    CPU for one."""
    from ceilometer import sample, service
    from ceilometer.publisher import messaging
    from oslo_utils import netutils
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(f"[DEFAULT]\ntransport_url = {url}\n")
        f.flush()
        conf = service.prepare_service(argv=[], config_files=[f.name])
    publisher = messaging.SampleNotifierPublisher(conf, netutils.urlsplit("notifier://?topic=bench"))
    metadata = {"display_name": "vm-7", "name": "instance-00000007", "host": "0" * 56, "status": "active", "vcpus": 2,
                "flavor": {"id": "42", "name": "m1.nano", "vcpus": 2, "ram": 64, "disk": 1, "ephemeral": 0}}
    samples = [sample.Sample("cpu", "cumulative", "ns", 10 ** 9 + i, "u" * 32, "p" * 32, f"vm-{i}",
                             "2026-07-21T13:56:12.123456", metadata, source="openstack", monotonic_time=1.5)
               for i in range(each)]
    publisher.publish_samples(samples)      # connects
    start, cpu = time.monotonic(), time.process_time_ns()
    for _ in range(count // each):
        publisher.publish_samples(samples)
    return count / (time.monotonic() - start), (time.process_time_ns() - cpu) / count


def main():
    try:
        with rabbit.Rabbit() as mq:
            with mq.connect() as c:     # the broker keeps the last ones only
                c.channel().queue_declare("notifications.sample", durable=False, auto_delete=False,
                                          arguments={"x-max-length": 500})
            done = subprocess.run([f"{BUILD}/bench/bench_amqp", "127.0.0.1", str(mq.port), rabbit.USER, rabbit.PASSWORD,
                                   rabbit.VHOST], capture_output=True, text=True, timeout=600)
            lines = done.stdout.splitlines()
            print("\n".join(lines[:-1]) or done.stderr)
            if len(lines) < 2:
                return 1
            ours, our_cpu = map(float, lines[-1].split())
            peer, peer_cpu = theirs(mq.url("rabbit"))
            met = peer_cpu >= 20 * our_cpu
            print(f"AMQP     a sample takes {our_cpu / 1e3:.2f} us of CPU, Ceilometer's notifier publisher "
                  f"{peer_cpu / 1e3:.2f} us: {peer_cpu / our_cpu:.1f} times as much  >= 20  {'met' if met else 'MISSED'}")
            print(f"  {ours:.0f} samples/s, confirmed; Ceilometer {peer:.0f} samples/s, unconfirmed")
            return done.returncode or not met
    except private.Missing as e:
        print(f"AMQP     left out: {e}")
        return 0


sys.exit(main())
