#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client that is not ours, pywinrm, at the stand-in for WinRM (lib/wsman_standin.py): its headers, its Basic, its NTLM and
its encryption are taken, what is not served is refused in words that it understands, and it reads all instances, so that
the stand-in is no mere mirror of our own client."""
import ctypes
import ctypes.util
import os
import sys
import tempfile
import xml.etree.ElementTree as etree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hyperv_world
import private
import tap
import tlsca
import wsman_standin as standin

try:
    import winrm.exceptions
    import winrm.protocol
    import xmltodict
except ImportError:
    winrm = None

NAMESPACES = {"n": standin.N, "w": standin.W}
CLASS = "Msvm_BaseMetricValue"
URI = f"{standin.WMI}{hyperv_world.V2}/{CLASS}"
OPTIMIZED = {"w:OptimizeEnumeration": None, "w:MaxElements": 5}


def make_client():
    class Client(winrm.protocol.Protocol):
        """pywinrm with enumerations: it has none of its own.  It tells every server that it is called windows-host, which
        Windows lets pass and the stand-in does not."""

        def __init__(self, server, **more):
            self.address = server.service.address
            super().__init__(self.address, read_timeout_sec=60, **more)

        def _get_soap_header(self, *args, **more):
            header = super()._get_soap_header(*args, **more)
            header["env:Header"]["a:To"] = self.address
            return header

        def ask(self, verb, body, uri=URI):
            """The response's element."""
            message = self._get_soap_header(action=f"{standin.N}/{verb}", resource_uri=uri)
            message["env:Body"] = {f"n:{verb}": body}
            root = etree.fromstring(self.send_message(xmltodict.unparse({"env:Envelope": message})))
            return root.find(f".//n:{verb}Response", NAMESPACES)

        def enumerate(self, begin, most):
            """All instances as {property: text}, and in how many pages."""
            out, pages, answer = [], 0, self.ask("Enumerate", begin)
            while True:
                items = [e for space in "wn" for e in answer.iterfind(f"{space}:Items/*", NAMESPACES)]
                pages += bool(items)
                out += [{p.tag.partition("}")[2]: p.text for p in e} for e in items]
                context = answer.findtext("n:EnumerationContext", "", NAMESPACES)
                if any(answer.find(f"{space}:EndOfSequence", NAMESPACES) is not None for space in "wn"):
                    return out, pages
                answer = self.ask("Pull", {"n:EnumerationContext": context, "n:MaxElements": most})

    return Client


def enumerates(t, what, s, client):
    world = hyperv_world.World()
    wanted = sorted(i["InstanceID"] for i in world.data[hyperv_world.V2][CLASS])
    for how, begin in (("with the first page at once", OPTIMIZED), ("page by page", {})):
        got, pages = client.enumerate(begin, 5)
        t.same((sorted(i["InstanceID"] for i in got), pages), (wanted, -(-len(wanted) // 5)), f"{what}: all instances, {how}")
    context = client.ask("Enumerate", OPTIMIZED).findtext("n:EnumerationContext", "", NAMESPACES)
    client.ask("Release", {"n:EnumerationContext": context})
    t.same(s.service.open_contexts(), 0, f"{what}: one that is released is gone")


def refused(t, what, words, ask, *args, **more):
    try:
        ask(*args, **more)
    except (winrm.exceptions.WinRMError, winrm.exceptions.WinRMTransportError) as e:
        said = str(e)
    else:
        said = "nothing"
    t.ok(words in said, f"{what}: refused", said)


def refusals(t, client):
    refused(t, "a shell", "'fault_subcode': 'a:ActionNotSupported'", client.open_shell)
    refused(t, "a class that is not there", "'wsmanfault_code': '2147749904', 'fault_code': 's:Sender', 'fault_subcode': "
            "'a:DestinationUnreachable'", client.ask, "Enumerate", OPTIMIZED, URI + "s")
    refused(t, "a context that is not there", "'fault_subcode': 'n:InvalidEnumerationContext'", client.ask, "Pull",
            {"n:EnumerationContext": "uuid:1"})
    refused(t, "a filter of another language", "'fault_subcode': 'w:FilterDialectRequestedUnavailable'", client.ask, "Enumerate",
            {"w:Filter": {"@Dialect": "urn:x", "#text": "x"}})


def basic(t, make, folder):
    authority = tlsca.Authority(folder)
    leaf, data = authority.leaf("server", "localhost", "serverAuth", "DNS:localhost"), hyperv_world.World().data
    account = {"username": standin.Options.user, "password": standin.Options.password}
    with standin.Server(data, standin.Options(), leaf) as s:
        client = make(s, transport="basic", ca_trust_path=authority.cert, **account)
        enumerates(t, "Basic over HTTPS", s, client)
        refusals(t, client)
        wrong = make(s, transport="basic", ca_trust_path=authority.cert, **{**account, "password": "an0ther"})
        refused(t, "a wrong password", "rejected by the server", wrong.ask, "Enumerate", OPTIMIZED)
    with standin.Server(data) as s:
        client = make(s, transport="basic", **account)
        refused(t, "Basic over HTTP", "Code 500", client.ask, "Enumerate", OPTIMIZED)


def allow_md4():
    """Of which NTLM is made; OpenSSL 3 has it on request."""
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    crypto.OSSL_PROVIDER_load.restype = ctypes.c_void_p
    for provider in (b"default", b"legacy"):
        if not crypto.OSSL_PROVIDER_load(None, provider):
            raise private.Missing(f"OpenSSL has no provider {provider.decode()}")


def ntlm(t, make, folder):
    allow_md4()
    with open(f"{folder}/ntlm", "w", encoding="utf-8") as f:
        f.write(f"WIN-HV01:{standin.Options.user}:{standin.Options.password}\n")
    os.environ.update({"NTLM_USER_FILE": f"{folder}/ntlm", "KRB5_CONFIG": "/dev/null"})
    with standin.Server(hyperv_world.World().data, standin.Options(basic=False)) as s:
        account = {"transport": "ntlm", "username": f"WIN-HV01\\{standin.Options.user}", "password": standin.Options.password}
        enumerates(t, "NTLM over HTTP", s, make(s, **account))
        t.same(s.sealed, len(s.service.requests), "NTLM over HTTP: every message is encrypted")
        refused(t, "NTLM over HTTP, not encrypted", "Code 500", make(s, message_encryption="never", **account).ask, "Enumerate",
                OPTIMIZED)
        account["password"] = "an0ther"
        refused(t, "NTLM, a wrong password", "rejected by the server", make(s, **account).ask, "Enumerate", OPTIMIZED)


def main(t):
    if not winrm:
        raise private.Missing("pywinrm is missing: install python3-winrm")
    try:
        import gssapi
    except ImportError:
        raise private.Missing("python3-gssapi is missing") from None
    assert gssapi
    make = make_client()
    with tempfile.TemporaryDirectory(prefix="vm-pywinrm-") as folder:
        basic(t, make, folder)
        ntlm(t, make, folder)


if __name__ == "__main__":
    with tap.Suite("pywinrm") as suite:
        main(suite)
