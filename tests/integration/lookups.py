#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is looked up for libvirt's domains at a real Keystone and a real Nova (lib/openstack_real.py), and, for what goes
wrong, at a stand-in (lib/cloud.py).  The domain is of libvirt's test driver, with the metadata that Nova wrote for one
that Ceilometer 19.0.0 metered (golden19): the samples' metadata is what that made of it."""
import hashlib
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import agent
import cloud
import openstack_real
import tap
from joined import Scene

GOLDEN = os.path.join(HERE, "golden19")
DOMAIN = "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a"
LIBVIRT = {"instance_discovery_method": "libvirt_metadata"}
NAMES = {"identity_name_discovery": "true"}


def golden():
    """Metadata of the domain's samples, without what single meters add."""
    with open(f"{GOLDEN}/samples.jsonl", encoding="utf-8") as f:
        return next(s["resource_metadata"] for s in map(json.loads, f)
                    if s["resource_id"] == DOMAIN and s["name"] == "memory.usage")


def node(folder, name, count=1, **ids):
    """URI of the test driver with the golden domain (and others like it), its users and projects replaced."""
    with open(f"{GOLDEN}/domains/instance-00000001.xml", encoding="utf-8") as f:
        text = f.read()
    head = re.search(r"  <name>.*</metadata>\n", text, re.S).group(0)
    for old, new in ids.items():
        head = head.replace({"user": cloud.USER, "project": cloud.PROJECT}[old], new)
    one = (f"<domain type='test'>\n{head}  <memory unit='KiB'>65536</memory><currentMemory unit='KiB'>65536</currentMemory>"
           f"<vcpu>1</vcpu>\n  <os><type arch='x86_64'>hvm</type></os>\n</domain>\n")
    more = "".join(one.replace(DOMAIN, f"00000000-0000-4000-8000-{i:012x}").replace("<name>instance-00000001", f"<name>vm-{i}", 1)
                   .replace(cloud.USER, f"user{i}") for i in range(1, count))
    with open(f"{folder}/{name}.xml", "w", encoding="utf-8") as f:
        f.write(f"<node>\n{one}{more}</node>\n")
    return f"test://{folder}/{name}.xml"


class Looked(Scene):
    """An agent that meters that domain."""

    def __init__(self, c, uri, credentials=None, compute=None, **more):
        super().__init__(c, credentials, {**LIBVIRT, **(compute or {})}, uri=uri, **more)

    def sample(self):
        """The last sample of the domain, or one of nothing."""
        lines = []
        if os.path.exists(self.a.file):
            with open(self.a.file, encoding="utf-8") as f:
                lines = f.read().rpartition("\n")[0].splitlines()
        found = (x for x in map(json.loads, reversed(lines)) if x["resource_id"] == DOMAIN)
        return next(found, {"resource_metadata": {"flavor": {}}})

    def meta(self):
        return self.sample()["resource_metadata"]

    def names(self):
        return self.sample().get("user_name"), self.sample().get("project_name")

    def lookups(self):
        return (self.a.document() or {}).get("discovery", {}).get("lookups", {})

    def until_names(self, *names):
        self.until(lambda: self.names() == names, f"names {names}")

    def until_told(self, words):
        self.until(lambda: words in self.lookups().get("last_error", ""), f"{words!r} in the status")

    def until_well(self):
        self.until(lambda: self.lookups().get("last_error") == "", "no error in the status")

    def more_cycles(self, count=2):
        before = self.a.cycles()
        self.until(lambda: self.a.cycles() >= before + count, "cycles")


# ---- the real ones

def make(real, kind, **members):
    return real.make(kind, domain_id="default", **members)["id"]


def change(real, kind, ident, **members):
    code, body, _ = real.ask("PATCH", f"{real.base}/{kind}s/{ident}", {kind: members}, real.token)
    assert code == 200, body


