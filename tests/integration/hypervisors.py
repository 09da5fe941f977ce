#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""vSphere and Hyper-V beside what else an agent has to do with: Nova, which tells of their machines what it knows, at
stand-ins for all of them (lib/cloud.py, lib/vcsim.py, lib/wsman_standin.py)."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import cloud
import hyperv_world
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


class Scene:
    """An agent with a cycle every two seconds that asks hypervisors, and a cloud where there is one."""

    def __init__(self, inspector, meters, c=None, yaml=None, **more):
        """`yaml`: the text of polling.yaml.  `more`: sections of the configuration."""
        options = {"DEFAULT": {"hypervisor_inspector": inspector, "debug": "true"}, **more}
        if c:
            options["compute"] = {"instance_discovery_method": "naive"}
            options["service_credentials"] = c.options(timeout=1)
        self.a = agent.Agent(None, 2, meters, options=options, start=False)
        if yaml:
            self.a.put("polling.yaml", yaml)
        self.a.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("# " + "\n# ".join(x[:300] for x in self.a.log().splitlines() if " DEBUG " not in x))
        self.a.close()

    def samples(self):
        """Those of the last cycle that was written: {(meter, resource): sample}."""
        if not os.path.exists(self.a.file):
            return {}
        with open(self.a.file, encoding="utf-8") as f:
            lines = [json.loads(x) for x in f.read().rpartition("\n")[0].splitlines()]
        last = max((agent.moment(s["timestamp"]) for s in lines), default=0)
        return {(s["name"], s["resource_id"]): s for s in lines if agent.moment(s["timestamp"]) > last - 1}

    def names(self, meter):
        """{instance: display name} of the last cycle."""
        return {i: s["resource_metadata"]["display_name"] for (m, i), s in self.samples().items() if m == meter}

    def joined(self):
        return (self.a.document() or {}).get("discovery", {}).get("joined", {})

    def until(self, good, what, seconds=60):
        return self.a.wait(lambda: good() or None, seconds, what)

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


if __name__ == "__main__":
    with tap.Suite("hypervisors") as suite:
        TLS = Tls()
        suite.beside(lambda: vsphere_and_nova(suite), lambda: hyperv_and_nova(suite))
