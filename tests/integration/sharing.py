#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two agents of one host share its instances by Redis and by memcached, of the suite's own: one is killed, one leaves,
the coordinator hangs and comes back empty.  All write into one store: no point is there twice, and none is missing
but for the time that handing over takes.  Needs no hypervisor.  TAP."""
import collections
import json
import os
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import coordinators
import rabbit
import tap
import tlsca

INTERVAL, INSTANCES, LEASE = 1, 8, 5
GROUP = "compute-compute-0"
KEY = f"virtmeter:1:{GROUP}"


class Pair:
    """Agents of one host, one coordinator and one store."""

    def __init__(self, url, folder, count=2):
        self.url, self.store = url, f"sqlite://{folder}/samples.db"
        self.agents = [self.agent() for _ in range(count)]

    def agent(self):
        return agent.Agent(None, interval=INTERVAL, meters=["cpu", "vm.host.overruns"], publishers=[self.store], start=False,
                           options={"DEFAULT": {"hypervisor_inspector": "simulated"},
                                    "simulated": {"instances": INSTANCES, "stopped": 0},
                                    "coordination": {"backend_url": self.url, "heartbeat": "0.2"}})

    def points(self):
        """{resource: times} of the store's CPU meters."""
        done = agent.command("samples", "--store", self.store, "--meter", "cpu", "--format", "json", "--limit", 1000000)
        found = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            sample = json.loads(line)
            found[sample["resource_id"]].append(agent.moment(sample["timestamp"]))
        return found

    def close(self):
        for a in self.agents:
            a.close()


def coordination(a):
    doc = a.document()
    return (doc or {}).get("coordination", {})


def members(a):
    """How many share the instances, by this agent's word."""
    return next((g["members"] for g in coordination(a).get("groups", []) if g["group"] == GROUP), None)


def wait_members(a, count):
    a.wait(lambda: members(a) == count, 60, f"{count} members")


def absorbed(a):
    doc = a.document()
    return sum(p["duplicates"] + p["conflicts"] for p in (doc or {}).get("publishers", []))


def more_cycles(a, count):
    before = a.cycles()
    a.wait(lambda: a.cycles() >= before + count, 120, f"{count} cycles")


def play(t, name, server, pair):
    """What may happen; times (on the clock) between which points may be missing."""
    one, two = pair.agents
    gaps = []

    # nobody to ask: both poll all, and the store has each point once
    server.stop()
    one.start()
    two.start()
    one.wait(lambda: coordination(one).get("state") == "unreachable", 120, "the coordinator is away")
    two.wait(lambda: absorbed(one) + absorbed(two) > 0, 60, "a point that both have")
    t.ok(members(one) is None and members(two) is None, f"{name}: without a coordinator both poll all")
    server.start()
    wait_members(one, 2)
    wait_members(two, 2)
    t.ok(coordination(one)["state"] == "ok", f"{name}: two agents share once it is there")
    more_cycles(two, 2)

    # killed: the other has everything when the lease is over
    killed = time.time()
    one.stop(signal.SIGKILL)
    wait_members(two, 1)
    gaps.append((killed - INTERVAL, time.time() + INTERVAL))
    more_cycles(two, 2)
    t.ok(members(two) == 1, f"{name}: one is killed, the other takes over")

    # hangs: cycles go on
    one.start()
    wait_members(one, 2)
    wait_members(two, 2)
    gaps.append((killed, time.time() + INTERVAL))   # the first cycle of an agent is at the next full interval
    server.hang()
    two.wait(lambda: coordination(two)["state"] == "unreachable", 60, "it hangs")
    more_cycles(two, 2)
    more_cycles(one, 1)
    t.ok(members(two) == 2 and "does not answer in time" in coordination(two)["last_error"],
         f"{name}: hanging, it leaves the shares as they were", str(coordination(two)))
    checked = agent.command("status", "--check", "--socket", two.socket)
    t.ok(checked.returncode == 1 and "coordination" in checked.stderr + checked.stdout,
         f"{name}: status --check says so", checked.stdout + checked.stderr)
    server.go_on()
    two.wait(lambda: coordination(two)["state"] == "ok", 60, "it goes on")

    # comes back empty
    server.stop()
    server.start()
    two.wait(lambda: coordination(two)["state"] == "ok" and members(two) == 2, 60, "both are back")
    wait_members(one, 2)
    more_cycles(two, 2)
    t.ok(True, f"{name}: both are in an empty one again")

    # leaves: nobody waits for a lease
    t.ok(one.stop() == 0, f"{name}: leaves with status 0")
    left = two.document()["coordination"]
    two.wait(lambda: members(two) == 1, 60, "it has left")
    gaps.append((time.time() - INTERVAL, time.time() + INTERVAL))
    more_cycles(two, 1)
    return gaps, left


