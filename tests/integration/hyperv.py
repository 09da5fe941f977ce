#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Discovery and inspector of Hyper-V against the stand-in for WinRM (lib/wsman_standin.py): every value is the one that
Ceilometer's and os-win's own code computed from the same instances, whatever dialect the server speaks and however it
cuts its pages; a fixed number of questions; what goes wrong costs no more than it has to."""
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import hyperv_world
import private
import tap
import tlsca
import wsman_standin as standin

ENUMERATIONS = 16       # a cycle at most, discovery's among them
FOLDER = tempfile.TemporaryDirectory(prefix="vm-hyperv-")
SECRET = standin.Options.password


class Tls:
    def __init__(self):
        authority = tlsca.Authority(FOLDER.name)
        self.ca, self.leaf = authority.cert, authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")


def conf(server, **more):
    """A configuration for that server, by Basic unless told."""
    values = {"host": "localhost", "port": server.port, "use_ssl": str(server.tls).lower(), "username": "meter",
              "password": SECRET, "auth": "basic", "ca_file": TLS.ca, **more}
    extra = values.pop("extra", "")
    handle, path = tempfile.mkstemp(dir=FOLDER.name)
    with os.fdopen(handle, "w") as f:
        f.write("[DEFAULT]\nhypervisor_inspector = hyperv\n" + extra + "[hyperv]\n")
        f.write("".join(f"{k} = {v}\n" for k, v in values.items() if v is not None))
    return path


def poll(path, *args, env=None, timeout=60):
    done = agent.command("poll", "--config-file", path, "--format", "json", "--debug", *args, timeout=timeout,
                         env=dict(os.environ, **(env or {})))
    samples = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return samples, done


def by_machine(samples, world):
    """{instance name: {(meter, device): volume}}, of several cycles the last."""
    out = {name: {} for name in world.guids}
    for s in samples:
        for name, guid in world.guids.items():
            if guid.lower() in s["resource_id"] or guid in s["resource_id"]:
                head = guid.lower()
                device = s["resource_id"].partition(head)[2].lstrip("-")
                out[name][s["name"], device] = s["volume"]
    return out


def expected(world, unit=1000):
    """The same from what Ceilometer computed; `unit`: of cpu, ours in its."""
    out = {}
    for name, e in world.expected.items():
        out[name] = {("cpu", ""): e["cpu_time"] * unit, ("memory.usage", ""): e["memory_usage"]}
        for mac_name, (_, rx, tx) in e["vnics"].items():
            out[name]["network.incoming.bytes", mac_name] = rx
            out[name]["network.outgoing.bytes", mac_name] = tx
        for device, (rd, wr) in e["disks"].items():
            out[name]["disk.device.read.bytes", device] = rd
            out[name]["disk.device.write.bytes", device] = wr
        out[name].update({("disk.device.latency", d): v for d, v in e["latency"].items()})
        out[name].update({("disk.device.iops", d): v for d, v in e["iops"].items()})
    return out


def differences(samples, world, unit=1000, without=()):
    """`without`: meters of which there are to be none."""
    got, bad = by_machine(samples, world), []
    for name, values in expected(world, unit).items():
        values = {key: None if key[0] in without else v for key, v in values.items()}
        bad += [f"{name} {key}: {got[name].get(key)}, Ceilometer {v}" for key, v in values.items()
                if got[name].get(key) != v]
    return bad


def serve(world=None, options=None, tls=True, **more):
    world = world or hyperv_world.World()
    return standin.Server(world.data, options or standin.Options(), TLS.leaf if tls else None, **more)


def values(t):
    world = hyperv_world.World()
    dialects = {"as Windows": {}, "as OMI": {"omi": True}, "with other prefixes, translated": {"prefixes": True, "translated": True},
                "in small pages, some empty": {"fewer": True}, "8 KiB at a time": {"envelope": 8192}}
    for what, options in dialects.items():
        with serve(world, standin.Options(**options)) as s:
            more = {"page_size": 3} if options.get("fewer") else {}
            samples, done = poll(conf(s, **more))
            t.none(differences(samples, world), f"values are Ceilometer's, {what}")
            t.none([done.stderr[-600:]] if done.returncode else [], f"{what}: it went well")
            t.same(s.service.open_contexts(), 0, f"{what}: no enumeration is left open")
    with serve(world) as s:
        samples, _ = poll(conf(s, cpu_time_unit="ceilometer"))
        t.none(differences(samples, world, 1), "cpu_time_unit = ceilometer: cpu as Ceilometer has it")
        meters = {x["name"] for x in samples}
        t.ok({"cpu", "memory.usage", "disk.device.read.requests", "network.incoming.packets", "disk.device.latency",
              "network.outgoing.packets.drop"} <= meters, "all meters that Ceilometer has of Hyper-V", meters)
        nic = next(x["resource_metadata"] for x in samples if x["name"] == "network.incoming.bytes")
        t.same((nic["fref"], nic["parameters"]), (None, None), "a NIC has neither filter nor parameters")
        macs = {x["resource_metadata"]["mac"] for x in samples if x["name"] == "network.incoming.bytes"}
        t.same(macs, {v[0] for e in world.expected.values() for v in e["vnics"].values()}, "MAC addresses as they are")


def discovery(t):
    world = hyperv_world.World()
    with serve(world) as s:
        samples, _ = poll(conf(s), "--meter", "power.state", "--meter", "cpu")
        t.same({x["resource_id"] for x in samples}, {g.lower() for g in world.guids.values()},
               "instances are the machines: not the host, no checkpoint")
        t.same({x["resource_metadata"]["name"] for x in samples}, set(world.guids), "by their names")
        t.ok(all("WIN-HV01" in json.dumps(x["resource_metadata"]) for x in samples), "with their host", samples[:1])
        t.same(sorted(x["volume"] for x in samples if x["name"] == "power.state"), [1, 1, 5], "power states")


def questions(t):
    for machines in (1, 40):
        world = hyperv_world.World(machines)
        with serve(world) as s:
            samples, _ = poll(conf(s), "--cycles", "2", "--interval", "2")
            asked = s.service.verbs("Enumerate")
            t.ok(len(asked) <= 2 * ENUMERATIONS and len(set(asked)) == 13, f"{machines} machines: 13 classes, at most "
                 f"{ENUMERATIONS} enumerations a cycle", asked)
            t.same(asked.count("Msvm_MetricForME"), 1, "whose a value is is asked once while the values stay")
            t.same(asked.count("Win32_Processor") + asked.count("Msvm_BaseMetricDefinition"), 2,
                   "of the host once a connection")
            t.same(s.connections, 2, "one connection for each plugin")
            t.none(differences(samples, world), f"{machines} machines: values in the second cycle")


TRAFFIC = ("network.incoming.bytes", "network.outgoing.bytes")
SETTINGS = ("OnTimeInMilliseconds", "VirtualQuantity", "Address", "Notes", "Version", "VirtualSystemSubType",
            "VirtualSystemIdentifier")
# how properties are not told by a host, which, and the meters that are left out for it
UNTOLD = (
    ("nulls", SETTINGS, ("cpu", "vcpus")),
    ("missing", SETTINGS, ("cpu", "vcpus")),
    ("nulls", ("MaxClockSpeed", "Parent", "EnabledState", "HostResource"), ("cpu", *TRAFFIC)),
)


def untold(t):
    """What is null is as what is not there, on older hosts; a value that needs it is left out, not made up."""
    for how, properties, without in UNTOLD:
        world = hyperv_world.World().all_on()
        with serve(world, standin.Options(**{how: properties})) as s:
            samples, done = poll(conf(s))
            t.none(differences(samples, world, without=without), f"{how}: {', '.join(properties)}: other values are Ceilometer's")
            t.none(sorted({x["name"] for x in samples} & set(without)) + [done.stderr[-600:]] * bool(done.returncode),
                   f"{how}: and {', '.join(without)} are left out")


DEVICES = ["Msvm_StorageAllocationSettingData", "Msvm_SyntheticEthernetPortSettingData",
           "Msvm_EthernetPortAllocationSettingData", "Msvm_EthernetSwitchPortAclSettingData"]
WHOSE = "Msvm_MetricForME"


def plug(s, disk, name):
    """One disk more: a copy of that one with all of its values."""
    classes = s.service.instances.data[hyperv_world.V2]
    for which in ("Msvm_StorageAllocationSettingData", "Msvm_MetricForME", "Msvm_BaseMetricValue"):
        texts = [json.dumps(i) for i in classes[which]]
        old, new = json.dumps(disk)[1:-1], json.dumps(name)[1:-1]
        classes[which] += [json.loads(text.replace(old, new)) for text in texts if old in text]


def changes(t):
    """Disks, NICs and whose a value is are read once, and anew when something changes."""
    world = hyperv_world.World()
    with serve(world) as s:
        def asked():
            """How often: the classes of devices, whose a value is."""
            verbs = s.service.verbs("Enumerate")
            return {verbs.count(c) for c in DEVICES}, verbs.count(WHOSE)

        with running(s, 2, ("*",)) as a:
            a.wait_cycles(3, 60)
            t.same(asked(), ({1}, 1), "three cycles: disks, NICs and whose a value is are asked once")
            disk = world.data[hyperv_world.V2]["Msvm_StorageAllocationSettingData"][0]["InstanceID"]
            before = {x["resource_id"] for c in a.wait_cycles(1, 60) for x in c.samples if x["name"] == "disk.device.read.bytes"}
            plug(s, disk, disk[:-len("0\\0\\L")] + "7\\0\\L")
            after = {x["resource_id"] for c in a.wait_cycles(2, 60)[-1:] for x in c.samples if x["name"] == "disk.device.read.bytes"}
            t.same((len(after), len(after - before)), (len(before) + 1, 1), "a disk that is plugged in is there")
            t.same(asked(), ({2}, 2), "for which all is asked once more")
            off = next(i for i in s.service.instances.data[hyperv_world.V2]["Msvm_ComputerSystem"] if str(i["EnabledState"]) == "3")
            off["EnabledState"] = 2
            s.service.instances.cache.clear()
            a.wait_cycles(2, 60)
            t.same(asked(), ({3}, 2), "and devices when a machine is switched on")
            t.same(a.stop(), 0, "the agent ends in good order")


def metering(t):
    with serve(hyperv_world.World().unmetered()) as s:
        samples, done = poll(conf(s), "--cycles", "2", "--interval", "2")
        t.same(len(re.findall("resource metering is off on this host", done.stderr)), 1, "metering is off: told once")
        t.ok(not any(x["name"] == "cpu" and x["volume"] for x in samples), "and no CPU is made up")
    with serve(hyperv_world.World().unmetered("instance-00000001")) as s:
        _, done = poll(conf(s))
        t.same(len(re.findall(r"machine instance-00000001 \(.*\): resource metering is off", done.stderr)), 1,
               "of one machine: told by name")
    options = standin.Options(no_metrics=("Disk Data Read",))
    with serve(None, options) as s:
        samples, done = poll(conf(s))
        names = {x["name"] for x in samples}
        t.ok("disk.device.read.bytes" not in names and "disk.device.write.bytes" in names,
             "a metric that the host does not have: its meter is left out", names)
        t.same(done.stderr.count("has no metric 'Disk Data Read'"), 1, "and that is told")
    with serve(hyperv_world.World().without("Msvm_EthernetSwitchPortAclSettingData")) as s:
        samples, done = poll(conf(s))
        t.ok(done.returncode == 0 and any(x["name"] == "cpu" for x in samples), "a class that is not there costs its meters alone")


def faults(t):
    """What each costs: (what, injection, meters are there, enumerations of the class)."""
    cpu = "Msvm_AggregationMetricValue"
    cases = [
        ("a context that went", dict(action="Pull", class_name=cpu, fault=standin.Fault(
            "n:InvalidEnumerationContext", "gone", 2150858779)), True, 2),
        ("a context that is too old", dict(action="Enumerate", class_name=cpu, later=241), True, 2),
        ("one that is so each time", dict(action="Enumerate", class_name=cpu, later=241, times=2), False, 2),
        ("a time-out", dict(action="Enumerate", class_name=cpu, fault=standin.Fault("w:TimedOut", "late")), True, 2),
        ("an answer that was too large", dict(action="Enumerate", class_name=cpu, fault=standin.Fault(
            "w:EncodingLimit", "large", 0x80338111)), True, 2),
        ("a time-out twice", dict(action="Enumerate", class_name=cpu, times=2, fault=standin.Fault("w:TimedOut", "late")),
         False, 2),
        ("a query refused", dict(action="Enumerate", class_name=cpu, fault=standin.Fault("w:InvalidParameter", "bad")),
         False, 1),
        ("an answer to another request", dict(action="Enumerate", class_name=cpu,
                                              relates_to="uuid:00000000-0000-4000-8000-000000000000"), False, 1),
        ("a bomb of entities", dict(action="Enumerate", class_name=cpu, body=lambda right: BOMB + right), False, 1),
        ("an entity from outside", dict(action="Enumerate", class_name=cpu, body=lambda right: OUTSIDE + right), False, 1),
        ("100 MB", dict(action="Enumerate", class_name=cpu, body=lambda right: right + b" " * 100_000_000), False, 1),
        ("a body cut off", dict(action="Enumerate", class_name=cpu, cut=True), False, 1),
        ("a connection reset", dict(action="Enumerate", class_name=cpu, reset=True), False, 1),
    ]
    for what, injection, there, asked in cases:
        with serve() as s:
            s.service.inject(**injection)
            samples, done = poll(conf(s, page_size=2))
            names = {x["name"] for x in samples}
            t.ok(("cpu" in names) == there, f"{what}: cpu is {'there' if there else 'left out'}", (names, done.stderr[-500:]))
            t.same(s.service.verbs("Enumerate").count(cpu), asked, f"{what}: asked {asked} times")
            if "fault" in injection or "later" in injection:
                t.same(s.service.open_contexts(), 0, f"{what}: no enumeration is left open")
            if "100 MB" not in what:
                t.ok("disk.device.write.bytes" in names, f"{what}: the rest is there", done.stderr[-500:])
            t.ok(SECRET not in done.stderr + done.stdout, f"{what}: the log does not tell the password")


def release(t):
    """An enumeration that is given up is released, at once or with the next: a server that has two for each user (the
    plugins are two) has them for the rest."""
    given_up = ["Msvm_AggregationMetricValue", "Msvm_BaseMetricValue", "Msvm_StorageAllocationSettingData"]
    world = hyperv_world.World()
    with serve(world, standin.Options(contexts=2)) as s:
        for name in given_up:
            s.service.inject(action="Pull", class_name=name, lost=True, times=2)    # it is sent once more
        samples, done = poll(conf(s, page_size=2), "--cycles", "2", "--interval", "4")
        t.same(s.service.verbs("Release"), given_up, "a Pull that is lost: the enumeration is released")
        t.none(differences(samples, world), "and the next cycle has all values")
        t.same((s.service.open_contexts(), "QuotaLimit" in done.stderr), (0, False), "no enumeration is left open")


BOMB = b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def ends(t):
    """What ends a cycle, and in which words."""
    cases = [
        ("access denied", dict(fault=standin.Fault("w:AccessDenied", "Access is denied.", 5), times=99), {},
         "Hyper-V Administrators"),
        ("quota", dict(fault=standin.Fault("w:QuotaLimit", "too many", 2150859174), times=99), {}, "QuotaLimit"),
        ("500 without a word", dict(status=500, times=99), {}, "HTTP status 500 without a reason"),
        ("a wrong password", None, {"password": "another"}, "is not accepted"),
        ("a certificate of nobody", None, {"ca_file": None}, "certificate"),
        ("another service", dict(status=404, times=99), {}, "is WinRM there?"),
    ]
    for what, injection, options, words in cases:
        with serve() as s:
            if injection:
                s.service.inject(**injection)
            samples, done = poll(conf(s, **options))
            t.ok(not samples and words in done.stderr, f"{what}: no samples, and why", done.stderr[-700:])
    for options, words in (({"host": None}, "host: give the name"), ({"username": None}, "needs username and password"),
                           ({"use_ssl": "false"}, "tells everybody the password")):
        with serve() as s:
            _, done = poll(conf(s, **options))
            t.ok(done.returncode and words in done.stderr, f"refused at the start: {words}", done.stderr[-500:])


def deadlines(t):
    """A class that hangs is left alone; the others go on, and the cycle keeps its time."""
    with serve() as s:
        s.service.inject(action="Pull", class_name="Msvm_BaseMetricValue", lost=True, delay=20, times=99)
        samples, done = poll(conf(s, page_size=2), "--interval", "4", "--cycles", "2")
        names = {x["name"] for x in samples}
        t.ok("cpu" in names and "disk.device.read.bytes" not in names, "a class that hangs costs its own meters", names)
        t.same(s.service.verbs("Enumerate").count("Msvm_BaseMetricValue"), 1, "and is not asked again at once")
        t.same((s.service.verbs("Release"), s.service.open_contexts()), (["Msvm_BaseMetricValue"], 0), "and is released")


def commands(t):
    """A URI in place of a configuration, and what check finds."""
    world = hyperv_world.World()
    with serve(world) as s:
        password = "".join(f"%{ord(c):02X}" for c in SECRET)
        uri = f"hyperv://meter:{password}@localhost:{s.port}?ca_file={TLS.ca}&auth=basic"
        done = agent.command("poll", "--uri", uri, "--meter", "cpu", "--format", "json")
        t.same({json.loads(x)["resource_id"] for x in done.stdout.splitlines()}, {g.lower() for g in world.guids.values()},
               "poll --uri hyperv://")
        pipeline = f"pipeline_cfg_file = {FOLDER.name}/pipeline.yaml\n"
        with open(f"{FOLDER.name}/pipeline.yaml", "w", encoding="utf-8") as f:
            f.write("sources: [{name: a, meters: ['*'], sinks: [b]}]\nsinks: [{name: b, publishers: ['null://']}]\n")
        asked = len(s.service.verbs("Enumerate"))
        done = agent.command("check", "--config-file", conf(s, extra=pipeline))
        t.ok(done.returncode == 0 and SECRET not in done.stdout + done.stderr, "check finds nothing wrong", done.stdout)
        for option, bad in (("port", "0"), ("auth", "digest"), ("page_size", "many")):
            done = agent.command("check", "--config-file", conf(s, extra=pipeline, **{option: bad}))
            t.ok(done.returncode and option in done.stdout, f"check finds {option} = {bad}", done.stdout)
        t.same(len(s.service.verbs("Enumerate")), asked, "and asks nobody")


def running(server, interval, meters=("cpu",), **default):
    options = {"DEFAULT": {"hypervisor_inspector": "hyperv", **default},
               "hyperv": {"host": "localhost", "port": server.port, "username": "meter", "password": SECRET, "auth": "basic",
                          "ca_file": TLS.ca}}
    return agent.Agent(None, interval, meters, options=options)


def silence(t):
    """A host that has become silent is left alone; a cycle under way ends when it is told to."""
    with serve() as s, running(s, 2) as a:
        a.wait(lambda: a.cycles() >= 2, 60, "two cycles")
        s.service.inject(action="Enumerate", class_name="Msvm_ComputerSystem", delay=90, times=99)
        unreachable = lambda: (a.document() or {"inspectors": [{"instances": {}}]})["inspectors"][0]["instances"].get("unreachable")
        a.wait(lambda: "left alone for 60 s" in a.document()["tasks"][0]["last_error"], 60, "it is left alone")
        asked, cycles = s.service.verbs("Enumerate").count("Msvm_ComputerSystem"), a.cycles()
        a.wait(lambda: a.cycles() >= cycles + 4, 60, "cycles")
        t.same(s.service.verbs("Enumerate").count("Msvm_ComputerSystem"), asked, "a silent host is left alone while cycles go on")
        t.ok(unreachable() == 3, "its machines are unreachable", a.document())
        t.ok("did not answer" in a.document()["tasks"][0]["last_error"] and SECRET not in a.log(), "and it is told why")
    with serve() as s, running(s, 3600, graceful_shutdown_timeout=1) as a:
        s.service.inject(action="Enumerate", class_name="Msvm_ComputerSystem", delay=90, times=99)
        a.wait(lambda: s.service.verbs("Enumerate"), 60, "a question")
        t.ok(a.stop(seconds=40) in (0, 1), "a cycle under way ends when it is cancelled")


def main(t):
    for part in (values, discovery, questions, changes, untold, metering, faults, release, ends, deadlines, commands, silence):
        part(t)


if __name__ == "__main__":
    with tap.Suite("hyperv") as suite:
        TLS = Tls()
        main(suite)
