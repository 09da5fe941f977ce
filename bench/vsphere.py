#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent on a simulated vCenter with 1000 machines: requests and CPU of a cycle, beside Ceilometer's vSphere inspector on
the same server.

Environment: BENCH_MACHINES (1000), BENCH_CYCLES (5); the program is $VIRTMETER or BUILD's.
"""
import os
import statistics
import sys
import tempfile
import time
import types

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests/integration/lib"))
BUILD = os.environ.get("BUILD", "build-release")
os.environ.setdefault("VIRTMETER", os.path.join(BUILD, "src/virtmeter"))
os.environ.setdefault("VIRTMETER_TEST_CACHE", os.path.join(BUILD, "bench/cache"))
import agent
import private
import tlsca
import vcsim
import vim25

MACHINES, CYCLES = int(os.environ.get("BENCH_MACHINES", "1000")), int(os.environ.get("BENCH_CYCLES", "5"))
INTERVAL, COUNTERS, LIMIT, MOST_US, TIMES = 10, 8, 256, 50, 50
PEER = 20       # machines that Ceilometer's inspector is asked for: it takes its time


def cpu_us(pid):
    """Of a process, user and system."""
    return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task")) / 1000


def measure(server, ca):
    """Requests and CPU of a cycle of the steady state."""
    options = {"DEFAULT": {"hypervisor_inspector": "vsphere"},
               "vmware": {"host_ip": "localhost", "host_port": server.port, "host_username": "meter", "ca_file": ca,
                          "host_password": "'" + vcsim.PASSWORD + "'"}}
    requests, cpu = [], []
    with agent.Agent(None, INTERVAL, publishers=["null://"], options=options) as a:
        a.wait(lambda: a.cycles() >= 2, 120, "two cycles")
        next_look = time.monotonic() + INTERVAL / 2     # half way between two cycles; nobody asks the agent meanwhile
        asked = before = None
        for _ in range(CYCLES + 1):
            time.sleep(max(0, next_look - time.monotonic()))
            next_look += INTERVAL
            now = sum(server.calls().values()), cpu_us(a.pid)
            if asked is not None:
                requests.append(now[0] - asked)
                cpu.append(now[1] - before)
            asked, before = now
        a.stop()
    return max(requests), statistics.median(cpu) / MACHINES


def peer(server, ca, folder):
    """CPU of Ceilometer's inspector for a machine, in us: what its pollsters ask for in a cycle."""
    vim25.generate(folder)
    os.environ["VCSIM_PASSWORD"] = vcsim.PASSWORD
    there = vim25.inspector(folder, f"localhost:{server.port}", ca, "meter")
    ones = [types.SimpleNamespace(id=m["nvp.vm-uuid"]) for m in server.machines()[:PEER + 1]]

    def ask(one):
        there.inspect_instance(one, INTERVAL)
        list(there.inspect_vnic_rates(one, INTERVAL))
        list(there.inspect_disk_rates(one, INTERVAL))

    ask(ones[0])        # it learns machines and counters
    before = time.process_time()
    for one in ones[1:]:
        ask(one)
    return (time.process_time() - before) / PEER * 1e6


def main():
    with tempfile.TemporaryDirectory(prefix="vm-bench-") as folder:
        authority = tlsca.Authority(folder)
        leaf = authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")
        with vcsim.Server(leaf, authority.cert, MACHINES, "-max-query-metrics", str(LIMIT)) as server:
            requests, cpu = measure(server, authority.cert)
            ceilometer = peer(server, authority.cert, folder)
    most = 4 + -(-MACHINES // 1000) + -(-MACHINES * COUNTERS * 4 // (3 * LIMIT))
    missed = 0
    for name, value, good, bound in (("requests a cycle", requests, requests <= most, f"<= {most}"),
                                     ("CPU per machine and cycle, us", cpu, cpu <= MOST_US, f"<= {MOST_US}"),
                                     (f"Ceilometer's inspector {ceilometer:.0f} us, times", ceilometer / cpu,
                                      ceilometer >= TIMES * cpu, f">= {TIMES}")):
        missed += not good
        print(f"vsphere, {MACHINES} machines  {name}: {value:.4g}  {bound}  {'met' if good else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (private.Missing, private.Failed) as e:
        print(f"vsphere  left out: {e}")
        sys.exit(1)
