#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: each gets a reason in one line that says what to do, and the exit status of the manual; while the
agent runs, the rest goes on."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import domains
import private
import tap

INTERVAL = 1
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
PANIC = re.compile(r"AddressSanitizer|runtime error|assert|Segmentation|core dumped|critical \*\*", re.I)


def refused(t, what, done, status, *patterns):
    """One line on stderr beside warnings, all the patterns in it, the exit status."""
    lines = [x for x in done.stderr.splitlines() if x.strip() and " WARNING " not in x]
    good = (done.returncode == status and len(lines) == 1 and not PANIC.search(done.stderr)
            and all(re.search(p, lines[0], re.I) for p in patterns))
    t.ok(good, what, f"status {done.returncode}, should be {status}; wanted {patterns}\n{done.stderr}")


def configured(uri, options=None, files=None, run=("agent", "--cycles", 1), **more):
    """One run with a configuration of its own, to its end."""
    with agent.Agent(uri, INTERVAL, options=options, start=False, **more) as a:
        for name, text in (files or {}).items():
            a.put(name, text)
        args = [run[0], "--config-file", a.config, *run[1:]]
        return agent.command(*args), a.config


# ---------------------------------------------------------------- what ends at once

def command_line(t):
    for args in (["agent", "--nonsense"], ["poll", "--format", "xml"], ["nonsense"], ["agent", "--cycles", "many"], []):
        done = agent.command(*args)
        t.ok(done.returncode == 2 and 0 < len(done.stderr.splitlines()) <= 3 and not PANIC.search(done.stderr),
             f"wrong usage: virtmeter {' '.join(args)}", f"status {done.returncode}\n{done.stderr}")


def one_shot(t):
    """What libvirt and the libraries below it have to say of a URI comes in one line, and a command that ends does not
    speak of its next try."""
    for uri, *patterns in (("http://x", "libvirt_uri is not one that this libvirt knows"),
                           ("qemu+tls://localhost/system", "certificate", "pkipath"),
                           ("test:////nonexistent.xml", "nonexistent.xml", "must be there"),
                           ("esx://host.invalid", "host.invalid"),
                           ("qemu+unix:///system?socket=/nonexistent/sock", "running here")):
        for command in (["poll", "--uri", uri], ["list", "instances", "--config-file"]):
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
                conf.write(f"[DEFAULT]\nlibvirt_uri = {uri}\n")
                conf.flush()
                done = agent.command(*command, *([conf.name] if command[0] == "list" else []))
            said = len(done.stderr.splitlines())
            refused(t, f"{command[0]}: {uri}", done, 1, *patterns, "^(?!.*next try)")
            t.same(said, 1, f"{command[0]}: {uri}: nothing else on stderr")


def hypervisor(t, lv):
    refused(t, "poll: a URI that is none", agent.command("poll", "--uri", "not a uri"), 1, "not a uri")
    refused(t, "poll: a driver that there is not", agent.command("poll", "--uri", "nosuch:///system"), 1, "nosuch")
    refused(t, "poll: libvirtd is absent", agent.command("poll", "--uri", "qemu+unix:///system?socket=/nonexistent/sock"),
            1, "/nonexistent/sock", "libvirtd|running|start")
    one_shot(t)
    if os.geteuid() == 0:
        done = agent.command("poll", "--uri", lv.uri, preexec_fn=lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)))
        refused(t, "poll: permission denied", done, 1, "denied", "libvirt-sock")
    else:
        t.skip("poll: permission denied", "needs root to become another user")


