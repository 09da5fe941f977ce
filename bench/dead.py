#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what a dead publisher adds to polling and to the publisher beside it.

Agents on real QEMU domains in a libvirtd of their own, with one living publisher, tcp:// to this program: one has no
other, one has another to a port where nobody listens, one to a broker that takes connections and says nothing.  They
poll by turns, so that all meet the same noise, and a fourth one, again without another, shows how much of that there
is: noise.  Compared are the wall time of a cycle, by the agents' status, and how long after its polling the last sample
of a cycle was here; CPU is told beside it, for samples that are kept take memory that is new.

Environment: BUILD, BENCH_DEAD_DOMAINS (30), BENCH_DEAD_CYCLES (20)."""
import os
import re
import signal
import socket
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", "build-release")
os.environ.setdefault("VIRTMETER", os.path.abspath(f"{BUILD}/src/virtmeter"))
os.environ.setdefault("VIRTMETER_TEST_CACHE", os.path.abspath(f"{BUILD}/bench/cache"))
sys.path.insert(0, f"{HERE}/../tests/integration/lib")
import agent
import domains
import private

DOMAINS = int(os.environ.get("BENCH_DEAD_DOMAINS", "30"))
CYCLES = int(os.environ.get("BENCH_DEAD_CYCLES", "20"))
INTERVAL, MOST = 4, 1.05
WHEN = re.compile(rb"timestamp.(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)")


class Receiver:
    """Takes all that comes; `delays`: of each cycle, by the time of its samples, when its last byte was here, in ms."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.delays = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        connection, _ = self.socket.accept()
        tail = b""
        while data := connection.recv(1 << 20):
            now = time.time()
            tail = (tail + data)[-6000:]
            if found := WHEN.findall(tail):
                self.delays[found[-1]] = (now - agent.moment(found[-1].decode())) * 1e3


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"polling://u:p@127.0.0.1:{self.socket.getsockname()[1]}/"
        self.connections = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            self.connections.append(self.socket.accept()[0])


class Run:
    def __init__(self, lv, *others):
        self.receiver, self.cycles = Receiver(), {}
        self.agent = agent.Agent(lv.uri_ro, INTERVAL, publishers=[self.receiver.url, *others])

    def look(self):
        """The figures of the last cycle."""
        task = self.agent.status()["tasks"][0]
        self.cycles[task["cycles"]] = task["last_wall_ms"], task["last_cpu_ms"]

    def figures(self):
        """Medians in ms of wall and CPU of a cycle and of the delay; the first cycles open things."""
        cycles = [v for k, v in sorted(self.cycles.items())][2:]
        delays = [v for k, v in sorted(self.receiver.delays.items())][2:-1]
        return [statistics.median(x) for x in ([c[0] for c in cycles], [c[1] for c in cycles], delays)]


def measure(lv, kinds):
    """Figures of the runs, and what their status says of the other publishers."""
    runs = []
    try:
        begin = time.monotonic()
        for i, others in enumerate(kinds):
            time.sleep(max(0, begin + i * INTERVAL / len(kinds) - time.monotonic()))
            runs.append(Run(lv, *others))
        for _ in range(CYCLES):
            time.sleep(INTERVAL)
            for run in runs:
                run.look()
        dead = [run.agent.status()["publishers"][1:] for run in runs]
        return [run.figures() for run in runs], dead
    finally:
        for run in runs:
            run.agent.stop(9)
            run.agent.close()


def main():
    silent = Silent()
    names = ["refused", "silent", "none, again"]
    with private.Libvirt() as lv:
        domains.many(lv, DOMAINS)
        time.sleep(5)       # they start
        (alone, *figures), dead = measure(lv, [[], ["tcp://127.0.0.1:1"], [silent.url], []])
    for rows, name in zip(dead[1:3], names):
        if rows[0]["confirmed"] or not rows[0]["queued"]:
            print(f"dead publisher  {name}: it is not dead: {rows}")
            return 1
    print(f"dead publisher  none, {DOMAINS} domains: polling {alone[0]:.2f} ms a cycle, {alone[1]:.2f} ms of CPU; the last of"
          f" its samples at the living publisher's far side after {alone[2]:.1f} ms")
    ratios = {name: [x / y for x, y in zip(row, alone)] for name, row in zip(names, figures)}
    noise = [max(r, 1 / r) for r in ratios[names[2]]]
    missed = 0
    for name, (wall, cpu, delay) in ratios.items():
        verdict = ""
        if name != names[2]:
            met = wall <= MOST * noise[0] and delay <= MOST * noise[2]
            missed += not met
            verdict = f"  wall and delay <= {MOST} beyond noise  {'met' if met else 'MISSED'}"
        print(f"dead publisher  {name}: wall {wall:.3f}, delay {delay:.3f}, CPU {cpu:.3f} of that{verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))       # not without the domains
    try:
        sys.exit(main())
    except private.Missing as e:
        print(f"dead publisher  left out: {e}")
