#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent as a service: signals, status, reload, what it costs while it waits, what it tells systemd, and
that an ordinary user with the read-only socket is enough."""
import json
import os
import select
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import domains
import private
import tap

INTERVAL = 2
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def ledger_troubles(doc):
    return [f"{p['url']}: produced {p['produced']}, confirmed {p['confirmed']}, queued {p['queued']}, dropped {p['dropped']}"
            for p in doc["publishers"] if p["produced"] != p["confirmed"] + p["queued"] + sum(p["dropped"].values())]


# ---------------------------------------------------------------- status

def status(t, lv):
    with agent.Agent(lv.uri_ro, INTERVAL, publishers=("file://{dir}/samples.json?json", "sqlite://{dir}/s.db")) as a:
        cycles = a.wait_cycles(3)
        doc = a.status()
        t.same(doc["role"], "agent", "status: the role")
        task = doc["tasks"][0]
        t.ok(task["interval_s"] == INTERVAL and task["cycles"] >= 3 and task["overruns"] == 0 and
             0 < task["last_wall_ms"] < INTERVAL * 1000 and 0 < task["last_cpu_ms"] < 200, "status: the task", str(task))
        counts = doc["inspectors"][0]["instances"]
        t.ok(counts["ok"] == 2 and counts["stopped"] == 1 and sum(counts.values()) == 3, "status: instances by outcome", str(counts))
        t.none(ledger_troubles(doc), "status: each publisher's ledger adds up")
        produced = {p["produced"] for p in doc["publishers"]}
        t.ok(min(produced) >= sum(len(c.samples) for c in cycles), "and counts what was written", str(doc["publishers"]))
        t.same({p["state"] for p in doc["publishers"]}, {"ok"}, "both publishers are well")
        check = agent.command("status", "--socket", a.socket, "--check")
        t.same(check.returncode, 0, "status --check finds nothing")
        people = agent.command("status", "--socket", a.socket)
        t.ok(people.returncode == 0 and len(people.stdout.splitlines()) > 4, "status for people", people.stdout + people.stderr)

        other = agent.command("agent", "--config-file", a.config, "--cycles", 1)
        t.ok(a.socket in other.stderr, "a second agent says that it has no control socket", f"{other.returncode} {other.stderr}")
        t.ok(a.status(), "and the first one's stays")
        sock = a.socket
    none = agent.command("status", "--socket", sock)
    t.ok(none.returncode == 1 and len(none.stderr.strip().splitlines()) == 1, "without an agent status says so in a line",
         f"{none.returncode} {none.stderr}")


def counted(t, lv):
    with agent.Agent(lv.uri_ro, 1, args=("--cycles", "3")) as a:
        t.same(a.process.wait(30), 0, "--cycles 3 ends by itself")
        lines = open(a.file, encoding="utf-8").read().splitlines()
        times = {(s["name"], s["resource_id"]): 0 for s in map(agent.json.loads, lines)}
        for s in map(agent.json.loads, lines):
            times[s["name"], s["resource_id"]] += 1
        t.same(set(times.values()), {3}, "and everything was written three times")


# ---------------------------------------------------------------- signals

def hang_in_cycle(lv, a):
    """libvirtd stops; returns when the agent is in the middle of a cycle."""
    a.wait_cycles(2)
    lv.pause()
    time.sleep(INTERVAL - a.tail.rest + 0.25)  # since the last cycle it has rested; a second later it gives libvirt up


def signals(t, lv):
    for sig in (signal.SIGTERM, signal.SIGINT):
        with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"call_timeout": 20}}) as a:
            hang_in_cycle(lv, a)
            a.process.send_signal(sig)
            time.sleep(0.5)
            t.ok(a.running(), f"{sig.name} in the middle of a cycle: the cycle is finished first")
            lv.resume()
            t.same(a.process.wait(30), 0, f"{sig.name}: then it ends, status 0")
            t.ok(last_is_whole(a), f"{sig.name}: and the cycle's samples are all written")
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"call_timeout": 60}}) as a:
        hang_in_cycle(lv, a)
        a.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        start = time.monotonic()
        a.process.send_signal(signal.SIGTERM)
        try:
            a.process.wait(10)
        except agent.subprocess.TimeoutExpired:
            pass
        t.ok(not a.running() and time.monotonic() - start < 1.5, "a second SIGTERM: it leaves at once")
        lv.resume()
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"call_timeout": 60, "graceful_shutdown_timeout": 2}}) as a:
        hang_in_cycle(lv, a)
        start = time.monotonic()
        a.process.send_signal(signal.SIGTERM)
        try:
            a.process.wait(20)
        except agent.subprocess.TimeoutExpired:
            pass
        t.ok(not a.running() and time.monotonic() - start < 6, "graceful_shutdown_timeout ends the wait for a hung hypervisor")
        lv.resume()
    with agent.Agent(lv.uri_ro, 60) as a:
        a.wait_cycles(1)
        start = time.monotonic()
        t.ok(a.stop() == 0 and time.monotonic() - start < 2, "idle, it ends at once")


def last_is_whole(a):
    """Every series is there as often as every other, the third time being the cycle that hung."""
    counts = {}
    with open(a.file, encoding="utf-8") as f:
        for line in f:
            s = agent.json.loads(line)
            counts[s["name"], s["resource_id"]] = counts.get((s["name"], s["resource_id"]), 0) + 1
    return len(set(counts.values())) == 1 and 3 in counts.values()


# ---------------------------------------------------------------- reload

def reload(t, lv):
    with agent.Agent(lv.uri_ro, INTERVAL, meters=["cpu"]) as a:
        t.same({s["name"] for s in a.wait_cycles(2)[-1].samples}, {"cpu"}, "one meter at first")
        a.meters = ["memory.usage", "vcpus"]
        a.write()
        done = a.reload()
        t.same(done.returncode, 0, "reload is taken")
        a.wait_cycles(1)
        t.same({s["name"] for s in a.wait_cycles(2)[-1].samples}, {"memory.usage", "vcpus"}, "and the new meters come")
        a.put("polling.yaml", "sources:\n  - name: all\n    interval: never\n    meters: [cpu]\n")
        done = a.reload()
        t.ok(done.returncode == 1 and "polling.yaml:3:" in done.stderr, "a faulty file is refused, with its place",
             f"{done.returncode} {done.stderr}")
        said = json.loads(agent.command("reload", "--socket", a.socket, "--format", "json").stdout)
        t.same([(f["level"], os.path.basename(f["file"]), f["line"]) for f in said["findings"]], [("error", "polling.yaml", 3)],
               "as JSON, too")
        t.same({s["name"] for s in a.wait_cycles(2)[-1].samples}, {"memory.usage", "vcpus"}, "and the old one stays in force")
        a.meters = ["cpu"]
        a.write()
        a.process.send_signal(signal.SIGHUP)
        a.wait_cycles(2)
        t.same({s["name"] for s in a.wait_cycles(1)[-1].samples}, {"cpu"}, "SIGHUP does the same")
        before = a.status()
        t.none(ledger_troubles(before), "the ledger adds up over all that")
        t.same(a.stop(), 0, "and it ends in an orderly way")


# ---------------------------------------------------------------- idle

def switches(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += switches_of(pid, task)
    return total


def switches_of(pid, task):
    with open(f"/proc/{pid}/task/{task}/status") as f:
        return sum(int(x.split()[1]) for x in f if "ctxt_switches" in x)


def idle(t, lv):
    with agent.Agent(lv.uri_ro, 120) as a:
        a.wait_cycles(1)
        time.sleep(2)
        seconds, before = 15, switches(a.pid)
        time.sleep(seconds)
        woken = switches(a.pid) - before
        t.ok(woken <= seconds, f"idle, it wakes at most once a second: {woken} times in {seconds} s")


def cycle_alone(t, lv):
    """Its tasks keep their own time, and hand their samples to the publisher's thread without another one."""
    with agent.Agent(lv.uri_ro, 1, args=["--demo"]) as a:
        a.wait_cycles(2)
        names = {task: open(f"/proc/{a.pid}/task/{task}/comm").read().strip() for task in os.listdir(f"/proc/{a.pid}/task")}
        idle = [task for task, name in names.items() if int(task) == a.pid or name == "pipeline"]
        before = sum(switches_of(a.pid, task) for task in idle)
        a.wait_cycles(5)
        woken = sum(switches_of(a.pid, task) for task in idle) - before
        t.ok(len(idle) == 2 and woken == 0, f"a cycle wakes neither the main thread nor the pipelines': {woken} times in 5")


