#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A domain that migrates from one private libvirtd to another, live, with the agent of the host that it comes to: while
it arrives, its monitor belongs to the migration; nobody waits for it, and nobody blames it."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import domains
import private
import tap

INTERVAL, CYCLES = 2, 4
RAM = 16 << 20          # bytes that have to be sent: a quarter of a minute, at migrate()'s MiB a second
OK, PARTIAL = 1, 5
WHOLE = "disk.device.read.bytes"        # needs the monitor


def migrate(source, target, name):
    return subprocess.Popen(["virsh", "-c", source.uri, "migrate", "--live", "--unsafe", "--bandwidth", "1", name, target.uri,
                             "--migrateuri", f"unix://{target.dir}/migration"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def is_arriving(target, domain, migration):
    if migration.poll() is not None:
        raise private.Failed(f"the migration ended before it was seen: {migration.stdout.read()}")
    return "migrating" in target.virsh(f"domstate instance-{domain.key} --reason", check=False)


def arriving(t, a, come, others):
    """The source's QEMU is stopped: so it arrives for as long as we want."""
    a.wait(lambda: any(come in c.volumes("vm.outcome") for c in a.tail.cycles()), 20, "the first of it")
    cycles, calls = [], []
    for _ in range(CYCLES):
        cycles += a.wait_cycles(1, 60)
        calls.append(a.status()["inspectors"][0]["calls"])
    # A VM whose QEMU waits for its disk just then is asked by itself, a call more: so the least of them counts.
    t.same(min(calls), 2, "two calls a cycle: one for the others, one for what needs no monitor")
    t.none([f"cycle {n}: {u}" for n, c in enumerate(cycles) for u in others if not any(r.startswith(u) for r in c.volumes(WHOLE))],
           "while a domain arrives the others are whole in each cycle")
    t.same({c.volumes("vm.outcome").get(come) for c in cycles}, {PARTIAL}, "it is there in each, in part")
    t.none([s["name"] for c in cycles for s in c.samples if s["resource_id"].startswith(come) and s["name"] in (WHOLE, "memory.usage")],
           "without what needs its monitor")
    t.same({c.volumes("power.state").get(come) for c in cycles}, {3}, "with its state: paused")


def main(t):
    private.check_programs()
    with private.Libvirt("compute-0") as target, private.Libvirt("compute-1") as source:
        others = {d.uuid for d in domains.many(target, 2).domains}
        moved = domains.Domain("moved", metadata=domains.nova("vm-moved"), ram=f"{source.dir}/ram")
        with open(moved.ram, "wb") as f:
            f.write(os.urandom(RAM))
        domains.Set(source, [moved]).create()
        with agent.Agent(target.uri_ro, interval=INTERVAL, meters=("*", "vm.*")) as a:
            a.wait_cycles(2, 60)
            migration, qemu = migrate(source, target, f"instance-{moved.key}"), source.qemu_pids()[0]
            a.wait(lambda: is_arriving(target, moved, migration), 60, "the migration")
            os.kill(qemu, signal.SIGSTOP)
            try:
                arriving(t, a, moved.uuid, others)
                health = a.status()["inspectors"][0]
                t.same([health["quarantined"], health["outstanding"]], [0, 0], "nothing hangs on it, and it is not quarantined")
            finally:
                os.kill(qemu, signal.SIGCONT)
            source.virsh(f"migrate-setspeed instance-{moved.key} 1024", read_only=False)
            said = migration.communicate(timeout=120)[0]
            t.same([migration.returncode, said.strip()], [0, ""], "the migration comes to its end")
            cycles = a.wait_cycles(3, 60)
            t.same(cycles[-1].volumes("vm.outcome"), dict.fromkeys([*others, moved.uuid], OK), "then it is as whole as the others")
            t.ok(any(r.startswith(moved.uuid) for r in cycles[-1].volumes(WHOLE)), "its disk, too")
            t.same(a.stop(), 0, "the agent ends in good order")


with tap.Suite("migration") as suite:
    main(suite)
