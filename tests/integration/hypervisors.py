#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""vSphere and Hyper-V beside what else an agent has to do with: Nova, which tells of their machines what it knows, and
each other, in one agent; at stand-ins for all of them (lib/cloud.py, lib/vcsim.py, lib/wsman_standin.py)."""
import json
import os
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import cloud
import hyperv_world
import joined
import private
import tap
import tlsca
import vcsim
import wsman_standin as standin

FOLDER = tempfile.TemporaryDirectory(prefix="vm-hypervisors-")
NOVA_IDS = [f"7ab00000-0000-4000-8000-{i:012x}" for i in range(1, 9)]


class Tls:
    def __init__(self):
        authority = tlsca.Authority(FOLDER.name)
        self.ca, self.leaf = authority.cert, authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")


def vmware(server, **more):
    return {"host_ip": "localhost", "host_port": server.port, "host_username": "meter", "ca_file": TLS.ca,
            "host_password": "'" + vcsim.PASSWORD + "'", **more}


def hyperv(server, **more):
    return {"host": "localhost", "port": server.port, "username": "meter", "password": standin.Options.password,
            "auth": "basic", "ca_file": TLS.ca, **more}


class Scene(joined.Watched):
    """With a cycle every two seconds, at hypervisors, and at a cloud where there is one."""

    def __init__(self, inspector, meters, c=None, yaml=None, **more):
        """`more`: sections of the configuration."""
        options = {"DEFAULT": {"hypervisor_inspector": inspector, "debug": "true"}, **more}
        if c:
            options["compute"] = {"instance_discovery_method": "naive"}
            options["service_credentials"] = c.options(timeout=1)
        super().__init__(None, 2, meters, options, yaml)

    def samples(self):
        """Those of the last cycle that was written: {(meter, resource): sample}."""
        samples = self.written()
        last = max((agent.moment(s["timestamp"]) for s in samples), default=0)
        return {(s["name"], s["resource_id"]): s for s in samples if agent.moment(s["timestamp"]) > last - 1}

    def names(self, meter):
        """{instance: display name} of the last cycle."""
        return {i: s["resource_metadata"]["display_name"] for (m, i), s in self.samples().items() if m == meter}

    def until_names(self, meter, wanted):
        try:
            self.until(lambda: self.names(meter) == wanted, f"{wanted}")
        except private.Failed as e:
            raise private.Failed(f"{wanted}: {self.names(meter)}") from e

    def more_cycles(self, count=2):
        before = self.a.cycles()
        self.until(lambda: self.a.cycles() >= before + count, "cycles")


# ---- Nova beside them

def beside_nova(t, s, c, meter, ids, own, what):
    """The first two of three machines are in Nova, as `ids`; `own`: what the hypervisor calls the third."""
    (third, name), = own.items()
    s.until_names(meter, {ids[0]: "web", ids[1]: "db", third: name})
    one = s.samples()[meter, ids[0]]
    meta = one["resource_metadata"]
    t.same((one["project_id"], meta["instance_type"], meta["instance_host"], meta["status"], meta["user_metadata"],
            meta["OS-EXT-AZ:availability_zone"]),
           (cloud.PROJECT, "m1.nano", "compute-0", "active", {"group": "g"}, "nova"), f"{what}: what Nova says is in the samples")
    t.ok(True, f"{what}: a machine that Nova does not know is metered as the hypervisor knows it")
    c.fault("/v2.1/servers", 500)
    s.until(lambda: "HTTP status 500" in s.joined().get("last_error", ""), "the error")
    s.more_cycles()
    t.same(s.names(meter), {ids[0]: "web", ids[1]: "db", third: name}, f"{what}: Nova is away: the last good list serves")
    c.heal()
    c.change(ids[0], name="renamed")
    c.change(ids[1], status="ERROR", **{"OS-EXT-STS__vm_state": "error"})
    s.until_names(meter, {ids[0]: "renamed", third: name})
    t.ok(True, f"{what}: changes are seen, one in error is left out")
    c.change(ids[1], status="ACTIVE", **{"OS-EXT-STS__vm_state": "active"})
    c.add(ids[2], "late")
    s.until_names(meter, {ids[0]: "renamed", ids[1]: "db", ids[2]: "late"})
    t.ok(True, f"{what}: and so is one that Nova tells of later")
    t.none(sorted(set(c.wrong)), f"{what}: Nova is asked as Ceilometer asks")


def vsphere_and_nova(t):
    with vcsim.Server(TLS.leaf, TLS.ca, 3) as s, cloud.Cloud() as c:
        machines = s.machines()
        ids = [m["nvp.vm-uuid"] for m in machines]
        c.add(ids[0], "web", **{"metering.group": "g"})
        c.add(ids[1], "db")
        with Scene("vsphere", ["cpu_util"], c, vmware=vmware(s)) as scene:
            beside_nova(t, scene, c, "cpu_util", ids, {ids[2]: machines[2]["name"]}, "vSphere")
            done = agent.command("list", "instances", "--config-file", scene.a.config, "--format", "json")
            t.same({x["display_name"] for x in map(json.loads, done.stdout.splitlines())}, {"renamed", "db", "late"},
                   "vSphere: list instances has both")
        c.fault("/", 503)
        with Scene("vsphere", ["cpu_util"], c, vmware=vmware(s)) as scene:
            scene.until_names("cpu_util", {m["nvp.vm-uuid"]: m["name"] for m in machines})
            t.ok(scene.joined()["age_s"] is None, "vSphere: Nova is away from the start: all are metered", scene.joined())


def hyperv_and_nova(t):
    world = hyperv_world.World(4)
    guids = [world.guids[f"instance-{i:08x}"].lower() for i in (1, 2, 3, 4)]
    settings = world.data[hyperv_world.V2]["Msvm_VirtualSystemSettingData"]
    ids = NOVA_IDS[:3]
    for one in settings:        # the fourth says who it is, as those do that Nova's driver makes since Kilo
        if one["VirtualSystemIdentifier"].lower() == guids[3]:
            one["Notes"] = [NOVA_IDS[3]]
    with standin.Server(world.data, standin.Options(), TLS.leaf) as s, cloud.Cloud() as c:
        c.add(ids[0], "web", **{"metering.group": "g"})
        c.add(ids[1], "db")
        c.add(NOVA_IDS[7], "elsewhere")     # instance-00000003: not the third one
        c.change(NOVA_IDS[7], **{"OS-EXT-SRV-ATTR__instance_name": "instance-0000cafe"})
        with Scene("hyperv", ["cpu"], c, hyperv=hyperv(s)) as scene:
            scene.until_names("cpu", {ids[0]: "web", ids[1]: "db", guids[2]: "instance-00000003",
                                      NOVA_IDS[3]: "instance-00000004"})
            t.ok(True, "Hyper-V: an id that stands in the notes is the instance's before Nova tells of it")
            got = {i: x["volume"] for (_, i), x in scene.samples().items()}
            order = [ids[0], ids[1], guids[2], NOVA_IDS[3]]
            t.same([got[i] for i in order], [1000 * world.expected[f"instance-{n:08x}"]["cpu_time"] for n in (1, 2, 3, 4)],
                   "Hyper-V: each has its own values, whatever its id")
            c.fault("/v2.1/servers", 500)
            scene.until(lambda: "HTTP status 500" in scene.joined().get("last_error", ""), "the error")
            scene.more_cycles()
            t.same(set(scene.names("cpu")), set(order), "Hyper-V: Nova is away: the last good list serves")
            c.heal()
            c.add(ids[2], "late")
            c.change(ids[2], **{"OS-EXT-SRV-ATTR__instance_name": "instance-00000003"})
            c.change(ids[0], status="ERROR", **{"OS-EXT-STS__vm_state": "error"})
            c.add(NOVA_IDS[3], "noted")
            c.change(NOVA_IDS[3], **{"OS-EXT-SRV-ATTR__instance_name": "instance-00000004"})
            scene.until_names("cpu", {ids[1]: "db", ids[2]: "late", NOVA_IDS[3]: "noted"})
            t.ok(True, "Hyper-V: what Nova tells of later is seen, and one in error is left out")
        yaml = "sources: [{name: a, interval: 2, meters: [cpu], discovery: ['nova://']}]\n"
        with Scene("hyperv", ["cpu"], c, yaml, hyperv=hyperv(s)) as scene:
            scene.until_names("cpu", {ids[1]: "db", ids[2]: "late", NOVA_IDS[3]: "noted"})
            t.ok(True, "Hyper-V: a source with nova:// has Nova's list, and its values")
    for one in settings:
        one["Notes"] = [NOVA_IDS[3]]
    with standin.Server(world.data, standin.Options(), TLS.leaf) as s, Scene("hyperv", ["cpu"], hyperv=hyperv(s)) as scene:
        scene.until_names("cpu", {g: f"instance-{i + 1:08x}" for i, g in enumerate(guids)})
        t.ok(True, "Hyper-V: notes that several machines have are nobody's id")


# ---- several in one agent

class Silent:
    """A server that takes connections and never says a word."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()


