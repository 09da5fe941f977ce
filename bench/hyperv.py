#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent on a stand-in for a Hyper-V host with 500 machines, over HTTPS: enumerations and CPU of a cycle.

Environment: BENCH_MACHINES (500), BENCH_CYCLES (5); the program is $VIRTMETER or BUILD's.
"""
import os
import sys
import tempfile
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests/integration/lib"))
os.environ.setdefault("VIRTMETER", os.path.join(os.environ.get("BUILD", "build-release"), "src/virtmeter"))
import agent
import hyperv_world
import private
import tlsca
import wsman_standin

MACHINES, CYCLES = int(os.environ.get("BENCH_MACHINES", "500")), int(os.environ.get("BENCH_CYCLES", "5"))
INTERVAL, ENUMERATIONS, MOST_US = 4, 16, 100


def cpu_us(pid):
    """Of a process, user and system."""
    with open(f"/proc/{pid}/schedstat") as f:
        main = int(f.read().split()[0])
    tasks = sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task"))
    return max(main, tasks) / 1000


def measure(server, ca):
    """Enumerations and CPU of a cycle of the steady state.  Nobody asks the agent how it is meanwhile: that costs, too."""
    options = {"DEFAULT": {"hypervisor_inspector": "hyperv"},
               "hyperv": {"host": "localhost", "port": server.port, "username": "meter", "ca_file": ca, "auth": "basic",
                          "password": wsman_standin.Options.password}}
    with agent.Agent(None, INTERVAL, publishers=["null://"], options=options) as a:
        a.wait(lambda: a.cycles() >= 2, 120, "two cycles")
        time.sleep(INTERVAL / 2)        # between two cycles
        cycles, asked, before = a.cycles(), len(server.service.verbs("Enumerate")), cpu_us(a.pid)
        time.sleep(CYCLES * INTERVAL)
        cpu, asked = cpu_us(a.pid) - before, len(server.service.verbs("Enumerate")) - asked
        cycles = a.cycles() - cycles
        doc = a.status()
        a.stop()
    return asked / cycles, cpu / cycles, doc


def main():
    world = hyperv_world.World(MACHINES)
    with tempfile.TemporaryDirectory(prefix="vm-bench-") as folder:
        authority = tlsca.Authority(folder)
        leaf = authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")
        with wsman_standin.Server(world.data, wsman_standin.Options(), leaf) as server:
            enumerations, cpu, _ = measure(server, authority.cert)
    missed = 0
    for name, value, most, unit in (("enumerations a cycle", enumerations, ENUMERATIONS, ""),
                                    ("CPU per machine and cycle", cpu / MACHINES, MOST_US, " us")):
        met = value <= most
        missed += not met
        print(f"hyperv, {MACHINES} machines  {name}: {value:.4g}{unit}  <= {most}{unit}  {'met' if met else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (private.Missing, private.Failed) as e:
        print(f"hyperv  left out: {e}")
        sys.exit(1)
