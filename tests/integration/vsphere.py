#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Discovery and inspector of vSphere against a vCenter and an ESXi host as the govmomi project simulates them
(lib/vcsim.py): every value is the one that Ceilometer's own inspector has from the same server, every request is valid
by VMware's schemas; a bounded number of questions; what goes wrong costs no more than it has to."""
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import private
import tap
import tlsca
import vcsim
import vim25

FOLDER = tempfile.TemporaryDirectory(prefix="vm-vsphere-")
NICS = ("network.incoming.bytes.rate", "network.outgoing.bytes.rate")
DISKS = tuple(f"disk.device.{what}.rate" for what in ("read.bytes", "write.bytes", "read.requests", "write.requests"))
COUNTERS = 8


class Tls:
    def __init__(self):
        authority = tlsca.Authority(FOLDER.name)
        self.ca = authority.cert
        self.leaf = authority.leaf("server", "localhost", "serverAuth", "DNS:localhost")
        self.other = authority.leaf("other", "elsewhere", "serverAuth", "DNS:elsewhere")
        self.expired = authority.leaf("expired", "localhost", "serverAuth", "DNS:localhost", days=-1)


def serve(machines=4, *options, leaf=None):
    return vcsim.Server(leaf or TLS.leaf, TLS.ca, machines, *options)


def conf(server, extra="", **more):
    """A configuration for that server."""
    values = {"host_ip": "localhost", "host_port": server.port, "host_username": "meter",
              "host_password": "'" + vcsim.PASSWORD + "'", "ca_file": TLS.ca, **more}
    handle, path = tempfile.mkstemp(dir=FOLDER.name)
    with os.fdopen(handle, "w") as f:
        f.write("[DEFAULT]\nhypervisor_inspector = vsphere\n" + extra + "[vmware]\n")
        f.write("".join(f"{k} = {v}\n" for k, v in values.items() if v is not None))
    return path