class Several(Scene):
    def __init__(self, east, west, hv, dead):
        common = {k: v for k, v in vmware(east).items() if k != "host_port"}
        super().__init__("vsphere:east, vsphere:west, hyperv, vsphere:Dead",
                         ["cpu", "cpu_util", "power.state", "vm.host.lateness"], hyperv=hyperv(hv),
                         vmware=common, **{"vmware:east": {"host_port": east.port}, "vmware:west": {"host_port": west.port},
                                           "vmware:dead": {"host_port": dead.port}})

    def of(self, part):
        """{endpoint: entry} of a part of the status."""
        return {x["endpoint"]: x for x in (self.a.document() or {}).get(part, [])}

    def ok(self):
        return {e: x["instances"]["ok"] for e, x in self.of("inspectors").items()}

    def cycles_of(self, endpoint):
        return self.of("tasks").get(endpoint, {}).get("cycles", 0)

    def until_cycles(self, count, *endpoints):
        before = {e: self.cycles_of(e) for e in endpoints}
        self.until(lambda: all(self.cycles_of(e) >= n + count for e, n in before.items()), f"cycles of {endpoints}")


def several(t):
    world = hyperv_world.World(2)
    with (vcsim.Server(TLS.leaf, TLS.ca, 3) as east, vcsim.Server(TLS.leaf, TLS.ca, 2) as west, Silent() as dead,
          standin.Server(world.data, standin.Options(), TLS.leaf) as hv, Several(east, west, hv, dead) as s):
        live = ("vsphere:east", "vsphere:west", "hyperv")
        s.until(lambda: s.ok() == {"vsphere:east": 3, "vsphere:west": 2, "hyperv": 2, "vsphere:Dead": 0},
                "all that answer, while one is silent")
        s.until_cycles(3, *live)
        found = s.samples()
        ids = {m["nvp.vm-uuid"] for x in (east, west) for m in x.machines()}
        t.same((len({r for m, r in found if m == "power.state"} & ids), len(ids)), (len(ids), len(ids)),
               "two vCenters, told apart by their sections")
        t.same({r for m, r in found if m == "cpu"}, {g.lower() for g in world.guids.values()}, "and a Hyper-V host beside them")
        t.same({r for m, r in found if m == "vm.host.lateness"}, {"compute-0", "compute-0/vsphere:west", "compute-0/hyperv"},
               "the polling of each has meters of its own")
        s.until(lambda: "vsphere" in s.of("discoveries").get("vsphere:Dead", {}).get("last_error", ""), "why one is silent")
        t.same([bool(x["last_error"]) for e, x in s.of("discoveries").items() if e != "vsphere:Dead"], [False, False],
               "status has each one's discovery; only the silent one's failed")
        checked = agent.command("status", "--check", "--socket", s.a.socket)
        t.ok(checked.returncode == 1 and "discoveries: last_error" in checked.stderr, "status --check says so", checked.stderr)
        west.fail(method="RetrievePropertiesEx", delay=60000, count=999)
        s.until(lambda: s.of("tasks")["vsphere:west"]["last_error"] or s.of("discoveries")["vsphere:west"]["last_error"],
                "another one hangs")
        s.until_cycles(3, "vsphere:east", "hyperv")
        t.same({e: n for e, n in s.ok().items() if e in ("vsphere:east", "hyperv")}, {"vsphere:east": 3, "hyperv": 2},
               "another one hangs: the others go on")
        before = s.cycles_of("vsphere:east")
        s.a.conf["DEFAULT"]["hypervisor_inspector"] = "vsphere:east, hyperv, vsphere:north"
        s.a.conf["vmware:north"] = {"host_port": east.port}
        s.a.write()
        t.ok(s.a.reload().returncode == 0, "reload: others are named")
        s.until(lambda: s.ok() == {"vsphere:east": 3, "hyperv": 2, "vsphere:north": 3}, "the new ones")
        t.ok(s.cycles_of("vsphere:east") >= before, "who is named before and after goes on")
        t.ok(s.a.stop() == 0, "the agent ends without waiting for who is silent")


