#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Discovery through Keystone and Nova, at a strict stand-in (lib/cloud.py), with the one domain of libvirt's test driver:
what Nova says of it is in the samples, and whatever goes wrong over there, the domain is metered on, by the last good list."""
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import agent
import cloud
import rabbit
import tap
import tlsca
from joined import DOMAIN, LIBVIRT_NAME, Scene

FAULTS = (
    ("/v2.1/servers", 500, "HTTP status 500 (internal server error): by the script"),
    ("/v2.1/servers", 403, "HTTP status 403 (forbidden"),
    ("/v2.1/servers", "half", "transfer closed"),
    ("/v2.1/servers", "garbage", "the answer is not JSON"),
    ("/v2.1/servers", "hang", "no answer in time"),
    ("/v2.1/servers", "close", "/servers/detail"),
)


def ordinary(t, c, s):
    s.until_name("web")
    meta = s.last()
    t.same({k: meta.get(k) for k in ("instance_type", "instance_host", "status", "state", "task_state", "user_metadata",
                                     "OS-EXT-AZ:availability_zone", "kernel_id")},
           {"instance_type": "m1.nano", "instance_host": "compute-0", "status": "active", "state": "active",
            "task_state": None, "user_metadata": {"group": "g"}, "OS-EXT-AZ:availability_zone": "nova", "kernel_id": None},
           "what Nova says of the domain is in its samples")
    t.same(meta["image"]["name"], "cirros", "with the image's name, from Glance")
    c.change(DOMAIN, name="renamed")
    s.until_name("renamed")
    lists = [p for m, p in c.requests if p.startswith("/v2.1/servers")]
    t.ok("changes-since" not in lists[0] and all("changes-since" in p for p in lists[1:]) and len(lists) > 1,
         "the whole list once, then only what has changed", lists)
    t.same((c.count("/v2.1/flavors"), c.count("/image"), c.count("/v3", "POST")), (1, 1, 1),
           "flavor, image and token are kept")
    t.ok(len(lists) <= s.a.cycles() + 1, "no more than one list for a cycle", f"{len(lists)} {s.a.cycles()}")


def faults(t, c, s):
    for number, (prefix, kind, words) in enumerate(FAULTS):
        before = s.a.cycles()
        c.fault(prefix, kind)
        s.until_error(words)
        s.until(lambda: s.a.cycles() > before + 1, "cycles")
        t.ok(s.last()["display_name"] in ("renamed", f"after-{number - 1}"), f"{kind}: the last good list is polled on")
        c.heal()
        c.change(DOMAIN, name=f"after-{number}")
        s.until_name(f"after-{number}")
        s.until_good()
    c.fault("/v2.1/servers", 429, times=1, Retry_After=3)
    s.until_error("HTTP status 429 (too many requests)")
    at = time.monotonic()
    s.until_good()
    asked = c.count("/v2.1/servers")
    t.ok(time.monotonic() - at > 1 and asked > 0, "429: it is asked again, but not before it wants to be")


def tokens(t, c, s):
    logins = c.count("/v3", "POST")
    c.tokens.clear()
    c.change(DOMAIN, name="again")
    s.until_name("again")
    t.same(c.count("/v3", "POST"), logins + 1, "a token that is not good any more: one login")
    t.ok("HTTP status 401" not in s.a.log(), "and the question is asked again at once", s.a.log())
    c.password = "changed"
    c.tokens.clear()
    s.until_error("/v3/auth/tokens: HTTP status 401 (not authorised")
    t.ok(s.last()["display_name"] == "again", "a password that is wrong: the last good list is polled on")
    c.password = "labpass"


def states(t, c, s):
    s.until_name("web")
    c.flavor("7", name="m1.odd")
    c.change(DOMAIN, name="odd", flavor={"id": "7", "links": []})
    s.until(lambda: s.last()["instance_type"] == "m1.odd", "the other flavor")
    c.change(DOMAIN, flavor={"id": "gone", "links": []})
    s.until(lambda: s.last()["instance_type"] == "unknown-id-gone", "a flavor that is not there")
    t.ok(s.last()["vcpus"] == 0, "a flavor that Nova does not know is called unknown-id-<id>, as in Ceilometer")
    c.fault("/v2.1/flavors/later", 500)
    c.flavor("later", name="m1.later")
    c.change(DOMAIN, flavor={"id": "later", "links": []})
    s.until(lambda: s.last()["instance_type"] == "unknown-id-later", "a flavor that cannot be had")
    c.heal()
    s.until(lambda: s.last()["instance_type"] == "m1.later", "it is asked for again")
    t.ok(True, "a flavor that could not be had is asked for again")
    c.change(DOMAIN, status="ERROR", **{"OS-EXT-STS__vm_state": "error"})
    s.until(lambda: s.instances("ok") == 0, "an instance in error is left out")
    c.change(DOMAIN, status="ACTIVE", name="well", **{"OS-EXT-STS__vm_state": "active"})
    s.until_name("well")
    c.delete(DOMAIN)
    s.until_name(LIBVIRT_NAME)
    t.ok(True, "what Nova does not know any more, or not yet, is metered as libvirt knows it")
    log = s.a.log() + str(s.a.status())
    t.none([secret for secret in (*c.tokens, "labpass") if secret in log], "no password and no token in log and status")
    t.none(sorted(set(c.wrong)), "nothing was asked otherwise than Ceilometer asks")


def ending(t):
    """Tokens that end soon, by Keystone's word, and a Nova that hangs."""
    with cloud.Cloud(lifetime=32) as c:
        c.add(DOMAIN, "web")
        with Scene(c, c.options(timeout=600)) as s:
            s.until_name("web")
            s.until(lambda: c.count("/v3", "POST") > 2, "logins before a token ends")
            t.same(c.refused, 0, "a token is not used in its last 30 seconds")
            c.lifetime = 3600
            c.tokens.clear()
            c.change(DOMAIN, name="other")
            s.until_name("other")
            logins = c.count("/v3", "POST")
            c.fault("/v2.1/servers", "hang")
            asked = c.count("/v2.1/servers")
            s.until(lambda: c.count("/v2.1/servers") > asked, "a list that hangs")
            before = s.a.cycles()
            s.until(lambda: s.a.cycles() > before + 4, "cycles")
            t.same((c.count("/v2.1/servers"), s.joined()["last_error"]),
                   (asked + 1, ""), "while Nova hangs, with a timeout of ten minutes, cycles go on")
            c.heal()
            c.change(DOMAIN, name="again")
            s.until_name("again")
            t.same(c.count("/v3", "POST"), logins, "one token for all of it")


