#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A NIC and a disk come and go: while the agent reads counters from the kernel, while it is down, while nobody tells it.
Values equal virsh's within the brackets before and after; what is unplugged is absent; what is plugged in anew counts
from zero, and what was not touched goes on to the byte."""
import json
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
METERS = ["disk.device.*", "network.*", "vm.outcome"]
BYTES, DELTA = "network.incoming.bytes", "network.incoming.bytes.delta"
TAP = "tapplugged"
# A guest without a driver for it: QEMU's rtl8139 takes what comes all the same, so that the tap counts.
NIC = f"""<interface type='ethernet'><mac address='fa:16:3e:00:98:00'/><target dev='{TAP}'/>
  <model type='rtl8139'/><rom enabled='no'/></interface>"""
SEND = """import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[2])):
    s.send(b"\\xff" * 6 + b"\\x02" + b"\\0" * 5 + b"\\x88\\xb5" + bytes(int(sys.argv[3]) - 14))
    time.sleep(0.0005)
"""


class Ground:
    def __init__(self, t, lv, made):
        self.t, self.lv = t, lv
        self.conn = libvirt.open(lv.uri)
        self.spec, self.still = made["hotplug"], made["busy"]
        self.path = f"{lv.instances}/plugged.raw"
        with open(self.path, "wb") as f:
            f.truncate(1 << 20)
        self.devices = [f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{self.path}'/>
          <target dev='vdx' bus='virtio'/></disk>""", NIC]

    @property
    def domain(self):
        return self.conn.lookupByUUIDString(self.spec.uuid)

    def reconnect(self):
        self.conn = libvirt.open(self.lv.uri)

    def plug(self, packets, size, disk=True):
        for xml in self.devices[not disk:]:
            self.domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        self.lv.enter("ip", "link", "set", TAP, "up")
        self.lv.enter("/usr/bin/python3", "-c", SEND, TAP, str(packets), str(size))

    def unplug(self, disk=True):
        for xml in self.devices[not disk:]:
            self.domain.detachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        end = time.monotonic() + 30
        while TAP in self.domain.XMLDesc() or (disk and "vdx" in self.domain.XMLDesc()):    # the guest lets go of them
            if time.monotonic() > end:
                raise private.Failed("the guest does not let go of its devices")
            time.sleep(0.05)

    def resource(self, cycle, what=TAP):
        return next((r for r in cycle.volumes(BYTES) if r.endswith(what)), None)

    def until(self, a, condition, what, most=8):
        """Cycles until one is so, that one last."""
        out = []
        while len(out) < most:
            out += a.wait_cycles(1)
            if condition(out[-1]):
                self.t.ok(True, what)
                return out
        self.t.ok(False, what, sorted({r for _, r in out[-1].resources()}))
        return out

    def whole(self, cycle):
        """Both devices are there."""
        resource = self.resource(cycle)
        return resource and f"{self.spec.uuid}-vdx" in cycle.volumes("disk.device.read.bytes")

    def from_kernel(self, a):
        def said():
            doc = a.document()
            return doc["inspectors"][0]["readings"] if doc else ""
        a.wait(lambda: said() == "hybrid: 2 of 2 instances", 40, "both domains are read from the kernel")

    def equal(self, a, count, what):
        """Cycles of the one that is plugged, against virsh's word; the cycles."""
        bad, seen = [], bracket.collect(self.lv, a, count, 60)
        for before, after, cycle in seen:
            wanted = [w for w in oracle.expected(before[-3:], after, oracle.Rules())
                      if w.resource.find(self.spec.uuid) >= 0 and w.name.startswith(("disk.device.", "network."))]
            short = cycle.volumes("vm.outcome").get(self.spec.uuid) == 5    # virsh had the monitor at that moment
            got = [s for s in cycle.samples if self.spec.uuid in s["resource_id"]]
            bad += [x for x in oracle.judge(wanted, got, ignore={"vm.outcome", DELTA, "network.outgoing.bytes.delta"})
                    if not (short and x.endswith(": missing"))]
        self.t.none(bad, what)
        return [cycle for _, _, cycle in seen]

    def series(self, a, tail):
        """[(counter, its delta)] of a NIC in all that the agent has written."""
        with open(a.file, "rb") as f:
            samples = [json.loads(line) for line in f.read().split(b"\n") if line.endswith(b"}")]
        values, deltas = ([s["volume"] for s in samples if s["name"] == name and s["resource_id"].endswith(tail)]
                          for name in (BYTES, DELTA))
        return list(zip(values, deltas))

    def went_on(self, series, what):
        self.t.same(sum(d for _, d in series[1:]), series[-1][0] - series[0][0], f"{what}: its deltas are its growth")

    def began(self, series, what):
        self.t.same(sum(d for _, d in series), series[-1][0], f"{what}: its deltas are all that came")