def configuration(t, lv):
    place = r"virtmeter\.conf:\d+:\d+: "
    done, _ = configured(lv.uri_ro, {"DEFAULT": {"hypervisor_inspector": "nosuch"}})
    refused(t, "an unknown inspector, with those that there are", done, 1, place, "nosuch", "libvirt", "simulated")
    done, _ = configured(lv.uri_ro, {"DEFAULT": {"hypervisor_inspector": "xenapi"}})
    refused(t, "xenapi, with what to use instead", done, 1, "xenapi", "libvirt")
    refused(t, "poll: xenapi, with what to use instead", agent.command("poll", "--inspector", "xenapi"), 1, "xenapi",
            "libvirt_type = xen")
    refused(t, "poll: an unknown inspector, with those that there are", agent.command("poll", "--inspector", "libvrt"), 1,
            "simulated", "did you mean libvirt")
    done, _ = configured(lv.uri_ro, {"DEFAULT": {"graceful_shutdown_timeout": "soon"}})
    refused(t, "a number that is none", done, 1, place, "soon")
    done, _ = configured(lv.uri_ro, {"DEFAULT": {"meter_profile": "27"}})
    refused(t, "an unknown profile", done, 1, place, "27", "26")
    done, _ = configured(lv.uri_ro, files={"virtmeter.conf": "[DEFAULT\nhost = x\n"})
    refused(t, "grammar of virtmeter.conf", done, 1, r"virtmeter\.conf:1:\d+: ")
    done, _ = configured(lv.uri_ro, files={"polling.yaml": "sources:\n  - name: x\n   interval: 5\n"})
    refused(t, "grammar of polling.yaml", done, 1, r"polling\.yaml:\d+:\d+: ")
    done, _ = configured(lv.uri_ro, files={"polling.yaml": "sources:\n  - name: x\n    interval: -5\n    meters: [cpu]\n"})
    refused(t, "an interval below zero", done, 1, r"polling\.yaml:3:\d+: ")
    done, _ = configured(lv.uri_ro, publishers=("nosuch://x",))
    refused(t, "a sink left without a publisher", done, 1, "nosuch")
    done = agent.command("agent", "--config-file", "/nonexistent/virtmeter.conf")
    refused(t, "a configuration that is not there", done, 1, "/nonexistent/virtmeter.conf")
    done, _ = configured(lv.uri_ro, run=("agent", "--log-file", "/nonexistent/l", "--cycles", 1))
    refused(t, "a log file that cannot be made", done, 1, "/nonexistent/l", "make its folder")
    refused(t, "a store that is not there", agent.command("samples", "--store", "sqlite:///nonexistent/x.db"), 1, "/nonexistent/x.db")

    done, _ = configured(lv.uri_ro, {"DEFAULT": {"libvirt_urj": "x"}}, run=("check",))
    t.ok("libvirt_urj" in done.stderr + done.stdout and "libvirt_uri" in done.stderr + done.stdout,
         "check: an unknown key, with the nearest known one", done.stdout + done.stderr)
    done, _ = configured(lv.uri_ro, publishers=("nosuch://x", "null://"), run=("check",))
    t.ok(done.returncode == 1 and "nosuch" in done.stderr + done.stdout, "check: an unknown publisher beside another",
         f"{done.returncode} {done.stdout}{done.stderr}")
    done, _ = configured(lv.uri_ro, run=("check",))
    t.ok(done.returncode == 0, "check: nothing to say about a good one", done.stdout + done.stderr)


# ---------------------------------------------------------------- what does not stop the agent

def goes_on(t, what, a, *patterns, cycles=2):
    """It samples, and its log has the patterns."""
    got = a.wait_cycles(cycles)
    missing = [p for p in patterns if not re.search(p, a.log(), re.I)]
    t.ok(got[-1].samples and not missing and not PANIC.search(a.log()), what, f"not in its log: {missing}\n{a.log()[-2000:]}")


def while_running(t, lv):
    with agent.Agent(lv.uri_ro, INTERVAL, publishers=("nosuch://x", "file://{dir}/samples.json?json")) as a:
        goes_on(t, "an unknown publisher beside another: a warning, the other works", a, "nosuch")
        states = {p["url"].split(":")[0]: p["state"] for p in a.status()["publishers"]}
        t.same(states, {"nosuch": "failed", "file": "ok"}, "and status shows it failed")
    with agent.Agent(lv.uri_ro, INTERVAL, meters=["cpu", "nosuch.meter"]) as a:
        goes_on(t, "a pattern that no meter matches: a warning", a, r"nosuch\.meter")
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"libvirt_urj": "x"}}) as a:
        goes_on(t, "an unknown key: a warning with the nearest known one", a, "libvirt_urj", "libvirt_uri")
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"plugin_dir": "{dir}"}}, start=False) as a:
        os.mkdir(f"{a.dir}/plugins")
        a.conf["DEFAULT"]["plugin_dir"] = f"{a.dir}/plugins"
        a.write()
        a.put("plugins/broken.so", "this is not a shared object")
        a.start()
        goes_on(t, "a plugin that is none: named and passed over", a, r"broken\.so")
    with agent.Agent(lv.uri_ro, INTERVAL, options={"DEFAULT": {"plugin_dir": "/nonexistent/plugins"}}) as a:
        goes_on(t, "a plugin folder that is not there: a warning that names it", a,
                r"virtmeter\.conf:\d+:\d+: plugin_dir: /nonexistent/plugins: there is no such folder.*make it or name another")


def unwritable(t, lv):
    if os.geteuid() != 0:
        t.skip("output that cannot be written", "needs root for a file system of its own")
        return
    with agent.Agent(lv.uri_ro, INTERVAL, publishers=("file:///etc/x.json?json", "null://"), wrap=NOBODY) as a:
        a.wait(lambda: "/etc/x.json" in a.log(), 60, "the trouble is told")
        line = next(x for x in a.log().splitlines() if "/etc/x.json" in x)
        t.ok("folder /etc: user 65534 may not create files there (Permission denied)" in line
             and "make the folder writable for this user" in line, "a file in a folder of somebody else's", line)
    with agent.Agent(lv.uri_ro, INTERVAL, publishers=(
            "file:///proc/nonexistent/samples.json?json", "file://{dir}/samples.json?json")) as a:
        goes_on(t, "a file that cannot be made: the other publisher works", a, "/proc/nonexistent", cycles=4)
        told = len(re.findall("/proc/nonexistent/samples", a.log()))
        t.ok(told <= 4, "the trouble is told, but not every time", f"{told} times:\n{a.log()[-2000:]}")
        ledger(t, a, "its ledger adds up")
        t.ok(agent.command("status", "--socket", a.socket, "--check").returncode == 1, "and status --check sees it")


