#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Discovery at a real Keystone and a real Nova (lib/openstack_real.py), with the one domain of libvirt's test driver, the
first of Nova's instances and therefore on its last page.  What they do not do by themselves, a proxy before them does with
their answers (lib/breaker.py): whatever goes wrong there, the domain is metered on, by the last good list.

Environment: SERVERS  the others on this host (3), in pages of 2; from 1000 on in pages of 1000, as Nova's by default, and
without what goes wrong
"""
import json
import os
import sys
import tempfile

SERVERS = int(os.environ.get("SERVERS", "3"))
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import breaker
import cloud
import openstack_real
import tap
import tlsca
from joined import DOMAIN, LIBVIRT_NAME, Scene

NAME = "renamed"        # as the domain is called at last
SPARING = {"resource_update_interval": 2}       # several agents ask this one Nova


def names(s):
    """What the domain was called in its samples, in their order, each once."""
    found = []
    with open(s.a.file, encoding="utf-8") as f:
        for sample in map(json.loads, f.read().rpartition("\n")[0].splitlines()):
            name = sample["resource_metadata"].get("display_name")
            if sample["resource_id"] == DOMAIN and found[-1:] != [name]:
                found.append(name)
    return found


def more_cycles(s, count=2):
    before = s.a.cycles()
    s.until(lambda: s.a.cycles() >= before + count, "cycles")


def follows(t, real, s):
    s.until_name("web")
    meta = s.last()
    t.same({k: meta.get(k) for k in ("instance_type", "instance_host", "status", "state", "task_state", "user_metadata",
                                     "OS-EXT-AZ:availability_zone")},
           {"instance_type": "m1.nano", "instance_host": "compute-0", "status": "active", "state": "active",
            "task_state": None, "user_metadata": {"server_group": "corp"}, "OS-EXT-AZ:availability_zone": "nova"},
           "what Nova says of the domain is in its samples")
    t.same(meta["image"]["name"], "cirros", "with the image's name, from Glance")
    real.act("name", DOMAIN, NAME)
    s.until_name(NAME)
    t.ok(True, "a change is seen")
    real.act("host", DOMAIN, "compute-1")
    s.until_name(LIBVIRT_NAME)
    t.ok(True, "migrated away: with the next whole list Nova has it no more, and as long as libvirt has it, it is metered")
    real.act("host", DOMAIN, "compute-0")
    s.until_name(NAME)
    t.ok(True, "it comes back")


# ---- logging in

def logins(t, real):
    """By other ways than the name and its password; the second asks Keystone which versions it has."""
    token, made = real.log_in("ceilometer", "service")
    user, project = made["user"]["id"], made["project"]["id"]
    credential = real.make("application_credential", token, f"users/{user}/application_credentials", name="meter")
    trust = real.make("trust", token, "OS-TRUST/trusts", trustor_user_id=user, trustee_user_id=real.users["nova"],
                      project_id=project, impersonation=True, roles=[{"name": "admin"}])
    named, base = {"project_name": "service", "project_domain_name": "Default"}, {"auth_url": real.base, "region_name": "RegionOne"}
    for what, options in (
            ("an application credential", {"auth_type": "v3applicationcredential", "application_credential_id": credential["id"],
                                           "application_credential_secret": credential["secret"]}),
            ("a token, and no version in the address", {"auth_type": "token", "token": token, **named,
                                                        "auth_url": real.base.removesuffix("/v3")}),
            ("ids in place of names", {"user_id": user, "password": openstack_real.PASSWORD, "project_id": project}),
            ("a trust", {"username": "nova", "user_domain_name": "Default", "password": openstack_real.PASSWORD,
                         "trust_id": trust["id"]})):
        with Scene(None, {**base, "timeout": 20, **options}) as s:
            s.until_name(NAME)
            t.ok(not [x for x in (token, credential["secret"], openstack_real.PASSWORD) if x in s.a.log()], f"logged in by {what}")


def refused(t, real):
    with Scene(None, {**real.options(), "password": "nonsense"}) as s:
        s.until_error("HTTP status 401 (not authorised")
        t.ok("nonsense" not in s.a.log(), "a wrong password is told, and not which")


# ---- what goes wrong

def goes_wrong(t, s, what, begin, words, end):
    """It is told, and the last good list is polled on; it is well when that is over."""
    begin()
    s.until_error(words)
    more_cycles(s)
    on = s.last()["display_name"]
    end()
    s.until_good()
    t.same((on, s.instances("ok")), (NAME, 1), f"{what}: the last good list is polled on, and it is well again")


def broken_nova(t, real):
    with breaker.Breaker(real.nova_port) as nova:
        real.region("Broken", nova.url)
        with Scene(None, {**real.options(), "region_name": "Broken", "timeout": 5}, SPARING) as s:
            s.until_name(NAME)
            for kind, words in ((403, "HTTP status 403 (forbidden"), (500, "HTTP status 500 (internal server error): by the"),
                                ("half", "transfer closed"), ("garbage", "the answer is not JSON"),
                                ("hang", "no answer in time"), ("close", "/servers/detail")):
                goes_wrong(t, s, f"Nova, {kind}", lambda k=kind: nova.fault("/v2.1/servers", k), words, nova.heal)
            nova.fault("/v2.1/servers", 429, times=1, Retry_After=4)
            s.until_error("HTTP status 429 (too many requests)")
            s.until_good()
            later = [x - nova.failed[-1] for x, (_, path) in zip(nova.times, nova.requests)
                     if path.startswith("/v2.1/servers") and x > nova.failed[-1]]
            t.ok(later and later[0] >= 4,
                 "Nova, 429 with Retry-After: asked again, but not before it wants to be", str(later))
            before = nova.saw("/v2.1/servers", 401)
            real.revoke(nova.token)
            s.until(lambda: nova.saw("/v2.1/servers", 401) > before, "Nova takes the revoked token")
            more_cycles(s)
            s.until_good()
            t.ok("HTTP status 401" not in s.a.log() and nova.saw("/v2.1/servers", 401) == before + 1,
                 "Nova, 401 for a token that was revoked: one login, and the same question again", s.a.log()[-2000:])
            t.same(names(s)[-1:], [NAME], "in none of it another name")
            t.ok(len(names(s)) <= 2 and s.instances("ok") == 1, "and no instance has vanished", str(names(s)))


def broken_keystone(t, real):
    """From the start on, and when a token has to be replaced."""
    with breaker.Breaker(real.port) as keystone, breaker.Breaker(real.nova_port) as nova:
        real.region("Other", nova.url)
        keystone.fault("/v3/auth", "hang")
        with Scene(None, {**real.options(), "auth_url": f"{keystone.url}/v3", "region_name": "Other", "timeout": 5}, SPARING) as s:
            s.until_name(LIBVIRT_NAME)
            s.until_error("/v3/auth/tokens: no answer in time")
            t.ok(True, "Keystone hangs from the start on: domains are metered as libvirt knows them")
            keystone.heal()
            s.until_name(NAME)

            def without_token(kind):
                keystone.fault("/v3/auth", kind)
                real.revoke(nova.token)
            for kind, words in ((403, "HTTP status 403"), (500, "HTTP status 500"), ("half", "transfer closed"),
                                ("garbage", "the answer is not JSON")):
                goes_wrong(t, s, f"Keystone, {kind}", lambda k=kind: without_token(k), f"/v3/auth/tokens: {words}"
                           if isinstance(kind, int) else words, keystone.heal)
            t.same(names(s), [LIBVIRT_NAME, NAME], "in none of it has the instance another name")


def certificates(t, real, folder):
    ca, other = tlsca.Authority(f"{folder}/ca"), tlsca.Authority(f"{folder}/other")
    good = ca.leaf("good", "nova", "serverAuth", "IP:127.0.0.1")
    with breaker.Breaker(real.nova_port, tls=good) as nova:
        real.region("Secure", nova.url)
        with Scene(None, {**real.options(), "region_name": "Secure", "cafile": ca.cert}, SPARING) as s:
            s.until_name(NAME)
            for what, leaf, words in (
                    ("of an unknown authority", other.leaf("foreign", "nova", "serverAuth", "IP:127.0.0.1"), "name its file in cafile"),
                    ("that has expired", ca.leaf("old", "nova", "serverAuth", "IP:127.0.0.1", days=-1), "has expired"),
                    ("for another host", ca.leaf("wrong", "nova", "serverAuth", "DNS:elsewhere.example"), "is for another host")):
                goes_wrong(t, s, f"Nova, a certificate {what}", lambda x=leaf: nova.show(x), words, lambda: nova.show(good))


def outlives(t, real, s):
    real.act("no_flavor", DOMAIN)
    s.until(lambda: s.last()["instance_type"] == "unknown-id-42", "the flavor is gone")
    t.ok(s.last()["vcpus"] == 0, "404 for a flavor: it is called unknown-id-<id>, as in Ceilometer")
    real.kill("nova")
    s.until_error("/servers/detail")
    more_cycles(s)
    t.same(s.last()["display_name"], NAME, "Nova is away: the last good list is polled on")
    real.nova_again()
    s.until_good()
    real.act("destroy", DOMAIN)
    s.until_name(LIBVIRT_NAME)
    t.ok(True, "it is back, and what was deleted is metered as libvirt knows it")


def late_and_short(t, real):
    """Keystone comes after the agent, with tokens that live for 33 seconds."""
    real.kill("keystone")
    with breaker.Breaker(real.port) as keystone, breaker.Breaker(real.nova_port) as nova:
        with Scene(None, {**real.options(), "auth_url": f"{keystone.url}/v3", "region_name": "Late"}) as s:
            s.until_name(LIBVIRT_NAME)
            s.until_error("/v3/auth/tokens")
            t.ok(True, "Keystone is down at the start: domains are metered as libvirt knows them")
            real.keystone_again(lifetime=33)
            real.token, _ = real.log_in("admin", "admin")
            real.region("Late", nova.url)
            s.until_name(NAME)
            t.ok(True, "and as Nova knows them when it is there")
            s.until(lambda: keystone.saw("/v3/auth/tokens", 201) > 2, "new tokens before the old ones end")
            more_cycles(s)
            s.until_good()
            t.same(nova.saw("/v2.1", 401), 0, "tokens that end: none is used in its last 30 seconds")


with tap.Suite("nova_real") as suite, tempfile.TemporaryDirectory(prefix="vm-nova-") as directory, \
        cloud.Cloud(foreign=True) as glance:
    instances = {DOMAIN: "web", **{f"00000000-0000-4000-8000-{i:012x}": f"vm-{i}" for i in range(SERVERS)}}
    with openstack_real.Real(directory, glance.port, instances, page=1000 if SERVERS >= 1000 else 2) as cloudy:
        with Scene(None, cloudy.options(), {"resource_cache_expiry": 5}) as scene:
            follows(suite, cloudy, scene)
            if SERVERS < 1000:
                suite.beside(lambda: (certificates(suite, cloudy, directory), logins(suite, cloudy), refused(suite, cloudy)),
                             lambda: broken_nova(suite, cloudy), lambda: broken_keystone(suite, cloudy))
                late_and_short(suite, cloudy)
            else:
                logins(suite, cloudy)
                refused(suite, cloudy)
            outlives(suite, cloudy, scene)