def read(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def poll(path, *args, timeout=90):
    """One cycle that has a minute, on a machine that is slow, too."""
    args = args if "--interval" in args else (*args, "--interval", "60")
    done = agent.command("poll", "--config-file", path, "--format", "json", "--debug", *args, timeout=timeout)
    return read(done.stdout), done


def by_instance(samples):
    """{instance: {(meter, device): volume}}, of several cycles the last."""
    out = {}
    for s in samples:
        found = re.search(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-(.*))?$", s["resource_id"])
        if found:       # else it is of the agent's own host
            out.setdefault(found[1], {})[s["name"], found[2] or ""] = s["volume"]
    return out


def expected(oracle):
    """The same from what Ceilometer says."""
    out = {}
    for name, e in oracle.items():
        out[name] = {}
        if "error" in e:
            continue
        out[name] = {(meter, ""): e[meter] for meter in ("cpu_util", "memory.usage")}
        for names, devices in ((NICS, e["nics"]), (DISKS, e["disks"])):
            for device, volumes in devices.items():
                out[name].update({(n, device): v for n, v in zip(names, volumes)})
    return out


def differences(samples, oracle):
    got, bad = by_instance(samples), []
    for name, wanted in expected(oracle).items():
        mine = {k: v for k, v in got.get(name, {}).items() if k[0] in (*NICS, *DISKS, "cpu_util", "memory.usage")}
        bad += [f"{name} {key}: {mine.get(key)}, Ceilometer {wanted.get(key)}" for key in sorted({*mine, *wanted})
                if mine.get(key) != wanted.get(key)]
    return bad if oracle else ["Ceilometer says nothing"]


def set_values(server):
    """What each counter has at three times; -1: nothing."""
    server.metric("cpu.usage", 1234, -1, 2000)
    server.metric("mem.consumed", 1048577, 1048576, 1048570)
    server.metric("net.received", 10, 20, 60, instance="*")
    server.metric("net.transmitted", 7, 0, 2, instance="*")
    for name, values in (("read", (3, 0, 5)), ("write", (0, 0, 1)), ("numberReadAveraged", (1, 1, 2)),
                         ("numberWriteAveraged", (9, -1, 8))):
        server.metric(f"disk.{name}", *values, instance="*")
    one = server.machines()[1]["moid"]
    server.metric("cpu.usage", 100, 33, 1, entity=one)
    server.metric("net.received", 999, 1, 2, entity=one, instance="4000")


def values(t):
    with serve(6, "-off-every", "3") as s:
        set_values(s)
        oracle = vim25.oracle(SCHEMAS, s, TLS.ca, 20)
        samples, done = poll(conf(s))
        t.none(differences(samples, oracle), "values are Ceilometer's")
        t.none([done.stderr[-600:]] if done.returncode else [], "it went well")
        off = [i for i, e in oracle.items() if e.get("error") == "InstanceShutOffException"]
        t.same(len(off), 2, "Ceilometer has two that are off")
        t.none([x for x in samples if x["resource_id"] in off and x["name"] != "instance" and not x["name"].startswith("vm.")],
               "those that are off have no samples but that they exist")
        t.none(vim25.check(SCHEMAS, s.requests()), "every request is valid by VMware's schemas")
        nic = next(x for x in samples if x["name"] == NICS[0])["resource_metadata"]
        t.same([nic[k] for k in ("name", "mac", "fref", "parameters")], ["4000", None, None, None], "a NIC has a name and no more")
        stopped, _ = poll(conf(s, "[compute]\nreport_stopped_instance_metrics = true\n"), "--meter", "power.state")
        t.same(sorted(x["volume"] for x in stopped), [1, 1, 1, 1, 5, 5], "power states")
        away = {s.machines()[i]["moid"]: state for i, state in ((0, "disconnected"), (1, "inaccessible"), (3, "orphaned"))}
        for moid, state in away.items():
            s.lab("power", entity=moid, connection=state)
        samples, _ = poll(conf(s))
        there = {m["nvp.vm-uuid"] for m in s.machines() if m["moid"] not in away and m["powerState"] == "poweredOn"}
        own = [x for x in samples if not x["name"].startswith("vm.") and x["name"] != "instance"]
        t.same({i for i, x in by_instance(own).items() if x}, there, "of machines whose host is away nothing is made up")
        asked = "".join(s.requests("QueryPerf")[-1:])
        t.same([m for m in away if f">{m}<" in asked], [], "and nothing is asked")


def sizes(t):
    """The same of one machine, and of as many as make more than one question, each with values of its own."""
    for machines in (1, 50):
        with serve(machines) as s:
            set_values(s) if machines > 1 else s.metric("cpu.usage", 1234, -1, 2000)
            for i, m in enumerate(s.machines()):
                s.metric("mem.consumed", 1048577 + i * 1024, -1, i, entity=m["moid"])
                s.metric("disk.read", 3 * i, 0, 5 * i + 1, entity=m["moid"], instance="*")
            oracle = vim25.oracle(SCHEMAS, s, TLS.ca, 20)
            samples, _ = poll(conf(s))
            t.none(differences(samples, oracle), f"{machines} machines: values are Ceilometer's")
            t.same(len({e["memory.usage"] for e in oracle.values()}), machines, f"{machines} machines: each has another")


def means(t):
    """Of as many samples as have come since the last cycle."""
    with serve(3) as s:
        set_values(s)
        # 58 s are two samples of 20 s, even when the first cycle is 18 s late on a busy machine
        samples = read(agent.command("poll", "--config-file", conf(s), "--format", "json", "--cycles", "2", "--interval",
                                     "58", timeout=280).stdout)
        asked = [int(n) for q in s.requests("QueryPerf") for n in re.findall("<maxSample>(\\d+)<", q)]
        t.ok(set(asked[:3]) == {1} and len(set(asked[3:])) == 1 and asked[-1] >= 2, "first one sample, then so many", asked)
        oracle = vim25.oracle(SCHEMAS, s, TLS.ca, 20 * asked[-1])
        t.none(differences(samples, oracle), "means over several samples are Ceilometer's")


def discovery(t):
    with serve(3) as s:
        there = s.machines()
        samples, _ = poll(conf(s), "--meter", "cpu_util")
        t.same({x["resource_id"] for x in samples}, {m["nvp.vm-uuid"] for m in there}, "instances by Nova's ids")
        one = next(x["resource_metadata"] for x in samples if x["resource_id"].endswith("1"))
        t.same([one[k] for k in ("name", "moid", "cluster", "folder", "vcpus", "memory_mb", "status", "state")],
               [there[0]["name"], there[0]["moid"], "DC0_C0", "vm", 1, 1024, "active", "running"], "with what is known of them")
        t.ok(one["instance_host"].startswith("DC0_C0_H"), "with their host", one)
        t.same(s.lab("stats")["sessions"], 0, "no session is left on the server")
        t.same(one["user_metadata"], {"annotation": "note 1", "owner": "team <1>"}, "with what people wrote on them")
    with serve(3, "-nova-every", "0") as s:
        samples, _ = poll(conf(s), "--meter", "cpu_util")
        t.same({x["resource_id"] for x in samples}, {m["instanceUuid"] for m in s.machines()}, "without Nova by their own")


def pages(t):
    with serve(7, "-page", "2") as s:
        samples, _ = poll(conf(s), "--meter", "cpu_util")
        t.same(len(samples), 7, "a server that cuts pages of 2: all are there")
        t.ok(s.calls()["ContinueRetrievePropertiesEx"] >= 6, "with three questions more for each list of machines", s.calls())
        s.fail(fault="InvalidArgument", method="ContinueRetrievePropertiesEx", detail="<invalidProperty>token</invalidProperty>")
        samples, _ = poll(conf(s), "--meter", "cpu_util")
        t.same(len(samples), 7, "a page that the server does not know any more: from the start")


def limits(t):
    """Questions stay below the server's limit, and what is too much is halved."""
    for options, limit in ((("-max-query-metrics", "16"), 16), (("-max-query-metrics", "4"), 4), ((), 64)):
        with serve(5, *options) as s:
            samples, done = poll(conf(s))
            t.same(len([x for x in samples if x["name"] == "cpu_util"]), 5, f"{limit} metrics with a question")
            sizes = [q.count("<metricId>") for q in s.requests("QueryPerf")]
            t.ok(sum(sizes) == 5 * COUNTERS and max(sizes) <= max(limit * 3 // 4, 1), "three quarters of them", sizes)
    with serve(9, "-max-query-metrics", "0") as s:
        s.fail(fault="RestrictedByAdministrator", method="QueryPerf", count=2)
        samples, done = poll(conf(s), "--cycles", "2", "--interval", "2")
        sizes = [q.count("<querySpec>") for q in s.requests("QueryPerf")]
        t.same(sizes, [9, 4, 2, 2, 2, 2, 1] + [2, 2, 2, 2, 1], "too much: halved, and remembered for the session")
        t.same(len([x for x in samples if x["name"] == "cpu_util"]), 18, "and nothing is lost")


def sessions(t):
    with serve(3) as s:
        with running(s, 2) as a:
            a.wait_cycles(1)
            before = s.calls()
            s.lab("expire")
            got = a.wait_cycles(3)
            calls = s.calls()
            t.ok(all(len([x for x in c.samples if x["name"] == "cpu_util"]) == 3 for c in got), "a lost session costs no sample",
                 [len(c.samples) for c in got])
            t.same(calls["Login"] - before["Login"], 2, "one login more for each plugin")
            t.same(vim25.check(SCHEMAS, s.requests()), [], "requests are valid after that, too")
            for cycle in range(2):      # a page of strangers: no fault, but nothing to be seen
                s.fail(method="RetrievePropertiesEx", match="VirtualMachine", body=NOTHING, count=2)
                a.wait_cycles(2)
            t.ok(s.calls()["SessionIsActive"] >= 1, "an inventory that has become empty: is the session known?", s.calls())
            a.stop()
        t.same(s.lab("stats")["sessions"], 0, "the agent has logged out")
    with serve(3, "-idle", "1s") as s:
        samples, done = poll(conf(s), "--cycles", "2", "--interval", "3", "--meter", "cpu_util")
        t.same(len(samples), 6, "a session that is dropped between cycles is opened anew")


NOTHING = (b'<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
           b'<RetrievePropertiesExResponse xmlns="urn:vim25"/></e:Body></e:Envelope>')


def running(server, interval, **more):
    options = {"DEFAULT": {"hypervisor_inspector": "vsphere"},
               "vmware": {"host_ip": "localhost", "host_port": server.port, "host_username": "meter", "ca_file": TLS.ca,
                          "host_password": "'" + vcsim.PASSWORD + "'", **more}}
    return agent.Agent(None, interval, options=options)


def faults(t):
    """What each costs: (what, injections, instances with cpu_util)."""
    cases = [
        ("a reset", [dict(method="QueryPerf", reset=1)], 5),
        ("HTTP 503 twice", [dict(method="QueryPerf", status=503, count=2)], 5),
        ("a fault that nobody knows", [dict(method="QueryPerf", fault="SomethingElse")], 5),
        ("a session lost at once", [dict(method="QueryPerf", fault="NotAuthenticated")], 0),
        ("a fault that nobody knows, about one", [dict(method="QueryPerf", fault="SomethingElse", match="{0}", count=99)], 4),
        ("the host of one is away", [dict(method="QueryPerf", fault="HostNotConnected", match="{0}", count=99)], 4),
        ("one may not be seen", [dict(method="QueryPerf", fault="NoPermission", match="{0}", count=99)], 4),
        ("counters with other numbers", [dict(method="QueryPerf", fault="InvalidArgument", text="querySpec[0].metricId")], 5),
        ("one that knows no such counter", [dict(method="QueryPerf", fault="InvalidArgument", match="{0}", count=99)], 4),
        ("a view that is gone", [dict(method="RetrievePropertiesEx", fault="ManagedObjectNotFound", match="ContainerView")], 5),
        ("a bomb of entities", [dict(method="QueryPerf", body=BOMB, before=1)], 0),
        ("an entity from outside", [dict(method="QueryPerf", body=OUTSIDE, before=1)], 0),
        ("100 MB", [dict(method="QueryPerf", spaces=100_000_000)], 0),
        ("another service", [dict(method="QueryPerf", body=b"<html>welcome</html>")], 0),
        ("404", [dict(method="QueryPerf", status=404)], 0),
    ]

    def one(what, injections, there):
        with serve(5, "-max-query-metrics", "256") as s:
            # with a login already used in this cycle a session lost is not opened again in the same one
            first = s.machines()[0]["moid"]
            for injection in injections:
                s.fail(**{k: v.format(f">{first}<") if k == "match" else v for k, v in injection.items()})
            samples, done = poll(conf(s))
            got = len([x for x in samples if x["name"] == "cpu_util"])
            t.ok(got == there, f"{what}: {there} of 5 have values", (got, done.stderr[-700:]))
            if there < 5 and "gone" not in what:
                states = [x for x in samples if x["name"] == "power.state"]
                t.ok(len(states) == 5, f"{what}: and all their state", done.stderr[-700:])
            t.ok(vcsim.PASSWORD not in done.stderr + done.stdout, f"{what}: the log does not tell the password")

    together(t, [(one, case) for case in cases])


def refusals(t):
    """Machines that may not be read are told once, with the way out; they cost few questions, and those no others."""
    def said(a):
        return [line for line in a.log().splitlines() if "NoPermission" in line]

    privilege = "<privilegeId>System.Read</privilegeId>"
    with serve(200, "-max-query-metrics", "256") as s:
        s.fail(method="QueryPerf", fault="NoPermission", count=9999, detail=f'<object type="Folder">group-d1</object>{privilege}')
        with running(s, 3) as a:
            a.wait_cycles(3)
            asked = s.calls()["QueryPerf"]
            t.ok(asked <= -(-200 * COUNTERS // 192) + 64, "all are refused: so many questions and no more, of three cycles", asked)
            lines = said(a)
            t.ok(len(lines) == 1 and re.search(r"machine vm-\d+ \(4dc7b1c0-.*\) and \d+ more: NoPermission: .*\(lacks System.Read\); .*"
                                               "role Read-only.*; asked again in at most 60 s", lines[0]), "told once, with the way out", lines)
            t.ok('"counters of 200 machines may not be read' in json.dumps(a.status()), "and so says status", a.status())
    with serve(30, "-max-query-metrics", "256") as s:
        bad = s.machines()[7]
        s.fail(method="QueryPerf", fault="NoPermission", count=9999, match=f">{bad['moid']}<",
               detail=f'<object type="VirtualMachine">{bad["moid"]}</object>{privilege}')
        odd = s.machines()[9]
        s.fail(method="QueryPerf", fault="InvalidArgument", count=9999, match=f">{odd['moid']}<", text="querySpec[0].metricId")
        with running(s, 3) as a:
            got = a.wait_cycles(3)
            ids = [{x["resource_id"] for x in c.samples if x["name"] == "cpu_util"} for c in got]
            t.same([len(i) for i in ids], [28] * 3, "one that is refused and one without the counter: the others have values")
            t.ok(len(said(a)) == 1 and f"machine {bad['moid']} (" in said(a)[0], "told which", said(a))
            asked = [q for q in s.requests("QueryPerf") if f">{bad['moid']}<" in q]
            t.ok(len(asked) <= 3, "which the server's own word told, and it is not asked again", len(asked))
            t.same(len([q for q in s.requests("RetrieveProperties") if "perfCounter" in q]), 2,
                   "numbers of counters are read a second time, and no third")


    with serve(2) as s:
        s.fail(method="QueryPerf", fault="SomethingElse", count=5)      # both, each, and each once more
        with running(s, 3) as a:
            got = a.wait_cycles(3)
            t.same([len([x for x in c.samples if x["name"] == "cpu_util"]) for c in got], [0, 2, 2],
                   "a fault of all: nobody is left alone for it")


def logins(t):
    """A login that is refused is refused for all sessions of the account."""
    with serve(3) as s:
        with running(s, 2) as a:
            a.wait_cycles(2)
            before = s.calls()["Login"]
            s.fail(method="Login", fault="PasswordExpired", count=99)
            s.lab("expire")
            a.wait(lambda: "a login was refused; not tried again for" in a.log(), 60, "the second session's word")
            seen = a.cycles()
            a.wait(lambda: a.cycles() > seen + 2, 60, "more cycles")
            t.same(s.calls()["Login"] - before, 1, "one login of both sessions, and no more in a minute")
            t.ok("user or password is not accepted; not tried again for 60 s (PasswordExpired: " in a.log(), "told why", a.log()[-900:])
    with serve(3) as s:
        s.fail(method="CreateContainerView", match="<type>VirtualMachine<", fault="NoPermission", count=99)
        with running(s, 2) as a:
            a.wait(lambda: s.calls().get("CreateContainerView", 0) >= 4, 60, "views are tried")
            t.same([s.lab("stats")["sessions"], s.calls()["Login"]], [1, 1], "a view that is refused costs no session")
    with serve(3) as s:
        s.fail(method="CreateContainerView", match="<type>HostSystem<", fault="NoPermission", count=99)
        with running(s, 2) as a:
            a.wait_cycles(1)
            before = s.calls()
            s.lab("expire")
            got = a.wait_cycles(3)
            t.same(s.calls()["Login"] - before["Login"], 2, "names that may not be seen: a lost session is opened once by each plugin")
            t.same({len([x for x in c.samples if x["name"] == "cpu_util"]) for c in got}, {3}, "and machines are found")
            s.fail(method="Logout", delay=60000, count=99)
            a.stop()
            t.same(s.calls().get("Logout"), 1, "who closes two sessions of a server that hangs waits for one")


def names(t):
    """Names that cannot be read anew stay; those that could not be read at first come a minute later."""
    def of(samples):
        x = next(x["resource_metadata"] for x in reversed(samples) if x["name"] == "cpu_util")
        return [x.get("cluster"), x.get("folder"), sorted(x["user_metadata"])]

    def once():
        s.fail(method="RetrievePropertiesEx", match="<type>HostSystem<", fault="NoPermission")
        s.fail(method="RetrievePropertiesEx", match="<type>CustomFieldsManager<", fault="NoPermission")

    whole = ["DC0_C0", "vm", ["annotation", "owner"]]
    with serve(2) as s:
        once()
        with running(s, 4) as a:
            first = of(a.wait_cycles(1)[0].samples)
            got = []
            a.wait(lambda: got.extend(of(c.samples) for c in a.wait_cycles(1)) or got[-1] == whole, 150, "the names")
            t.same(first, [None, None, ["annotation"]], "names cannot be read: machines come without")
            t.same(got[-1], whole, "and with them when they can")
            once()
            s.lab("power", entity=s.machines()[0]["moid"], state="suspended")
            s.lab("expire")
            t.same([of(c.samples) for c in a.wait_cycles(3)], [whole] * 3, "names cannot be read anew: they stay")
            log = a.log()
            t.same([log.count("names of " + w) for w in ("hosts, clusters and folders stay", "custom attributes stay")], [2, 2],
                   "and it is told")


BOMB = b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def together(t, calls, at_once=3):
    """Parts that mostly wait, some at a time."""
    for i in range(0, len(calls), at_once):
        t.beside(*[lambda c=c, a=a: c(*a) for c, a in calls[i:i + at_once]])


def ends(t):
    """What ends a cycle, and in which words."""
    cases = [
        ("a wrong password", {"host_password": "another"}, {}, "is not accepted; not tried again for 60 s"),
        ("a certificate of nobody", {"ca_file": None}, {}, "certificate"),
        ("a certificate for another host", {}, {"leaf": TLS.other}, "is for another host"),
        ("an expired certificate", {}, {"leaf": TLS.expired}, "has expired"),
        ("insecure beside ca_file", {"insecure": "true"}, {"leaf": TLS.other}, "is for another host"),
        ("a host by its address", {"host_ip": "127.0.0.1"}, {}, "is for another host"),
    ]

    def one(what, options, more, words):
        with serve(2, **more) as s:
            samples, done = poll(conf(s, **options))
            t.ok(not samples and done.returncode and words in done.stderr, f"{what}: no samples, and why", done.stderr[-700:])
            if "password" in what:
                t.same(s.calls()["Login"], 1, "one login, and no more")

    together(t, [(one, case) for case in cases])
    with serve(2, leaf=TLS.other) as s:
        samples, done = poll(conf(s, insecure="true", ca_file=None))
        t.ok(any(x["name"] == "cpu_util" for x in samples), "insecure: any certificate will do", done.stderr[-500:])
        _, done = poll(conf(s, host_username=None))
        t.ok(done.returncode and "host_username: give an account" in done.stderr, "refused at the start: no account", done.stderr)


def others(t):
    """An ESXi host, a server without what vCenters have, and a URI in place of a configuration."""
    with serve(3, "-esx") as s:
        set_values(s)
        oracle = vim25.oracle(SCHEMAS, s, TLS.ca, 20)
        samples, done = poll(conf(s))
        t.none(differences(samples, oracle), "ESXi: values are Ceilometer's")
        t.none(vim25.check(SCHEMAS, s.requests()), "ESXi: every request is valid")
    with serve(3, "-lab=false") as s:
        samples, done = poll(conf(s))
        t.same(len([x for x in samples if x["name"] == "cpu_util"]), 3, "no paging, no CSV, no keyed paths: values all the same")
    with serve(2) as s:
        s.fail(fault="InvalidRequest", text="Unsupported version URI &quot;urn:vim25/6.5&quot;", method="RetrieveServiceContent")
        samples, done = poll(conf(s), "--meter", "cpu_util")
        t.ok(len(samples) == 2 and 'Logout "urn:vim25/6.0"' in s.lab("stats")["soapaction"], "a server before 6.5 is asked by 6.0",
             (len(samples), s.lab("stats")["soapaction"]))
    with serve(2) as s:
        password = "".join(f"%{ord(c):02X}" for c in vcsim.PASSWORD)
        done = agent.command("poll", "--uri", f"vsphere://meter:{password}@localhost:{s.port}?ca_file={TLS.ca}", "--meter",
                             "cpu_util", "--format", "json")
        t.same(len(read(done.stdout)), 2, "poll --uri vsphere://")
        pipeline = f"pipeline_cfg_file = {FOLDER.name}/pipeline.yaml\n"
        with open(f"{FOLDER.name}/pipeline.yaml", "w", encoding="utf-8") as f:
            f.write("sources: [{name: a, meters: ['*'], sinks: [b]}]\nsinks: [{name: b, publishers: ['null://']}]\n")
        done = agent.command("check", "--config-file", conf(s, pipeline))
        t.ok(done.returncode == 0 and vcsim.PASSWORD not in done.stdout + done.stderr, "check finds nothing wrong", done.stdout)
        done = agent.command("check", "--config-file", conf(s, pipeline, host_port="0"))
        t.ok(done.returncode and "host_port" in done.stdout + done.stderr, "check finds a bad port", done.stdout)


def silence(t):
    """A machine that costs an answer is found and left alone; the others go on, and a cycle keeps its time."""
    with serve(4) as s:
        bad = s.machines()[0]
        s.fail(method="QueryPerf", match=f">{bad['moid']}<", delay=60000, count=999)
        with running(s, 4) as a:
            got = a.wait_cycles(4)
            ids = [{x["resource_id"] for x in c.samples if x["name"] == "cpu_util"} for c in got]
            t.ok(all(bad["nvp.vm-uuid"] not in i for i in ids) and len(ids[-1]) == 3, "all others have values", ids)
            t.ok(re.search(f"machine {bad['moid']} .* does not answer; left alone for 60 s", a.log()), "and it is told which",
                 a.log()[-1500:])
            asked = len([q for q in s.requests("QueryPerf") if f">{bad['moid']}<" in q])
            a.wait_cycles(1)
            t.same(len([q for q in s.requests("QueryPerf") if f">{bad['moid']}<" in q]), asked, "it is not asked again at once")
            outcomes = json.dumps(a.status())
            t.ok('"stuck": 1' in outcomes, "its outcome is stuck", outcomes[:1500])
            a.stop()
    with serve(1) as s:
        for method in ("QueryPerf", "CurrentTime"):
            s.fail(method=method, delay=60000)
        with running(s, 4) as a:
            got = []
            a.wait(lambda: got.extend(a.wait_cycles(1)) or any(x["name"] == "cpu_util" for x in got[-1].samples), 60, "values")
            t.ok("does not answer; left alone" not in a.log(), "a server that hangs: no machine is to blame for it", a.log()[-900:])
            t.ok(s.calls()["CurrentTime"] == 1, "as the server was asked what has nothing to do with machines", s.calls())
    with serve(2) as s:
        s.fail(method="RetrievePropertiesEx", delay=60000, count=999)
        samples, done = poll(conf(s), "--interval", "3")
        t.ok(not samples and done.returncode and "no answer in time" in done.stderr, "a server that hangs: no longer than a cycle",
             done.stderr[-500:])


def many(t):
    """1000 machines: so many questions and no more; all have values, though the machine be slow, and those of one in 50 are
    Ceilometer's, which takes long."""
    with serve(1000, "-max-query-metrics", "256") as s:
        set_values(s)
        for i, m in enumerate(s.machines()[::50]):
            s.metric("cpu.usage", 100 + i, 200 + i, 300 + i, entity=m["moid"])
        meters = [w for m in ("cpu_util", "memory.usage", "network.*.rate", "disk.device.*.rate") for w in ("--meter", m)]
        samples, done = poll(conf(s), "--interval", "150", *meters, timeout=200)
        calls = s.calls()
        t.same(len([x for x in samples if x["name"] == "cpu_util"]), 1000, "1000 machines have values")
        oracle = vim25.oracle(SCHEMAS, s, TLS.ca, 20, 50)
        t.none(differences(samples, oracle), "which are Ceilometer's")
        t.same(len({e["cpu_util"] for e in oracle.values()}), 20, "each its own")
        t.same(len({x["resource_id"] for x in samples if x["name"] == NICS[0]}), 1000, "and their NICs")
        t.ok(calls["QueryPerf"] <= -(-1000 * COUNTERS // 192), "N * counters / (3/4 of the limit) questions", calls)
        lists = [q for q in s.requests("RetrievePropertiesEx") if "<type>VirtualMachine</type>" in q]
        t.same(len(lists), 2, "and one for the list of each plugin")


def main(t):
    t.beside(lambda: means(t), lambda: (values(t), faults(t), many(t)), lambda: (silence(t), sizes(t)),
             lambda: (sessions(t), names(t)), lambda: (refusals(t), logins(t)),
             lambda: (discovery(t), pages(t), limits(t), others(t), ends(t)))


if __name__ == "__main__":
    with tap.Suite("vsphere") as suite:
        SCHEMAS = f"{FOLDER.name}/schemas"
        vim25.generate(SCHEMAS)
        TLS = Tls()
        main(suite)
