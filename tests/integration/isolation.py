#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The suites' own ground: a private libvirtd really is private, survives what the others do to it, and
leaves nothing behind, not even when its owner is killed.  The domains are what they claim to be."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import domains
import private
import tap


def traces(folder):
    """What of ours the host shows; anything else that happens on it meanwhile is not our affair."""
    ours = {n.dev for d in domains.suite() for n in d.nics if domains.xml(d)} | {"br-test", "under0"}
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines()
    found = [f"link {x}" for x in (x.split(":")[1].strip().split("@")[0] for x in links) if x in ours]
    found += [f"mount {x.split()[1]}" for x in open("/proc/mounts") if folder in x]
    names = {d.name or f"instance-{d.key}" for d in domains.suite()}
    for where in ("/run/libvirt/qemu", "/etc/libvirt/qemu", "/var/lib/libvirt/qemu", "/var/log/libvirt/qemu"):
        if os.path.isdir(where):
            found += [f"{where}/{x}" for x in os.listdir(where) if os.path.splitext(x)[0] in names]
    return found


def processes(folder):
    """Processes that know of the private folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if folder.encode() in f.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def loops(folder):
    out = []
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file") as f:
                if folder in f.read():
                    out.append(name)
        except OSError:
            pass
    return out


def gone(folder, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end and (processes(folder) or loops(folder)):
        time.sleep(0.05)
    return [f"process {p}" for p in processes(folder)] + [f"loop device {x}" for x in loops(folder)]


def in_use(t):
    name = os.uname().nodename
    with private.Libvirt() as lv:
        made = domains.Set(lv).create()
        for what, why in made.left_out.items():
            t.skip(f"domains that need {what}", why)
        t.none(traces(lv.dir), "the host's network, mounts and libvirt folders know nothing of it")
        t.same(os.uname().nodename, name, "nor has the host another name")

        listed = {x.split()[-2]: x.split()[-1] for x in lv.virsh("list --all").replace("shut off", "shutoff").splitlines()}
        t.same(listed, {d.name or f"instance-{d.key}": d.state for d in made.domains},
               "each domain is in the state it is there for")
        t.none(lively(lv), "busy guests write, read, send, and answer for their memory")
        t.none(quiet(lv), "an idle guest costs next to nothing")

        pids = sorted(lv.qemu_pids())
        lv.crash()
        t.ok(subprocess.run(["virsh", "-c", lv.uri, "uri"], capture_output=True).returncode,
             "libvirtd is away after crash()")
        lv.start()
        t.same(sorted(lv.qemu_pids()), pids, "the guests ran on while libvirtd was away")
        t.ok(counters(lv, "instance-busy").get("block.0.wr.bytes"), "and libvirtd finds them again")
        folder = lv.dir
    t.none(gone(folder), "after the end no process and no loop device is left")
    t.ok(not os.path.exists(folder), "nor is the folder")


def counters(lv, name):
    lines = lv.virsh(f"domstats {name}").splitlines()[1:]
    pairs = (x.strip().split("=", 1) for x in lines if "=" in x)
    return {k: int(v) for k, v in pairs if v.lstrip("-").isdigit()}


def lively(lv):
    before = counters(lv, "instance-busy")
    time.sleep(3)       # the balloon is asked every two seconds
    after = counters(lv, "instance-busy")
    keys = ["cpu.time", "vcpu.0.time", "balloon.swap_in", "balloon.minor_fault", "block.0.wr.bytes",
            "block.0.rd.reqs", "block.1.wr.bytes"]
    keys += ["net.0.tx.bytes", "net.1.tx.pkts"] if "net.0.tx.bytes" in after else []
    return [f"{k}: {before.get(k)} then {after.get(k)}" for k in keys if not after.get(k, 0) > before.get(k, 0)]


def quiet(lv):
    with open(f"{lv.dir}/run/qemu/instance-plain.pid") as f:
        inner = f.read()
    pid = next(p for p in lv.qemu_pids() if open(f"/proc/{p}/status").read().split("NSpid:")[1].split()[1] == inner)

    def cpu():
        return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task"))
    used = cpu()
    time.sleep(3)
    used = (cpu() - used) / 3e9
    return [] if used < 0.01 else [f"{used * 100:.1f} % of a core"]


def owner_killed(t):
    """The owner dies without a chance to clean up."""
    code = f"""
import sys, time; sys.path.insert(0, {private.HERE!r})
import domains, private
lv = private.Libvirt().start()
domains.Set(lv, [domains.Domain("one", disks=[domains.Disk(), domains.Disk("block")], needs="loop")]).create()
print(lv.dir, flush=True); time.sleep(600)
"""
    with subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        folder = owner.stdout.readline().strip()
        t.ok(folder and len(processes(folder)) > 2, "a second owner has its libvirtd and guest running")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    t.none(gone(folder), "after its owner is killed no process and no loop device is left")
    subprocess.run(["rm", "-rf", folder], check=False)


with tap.Suite("isolation") as suite:
    private.check_programs()
    in_use(suite)
    owner_killed(suite)