def commands(t):
    """Commands that look once."""
    world = hyperv_world.World(2)
    with vcsim.Server(TLS.leaf, TLS.ca, 3) as east, standin.Server(world.data, standin.Options(), TLS.leaf) as hv:
        options = {"DEFAULT": {"hypervisor_inspector": "vsphere:east, hyperv"}, "hyperv": hyperv(hv),
                   "vmware:east": vmware(east)}
        with agent.Agent(None, 2, options=options, start=False) as a:
            done = agent.command("poll", "--config-file", a.config, "--format", "json", "--meter", "power.state")
            t.same((done.returncode, len(done.stdout.splitlines())), (0, 5), "poll has all endpoints")
            done = agent.command("poll", "--config-file", a.config, "--format", "json", "--meter", "power.state",
                                 "--inspector", "vsphere:east")
            t.same((done.returncode, len(done.stdout.splitlines())), (0, 3), "or the one that is named")
            done = agent.command("list", "instances", "--config-file", a.config, "--format", "json")
            t.same((done.returncode, len(done.stdout.splitlines())), (0, 5), "list instances has all, too")
            done = agent.command("check", "--config-file", a.config)
            t.ok(done.returncode == 0, "check finds nothing wrong", done.stdout + done.stderr)
            a.put("polling.yaml", "sources:\n- {name: a, interval: 60, meters: [power.state], discovery: ['vsphere:east']}\n"
                                  "- {name: b, interval: 60, meters: [cpu], discovery: [hyperv]}\n"
                                  "- {name: c, interval: 60, meters: [vcpus], discovery: [local_instances]}\n")
            a.put("pipeline.yaml", "sources: [{name: a, meters: ['*'], sinks: [b]}]\n"
                                   f"sinks: [{{name: b, publishers: ['file://{a.file}?json']}}]\n")
            done = agent.command("agent", "--config-file", a.config, "--cycles", "1")
            with open(a.file, encoding="utf-8") as f:
                got = {(s["name"], s["resource_id"]) for s in map(json.loads, f)}
            guids = {g.lower() for g in world.guids.values()}
            t.same(got, {("power.state", m["nvp.vm-uuid"]) for m in east.machines()} | {("cpu", g) for g in guids} |
                   {("vcpus", g) for g in guids}, "a source may name one of them; local_instances are everybody's")
            a.conf["vmware:east"]["host_port"] = "0"
            a.conf["vmware:west"] = {"host_port": "1"}
            a.write()
            done = agent.command("check", "--config-file", a.config)
            t.ok(done.returncode == 1 and "host_port: '0' will not do" in done.stdout and "[vmware:west] host_port: hypervisor_inspector names no INSPECTOR:west, ignored" in done.stdout,
                 "check: a value that will not do, and a section of nobody", done.stdout)
            a.conf["vmware:east"]["host_port"] = east.port
            for bad, words in (("vsphere:east, vsphere:EAST", "names vsphere:EAST twice"), ("vsphere:", "write INSPECTOR"),
                               ("libvirt, kvm", "there is no 'kvm'")):
                a.conf["DEFAULT"]["hypervisor_inspector"] = bad
                a.write()
                done = agent.command("check", "--config-file", a.config)
                t.ok(done.returncode == 1 and words in done.stdout, f"check: {bad}: {words}", done.stdout)
                done = agent.command("agent", "--config-file", a.config, "--cycles", "1", timeout=30)
                t.ok(done.returncode == 1 and words in done.stderr, f"and the agent does not start: {words}", done.stderr)