def scopes(t, real, uri):
    """Tokens of a domain and of the system, which are for Keystone: Nova's policy wants a project's."""
    user = real.users["ceilometer"]
    real.grant("domains/default", user)
    real.grant("system", user)
    account = {"auth_url": real.base, "username": "ceilometer", "user_domain_name": "Default",
               "password": openstack_real.PASSWORD, "timeout": 20}
    for what, scope in (("a domain", {"domain_name": "Default"}), ("a domain by its id", {"domain_id": "default"}),
                        ("the system", {"system_scope": "all"})):
        with Looked(None, uri, {**account, **scope}, {"fetch_extra_metadata": "false"}, polling=NAMES) as s:
            s.until_names("joan", "shop")
            t.ok(openstack_real.PASSWORD not in s.a.log(), f"real: names by a token of {what}")


def real_scene(t, folder):
    with cloud.Cloud(foreign=True) as glance, openstack_real.Real(folder, glance.port, {DOMAIN: "vm-1"}) as real:
        user, project = make(real, "user", name="jane"), make(real, "project", name="shop")
        uri = node(folder, "real", user=user, project=project)
        with Looked(None, uri, real.options(), {"resource_cache_expiry": 2},
                    polling={**NAMES, "ignore_disabled_projects": "true"}) as s:
            s.until_names("jane", "shop")
            s.until(lambda: "user_metadata" in s.meta(), "the server's own metadata")
            t.same(s.meta(), {**golden(), "host": hashlib.sha224(f"{project}compute-0".encode()).hexdigest(),
                              "user_metadata": {"server_group": "corp"}},
                   "real: metadata as Ceilometer's, the flavor's id and the server's own metadata by Nova")
            t.ok(True, "real: names of user and project by Keystone")
            change(real, "user", user, name="joan")
            s.until_names("joan", "shop")
            t.ok(True, "real: a new name is seen when the old one has expired")
            change(real, "project", project, enabled=False)
            s.until(lambda: s.instances("ok") == 0, "the disabled project is left out")
            change(real, "project", project, enabled=True)
            s.until(lambda: s.instances("ok") == 1, "it is back")
            t.ok(True, "real: instances of a project that is disabled are left out, and come back with it")
            s.until_well()
            scopes(t, real, uri)
            real.kill("nova")
            s.until_told("/servers/detail")
            real.kill("keystone")
            s.until_told(f"/v3/users/{user}")
            s.more_cycles()
            t.same((s.names(), s.meta()["flavor"]["id"], s.meta().get("user_metadata")),
                   (("joan", "shop"), "42", {"server_group": "corp"}), "real: both are away: what was known stays")


# ---- what is asked, and what it makes

def as_ceilometer(t, folder):
    with cloud.Cloud(page=2) as c:
        for i in range(5):
            c.flavor(str(i), f"m1.other{i}")
        with Looked(c, node(folder, "plain"), compute={"fetch_extra_metadata": "false"},
                    virtmeter={"meter_profile": "19"}) as s:
            s.until(lambda: s.meta()["flavor"].get("id") == "42", "the flavor's id")
            t.same(s.meta(), golden(), "metadata is Ceilometer's, field by field")
            s.more_cycles(3)
            asked = [p for m, p in c.requests if m == "GET"]
            t.same([p.split("?")[0] for p in asked], 3 * ["/v2.1/flavors"],
                   "flavors are asked for once, all pages of them, and nothing else")
            t.none(sorted(set(c.wrong)), "and as Ceilometer asks")


def whole(t, folder):
    with cloud.Cloud() as c:
        c.add(DOMAIN, "vm-1", **{"metering.server_group": "g", "other": "x"})
        with Looked(c, node(folder, "whole"), polling=NAMES) as s:
            s.until_names("demo-user", "demo-project")
            s.until(lambda: s.meta().get("user_metadata") == {"server_group": "g"}, "the server's own metadata")
            t.same({**s.meta(), "user_metadata": None}, {**golden(), "user_metadata": None}, "with it: all else is as before")
            c.change(DOMAIN, metadata={"metering.server_group": "h"})
            s.until(lambda: s.meta().get("user_metadata") == {"server_group": "h"}, "the change")
            t.ok(True, "a change of the server's own metadata is seen, as in no Ceilometer")
            lists = c.count("/v2.1/servers")
            t.ok(lists <= s.a.cycles() + 1, "no more than one list of servers for a cycle", f"{lists} {s.a.cycles()}")
            t.same((c.count("/v2.1/flavors"), c.count("/v3/users"), c.count("/v3/projects"), c.count("/v3/domains"),
                    c.count("/v3/auth", "POST")), (0, 1, 1, 0, 1), "nothing is asked for twice, and nothing that is not wanted")
            done = agent.command("poll", "--config-file", s.a.config, "--format", "json", "--meter", "memory")
            polled = json.loads(done.stdout.splitlines()[0])
            t.same((polled["user_name"], polled["resource_metadata"]["flavor"]["id"]), ("demo-user", "42"),
                   "virtmeter poll waits for a first answer")
            secrets = [x for x in (*c.tokens, "labpass") if x in s.a.log() + str(s.a.status())]
            t.none(secrets, "no password and no token in log and status")
            t.none(sorted(set(c.wrong)), "nothing was asked otherwise than Ceilometer asks")


