#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent beside its limit and its peers, on real QEMU domains, all in one run, as ratios.

The domains live in a libvirtd of their own (tests/integration/lib/private.py).  The limit is limit.c; it
and the agent take turns, so that both meet the same noise.  The peers are Debian's packages, configured here
to loopback and nothing else; those that are missing are installed when that is allowed.

Environment: BUILD          build folder (build-release)
             BENCH_DOMAINS  running domains (50)
             BENCH_MEMORY_DOMAINS  for the table of memory (200; 0 leaves it out)
             BENCH_CYCLES   cycles per figure (10)
             BENCH_PEERS    of: exporter collectd ceilometer (all)
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build-release"))
os.environ.setdefault("VIRTMETER", os.path.join(BUILD, "src", "virtmeter"))
os.environ.setdefault("VIRTMETER_TEST_CACHE", os.path.join(BUILD, "bench", "cache"))
sys.path.insert(0, os.path.join(TOP, "tests", "integration", "lib"))
import agent
import domains
import private
import rabbit
import rpc

DOMAINS = int(os.environ.get("BENCH_DOMAINS", "50"))
MEMORY_DOMAINS = int(os.environ.get("BENCH_MEMORY_DOMAINS", "200"))
CYCLES = int(os.environ.get("BENCH_CYCLES", "10"))
PEERS = os.environ.get("BENCH_PEERS", "exporter collectd ceilometer").split()
PACKAGES = {"exporter": ["prometheus-libvirt-exporter"], "collectd": ["collectd-core"],
            "ceilometer": ["ceilometer-polling", "ceilometer-agent-compute", "python3-libvirt"]}

# the 30 that Ceilometer 26 has of a running instance with one disk and one NIC
METERS = """cpu vcpus power.state memory memory.available memory.usage memory.resident memory.swap.in memory.swap.out
disk.root.size disk.ephemeral.size""".split()
METERS += [f"disk.device.{x}" for x in """read.requests read.bytes write.requests write.bytes read.latency write.latency
capacity allocation usage""".split()]
METERS += [f"network.{way}.{x}" for way in ("incoming", "outgoing")
           for x in ("bytes", "packets", "packets.drop", "packets.error", "bytes.delta")]
LIBVIRT = {"readings": "libvirt"}       # all of them, as the limit has it; hybrid.py is the default's
# of these, what Ceilometer 19 knows and libvirt serves
OLD_METERS = [m for m in METERS if m not in ("vcpus", "power.state", "memory", "memory.available", "disk.root.size",
                                             "disk.ephemeral.size")]


# ---------------------------------------------------------------- processes

def tree(pid):
    """pid and its descendants."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
        except OSError:
            pass
    out = [pid]
    for p in out:
        out += children.get(p, [])
    return out


def cpu_ns(pids):
    """CPU time by the processes' own clocks: nanoseconds, threads that have ended included."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            pass
    return total


