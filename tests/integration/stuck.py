#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One stuck VM never costs another: QEMUs stopped, monitors that hang while QEMU runs, a disk that does not answer,
QEMUs killed, libvirtd frozen, killed, restarted, devices plugged, under an agent that polls all the while.

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


class Ground:
    """libvirtd, its domains, the agent, and what of them is to be well."""

    def __init__(self, lv, made, a, t):
        self.lv, self.a, self.t = lv, a, t
        self.all = {d.uuid: d for d in made}

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

    def cycles(self, count):
        return self.a.wait_cycles(count, count * INTERVAL * 6 + 60)

    def until(self, wanted, most, what):
        """Cycles until each of `wanted` {uuid: outcome} has it; how many it took, None when `most` were not enough."""
        for n in range(1, most + 1):
            outcome = self.cycles(1)[0].volumes("vm.outcome")
            if all(outcome.get(u) == o for u, o in wanted.items()):
                return n
        self.t.say(f"{what}: {outcome}")
        return None

    def watch(self, sick, count, what, workers=True):
        """The others in `count` cycles: whole in each, or at least in every other one.  And the sick."""
        missed, twice, held, last = 0, [], 0, set()
        well = set(self.all) - set(sick)
        for _ in range(count):
            cycle = self.cycles(1)[0]
            if workers:
                held = max(held, self.workers()[0])
            read = {r[:36] for r in cycle.volumes(WHOLE)}
            now = {u for u in well if u not in read}
            twice += [f"{self.all[u].key}: two cycles in a row" for u in now & last]
            missed += len(now)
            last = now
        self.t.none(twice, f"{what}: no other one has a gap of two intervals")
        self.t.say(f"{what}: {missed} of {count * len(well)} readings of the {len(well)} others came a cycle late; "
                   f"{held} workers of libvirtd at work at most")
        return cycle, held


def stopped(g):
    """QEMUs stopped by a signal, at random moments."""
    for number in (1, 5, DOMAINS // 2):
        sick = random.sample(sorted(g.all), number)
        pids = [g.pid(u) for u in sick]
        for pid in pids:
            time.sleep(random.random() * INTERVAL / 2)
            os.kill(pid, signal.SIGSTOP)
        what = f"{number} of {DOMAINS} stopped"
        g.t.ok(g.until(dict.fromkeys(sick, STUCK), 3, what), f"{what}: they are stuck within three cycles")
        _, held = g.watch(sick, 4, what)
        g.t.ok(held <= CAP + 1, f"{what}: no more calls hang than the cap allows", f"{held} workers")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        took = g.until(dict.fromkeys(g.all, OK), 3, what)
        g.t.ok(took, f"{what}: all are well again after they go on", f"{took} cycles")
        g.t.say(f"{what}: whole again in cycle {took} after SIGCONT")


def held(g, wrapped):
    """Monitors that do not answer while QEMU runs: one after the other, up to the cap."""
    for n in range(1, len(wrapped) + 1):
        open(f"{g.lv.dir}/hold-{wrapped[n - 1]}", "w").close()
        what = f"{n} monitors held"
        g.t.ok(g.until({wrapped[n - 1]: STUCK}, 4, what), f"{what}: the last one is stuck within four cycles")
    _, busy = g.watch(wrapped, 4, what)
    g.t.ok(busy <= len(wrapped) + 1, f"{what}: one worker for each, and one at work", f"{busy}")
    for uuid in wrapped:
        os.unlink(f"{g.lv.dir}/hold-{uuid}")
    took = g.until(dict.fromkeys(g.all, OK), 3, what)
    g.t.ok(took, f"{what}: all are well again when they are let go")
    busy = g.workers()[0]
    g.t.ok(busy <= 1, f"{what}: no worker is held any more", f"{busy}")


def disk(g, uuid):
    """A disk on a file system that does not answer."""
    hold = f"{g.lv.dir}/hold-disk"
    open(hold, "w").close()
    what = "a disk that does not answer"
    found = g.until({uuid: STUCK}, 5, what)
    g.t.ok(found, f"{what}: its VM is stuck within five cycles")
    g.watch([uuid], 3, what)
    os.unlink(hold)
    g.t.ok(g.until({uuid: OK}, 4, what), f"{what}: it is well again when it answers")


def killed(g):
    """QEMUs killed."""
    sick = random.sample(sorted(g.all), 2)
    for uuid in sick:
        os.kill(g.pid(uuid), signal.SIGKILL)
    g.t.ok(g.until(dict.fromkeys(sick, STOPPED), 3, "killed"), "QEMUs killed: they are stopped within three cycles")
    g.watch(sick, 3, "QEMUs killed")
    g.lv.virsh(*(f"start instance-{g.all[u].key}" for u in sick), read_only=False)
    g.t.ok(g.until(dict.fromkeys(g.all, OK), 6, "started"), "QEMUs killed: all are well again after their start")


def daemon(g):
    """libvirtd frozen, then killed: nobody is blamed."""
    def blamed(cycles):
        return [f"{u}: {o}" for c in cycles for u, o in c.volumes("vm.outcome").items() if o in (STUCK, GONE, STOPPED)]
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
    g.lv.virsh(f"attach-disk {name} {path} vdx --live", f"attach-device {name} {nic} --live", read_only=False)
    seen = False
    for _ in range(4):
        cycle = g.cycles(1)[0]
        seen = seen or f"{uuid}-vdx" in cycle.volumes(WHOLE)
    g.t.ok(seen, "a plugged disk is read within four cycles")
    g.t.ok(any("tapplugged" in r for r in cycle.volumes("network.incoming.bytes")), "a plugged NIC, too")
    g.lv.virsh(f"detach-disk {name} vdx --live", f"detach-device {name} {nic} --live", read_only=False)
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
        with agent.Agent(lv.uri_ro, interval=INTERVAL, meters=("*", "vm.*")) as a:
            g = Ground(lv, made, a, t)
            t.ok(g.until(dict.fromkeys(g.all, OK), 15, "the beginning"), "all are well in the beginning")
            g.watch([], 3, "all well")
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