def beside_nova(t):
    with cloud.Cloud() as c:
        c.add(DOMAIN, "vm-1")
        with tempfile.TemporaryDirectory() as folder, Looked(c, node(folder, "naive"), polling=NAMES,
                                                             compute={"instance_discovery_method": "naive"}) as s:
            s.until_names("demo-user", "demo-project")
            t.ok("swap" not in s.meta()["flavor"] and not s.lookups()["last_error"], "naive: names beside what Nova lists", s.meta())
            t.same((c.count("/v2.1/flavors/42"), c.count("/v2.1/flavors?")), (1, 0), "and nothing else is looked up")


TWO = "sources:\n" + "".join(f"  - name: {name}\n    interval: 1\n    meters: ['memory', 'vcpus', 'memory.usage']\n{more}"
                             for name, more in (("own", ""), ("nova", "    discovery: ['nova://']\n")))


def servers_lists(c):
    return [p for m, p in c.requests if p.startswith("/v2.1/servers")]


def together(t, folder):
    """A source with Nova's own list beside what is looked up: all have one list, one login, and a reload keeps them."""
    with cloud.Cloud() as c:
        c.add(DOMAIN, "vm-1", **{"metering.server_group": "g"})
        c.add("00000000-0000-4000-8000-00000000000a", "elsewhere")
        with Looked(c, node(folder, "together"), compute={"resource_update_interval": 3600}, yaml=TWO) as s:
            s.until(lambda: s.meta().get("user_metadata") == {"server_group": "g"} and s.meta()["flavor"]["id"] == "42"
                    and (s.instances("ok"), s.instances("gone")) == (1, 1), "both lists")
            s.more_cycles(3)
            t.same((len(servers_lists(c)), c.count("/v3", "POST"), c.count("/v2.1/flavors/42"), c.count("/v2.1/flavors?")),
                   (1, 1, 1, 0), "nova:// beside what is looked up: one list in resource_update_interval, and one login")
            s.a.conf.setdefault("polling", {}).update(NAMES)
            s.a.write()
            s.a.put("polling.yaml", TWO)
            t.ok(s.a.reload().returncode == 0, "a reload")
            s.until_names("demo-user", "demo-project")
            s.more_cycles(2)
            t.same((len(servers_lists(c)), c.count("/v3", "POST"), s.instances("gone")), (1, 1, 1), "keeps the list and the token")
        c.requests.clear()
        with Looked(c, node(folder, "together"), yaml=TWO) as s:
            s.until(lambda: s.instances("gone") == 1, "both lists")
            s.until(lambda: len(servers_lists(c)) > 4, "lists")
            lists = servers_lists(c)
            t.ok(len(lists) <= s.a.cycles() + 1, "without an interval: one list for a cycle", f"{len(lists)} {s.a.cycles()}")


