#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who the Hyper-V inspector says it is: NTLM against gss-ntlmssp's acceptor, Kerberos against MIT's KDC and acceptor,
over HTTPS and, with every message encrypted, over HTTP."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hyperv
import kdc
import private
import tap
import wsman_standin as standin


def options(**more):
    return standin.Options(basic=False, **more)


def good(t, what, s, path, env):
    samples, done = hyperv.poll(path, env=env)
    world = hyperv.hyperv_world.World()
    t.none(hyperv.differences(samples, world) or [done.stderr[-600:]] * bool(done.returncode), f"{what}: values are Ceilometer's")
    t.ok(hyperv.SECRET not in done.stderr, f"{what}: the log does not tell the password")
    return s


def refused(t, what, path, env, words):
    samples, done = hyperv.poll(path, env=env)
    t.ok(not samples and any(w in done.stderr for w in words), f"{what}: no samples, and why", done.stderr[-500:])
    t.ok("an0ther" not in done.stderr, f"{what}: the log does not tell the password")


def ntlm(t, k):
    # what gss-ntlmssp leaks by way of libcrypto can be told from what we do by whole stacks alone (tests/lsan.supp)
    whole = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "fast_unwind_on_malloc=0")))
    env = k.client(KRB5_CONFIG="/dev/null", ASAN_OPTIONS=whole)
    for tls in (True, False):
        where = "HTTPS" if tls else "HTTP"
        with hyperv.serve(None, options(), tls) as s:
            path = hyperv.conf(s, auth="negotiate", domain="WIN-HV01")
            good(t, f"NTLM over {where}", s, path, env)
            t.same(s.connections, 2, f"NTLM over {where}: one connection for each plugin")
            t.same(bool(s.sealed), not tls, f"NTLM over {where}: messages are {'not ' * tls}encrypted by it")
            good(t, f"NTLM over {where}, DOMAIN\\user", s,
                 hyperv.conf(s, auth="negotiate", username="WIN-HV01\\meter"), env)
            refused(t, f"NTLM over {where}, a wrong password",
                    hyperv.conf(s, auth="negotiate", domain="WIN-HV01", password="an0ther"), env,
                    ["the account is not accepted"])
    with hyperv.serve(None, options(), False) as s:
        refused(t, "NTLM in the clear to a server that wants encryption",
                hyperv.conf(s, auth="negotiate", domain="WIN-HV01", allow_unencrypted="true"), env,
                ["does it take what is not encrypted?"])
    with hyperv.serve(None, options(), False) as s:
        s.service.inject(class_name="Msvm_ProcessorSettingData", reset=True)
        samples, _ = hyperv.poll(hyperv.conf(s, auth="negotiate", domain="WIN-HV01", page_size=2), env=env)
        t.ok(samples and s.connections > 2, "NTLM: a connection that went is made and authenticated again", s.connections)
    with hyperv.serve(None, options(), False) as s:
        s.service.inject(action="forget")
        samples, _ = hyperv.poll(hyperv.conf(s, auth="negotiate", domain="WIN-HV01"), env=env)
        t.ok(samples and s.connections == 3, "NTLM: a server that forgets us is told again who we are", s.connections)


def kerberos(t, k):
    for tls in (True, False):
        where = "HTTPS" if tls else "HTTP"
        with hyperv.serve(None, options(), tls) as s:
            good(t, f"Kerberos over {where}, by password", s,
                 hyperv.conf(s, auth="kerberos", username=f"meter@{kdc.REALM}"), k.client())
            t.same(bool(s.sealed), not tls, f"Kerberos over {where}: messages are {'not ' * tls}encrypted by it")
            good(t, f"Kerberos over {where}, by keytab", s,
                 hyperv.conf(s, auth="kerberos", username=None, password=None),
                 k.client(KRB5_CLIENT_KTNAME=k.client_keytab))
            t.same({u for _, _, u in s.service.requests}, {f"meter@{kdc.REALM}"}, f"Kerberos over {where}: as that user")
            refused(t, f"Kerberos over {where}, a wrong password",
                    hyperv.conf(s, auth="kerberos", username=f"meter@{kdc.REALM}", password="an0ther"),
                    k.client(KRB5CCNAME="MEMORY:none"), ["Kerberos:"])


def main(t):
    try:
        import gssapi
    except ImportError:
        raise private.Missing("python3-gssapi is missing") from None
    if not glob.glob("/usr/lib*/*/gssntlmssp/gssntlmssp.so") + glob.glob("/usr/lib*/gssntlmssp/gssntlmssp.so"):
        raise private.Missing("gss-ntlmssp is missing")
    assert gssapi
    with kdc.Kdc() as k:
        os.environ.update(k.server())
        ntlm(t, k)
        kerberos(t, k)


if __name__ == "__main__":
    with tap.Suite("hyperv_auth") as suite:
        hyperv.TLS = hyperv.Tls()
        main(suite)