# ---------------------------------------------------------------- systemd's socket (a stand-in listens)

class Notify:
    def __init__(self, folder):
        self.path = f"{folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.got = []

    def listen(self, seconds, until=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                self.got += [(time.monotonic(), line) for line in self.socket.recv(65536).decode().splitlines()]
                if until and any(line.startswith(until) for _, line in self.got):
                    return True
        return False

    def lines(self):
        return [line for _, line in self.got]


def systemd(t, lv):
    with agent.Agent(lv.uri_ro, 60, start=False) as a:
        notify = Notify(a.dir)
        a.env.update(NOTIFY_SOCKET=notify.path, WATCHDOG_USEC="1000000")
        a.start()
        t.ok(notify.listen(20, "READY=1"), "systemd is told READY=1", str(notify.lines()))
        notify.got.clear()
        notify.listen(4)
        beats = [when for when, line in notify.got if line == "WATCHDOG=1"]
        gaps = [b - a for a, b in zip(beats, beats[1:])]
        t.ok(len(beats) >= 4 and max(gaps) < 1.0, "the watchdog is fed in time", str(gaps))
        notify.got.clear()
        a.reload()
        notify.listen(5, "READY=1")
        lines = notify.lines()
        t.ok("RELOADING=1" in lines and "READY=1" in lines and any(x.startswith("MONOTONIC_USEC=") for x in lines),
             "a reload says RELOADING=1 with its time, then READY=1", str(lines))
        a.process.send_signal(signal.SIGTERM)
        t.ok(notify.listen(10, "STOPPING=1"), "the end says STOPPING=1", str(notify.lines()))
        a.process.wait(20)


# ---------------------------------------------------------------- rights

def ordinary_user(t, lv):
    if os.geteuid() != 0:
        t.skip("an ordinary user", "the suite itself runs as one")
        return
    with agent.Agent(lv.uri_ro, INTERVAL, wrap=NOBODY) as a:
        samples = a.wait_cycles(2)[-1].samples
        names = {s["name"] for s in samples}
        t.ok({"cpu", "memory.usage", "disk.device.read.bytes", "network.incoming.bytes", "disk.device.usage"} <= names,
             "an ordinary user with the read-only socket has the meters", str(sorted(names)))
        t.same(a.stop(), 0, "and ends in an orderly way")


def main(t):
    with private.Libvirt() as lv:
        every = {d.key: d for d in domains.suite()}
        domains.Set(lv, [every[k] for k in ("plain", "busy", "shutoff")]).create()
        status(t, lv)
        counted(t, lv)
        signals(t, lv)
        reload(t, lv)
        idle(t, lv)
        cycle_alone(t, lv)
        systemd(t, lv)
        ordinary_user(t, lv)


if __name__ == "__main__":
    with tap.Suite("service") as suite:
        main(suite)
