#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU time from a domain's cgroup (v1): libvirt makes one for a real QEMU, in a partition of our own, and reads it; the
agent reads the same files in its place, to the nanosecond."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import bracket
import domains
import libvirt
import oracle
import private
import tap

INTERVAL = 2
ROOT, TICK = "/sys/fs/cgroup/cpuacct", 10_000_000
METERS = ["cpu", "vm.cpu.user", "vm.cpu.system", "vm.outcome"]


class Partition:
    """A cgroup at the root, gone in the end with what libvirt made in it."""

    def __init__(self, lv):
        self.lv, self.name = lv, f"virtmeter-{os.getpid()}"
        self.path = f"{ROOT}/{self.name}.partition"

    def make(self):
        self.lv.enter("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
        self.lv.enter("mkdir", ROOT)
        self.lv.enter("mount", "-t", "cgroup", "-o", "cpuacct", "cgroup", ROOT)
        self.lv.enter("mkdir", self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.lv.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while self.lv.qemu_pids() and time.monotonic() < end:
            time.sleep(0.05)
        self.lv.enter("find", self.path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";", check=False)


def start(lv, name):
    """The one domain, in that partition; its specification."""
    spec = domains.Domain("cgroup", guest="busy", vcpus=2, metadata=domains.nova("vm-cgroup"), state="shutoff")
    domains.Set(lv, [spec]).create()
    conn = libvirt.open(lv.uri)
    xml = domains.xml(spec).replace("<memory ", f"<resource><partition>/{name}</partition></resource><memory ", 1)
    conn.defineXML(xml).create()
    conn.close()
    return spec


def usage_files(pid):
    """What the process has open of cgroups."""
    out = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            out.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return [path for path in out if "/cpuacct." in path]


def equal(t, lv, spec, name):
    options = {"DEFAULT": {"meter_profile": "juno"}}        # there `cpu` is the domain's time, not its virtual CPUs'
    with agent.Inside(lv, INTERVAL, METERS, options=options) as a:
        a.wait(lambda: (a.document() or {"inspectors": [{"readings": ""}]})["inspectors"][0]["readings"] ==
               "hybrid: 1 of 1 instances", 40, "the kernel's values are proven")
        files = usage_files(a.pid)
        t.ok(any(f"/{name}.partition/" in f and f.endswith("/cpuacct.usage") for f in files), "the domain's cgroup is read", files)
        bad, exact, rules = [], 0, oracle.Rules("juno", own=True)
        for before, after, cycle in bracket.collect(lv, a, 3, 60):
            wanted = [w for w in oracle.expected(before[-1:], after, rules) if w.name in METERS]
            bad += oracle.judge(wanted, cycle.samples, ignore=set(METERS))
            exact += cycle.volumes("cpu")[spec.uuid] % TICK != 0
        t.none(bad, "CPU, user and system time lie between virsh's before and after")
        t.ok(exact, "CPU time is the cgroup's, finer than a process's")
        t.same(a.stop(), 0, "the agent ends in an orderly way")


def main(t):
    lv = private.Libvirt(cgroups=["cpuacct"])
    try:
        partition = Partition(lv)
        try:
            partition.make()
        except private.Failed as e:
            t.skip("CPU time from a cgroup of v1", str(e))
            return
        with partition:
            lv.start()
            spec = start(lv, partition.name)
            with open(f"/proc/{lv.qemu_pids()[0]}/cgroup", encoding="utf-8") as f:
                t.ok(f"cpuacct:/{partition.name}.partition/" in f.read(), "libvirt has made a cgroup for QEMU")
            equal(t, lv, spec, partition.name)
    finally:
        lv.close()


if __name__ == "__main__":
    with tap.Suite("cgroups") as suite:
        main(suite)
