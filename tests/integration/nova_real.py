#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Discovery at a real Keystone and a real Nova (lib/openstack_real.py), with the one domain of libvirt's test driver, the
first of Nova's instances and therefore on its last page.

Environment: SERVERS  the others on this host (3), in pages of 2; from 1000 on in pages of 1000, as Nova's by default
"""
import os
import sys
import tempfile

SERVERS = int(os.environ.get("SERVERS", "3"))
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import cloud
import openstack_real
import tap
from joined import DOMAIN, LIBVIRT_NAME, Scene


def follows(t, real, s):
    s.until_name("web")
    meta = s.last()
    t.same({k: meta.get(k) for k in ("instance_type", "instance_host", "status", "state", "task_state", "user_metadata",
                                     "OS-EXT-AZ:availability_zone")},
           {"instance_type": "m1.nano", "instance_host": "compute-0", "status": "active", "state": "active",
            "task_state": None, "user_metadata": {"server_group": "corp"}, "OS-EXT-AZ:availability_zone": "nova"},
           "what Nova says of the domain is in its samples")
    t.same(meta["image"]["name"], "cirros", "with the image's name, from Glance")
    real.act("name", DOMAIN, "renamed")
    s.until_name("renamed")
    t.ok(True, "a change is seen")
    real.act("host", DOMAIN, "compute-1")
    s.until_name(LIBVIRT_NAME)
    t.ok(True, "migrated away: with the next whole list Nova has it no more, and as long as libvirt has it, it is metered")
    real.act("host", DOMAIN, "compute-0")
    s.until_name("renamed")
    t.ok(True, "it comes back")


def logins(t, real):
    """By other ways than the name and its password; the second asks Keystone which versions it has."""
    domain = {"name": "Default"}
    _, body, headers = real.ask("POST", f"{real.base}/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": "ceilometer", "password": openstack_real.PASSWORD,
                                                                    "domain": domain}}},
        "scope": {"project": {"name": "service", "domain": domain}}}})
    user, token = body["token"]["user"]["id"], headers["X-Subject-Token"]
    code, body, _ = real.ask("POST", f"{real.base}/users/{user}/application_credentials",
                             {"application_credential": {"name": "meter"}}, token)
    assert code == 201, body
    made = body["application_credential"]
    project = {"project_name": "service", "project_domain_name": "Default"}
    for what, options in (
            ("an application credential", {"auth_type": "v3applicationcredential", "application_credential_id": made["id"],
                                           "application_credential_secret": made["secret"]}),
            ("a token, and no version in the address", {"auth_type": "token", "token": token, **project,
                                                        "auth_url": real.base.removesuffix("/v3")}),
            ("ids in place of names", {"user_id": user, "password": openstack_real.PASSWORD,
                                       "project_id": body["application_credential"]["project_id"]})):
        with Scene(None, {"auth_url": real.base, "timeout": 20, **options}) as s:
            s.until_name("renamed")
            t.ok(not [x for x in (token, made["secret"], openstack_real.PASSWORD) if x in s.a.log()], f"logged in by {what}")


def outlives(t, real, s):
    real.kill("nova")
    s.until_error("/servers/detail")
    before = s.a.cycles()
    s.until(lambda: s.a.cycles() > before + 1, "cycles")
    t.same(s.last()["display_name"], "renamed", "Nova is away: the last good list is polled on")
    real.nova_again()
    s.until_good()
    real.act("destroy", DOMAIN)
    s.until_name(LIBVIRT_NAME)
    t.ok(True, "it is back, and what was deleted is metered as libvirt knows it")


def refused(t, real):
    with Scene(None, {**real.options(), "password": "nonsense"}) as s:
        s.until_error("HTTP status 401 (not authorised")
        t.ok("nonsense" not in s.a.log(), "a wrong password is told, and not which")


with tap.Suite("nova_real") as suite, tempfile.TemporaryDirectory(prefix="vm-nova-") as directory, \
        cloud.Cloud(foreign=True) as glance:
    instances = {DOMAIN: "web", **{f"00000000-0000-4000-8000-{i:012x}": f"vm-{i}" for i in range(SERVERS)}}
    with openstack_real.Real(directory, glance.port, instances, page=1000 if SERVERS >= 1000 else 2) as cloudy:
        with Scene(None, cloudy.options(), {"resource_cache_expiry": 5}) as scene:
            follows(suite, cloudy, scene)
            logins(suite, cloudy)
            outlives(suite, cloudy, scene)
        refused(suite, cloudy)