def changes(a):
    """Times at which the agent heard of another membership than before: on a busy machine also of one that was kept waiting."""
    at = [line[:19] for line in a.log().splitlines() if "share the instances" in line or "agent has the instances" in line]
    return [time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")) for text in at]


def judge(t, name, pair, gaps):
    gaps = gaps + [(x - INTERVAL - 1, x + INTERVAL + 1) for a in pair.agents for x in changes(a)]
    overruns = sum(task["overruns"] for task in pair.agents[1].document()["tasks"])
    late = [line for line in pair.agents[0].log().splitlines() if "outlasted" in line]
    pair.agents[1].stop()
    points = pair.points()
    times = sorted({time_ for all_ in points.values() for time_ in all_})
    twice = [(r, x) for r, all_ in points.items() for x, n in collections.Counter(all_).items() if n > 1]
    t.ok(len(points) == INSTANCES, f"{name}: all instances are in the store", str(len(points)))
    t.ok(not twice, f"{name}: no point is there twice", str(twice[:3]))
    t.ok(all(x % INTERVAL == 0 for x in times), f"{name}: points lie at full intervals", str(times[:5]))
    wanted = range(int(times[0]), int(times[-1]) + 1, INTERVAL)
    missing = [(r, x) for r, all_ in points.items() for x in wanted
               if x not in set(all_) and not any(a <= x <= b for a, b in gaps)]
    allowed = (overruns + len(late)) * INSTANCES       # cycles that a busy machine left out
    t.ok(len(missing) <= allowed, f"{name}: no point is missing beyond handing over",
         f"{len(missing)} of {len(wanted) * INSTANCES}, {overruns} overruns: {missing[:4]}, gaps {gaps}")
    for a in pair.agents:
        t.ok("labpass" not in a.log(), f"{name}: no password in the log")


def whole(t, name, server, query=f"membership_timeout={LEASE}"):
    with tempfile.TemporaryDirectory() as folder, server:
        pair = Pair(server.url(query), folder)
        try:
            gaps, _ = play(t, name, server, pair)
            judge(t, name, pair, gaps)
        finally:
            pair.close()


def refused(t):
    """A wrong password and a certificate of nobody's are told, without the secret."""
    with tempfile.TemporaryDirectory() as folder, coordinators.Redis(password="labpass!") as redis:
        pair = Pair(redis.url().replace("labpass!", "labpass-wrong"), folder)
        with pair.agents[0].start() as a:
            a.wait(lambda: coordination(a).get("state") == "unreachable", 120, "refused")
            told = coordination(a)
            t.ok("WRONGPASS" in told["last_error"] and "labpass" not in json.dumps(told), "a wrong password is told", str(told))
            t.ok("labpass" not in a.log(), "the password is not in the log", a.log())
        pair.close()


def encrypted(t):
    with tempfile.TemporaryDirectory() as folder:
        authority = tlsca.Authority(folder)
        with coordinators.Redis(password="labpass!", tls=authority) as redis:
            for query, state, words in ((f"ssl_ca_certs={authority.cert}", "ok", ""),
                                        ("", "unreachable", "certificate")):
                pair = Pair(redis.url(query), folder)
                with pair.agents[0].start() as a:
                    a.wait(lambda: coordination(a).get("state") == state, 120, state)     # pylint: disable=W0640
                    told = coordination(a)
                    t.ok(words in told["last_error"], f"TLS: {state}", str(told))
                    a.stop()
                pair.close()


def succeeded(t):
    """The master that a sentinel knows; when it dies, the one that comes after it."""
    with tempfile.TemporaryDirectory() as folder, coordinators.Redis(password="labpass!") as master, \
            coordinators.Redis(password="labpass!", master=master) as replica, coordinators.Sentinel(master) as sentinel:
        url = (f"redis://:labpass!@127.0.0.1:{rabbit.free_port()}/0?sentinel=lab&"
               f"sentinel_fallback=127.0.0.1:{sentinel.port}&membership_timeout=10")
        pair = Pair(url, folder, 1)
        try:
            one = pair.agents[0].start()
            wait_members(one, 1)
            t.ok(master.say("EXISTS", KEY) == ":1", "sentinel: the master is asked for at the second that is named")
            rabbit.until(lambda: b"slaves=1" in sentinel.info(), 120, "the sentinel knows the replica")
            master.stop()
            rabbit.until(lambda: replica.say("DEL", KEY) in (":0", ":1"), 60, "the replica is the master now")
            rabbit.until(lambda: replica.say("EXISTS", KEY) == ":1", 60, "the agent says there that it lives")
            t.ok("closed the connection" in one.log() or "refused" in one.log(), "sentinel: the next master is found", one.log())
        finally:
            pair.close()


def switched(t):
    """Sharing goes on and off with a reload, without a restart and without a hole."""
    with tempfile.TemporaryDirectory() as folder, coordinators.Redis() as redis:
        pair = Pair(None, folder, 1)
        try:
            one = pair.agents[0].start()
            more_cycles(one, 1)
            t.ok(not coordination(one), "reload: nothing is shared", str(coordination(one)))
            for url, count in ((redis.url("membership_timeout=30"), ":1"), (None, ":0")):
                one.conf["coordination"]["backend_url"] = url
                one.write()
                t.ok(one.reload().returncode == 0, f"reload: sharing is switched {'on' if url else 'off'}")
                rabbit.until(lambda: redis.say("ZCARD", KEY) == count, 120, f"{count} members")     # pylint: disable=W0640
                more_cycles(one, 2)
            t.ok(not coordination(one), "reload: nothing is shared again, and the others know it at once", str(coordination(one)))
            one.stop()
            times = {r: sorted(set(found)) for r, found in pair.points().items()}
            holes = [(r, a, b) for r, found in times.items() for a, b in zip(found, found[1:]) if b - a > 2.5 * INTERVAL]
            late = [line for line in one.log().splitlines() if "outlasted" in line]
            t.ok(len(times) == INSTANCES and (not holes or late), "reload: no cycle was left out", str(holes[:3]))
        finally:
            pair.close()


def beats(a, folder):
    """What the agent tells at its socket: {meter: time}, None where nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(f"{folder}/ceilometer-compute.socket")
            text = b"".join(iter(lambda: s.recv(1 << 16), b"")).decode()
    except OSError:
        return None
    return dict(line.split(" ") for line in text.split("\n") if line)


def heartbeats(t):
    """Two agents of one host, and one that has nothing to poll."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        pair = Pair(None, folder)
        one, two = pair.agents
        for a in pair.agents:
            a.conf["polling"]["heartbeat_socket_dir"] = f"{folder}/beats"
            a.write()
        try:
            one.start()
            first = one.wait(lambda: beats(one, f"{folder}/beats"), 60, "a heartbeat")
            more_cycles(one, 2)
            later = beats(one, f"{folder}/beats")
            t.same(sorted(first), ["cpu", "vm.host.overruns"], "heartbeats: of each meter that is polled")
            t.ok(all(later[m] > first[m] for m in first), "heartbeats: they go on with the cycles", f"{first} {later}")
            t.ok(all(abs(agent.moment(x) - time.time()) < 3600 for x in later.values()), "heartbeats: times are in UTC", str(later))
            one.meters = ["cpu"]
            one.write()
            t.ok(one.reload().returncode == 0, "heartbeats: a reload takes a meter out")
            more_cycles(one, 2)
            t.same(sorted(beats(one, f"{folder}/beats")), ["cpu"], "heartbeats: its line is gone")
            two.start()
            more_cycles(two, 1)
            t.ok("a running agent answers there" in two.log() and beats(one, f"{folder}/beats"),
                 "heartbeats: the socket stays the first agent's", two.log())
            two.conf["polling"]["heartbeat_socket_dir"] = other
            two.conf["simulated"]["instances"] = 0
            two.write()
            t.ok(two.reload().returncode == 0, "heartbeats: a reload moves it")
            more_cycles(two, 2)
            t.same(beats(two, other), {}, "heartbeats: none of an agent without instances")
            t.ok(one.stop() == 0 and beats(one, f"{folder}/beats") is None, "heartbeats: the socket goes with the agent")
        finally:
            pair.close()


def main():
    with tap.Suite("sharing") as t:
        t.beside(lambda: whole(t, "redis", coordinators.Redis(password="labpass!")),
                 lambda: whole(t, "memcached", coordinators.Memcached()),
                 lambda: (refused(t), encrypted(t), heartbeats(t)), lambda: (succeeded(t), switched(t)))


if __name__ == "__main__":
    main()