def load(t, folder):
    """What an hour of a host with 50 servers costs the controllers, at an interval of 300 seconds: 12 cycles, counted."""
    servers, flavors, images, cycles, hosts = 50, 5, 10, 12, 1000

    def count(asked):
        """All but changes."""
        return {"login": sum(m == "POST" for m, _ in asked),
                "whole list": sum(p.startswith("/v2.1/servers") and "changes-since" not in p for _, p in asked),
                "flavors": sum(p.startswith("/v2.1/flavors") for _, p in asked),
                "images": sum(p.startswith("/image") for _, p in asked),
                "names": sum(p.startswith(("/v3/users", "/v3/projects")) for _, p in asked)}

    def hour(what, wanted, compute=None, **more):
        with cloud.Cloud() as c:
            for i in range(flavors):
                c.flavor(f"f{i}", f"m1.f{i}")
            for i in range(images):
                c.image(f"image-{i}", f"image {i}")
            for i in range(servers):
                c.add(f"00000000-0000-4000-8000-{i:012x}" if i else DOMAIN, f"vm-{i}", flavor=f"f{i % flavors}",
                      image=f"image-{i % images}")
            with Looked(c, node(folder, f"load-{len(what)}", servers), compute=compute, **more) as s:
                s.until(lambda: s.a.cycles() >= cycles and sum(count(c.requests).values()) >= sum(wanted.values()), "cycles", 120)
                done, asked = s.a.cycles(), list(c.requests)
            counts, changes = count(asked), sum("changes-since" in p for _, p in asked)
            t.ok(counts == {"names": 0, **wanted} and 1 <= changes <= done and len(asked) == changes + sum(counts.values()),
                 f"load of {what}: a login, a list, what is in it, and a question a cycle", f"{counts} {changes} {done}")
            full = sum(counts.values()) + cycles - 1
            t.say(f"{what}: {len(asked)} requests in {done} cycles of a host with {servers} servers, {changes} of them for changes; "
                  f"an hour of {cycles} cycles {full}, of {hosts} hosts {full * hosts}, {full * hosts / 3600:.1f} a second")
    all_ = {"login": 1, "whole list": 1, "flavors": flavors, "images": images}
    t.beside(lambda: hour("naive", all_, {"instance_discovery_method": "naive"}),
             lambda: hour("libvirt_metadata", {**all_, "flavors": 0, "images": 0}),
             lambda: hour("libvirt_metadata with names", {**all_, "flavors": 0, "images": 0, "names": servers + 1},
                          polling=NAMES),
             lambda: hour("libvirt_metadata beside nova://", all_, yaml=TWO))


# ---- what goes wrong

def hanging(t, folder):
    """Keystone hangs from the start on; later Nova does."""
    with cloud.Cloud() as c:
        c.add(DOMAIN, "vm-1", **{"metering.a": "b"})
        c.fault("/v3", "hang")
        with Looked(c, node(folder, "hang"), c.options(timeout=600), polling=NAMES) as s:
            s.until(lambda: c.count("/v3", "POST") == 1, "a login that hangs")
            s.more_cycles(4)
            meta = s.meta()
            t.same((c.count("/"), c.count("/", "POST"), s.lookups()["age_s"], s.lookups()["last_error"]), (0, 1, None, ""),
                   "Keystone hangs from the start on: cycles go on meanwhile")
            t.same((meta["flavor"]["id"], meta.get("user_metadata"), s.names()), ("m1.nano", None, (None, None)),
                   "the flavor's name stands for its id, and names are null")
            c.heal()
            s.until_names("demo-user", "demo-project")
            s.until(lambda: s.meta()["flavor"]["id"] == "42", "the flavor's id")
            s.until_well()
            t.ok(True, "they come in when it answers")
            c.fault("/v2.1", "hang")
            hung = len(c.requests)
            s.until(lambda: any(p.startswith("/v2.1") for _, p in c.requests[hung:]), "a list that hangs")
            s.more_cycles(4)
            t.same((s.meta()["flavor"]["id"], s.meta()["user_metadata"]), ("42", {"a": "b"}), "Nova hangs: cycles go on with what is known")
            t.ok(s.a.stop() == 0, "and the agent ends without waiting for it")


