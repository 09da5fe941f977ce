#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One stuck VM never costs another: QEMUs stopped, monitors that hang while QEMU runs, a disk that does not answer,
QEMUs killed, libvirtd frozen, killed, restarted, devices plugged, under an agent that polls all the while, with the
kernel's readings in place of libvirt's as on a host of its own.

Usage: stuck.py [DOMAINS [INTERVAL]]     10 at 2 s; `make soak` has 50 at 5 s
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import domains
import private
import tap

DOMAINS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
INTERVAL = int(sys.argv[2]) if len(sys.argv) > 2 else 2
CAP, HELD = 6, 6 if DOMAINS >= 20 else 3        # HELD: monitors held at a time
OK, STOPPED, GONE, STUCK, PARTIAL, UNREACHABLE = range(1, 7)
WHOLE = "disk.device.read.bytes"                # needs the monitor
KERNEL = ("memory.resident", "cpu", "vcpus")    # a stuck one has them all the same; behind a wrapper, whose CPU time
                                                # is not the one that libvirt tells, the first of them


class Ground:
    """libvirtd, its domains, the agent, and what of them is to be well."""

    def __init__(self, lv, made, wrapped, a, t):
        self.lv, self.wrapped, self.a, self.t = lv, wrapped, a, t
        self.all = {d.uuid: d for d in made}
        self.well = {}      # {uuid: when it was last read whole, or None}
        self.gaps = []      # of those, longer than two intervals

    def pid(self, uuid):
        """QEMU's own, not a wrapper's."""
        for pid in self.lv.qemu_pids():
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                if uuid in f.read():
                    return pid
        raise private.Failed(f"no QEMU of {uuid}")

    def workers(self):
        """libvirtd's workers that are at work: (some, of so many)."""
        done = subprocess.run(["virt-admin", "-c", f"libvirtd:///system?socket={self.lv.dir}/run/libvirt-admin-sock",
                               "server-threadpool-info", "libvirtd"], capture_output=True, text=True)
        pool = {k.strip(): int(v) for k, v in (x.split(":") for x in done.stdout.splitlines() if ":" in x)}
        return pool["nWorkers"] - pool["freeWorkers"], pool["maxWorkers"]

    def be_well(self, all_but=()):
        """From now on those are to have readings without a gap; what ails the others begins after this."""
        self.well = {u: self.well.get(u) for u in self.all if u not in all_but}

    def look(self, cycle):
        """Notes when those that are well were read, and who was away for more than two intervals (and what a cycle lasts)."""
        time_of = {s["resource_id"][:36]: agent.moment(s["timestamp"]) for s in cycle.samples if s["name"] == WHOLE}
        now = max(agent.moment(s["timestamp"]) for s in cycle.samples)
        for uuid, last in self.well.items():
            if last and time_of.get(uuid, now) - last > 2.5 * INTERVAL:
                self.gaps.append(f"{self.all[uuid].key}: {time_of.get(uuid, now) - last:.1f} s")
            self.well[uuid] = time_of.get(uuid, last)

    def cycles(self, count):
        """So many further ones, without what comes in between of a single instance, when it ends or starts."""
        out = []
        while len(out) < count:
            for cycle in self.a.wait_cycles(1, INTERVAL * 6 + 60):
                self.look(cycle)
                if any(s["name"].startswith("vm.host.") for s in cycle.samples):
                    out.append(cycle)
        return out

    def catch_up(self):
        """Looks at those that are over already, and waits for none."""
        for cycle in self.a.tail.cycles():
            self.look(cycle)

    def no_gaps(self, what):
        self.t.none(self.gaps, f"{what}: no other one has had a gap of more than two intervals since it began")
        self.gaps = []

    def until(self, wanted, most, what):
        """Cycles until each of `wanted` {uuid: outcome} has it; how many it took, None when `most` were not enough."""
        n = 0
        while n < most:
            for cycle in self.cycles(1):
                n += 1
                outcome = cycle.volumes("vm.outcome")
                if all(outcome.get(u) == o for u, o in wanted.items()):
                    return n
        self.t.say(f"{what}: {outcome}")
        return None

    def watch(self, sick, count, what, workers=True, kernel=True):
        """`count` cycles: the others are whole in each, or at least in every other one; of the sick there is what the
        kernel knows.  Workers of libvirtd at work at most."""
        missed, held, lack, seen, cpu = 0, 0, [], 0, {}
        while seen < count:
            for cycle in self.cycles(1):
                seen += 1
                if workers:
                    held = max(held, self.workers()[0])
                missed += len(set(self.well) - {r[:36] for r in cycle.volumes(WHOLE)})
                lack += [f"{self.all[u].key}: no {name} in cycle {seen}" for u in sick if kernel
                         for name in KERNEL[:1 if u in self.wrapped else None] if u not in cycle.volumes(name)]
                for u in sick:
                    cpu.setdefault(u, []).append(cycle.volumes("cpu").get(u))
        self.no_gaps(what)
        if sick and kernel:
            self.t.none(lack, f"{what}: each has what the kernel knows of it in every cycle")
            self.t.none([f"{self.all[u].key}: {x}" for u, x in cpu.items() if None not in x and x != sorted(x)],
                        f"{what}: its CPU time never goes back")
        self.t.say(f"{what}: {missed} of {seen * len(self.well)} readings of the {len(self.well)} others came a cycle late; "
                   f"{held} workers of libvirtd at work at most")
        return held