def running(g, a):
    """Plugged, unplugged and plugged in again under an agent that reads the kernel."""
    g.equal(a, 1, "before: all is virsh's")
    g.from_kernel(a)
    g.plug(100, 60)
    g.until(a, g.whole, "a NIC and a disk are plugged in: they are metered")
    g.from_kernel(a)
    cycles = g.equal(a, 2, "plugged in: the kernel's counters lie between virsh's before and after")
    old = cycles[-1].volumes(BYTES)[g.resource(cycles[-1])]
    g.t.ok(old >= 6000, "and they count what was sent", old)
    g.unplug()
    g.until(a, lambda c: not g.resource(c), "unplugged: they are absent")
    g.equal(a, 1, "and nothing else is missing")
    before = len(g.series(a, TAP))
    g.plug(400, 150)
    g.until(a, lambda c: g.whole(c) and c.volumes(BYTES)[g.resource(c)] >= 60000, "plugged in again, under the same name")
    g.began(g.series(a, TAP)[before:], "it counts from zero")
    g.from_kernel(a)
    g.equal(a, 1, "and the kernel's counters are virsh's again")


def over_restarts(g, a):
    """Of the agent: nothing was touched, then a device is plugged in anew meanwhile."""
    a.stop()
    first = len(g.series(a, TAP))
    a.start()
    g.until(a, g.whole, "the agent is restarted")
    a.wait_cycles(1)
    a.stop()
    series = g.series(a, TAP)
    g.went_on(series[first - 1:], "what was plugged in anew before goes on")
    g.unplug()
    g.plug(60, 1400)
    a.start()
    g.until(a, g.whole, "the agent is restarted, and meanwhile they were plugged in anew")
    a.wait_cycles(1)
    again = g.series(a, TAP)[len(series):]
    g.t.ok(again[0][0] > series[-1][0], "more came in than all the time before", f"{series[-1]} {again[0]}")
    g.began(again, "the NIC that is another one counts from zero")
    g.went_on(g.series(a, g.still.nics[0].dev), "what was not touched goes on all the time")


def untold(g, a):
    """The NIC plugged in anew while libvirtd's events reach nobody, with the same description: the tap is another one."""
    def again():
        g.lv.crash()
        g.lv.start()
        g.reconnect()

    again()     # libvirt's descriptions change a little at its first restart
    g.until(a, g.whole, "libvirtd is restarted: both are metered")
    g.from_kernel(a)
    xml = g.domain.XMLDesc()
    os.kill(a.pid, signal.SIGSTOP)
    try:
        again()
        g.unplug(disk=False)
        g.plug(20, 100, disk=False)
    finally:
        os.kill(a.process.pid, signal.SIGCONT)      # nsenter stops with it
        os.kill(a.pid, signal.SIGCONT)
    g.t.same(g.domain.XMLDesc(), xml, "plugged in anew, libvirt describes it as before")
    g.until(a, lambda c: g.resource(c) and c.volumes(BYTES)[g.resource(c)] < 60 * 1400, "while nobody could tell: the new one is metered")
    g.equal(a, 2, "with the kernel's counters of it")


def main(t):
    with private.Libvirt() as lv:
        made = domains.Set(lv, [d for d in domains.suite() if d.key in ("hotplug", "busy")]).create()
        if "tap" in made.left_out:
            t.skip("hot-plug of NICs", made.left_out["tap"])
            return
        with agent.Inside(lv, INTERVAL, METERS, start=False) as a:
            os.mkdir(f"{a.dir}/state")
            os.chmod(f"{a.dir}/state", 0o777)
            a.conf["virtmeter"] = {"state_dir": f"{a.dir}/state"}
            a.write()
            g = Ground(t, lv, made)
            running(g, a)
            over_restarts(g, a)
            untold(g, a)
            t.same(a.stop(), 0, "the agent ends in an orderly way")


if __name__ == "__main__":
    with tap.Suite("hotplug") as suite:
        main(suite)