def memory(pids):
    """Megabytes over all the processes: resident, proportional, private dirty."""
    out = {"Rss": 0, "Pss": 0, "Private_Dirty": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                key = line.split(":")[0]
                if key in out:
                    out[key] += int(line.split()[1]) / 1024
    return out


class Noise:
    """Which share of all cores others used meanwhile."""

    def __init__(self, ours):
        self.ours = ours

    @staticmethod
    def machine():
        with open("/proc/stat") as f:
            v = [int(x) for x in f.readline().split()[1:9]]
        return sum(v), v[3] + v[4]

    def __enter__(self):
        self.before, self.cpu = self.machine(), cpu_ns(self.ours())
        return self

    def __exit__(self, *_):
        (total0, idle0), (total1, idle1) = self.before, self.machine()
        total = (total1 - total0) / os.sysconf("SC_CLK_TCK")
        busy = total - (idle1 - idle0) / os.sysconf("SC_CLK_TCK")
        ours = (cpu_ns(self.ours()) - self.cpu) / 1e9
        self.share = max(0.0, busy - ours) / total if total else 0.0


def wait_quiet(seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        total0, idle0 = Noise.machine()
        time.sleep(2)
        total1, idle1 = Noise.machine()
        if (idle1 - idle0) / (total1 - total0) > 0.85:
            return True
    return False


def favour(pid):
    """Of a shared machine's cores a process we measure, with its session, gets more than others do: less noise."""
    try:
        with open(f"/proc/{pid}/autogroup", "w") as f:
            f.write("-15")
    except OSError:
        pass        # an ordinary user, or a kernel without


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---------------------------------------------------------------- the limit

class Limit:
    def __init__(self, lv):
        self.process = subprocess.Popen([os.path.join(BUILD, "bench", "limit"), lv.uri_ro, str(lv.libvirtd_pid())],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.calls = []

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self):
        self.calls.append(self.ask("call"))
        return self.calls[-1]

    def write(self, path):
        return self.ask(f"write {path}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# ---------------------------------------------------------------- the agent

def turns(lv, limit, a, cycles, wall):
    """Agent and limit in turns, half an interval apart.  With `wall` the agent is asked for the length of each cycle, which
    costs it CPU, so that CPU and wall come from different runs.  All lists, one entry a cycle."""
    out = {"wall_ns": [], "cpu_ns": [], "server_ns": [], "bare": [], "write": [], "samples": 0, "calls": []}
    server = [lv.libvirtd_pid()]
    a.wait_cycles(2)        # the first ones read the XML
    last = cpu_ns([a.pid]), cpu_ns(server)
    while len(out["cpu_ns"]) < cycles:
        cycle = a.wait_cycles(1)[0]
        now = cpu_ns([a.pid]), cpu_ns(server)
        bare_server = out["bare"][-1]["server_ns"] if out["bare"] else 0
        out["cpu_ns"].append(now[0] - last[0])
        out["server_ns"].append(now[1] - last[1] - bare_server)
        out["samples"] = len(cycle.samples)
        if wall:
            status = a.status()
            out["wall_ns"].append(status["tasks"][0]["last_wall_ms"] * 1e6)
            out["calls"].append(status["inspectors"][0]["calls"])
        last = cpu_ns([a.pid]), cpu_ns(server)
        with open(f"{a.dir}/cycle", "w", encoding="utf-8") as f:
            f.writelines(json.dumps(s, ensure_ascii=False) + "\n" for s in cycle.samples)
        time.sleep(a.interval / 4)      # half way to the next cycle: each call finds the host equally cold
        out["bare"].append(limit.call())
        out["write"].append(limit.write(f"{a.dir}/cycle"))
        os.unlink(f"{a.dir}/cycle.bare")
    return out


def median(values):
    return statistics.median(values)


def count_calls():
    """Procedures called in a cycle, by libvirtd's own log, in a libvirtd that writes one: alone, and with four
    connections."""
    out = []
    with private.Libvirt(log_filters=rpc.FILTERS) as lv:
        domains.many(lv, 4)
        for options in ({}, {"parallel_calls": 4}):
            with agent.Agent(lv.uri_ro, 2, METERS, options={"DEFAULT": options, "virtmeter": LIBVIRT}) as a:
                a.wait_cycles(3)
                counter = rpc.Counter(lv)
                a.wait_cycles(4)
                out.append({name: n / 4 for name, n in counter.take().items()})
    return out


def measure_agent(lv, limit, interval, options, wall, meters=tuple(METERS)):
    with agent.Agent(lv.uri_ro, interval, meters, options={"DEFAULT": {"host": "compute-0", **options}, "virtmeter": LIBVIRT}) as a:
        with Noise(lambda: [a.pid, limit.process.pid, os.getpid(), *lv.pids()]) as noise:
            result = turns(lv, limit, a, CYCLES, wall)
        result["noise"] = noise.share
        result["memory"] = memory([a.pid])
    return result


# ---------------------------------------------------------------- the peers

class Peer:
    """A Debian peer, started with its own configuration in a folder of its own."""

    def __init__(self, lv, interval):
        self.dir, self.helpers = tempfile.mkdtemp(prefix="vm-peer-"), []
        self.uri, self.interval = lv.uri_ro, interval
        with open(f"{self.dir}/log", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir, start_new_session=True)

    def put(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        return f"{self.dir}/{name}"

    def measure(self, lv, cycles):
        """CPU a cycle of the peer and of libvirtd, nanoseconds."""
        self.settle()
        before, server = cpu_ns(tree(self.process.pid)), cpu_ns([lv.libvirtd_pid()])
        with Noise(lambda: [os.getpid(), *tree(self.process.pid), *lv.pids()]) as noise:
            for _ in range(cycles):
                self.cycle()
        if self.process.poll() is not None:
            raise private.Failed(f"{type(self).__name__} ended: {open(f'{self.dir}/log', errors='replace').read()[-500:]}")
        return {"cpu_ns": (cpu_ns(tree(self.process.pid)) - before) / cycles, "noise": noise.share,
                "server_ns": (cpu_ns([lv.libvirtd_pid()]) - server) / cycles, "memory": memory(tree(self.process.pid))}

    def settle(self):
        time.sleep(self.interval * 1.5)

    def cycle(self):
        time.sleep(self.interval)

    def close(self):
        for p in [self.process, *self.helpers]:
            for pid in reversed(tree(p.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Exporter(Peer):
    def command(self):
        self.port = free_port()
        return ["prometheus-libvirt-exporter", f"--web.listen-address=127.0.0.1:{self.port}", f"--libvirt.uri={self.uri}"]

    def settle(self):
        time.sleep(1)
        self.cycle()

    def cycle(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=120) as answer:
            if b"libvirt_domain" not in answer.read():
                raise private.Failed("the exporter exports nothing")
        time.sleep(0.5)


class Collectd(Peer):
    def command(self):
        conf = self.put("collectd.conf", f"""\
Hostname "compute-0"
FQDNLookup false
Interval {self.interval}
BaseDir "{self.dir}"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin network
<Plugin network>
  Server "127.0.0.1" "{free_port()}"
</Plugin>
LoadPlugin virt
<Plugin virt>
  Connection "{self.uri}"
  HostnameFormat uuid
</Plugin>
""")
        return ["collectd", "-f", "-C", conf]


class Ceilometer(Peer):
    """It publishes as it does where it is at home, to a RabbitMQ (one that only this bench sees)."""

    def command(self):
        port = free_port()
        self.broker = rabbit.Rabbit()
        self.broker.__enter__()
        stub = os.path.join(TOP, "tests", "integration", "lib", "openstack.py")
        self.helpers.append(subprocess.Popen(["/usr/bin/python3", stub, str(port)]))
        os.mkdir(f"{self.dir}/lock")
        conf = self.put("ceilometer.conf", f"""\
[DEFAULT]
host = compute-0
transport_url = {self.broker.url("rabbit")}
libvirt_type = qemu
libvirt_uri = {self.uri}
[compute]
instance_discovery_method = libvirt_metadata
[polling]
cfg_file = polling.yaml
[oslo_concurrency]
lock_path = {self.dir}/lock
[service_credentials]
auth_type = password
auth_url = http://127.0.0.1:{port}/v3
username = ceilometer
password = bench
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
interface = internal
""")
        self.put("polling.yaml", f"---\nsources:\n  - name: all\n    interval: {self.interval}\n    meters:\n" +
                 "".join(f"      - {m}\n" for m in OLD_METERS))
        return ["/usr/bin/python3", "/usr/bin/ceilometer-polling", "--polling-namespaces", "compute",
                "--config-file", conf, "--config-dir", self.dir]

    def settle(self):
        time.sleep(8 + self.interval)

    def close(self):
        super().close()
        self.broker.__exit__(None, None, None)


KINDS = {"exporter": Exporter, "collectd": Collectd, "ceilometer": Ceilometer}
NAMES = {"exporter": "prometheus-libvirt-exporter", "collectd": "collectd's virt plugin", "ceilometer": "ceilometer-polling"}


def install(names):
    """Those of the peers that are here, after what is missing was asked of apt."""
    programs = {"exporter": "prometheus-libvirt-exporter", "collectd": "collectd", "ceilometer": "ceilometer-polling"}
    missing = [p for n in names if not shutil.which(programs[n]) for p in PACKAGES[n]]
    if missing and shutil.which("apt-get"):
        policy, ours = "/usr/sbin/policy-rc.d", False
        line = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        if os.geteuid() == 0:
            if not os.path.exists(policy):          # no service shall start by itself
                with open(policy, "w") as f:
                    f.write("#!/bin/sh\nexit 101\n")
                os.chmod(policy, 0o755)
                ours = True
            subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
            if ours:
                os.unlink(policy)
        else:
            print(f"peers are missing; as root: {' '.join(line)}")
    return [n for n in names if shutil.which(programs[n])]


def measure_peer(lv, name, interval, cycles):
    wait_quiet(30)
    peer = KINDS[name](lv, interval)
    favour(peer.process.pid)
    try:
        return peer.measure(lv, cycles)
    finally:
        peer.close()


# ---------------------------------------------------------------- the table

class Table:
    ROW = "{:<52} {:>12} {:>12} {:>8}  {}"

    def __init__(self):
        self.missed = 0
        self.head("on {} domains, medians of {} cycles".format(DOMAINS, CYCLES), "agent", "beside it", "ratio", "target")

    def head(self, what, *columns):
        print("\n" + self.ROW.format(what, *columns))

    def row(self, what, ours, theirs, unit, target=None, ratio=True):
        """target: the most that the ratio (or, without ratio, the value) may be."""
        value = ours / theirs if ratio else ours
        verdict = ""
        if target is not None:
            met = value <= target
            self.missed += not met
            verdict = f"<= {target:.3g}{'' if ratio or not unit else ' ' + unit}  {'met' if met else 'MISSED'}"
        print(self.ROW.format(what, f"{ours:.2f} {unit}", "" if theirs is None else f"{theirs:.2f} {unit}",
                              f"{value:.3f}" if ratio else "", verdict), flush=True)


def show_calls(table, calls):
    for number, (what, counts) in enumerate(zip(("calls a cycle, by libvirtd's log", "the same, parallel_calls = 4"), calls)):
        table.row(what, sum(counts.values()), None, "", (1, 4)[number], ratio=False)
        print("  " + ", ".join(f"{n:g} {name}" for name, n in counts.items()))


def show_agent(table, cpu, wall, four):
    bare = [b["wall_ns"] for b in wall["bare"]]
    table.row("wall of a cycle : bare bulk call", median(wall["wall_ns"]) / 1e6, median(bare) / 1e6, "ms", 1.10)
    if four:
        table.row("the same, parallel_calls = 4", median(four["wall_ns"]) / 1e6,
                  median([b["wall_ns"] for b in four["bare"]]) / 1e6, "ms", 0.75)
    table.row("libvirtd's CPU : for the bare call", median(cpu["server_ns"]) / 1e6,
              median([b["server_ns"] for b in cpu["bare"]]) / 1e6, "ms", 1.05)
    least = [b["cpu_ns"] + w["cpu_ns"] for b, w in zip(cpu["bare"], cpu["write"])]
    table.row("agent's CPU : bare client + bare write", median(cpu["cpu_ns"]) / 1e6, median(least) / 1e6, "ms", 3)
    table.row("libvirt calls a cycle, by the agent's count", max(wall["calls"]), None, "", 1, ratio=False)
    print(f"  {cpu['samples']} samples a cycle, {cpu['write'][-1]['bytes']} bytes; bare call alone "
          f"{median([b['cpu_ns'] for b in cpu['bare']]) / 1e6:.2f} ms of its client's CPU; others used "
          f"{cpu['noise'] * 100:.0f} % and {wall['noise'] * 100:.0f} % of the machine")


def show_peers(table, lv, cpu, same, interval, found):
    """Ceilometer 19 knows fewer meters: beside it stands an agent that polls those (`same`)."""
    targets = {"ceilometer": 1 / 100, "collectd": 1 / 10, "exporter": 1 / 15}
    for name in PEERS:
        if name not in found:
            print(f"  {NAMES[name]}: not installed (Debian package {PACKAGES[name][0]})")
            continue
        peer = measure_peer(lv, name, interval, max(3, CYCLES // 2))
        ours, with_what = (same, f", {len(OLD_METERS)} meters") if name == "ceilometer" else (cpu, "")
        table.row(f"agent's CPU{with_what} : {NAMES[name]}", median(ours["cpu_ns"]) / 1e6, peer["cpu_ns"] / 1e6, "ms",
                  targets[name])
        print(f"  its libvirtd {peer['server_ns'] / 1e6:.1f} ms a cycle; resident {peer['memory']['Rss']:.1f} MB; "
              f"others used {peer['noise'] * 100:.0f} % of the machine")


def show_memory(table, lv, found):
    """Resident, proportional and private dirty memory on many domains: medians of looks all through a cycle."""
    interval = 20
    with agent.Agent(lv.uri_ro, interval, METERS) as a:
        a.wait_cycles(3)
        looks = []
        for _ in range(interval):
            looks.append(memory([a.pid]))
            time.sleep(1)
        ours = {key: median([look[key] for look in looks]) for key in looks[0]}
        most = max(look["Private_Dirty"] for look in looks)
    limit = Limit(lv)
    for _ in range(3):
        count = limit.call()["domains"]
    bare = memory([limit.process.pid])
    limit.close()
    table.head(f"memory with {count} domains", "agent", "beside it", "ratio", "target")
    table.row("resident : bare client", ours["Rss"], bare["Rss"], "MB")
    table.row("resident, over the bare client's", ours["Rss"] - bare["Rss"], None, "MB", 4, ratio=False)
    table.row("private dirty", ours["Private_Dirty"], None, "MB", 4, ratio=False)
    print(f"  at most {most:.2f} MB; the bare client's {bare['Private_Dirty']:.2f} MB")
    table.row("proportional (PSS)", ours["Pss"], None, "MB", 8, ratio=False)
    for name in (n for n in ("exporter", "ceilometer") if n in found):
        peer = measure_peer(lv, name, 2 * interval, 1)["memory"]
        table.row(f"resident : {NAMES[name]}", ours["Rss"], peer["Rss"], "MB", 1)


def main():
    found = install(PEERS)
    favour(os.getpid())
    calls = count_calls()
    with private.Libvirt() as lv:
        domains.many(lv, DOMAINS)
        print(f"{DOMAINS} domains run; machine {'quiet' if wait_quiet() else 'NOT quiet'}, "
              f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        favour(lv.libvirtd_pid())
        limit = Limit(lv)
        first = median([limit.call()["wall_ns"] for _ in range(3)]) / 1e9
        interval = max(2, round(4 * first + 1))
        cpu = measure_agent(lv, limit, interval, {}, wall=False)
        same = measure_agent(lv, limit, interval, {}, wall=False, meters=OLD_METERS)
        wall = measure_agent(lv, limit, interval, {}, wall=True)
        four = measure_agent(lv, limit, interval, {"parallel_calls": 4}, wall=True)
        limit.close()
        table = Table()
        show_calls(table, calls)
        show_agent(table, cpu, wall, four)
        show_peers(table, lv, cpu, same, max(10, 3 * interval), found)
        if MEMORY_DOMAINS:
            more = [domains.Domain(f"many-{i}", metadata=domains.nova(f"vm-{i}"))
                    for i in range(DOMAINS + 1, MEMORY_DOMAINS + 1)]
            domains.Set(lv, more).create()
            show_memory(table, lv, found)
    print(f"\n{table.missed} target{'s' if table.missed != 1 else ''} missed" if table.missed else "\nall targets met")
    return 1 if table.missed else 0


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        sys.exit(main())
    except (private.Missing, private.Failed) as e:
        sys.exit(f"bench: {e}")