def main_scene(t):
    with cloud.Cloud() as c:
        c.add(DOMAIN, "web", **{"metering.group": "g"})
        with Scene(c) as s:
            ordinary(t, c, s)
            faults(t, c, s)
            tokens(t, c, s)


def other_scene(t):
    with cloud.Cloud() as c:
        c.add(DOMAIN, "web")
        with Scene(c) as s:
            states(t, c, s)


def down_at_start(t):
    port = rabbit.free_port()
    at = f"http://127.0.0.1:{port}"
    with Scene(None, {"auth_url": at, "username": "ceilometer", "password": "labpass", "project_name": "service",
                      "user_domain_id": "default"}) as s:
        s.until_name(LIBVIRT_NAME)
        s.until_error("Couldn't connect")
        t.ok(True, "Keystone is down at the start: domains are metered as libvirt knows them")
        with cloud.Cloud(port=port) as c:
            c.add(DOMAIN, "late")
            s.until_name("late")
            t.same(c.requests[0], ("GET", "/"), "and as Nova does when it is there; Keystone was asked for its versions")


def pages(t):
    polling = ("sources:\n  - name: all\n    interval: 1\n    meters: ['*']\n    discovery: ['nova://']\n")
    with cloud.Cloud(page=1000) as c:
        for i in range(2500):
            c.add(f"00000000-0000-4000-8000-{i:012x}", f"vm-{i}")
        with Scene(c, compute={"instance_discovery_method": "libvirt_metadata",
                                                             "fetch_extra_metadata": "false"}, yaml=polling) as s:
            s.until(lambda: s.instances("gone") == 2500, "2500 instances", 60)
            lists = [p for m, p in c.requests if p.startswith("/v2.1/servers")]
            t.same([("marker" in p, "changes-since" in p) for p in lists[:3]], [(False, False), (True, False), (True, False)],
                   "all pages of 2500 servers are read")