def failing(t, folder):
    with cloud.Cloud() as c:
        c.fault("/v3/users", 500)
        c.fault("/v2.1/servers", 403)
        with Looked(c, node(folder, "failing", 4), polling=NAMES) as s:
            s.until(lambda: s.names()[1] == "demo-project" and s.meta()["flavor"]["id"] == "42", "what can be had")
            t.ok(s.names()[0] is None and "HTTP status" in s.lookups()["last_error"],
                 "users fail, and servers: projects are asked for, and the flavor by its name", s.lookups())
            t.ok(s.instances("ok") == 4, "no instance is left out")
            checked = agent.command("status", "--check", "--socket", s.a.socket)
            t.ok(checked.returncode == 1 and "discovery.lookups" in checked.stdout + checked.stderr, "status --check says so",
                 checked.stdout + checked.stderr)
        c.heal()
        with Looked(c, node(folder, "unknown", 4), compute={"fetch_extra_metadata": "false", "resource_cache_expiry": 3},
                    polling={**NAMES, "ignore_disabled_projects": "true"}) as s:
            s.until_names("demo-user", "demo-project")
            s.until(lambda: c.count("/v3/users/user3") > 0, "the other users")
            s.until_well()
            t.ok(s.instances("ok") == 4, "a user that Keystone does not know: null, and no error")
            c.password = "changed"
            c.tokens.clear()
            s.until_told("/v3/auth/tokens: HTTP status 401 (not authorised")
            s.more_cycles()
            t.ok(s.names() == ("demo-user", "demo-project") and s.instances("ok") == 4,
                 "the account is refused: what is known stays, beyond its expiry", s.sample())


def disabled(t, folder):
    with cloud.Cloud() as c:
        of_project, of_domain = c.identities["projects"][cloud.PROJECT], c.identities["domains"]["default"]
        of_domain["enabled"] = False
        with Looked(c, node(folder, "disabled"), compute={"resource_cache_expiry": 1},
                    polling={"ignore_disabled_projects": "true"}) as s:
            s.until(lambda: c.count("/v3/domains") > 0 and s.instances("ok") == 0, "the domain's projects are left out")
            t.ok(s.names() == (None, None), "a domain that is disabled: its projects' instances are left out, names are not asked for")
            of_domain["enabled"] = True
            s.until(lambda: s.instances("ok") == 1, "they are back")
            of_project["enabled"] = False
            s.until(lambda: s.instances("ok") == 0, "the project is left out")
            c.fault("/v3", 503)
            of_project["enabled"] = True
            s.until_told("HTTP status 503")
            s.more_cycles()
            t.ok(s.instances("ok") == 0, "Keystone fails: its last word counts")
            c.heal()
            s.until(lambda: s.instances("ok") == 1, "it is back")
            t.ok(True, "and its next one")


def switched(t, folder):
    """By a reload; and without an account nothing is looked up."""
    with cloud.Cloud() as c:
        with Looked(c, node(folder, "switched")) as s:
            s.until(lambda: s.meta()["flavor"].get("id") == "42", "the flavor's id")
            s.a.conf.setdefault("polling", {}).update(NAMES)
            s.a.write()
            t.ok(s.a.reload().returncode == 0, "reload: names are wanted, too")
            s.until_names("demo-user", "demo-project")
            s.a.conf["service_credentials"] = {"interface": "internal"}
            s.a.write()
            t.ok(s.a.reload().returncode == 0 and not s.lookups(), "reload: without an account nothing is looked up")
            s.until_names(None, None)
            before = len(c.requests)
            s.more_cycles()
            checked = agent.command("check", "--config-file", s.a.config)
            words = "identity_name_discovery has no effect without [service_credentials] auth_url"
            t.ok(words in checked.stdout and checked.returncode == 0, "check says so", checked.stdout)
            t.same(c.requests[before:], [], "nobody was asked")
            s.a.conf["service_credentials"] = {"auth_url": c.url, "auth_type": "v3oidcpassword"}
            s.a.write()
            checked = agent.command("check", "--config-file", s.a.config)
            t.ok("nothing is looked up" in checked.stdout and checked.returncode == 1, "an account that will not do is a finding",
                 checked.stdout)
            t.ok(s.a.reload().returncode == 0 and s.a.running(), "and the agent meters on without it")
            s.more_cycles()


with tap.Suite("lookups") as suite, tempfile.TemporaryDirectory(prefix="vm-lookups-") as directory:
    suite.beside(lambda: real_scene(suite, directory), lambda: load(suite, directory),
                 lambda: (as_ceilometer(suite, directory), whole(suite, directory), beside_nova(suite),
                         together(suite, directory)),
                 lambda: (hanging(suite, directory), disabled(suite, directory)),
                 lambda: (failing(suite, directory), switched(suite, directory)))
