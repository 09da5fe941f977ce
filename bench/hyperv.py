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
os.environ.setdefault("VIRTMETER", os.path.abspath(os.path.join(os.environ.get("BUILD", "build-release"), "src/virtmeter")))
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


def switch(service):
    """A machine off, or on: the agent reads anew what it keeps of the host."""
    system = service.instances.data[hyperv_world.V2]["Msvm_ComputerSystem"][-1]
    system["EnabledState"] = 3 if str(system["EnabledState"]) == "2" else 2
    service.instances.cache.pop(id(system), None)


def cycles_of(a, service, changing):
    """Enumerations and CPU of a cycle.  Nobody asks the agent how it is meanwhile: that costs, too."""
    cycles, asked, before = a.cycles(), len(service.verbs("Enumerate")), cpu_us(a.pid)
    for _ in range(CYCLES):
        if changing:
            switch(service)
        time.sleep(INTERVAL)
    cpu, asked = cpu_us(a.pid) - before, len(service.verbs("Enumerate")) - asked
    cycles = a.cycles() - cycles
    return asked / cycles, cpu / cycles


def measure(server, ca):
    """Of the steady state, and of cycles in which something has changed: two pairs."""
    options = {"DEFAULT": {"hypervisor_inspector": "hyperv"},
               "hyperv": {"host": "localhost", "port": server.port, "username": "meter", "ca_file": ca, "auth": "basic",
                          "password": wsman_standin.Options.password}}
    with agent.Agent(None, INTERVAL, publishers=["null://"], options=options) as a:
        a.wait(lambda: a.cycles() >= 2, 120, "two cycles")
        time.sleep(INTERVAL / 2)        # between two cycles
        out = [cycles_of(a, server.service, changing) for changing in (False, True)]
        a.stop()
    return out


def main():
    world = hyperv_world.World(MACHINES)
    with tempfile.TemporaryDirectory(prefix="vm-bench-") as folder:
        authority = tlsca.Authority(folder)
        leaf = authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")
        with wsman_standin.Server(world.data, wsman_standin.Options(), leaf) as server:
            steady, changing = measure(server, authority.cert)
    rows = (("enumerations a cycle", steady[0], ENUMERATIONS, ""),
            ("CPU per machine and cycle", steady[1] / MACHINES, MOST_US, " us"),
            ("enumerations a cycle, devices read anew", changing[0], ENUMERATIONS, ""),
            ("CPU per machine and cycle, devices read anew", changing[1] / MACHINES, MOST_US, " us"))
    missed = 0
    for name, value, most, unit in rows:
        missed += value > most
        print(f"hyperv, {MACHINES} machines  {name}: {value:.4g}{unit}  <= {most}{unit}  "
              f"{'met' if value <= most else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (private.Missing, private.Failed) as e:
        print(f"hyperv  left out: {e}")
        sys.exit(1)