def certificates(t, folder):
    ca, other = tlsca.Authority(f"{folder}/ca"), tlsca.Authority(f"{folder}/other")
    good = ca.leaf("good", "cloud", "serverAuth", "IP:127.0.0.1")
    wrong = ca.leaf("wrong", "cloud", "serverAuth", "DNS:elsewhere.example")
    for leaf, cafile, words, what in ((good, other.cert, "name its file in cafile", "of an unknown authority"),
                                      (wrong, ca.cert, "its certificate is for another host", "for another host"),
                                      (good, ca.cert, None, "as it should be")):
        with cloud.Cloud(tls=leaf) as c:
            c.add(DOMAIN, "secure")
            with Scene(c, c.options(cafile=cafile)) as s:
                s.until_error(words) if words else s.until_name("secure")
                t.ok(words is None or not c.requests, f"a certificate {what}")


def client_certificates(t, folder):
    """Keystone and Nova that want to know who asks, and one whose own certificate is not to be looked at."""
    ca, other = tlsca.Authority(f"{folder}/ca"), tlsca.Authority(f"{folder}/other")
    good = ca.leaf("good", "cloud", "serverAuth", "IP:127.0.0.1")
    cert, key = ca.leaf("agent", "agent", "clientAuth")
    stranger, strangers_key = other.leaf("agent", "agent", "clientAuth")
    both = f"{folder}/both.pem"
    with open(both, "wb") as f:
        for part in (cert, key):
            with open(part, "rb") as g:
                f.write(g.read())
    cases = (
        ("none", {}, "handshake failure"),
        ("of an unknown authority", {"certfile": stranger, "keyfile": strangers_key}, "unknown ca"),
        ("with the key of another", {"certfile": cert, "keyfile": strangers_key}, "certfile or keyfile cannot be used"),
        ("that is not there", {"certfile": f"{folder}/none.pem", "keyfile": key}, "certfile: "),
        ("as it should be", {"certfile": cert, "keyfile": key}, None),
        ("and its key in one file", {"certfile": both}, None),
    )
    for what, options, words in cases:
        with cloud.Cloud(tls=good, clients=ca.cert) as c:
            c.add(DOMAIN, "secure")
            with Scene(c, c.options(cafile=ca.cert, **options)) as s:
                s.until(lambda: words in s.joined().get("last_error", "") + s.a.log(), words) if words else s.until_name("secure")
                t.ok(words is None or not c.requests, f"a client's certificate: {what}", s.joined())
    with cloud.Cloud(tls=other.leaf("wrong", "cloud", "serverAuth", "DNS:elsewhere.example")) as c:
        c.add(DOMAIN, "whoever")
        with Scene(c, c.options(cafile=ca.cert, insecure="true")) as s:
            s.until_name("whoever")
            t.ok(True, "insecure: whatever certificate the services have")


def old_and_other(t):
    with cloud.Cloud() as c:
        c.add(DOMAIN, "juno")
        with Scene(c, {"os_auth_url": f"{c.url}/v2.0", "os_username": "ceilometer", "os_password": "labpass",
                       "os_tenant_name": "services", "os_endpoint_type": "publicURL"}) as s:
            s.until_name("juno")
            t.ok(c.count("/v2.0/tokens", "POST") == 1, "Keystone v2.0 with the options of Juno")
    with cloud.Cloud() as c:
        c.add(DOMAIN, "elsewhere")
        with Scene(c, {"auth_section": "my_cloud", "auth_url": "http://127.0.0.1:9/v3", "interface": "internal"},
                   my_cloud=c.options()) as s:
            s.until_name("elsewhere")
            said = agent.command("check", "--config-file", s.a.config).stdout
            t.ok("my_cloud" not in said and "auth_section" not in said, "auth_section names another section", said)
    with Scene(None, {}) as s:
        s.until_name(LIBVIRT_NAME)
        said = agent.command("check", "--config-file", s.a.config).stdout
        words = "instance_discovery_method = naive: [service_credentials] auth_url: is missing"
        t.ok(words in said and words in s.a.log(), "without credentials: told, and as libvirt knows them", said)


with tap.Suite("nova") as suite:
    with tempfile.TemporaryDirectory(prefix="vm-nova-") as directory:
        suite.beside(lambda: main_scene(suite),
                     lambda: (other_scene(suite), down_at_start(suite)), lambda: ending(suite),
                     lambda: (pages(suite), certificates(suite, directory), old_and_other(suite)),
                     lambda: client_certificates(suite, f"{directory}/clients"))
