#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one stuck VM costs the others: virtmeter, collectd and prometheus-libvirt-exporter side by side, polling one
private libvirtd every 5 s while one QEMU is stopped.  Counts the readings that the other VMs got.

Usage: bench/stuck.py [DOMAINS [SECONDS]]     50 for 100 s; the program is $VIRTMETER
"""
import collections
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/integration/lib"))
import agent
import domains
import private

INTERVAL, PORT = 5, 19177

COLLECTD = """Hostname "host"
FQDNLookup false
BaseDir "{0}"
PIDFile "{0}/pid"
Interval {1}
LoadPlugin csv
LoadPlugin virt
<Plugin csv>
  DataDir "{0}/csv"
</Plugin>
<Plugin virt>
  Connection "{2}"
  RefreshInterval 60
  HostnameFormat name
</Plugin>
"""


class Collectd:
    name = "collectd (virt)"

    def __init__(self, uri):
        self.dir = tempfile.mkdtemp(prefix="vm-collectd-")
        with open(f"{self.dir}/conf", "w", encoding="utf-8") as f:
            f.write(COLLECTD.format(self.dir, INTERVAL, uri))
        self.process = subprocess.Popen(["collectd", "-f", "-C", f"{self.dir}/conf"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def readings(self, begin, end):
        out = collections.defaultdict(list)
        for path in glob.glob(f"{self.dir}/csv/*/virt*/virt_cpu_total-*"):
            with open(path, encoding="utf-8") as f:
                times = [float(line.split(",")[0]) for line in f if line[0].isdigit()]
            out[path[len(self.dir):].split("/")[2]] += [t for t in times if begin <= t <= end]
        return out

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Exporter:
    """Scraped as Prometheus does it: one scrape at a time, ten seconds of patience."""
    name = "prometheus-libvirt-exporter"

    def __init__(self, uri):
        self.process = subprocess.Popen(["prometheus-libvirt-exporter", f"--libvirt.uri={uri}",
                                         f"--web.listen-address=127.0.0.1:{PORT}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.seen, self.over = collections.defaultdict(list), threading.Event()
        self.thread = threading.Thread(target=self.scrape)
        self.thread.start()

    def scrape(self):
        while not self.over.wait(INTERVAL):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10) as r:
                    text = r.read().decode()
            except OSError:
                continue
            for name in re.findall(r'libvirt_domain_info_cpu_time_seconds_total\{domain="([^"]+)"', text):
                self.seen[name].append(time.time())

    def readings(self, begin, end):
        return {n: [t for t in times if begin <= t <= end] for n, times in self.seen.items()}

    def close(self):
        self.over.set()
        self.process.kill()
        self.process.wait()
        self.thread.join()


class Virtmeter:
    name = "virtmeter"

    def __init__(self, uri, names):
        self.agent, self.names = agent.Agent(uri, interval=INTERVAL, meters=("*", "vm.*")), names

    def readings(self, begin, end):
        out = collections.defaultdict(list)
        with open(self.agent.file, encoding="utf-8") as f:
            for s in map(json.loads, f):
                when = agent.moment(s["timestamp"])
                if s["name"] == "disk.device.read.bytes" and begin <= when <= end:
                    out[self.names[s["resource_id"][:36]]].append(when)
        return out

    def close(self):
        self.agent.close()


def row(peer, names, begin, end):
    got = peer.readings(begin, end)
    counts = [len(got.get(n, [])) for n in names]
    gaps = [max(b - a for a, b in zip([begin, *sorted(got.get(n, []))], [*sorted(got.get(n, [])), end])) for n in names]
    return f"| {peer.name} | {min(counts)} - {max(counts)} | {int((end - begin) // INTERVAL)} | {max(gaps):.0f} s |"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    for program, package in (("collectd", "collectd-core"),
                             ("prometheus-libvirt-exporter", "prometheus-libvirt-exporter")):
        if not shutil.which(program):
            sys.exit(f"bench/stuck.py: {program} is missing (Debian package {package})")
    random.seed(1)
    with private.Libvirt() as lv:
        made = domains.many(lv, count).domains
        names = {d.uuid: f"instance-{d.key}" for d in made}
        peers = [Virtmeter(lv.uri_ro, names), Collectd(lv.uri_ro), Exporter(lv.uri_ro)]
        try:
            time.sleep(30)
            sick = random.choice(lv.qemu_pids())
            with open(f"/proc/{sick}/cmdline", encoding="utf-8") as f:
                words = f.read()
            others = [n for n in names.values() if f"guest={n}," not in words]
            os.kill(sick, signal.SIGSTOP)
            begin = time.time()
            time.sleep(seconds)
            rows = [row(p, others, begin, begin + seconds) for p in peers]
            os.kill(sick, signal.SIGCONT)
        finally:
            for peer in peers:
                peer.close()
    print(f"One of {count} QEMUs stopped for {seconds} s, polled every {INTERVAL} s; readings of the {len(others)} others:\n")
    print("| | readings a VM | possible | longest gap |\n|---|---|---|---|")
    print("\n".join(rows))


main()