def on_tmpfs(options, a_dir):
    """Words before the agent's: a file system of its own over its folder `out`."""
    script = f"mount -t tmpfs -o {options} tmpfs {a_dir}/out && exec \"$@\""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


def disk_full(t, lv):
    if os.geteuid() != 0:
        t.skip("a full disk", "needs root for a file system of its own")
        return
    for scheme, url in (("file", "file://{dir}/out/samples.json?json"), ("sqlite", "sqlite://{dir}/out/samples.db")):
        with agent.Agent(lv.uri_ro, INTERVAL, publishers=(url, "file://{dir}/samples.json?json"), start=False) as a:
            os.mkdir(f"{a.dir}/out")
            a.wrap = on_tmpfs("size=32m", a.dir)
            a.start()
            goes_on(t, f"{scheme}: at first there is room", a, cycles=1)
            inside = f"/proc/{a.pid}/root{a.dir}/out"
            with open(f"{inside}/ballast", "wb", buffering=0) as f:
                try:
                    while f.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            goes_on(t, f"{scheme}: the disk is full: the other publisher works", a, "make room", cycles=6)
            ledger(t, a, f"{scheme}: the ledger adds up")
            os.unlink(f"{inside}/ballast")
            confirmed = publisher(a, "/out/")["confirmed"]
            a.wait(lambda: publisher(a, "/out/")["confirmed"] > confirmed, 60, "room again")
            t.ok(publisher(a, "/out/")["state"] == "ok", f"{scheme}: there is room again: it goes on by itself",
                 str(publisher(a, "/out/")))
            ledger(t, a, f"{scheme}: and the ledger adds up")
            if scheme == "file":
                whole(t, f"{inside}/samples.json")
            else:
                t.same(agent.sound(f"{a.dir}/out/samples.db", a.pid), "ok", "sqlite: the store is sound")
            t.same(a.stop(), 0, f"{scheme}: it ends in an orderly way")


def whole(t, path):
    bad = []
    with open(path, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            try:
                agent.json.loads(line)
            except ValueError:
                bad.append(f"line {number}: {line[:80]!r}")
    t.none(bad, "file: no record was cut in two")


def publisher(a, part):
    return next(p for p in a.status()["publishers"] if part in p["url"])


def ledger(t, a, what):
    doc = a.status()
    t.none([str(p) for p in doc["publishers"]
            if p["produced"] != p["confirmed"] + p["queued"] + sum(p["dropped"].values())], what)


def read_only(t, lv):
    if os.geteuid() != 0:
        t.skip("a read-only disk", "needs root for a file system of its own")
        return
    for scheme, url in (("file", "file://{dir}/out/samples.json?json"), ("sqlite", "sqlite://{dir}/out/samples.db")):
        with agent.Agent(lv.uri_ro, INTERVAL, publishers=(url, "file://{dir}/samples.json?json"), start=False) as a:
            os.mkdir(f"{a.dir}/out")
            a.wrap = on_tmpfs("ro", a.dir)
            a.start()
            goes_on(t, f"{scheme} on a read-only disk: the other publisher works", a, "read-?only", cycles=3)
            ledger(t, a, f"{scheme} on a read-only disk: the ledger adds up")


def metadata(t, lv, made):
    """Malformed metadata is told once per domain, not once per cycle."""
    with agent.Agent(lv.uri_ro, INTERVAL) as a:
        cycles = a.wait_cycles(5)
        fine = {s["resource_id"] for s in cycles[-1].samples if s["name"] == "cpu"}
        t.ok(made["plain"].uuid in fine, "beside malformed metadata the others are metered")
        bad = []
        for key in ("no-owner", "no-flavor-name", "bad-numbers"):
            lines = [x for x in a.log().splitlines() if made[key].uuid in x or f"instance-{key}" in x]
            if len(lines) > 2:
                bad += [f"{key}: {len(lines)} lines", *lines[:3]]
        t.none(bad, "what is malformed is told once, not every cycle")
        t.ok(not PANIC.search(a.log()), "and nothing breaks", a.log()[-1000:])


def main(t):
    with private.Libvirt() as lv:
        every = {d.key: d for d in domains.suite()}
        made = domains.Set(lv, [every[k] for k in ("plain", "busy", "no-owner", "no-flavor-name", "bad-numbers", "deep")]).create()
        command_line(t)
        hypervisor(t, lv)
        configuration(t, lv)
        while_running(t, lv)
        unwritable(t, lv)
        disk_full(t, lv)
        read_only(t, lv)
        metadata(t, lv, made)


if __name__ == "__main__":
    with tap.Suite("errors") as suite:
        main(suite)