def refused(t):
    """What the agent does not start with, check tells, with its place, and connects to nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener, agent.Agent(None, 2, options={}, start=False) as a:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        hv = {"host": "127.0.0.1", "port": port, "username": "meter", "password": "x"}
        esx = {"host_ip": "127.0.0.1", "host_port": port, "host_username": "meter", "host_password": "x"}

        def one(inspector, group, options, option, words):
            a.conf = {**base, "DEFAULT": {**base["DEFAULT"], "hypervisor_inspector": inspector}, group: options}
            a.write()
            with open(a.config, encoding="utf-8") as f:
                line = next(n for n, text in enumerate(f, 1) if text.startswith((option + " ", option + "=")))
            done = agent.command("check", "--config-file", a.config)
            told = [x for x in done.stdout.splitlines() if words in x]
            t.ok(done.returncode == 1 and len(told) == 1 and told[0].startswith(f"{a.config}:{line}:") and "errors: 1, " in done.stdout,
                 f"check: {inspector}: {words}", done.stdout + done.stderr)
            done = agent.command("agent", "--config-file", a.config, "--cycles", "1", timeout=30)
            t.ok(done.returncode == 1 and words.split(": ", 1)[-1] in done.stderr, f"and the agent does not start: {words}", done.stderr)

        base = {k: dict(v) for k, v in a.conf.items()}
        for case in (("hyperv", "hyperv", {k: v for k, v in hv.items() if k != "host"}, "hypervisor_inspector", "[hyperv] host: give the name"),
                     ("vsphere", "vmware", {k: v for k, v in esx.items() if k != "host_username"}, "hypervisor_inspector",
                      "[vmware] host_username: give an account"),
                     ("vsphere:east", "vmware:east", {k: v for k, v in esx.items() if k != "host_username"}, "hypervisor_inspector",
                      "vsphere:east: [vmware] host_username: give an account"),
                     ("hyperv", "hyperv", {**hv, "ca_file": "/nonexistent"}, "ca_file", "[hyperv] ca_file: /nonexistent: No such file"),
                     ("vsphere", "vmware", {**esx, "ca_file": "/nonexistent"}, "ca_file", "[vmware] ca_file: /nonexistent: No such file"),
                     ("hyperv", "hyperv", {**hv, "auth": "basic", "use_ssl": "false"}, "auth", "tells everybody the password")):
            one(*case)
        for inspector, group, options in (("hyperv", "hyperv", hv), ("vsphere", "vmware", esx)):
            a.conf = {**base, "DEFAULT": {**base["DEFAULT"], "hypervisor_inspector": inspector}, group: options}
            a.write()
            done = agent.command("check", "--config-file", a.config)
            t.ok(done.returncode == 0, f"check: {inspector} is right", done.stdout + done.stderr)
        try:
            listener.accept()
            t.ok(False, "check and what does not start connect to nobody")
        except BlockingIOError:
            t.ok(True, "check and what does not start connect to nobody")


def missing(t):
    """What a command names and is not there."""
    def said(what, status, words, *args):
        done = agent.command(*args, env=dict(os.environ, KRB5CCNAME="MEMORY:none", KRB5_CLIENT_KTNAME="/nonexistent"))
        t.ok(done.returncode == status and words in done.stderr and len(done.stderr.splitlines()) == 1, what, done.stderr)

    nobody = f"{FOLDER.name}/nobody.sock"
    said("poll: an instance", 1, "virtmeter poll: no instance here is called 'nosuch'", "poll", "--demo", "--meter", "cpu",
         "--instance", "nosuch")
    said("poll: an option of a URI", 2, "--uri: vsphere://meter@127.0.0.1?nope=1: 'nope' is no option of [vmware]", "poll", "--uri",
         "vsphere://meter@127.0.0.1?nope=1")
    said("poll: an account and a ticket", 1, "no username and password are given, and there is no ticket (kinit): ", "poll",
         "--uri", "hyperv://127.0.0.1:1")
    said("poll: a password and a ticket", 1, "no password is given, and there is no ticket of the user's (kinit): ", "poll",
         "--uri", "hyperv://meter@127.0.0.1:1")
    said("status: an agent", 1, f"virtmeter status: no agent answers at {nobody}; is it running?", "status", "--socket", nobody)
    said("reload: a collector", 1, f"virtmeter reload: no collector answers at {nobody}; is it running?", "reload", "--collector",
         "--socket", nobody)
    said("status: a form", 2, "virtmeter status: --format: 'csv' will not do; write table or json", "status", "--format", "csv")


if __name__ == "__main__":
    with tap.Suite("hypervisors") as suite:
        TLS = Tls()
        suite.beside(lambda: vsphere_and_nova(suite), lambda: hyperv_and_nova(suite),
                     lambda: (refused(suite), missing(suite), commands(suite), several(suite)))