def stopped(g):
    """QEMUs stopped by a signal, at random moments."""
    for number in (1, 5, DOMAINS // 2):
        sick = random.sample(sorted(g.all), number)
        pids = [g.pid(u) for u in sick]
        g.be_well(sick)
        for pid in pids:
            time.sleep(random.random() * INTERVAL / 2)
            os.kill(pid, signal.SIGSTOP)
        g.catch_up()    # with the cycles that were over before the last one was stopped
        what = f"{number} of {DOMAINS} stopped"
        g.t.ok(g.until(dict.fromkeys(sick, STUCK), 3, what), f"{what}: they are stuck within three cycles")
        held = g.watch(sick, 4, what)
        g.t.ok(held <= CAP + 1, f"{what}: no more calls hang than the cap allows", f"{held} workers")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        # the first that is over may have begun before
        took = g.until(dict.fromkeys(g.all, OK), 2, what)
        g.t.ok(took, f"{what}: all are well again within one interval after they go on", f"{took} cycles")
        g.t.say(f"{what}: whole again in cycle {took} after SIGCONT")
        g.no_gaps(f"{what}, and gone on")
        g.be_well()


def judge_status(g, sick):
    """What `virtmeter status` and the health meters say of monitors that do not answer."""
    doc = g.a.status()
    inspector, host = doc["inspectors"][0], {s["name"]: s["volume"] for s in g.cycles(1)[-1].samples
                                             if s["name"].startswith("vm.host.")}
    suspects = {x["instance"]: x["monitor_ms"] or 0 for x in doc["suspects"]}
    g.t.same(set(suspects), set(sick), "status: suspects are those whose monitor does not answer")
    g.t.none([(u, ms) for u, ms in suspects.items() if ms < INTERVAL * 1000], "status: and for how long")
    g.t.same((inspector["quarantined"], host["vm.host.quarantined"]), (len(sick), len(sick)), "status: so many are left out")
    g.t.ok(1 <= inspector["outstanding"] <= CAP + 1, "status: so many calls hang", inspector["outstanding"])


def held(g, wrapped):
    """Monitors that do not answer while QEMU runs: one after the other, up to the cap."""
    g.be_well(wrapped)
    for n in range(1, len(wrapped) + 1):
        open(f"{g.lv.dir}/hold-{wrapped[n - 1]}", "w").close()
        what = f"{n} monitors held"
        g.t.ok(g.until({wrapped[n - 1]: STUCK}, 4, what), f"{what}: the last one is stuck within four cycles")
    busy = g.watch(wrapped, 4, what)
    judge_status(g, wrapped)
    g.t.ok(busy <= len(wrapped) + 1, f"{what}: one worker for each, and one at work", f"{busy}")
    for uuid in wrapped:
        os.unlink(f"{g.lv.dir}/hold-{uuid}")
    took = g.until(dict.fromkeys(g.all, OK), 3, what)
    g.t.ok(took, f"{what}: all are well again when they are let go")
    g.no_gaps(f"{what}, and let go")
    g.be_well()
    busy = g.workers()[0]
    g.t.ok(busy <= 1, f"{what}: no worker is held any more", f"{busy}")


def disk(g, uuid):
    """A disk on a file system that does not answer."""
    hold = f"{g.lv.dir}/hold-disk"
    g.be_well([uuid])
    open(hold, "w").close()
    what = "a disk that does not answer"
    found = g.until({uuid: STUCK}, 5, what)
    g.t.ok(found, f"{what}: its VM is stuck within five cycles")
    g.watch([uuid], 3, what)
    os.unlink(hold)
    g.t.ok(g.until({uuid: OK}, 4, what), f"{what}: it is well again when it answers")
    g.no_gaps(f"{what}, and answers")
    g.be_well()


def killed(g):
    """QEMUs killed."""
    sick = random.sample(sorted(g.all), 2)
    g.be_well(sick)
    for uuid in sick:
        os.kill(g.pid(uuid), signal.SIGKILL)
    g.t.ok(g.until(dict.fromkeys(sick, STOPPED), 3, "killed"), "QEMUs killed: they are stopped within three cycles")
    g.watch(sick, 3, "QEMUs killed", kernel=False)
    g.lv.virsh(*(f"start instance-{g.all[u].key}" for u in sick), read_only=False)
    g.t.ok(g.until(dict.fromkeys(g.all, OK), 6, "started"), "QEMUs killed: all are well again after their start")
    g.no_gaps("QEMUs killed, and started")
    g.be_well()


def daemon(g):
    """libvirtd frozen, then killed: nobody is blamed."""
    def blamed(cycles):
        return [f"{u}: {o}" for c in cycles for u, o in c.volumes("vm.outcome").items() if o in (STUCK, GONE, STOPPED)]
    g.be_well(g.all)
    g.lv.pause()
    cycles = g.cycles(3)
    g.lv.resume()
    g.t.none(blamed(cycles), "libvirtd frozen: no VM is called stuck, stopped or gone")
    g.t.ok(UNREACHABLE in cycles[-1].volumes("vm.outcome").values(), "libvirtd frozen: they are unreachable")
    g.t.ok(g.until(dict.fromkeys(g.all, OK), 4, "thawed"), "libvirtd frozen: all are well again after it goes on")
    g.lv.crash()
    cycles = g.cycles(2)
    g.lv.start()
    g.t.none(blamed(cycles), "libvirtd killed: no VM is called stuck, stopped or gone")
    g.t.ok(g.until(dict.fromkeys(g.all, OK), 12, "restarted"), "libvirtd killed: all are well again after its start")


def plugged(g):
    """A disk and a NIC come and go; nobody else notices."""
    uuid = sorted(g.all)[0]
    domain, path = g.all[uuid], f"{g.lv.instances}/plugged"
    with open(path, "wb") as f:
        f.truncate(1 << 20)
    nic = f"{g.lv.dir}/nic.xml"
    with open(nic, "w", encoding="utf-8") as f:
        f.write("<interface type='ethernet'><mac address='52:54:00:00:00:77'/><target dev='tapplugged'/>"
                "<model type='virtio'/></interface>")
    name = f"instance-{domain.key}"
    g.be_well([uuid])
    g.lv.virsh(f"attach-disk {name} {path} vdx --live", f"attach-device {name} {nic} --live", read_only=False)
    seen = False
    for _ in range(4):
        cycle = g.cycles(1)[0]
        seen = seen or f"{uuid}-vdx" in cycle.volumes(WHOLE)
    g.t.ok(seen, "a plugged disk is read within four cycles")
    g.t.ok(any("tapplugged" in r for r in cycle.volumes("network.incoming.bytes")), "a plugged NIC, too")
    g.lv.virsh(f"detach-disk {name} vdx --live", f"detach-device {name} {nic} --live", read_only=False)
    g.be_well()
    g.watch([], 3, "devices plugged and unplugged", workers=False)


def prepare(lv):
    """The domains: some behind a monitor that can be held, one on a file system that can hang."""
    shutil.copy(os.path.join(private.HERE, "hold.py"), f"{lv.dir}/hold.py")
    os.chmod(f"{lv.dir}/hold.py", 0o755)
    return [domains.Domain(f"s{i}", metadata=domains.nova(f"vm-{i}"),
                           emulator=f"{lv.dir}/hold.py" if i < HELD else None) for i in range(DOMAINS)]


def hang_folder(lv):
    """Lays the instances' folders below a file system that can hang; why it cannot, or None."""
    try:
        import fusepy       # noqa: F401
    except ImportError:
        return "python3-fusepy is missing (Debian package)"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse may not be opened"
    os.makedirs(f"{lv.dir}/slow")
    return None


def mount(lv, domain):
    """Puts a file system that can hang over the folder of that domain's disks."""
    folder = f"{lv.instances}/{domain.uuid}"
    shutil.copytree(folder, f"{lv.dir}/slow/{domain.uuid}", dirs_exist_ok=True)
    lv.enter("sh", "-c", f"setsid /usr/bin/python3 {private.HERE}/hangfs.py {folder} {lv.dir}/slow/{domain.uuid} "
                         f"{lv.dir}/hold-disk </dev/null >{lv.dir}/log/hangfs 2>&1 &")
    for _ in range(200):
        if f" {folder} fuse" in lv.enter("cat", "/proc/self/mounts"):
            return
        time.sleep(0.05)
    raise private.Failed("the file system that can hang was not mounted")


def main(t):
    random.seed(os.environ.get("VIRTMETER_SEED", "1"))
    private.check_programs()
    if not shutil.which("virt-admin"):
        raise private.Missing("virt-admin is missing (Debian package libvirt-clients)")
    with private.Libvirt() as lv:
        made = prepare(lv)
        why = hang_folder(lv)
        wrapped, slow = [d.uuid for d in made[:HELD]], made[HELD]
        domains.Set(lv, made).create()
        if not why:
            lv.virsh(f"destroy instance-{slow.key}", read_only=False)
            mount(lv, slow)
            lv.virsh(f"start instance-{slow.key}", read_only=False)
        with agent.Inside(lv, INTERVAL, ("*", "vm.*")) as a:
            g = Ground(lv, made, wrapped, a, t)
            t.ok(g.until(dict.fromkeys(g.all, OK), 15, "the beginning"), "all are well in the beginning")
            g.be_well()
            g.watch([], 3, "all well")
            readings = a.status()["inspectors"][0]["readings"]
            t.ok(readings.startswith(f"hybrid: {DOMAINS - HELD} of {DOMAINS} "), "the kernel's readings are in libvirt's place",
                 readings)
            stopped(g)
            held(g, wrapped)
            if why:
                t.skip("a disk that does not answer", why)
            else:
                disk(g, slow.uuid)
            killed(g)
            plugged(g)
            daemon(g)
            doc = a.status()
            t.say(f"overruns {[x['overruns'] for x in doc['tasks']]} in {[x['cycles'] for x in doc['tasks']]} cycles")
            t.ok(a.running(), "the agent ran all the time")
            t.same(a.stop(), 0, "and ends in good order")


with tap.Suite("stuck") as suite:
    main(suite)
