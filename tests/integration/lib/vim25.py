#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two judges of vim25: VMware's own type schemas, as Debian's python3-oslo.vmware ships them, and Ceilometer's vSphere
inspector, which answers as JSON when this is run: vim25.py WSDL_FOLDER HOST:PORT CA_FILE USER DURATION EVERY, the password
in $VCSIM_PASSWORD."""
import json
import os
import ssl
import subprocess
import sys
import types
import urllib.request
import xml.etree.ElementTree as ET

SOURCE = "/usr/lib/python3/dist-packages/oslo_vmware/wsdl/7.0/"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

ONE, ANY = (1, 1), (0, "unbounded")
# method: parameters (name, type, how often), what it returns (type, how often)
METHODS = {
    "RetrieveServiceContent": ([], ("ServiceContent", ONE)),
    "CurrentTime": ([], ("xsd:dateTime", ONE)),
    "Login": ([("userName", "xsd:string", ONE), ("password", "xsd:string", ONE), ("locale", "xsd:string", (0, 1))],
              ("UserSession", ONE)),
    "Logout": ([], None),
    "SessionIsActive": ([("sessionID", "xsd:string", ONE), ("userName", "xsd:string", ONE)], ("xsd:boolean", ONE)),
    "TerminateSession": ([("sessionId", "xsd:string", (1, "unbounded"))], None),
    "CreateContainerView": ([("container", "ManagedObjectReference", ONE), ("type", "xsd:string", ANY),
                             ("recursive", "xsd:boolean", ONE)], ("ManagedObjectReference", ONE)),
    "RetrieveProperties": ([("specSet", "PropertyFilterSpec", (1, "unbounded"))], ("ObjectContent", ANY)),
    "RetrievePropertiesEx": ([("specSet", "PropertyFilterSpec", (1, "unbounded")), ("options", "RetrieveOptions", ONE)],
                             ("RetrieveResult", (0, 1))),
    "ContinueRetrievePropertiesEx": ([("token", "xsd:string", ONE)], ("RetrieveResult", ONE)),
    "CancelRetrievePropertiesEx": ([("token", "xsd:string", ONE)], None),
    "QueryOptions": ([("name", "xsd:string", (0, 1))], ("OptionValue", ANY)),
    "QueryPerf": ([("querySpec", "PerfQuerySpec", (1, "unbounded"))], ("PerfEntityMetricBase", ANY)),
}


def _element(name, kind, often):
    kind = kind if kind.startswith("xsd:") else "vim25:" + kind
    return f'<element name="{name}" type="{kind}" minOccurs="{often[0]}" maxOccurs="{often[1]}"/>'


def _schema():
    out = ['<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
           'xmlns:vim25="urn:vim25" targetNamespace="urn:vim25" elementFormDefault="qualified">'
           f'<include schemaLocation="{SOURCE}vim-types.xsd"/>']
    for name, (parameters, result) in METHODS.items():
        fields = _element("_this", "ManagedObjectReference", ONE) + "".join(_element(*p) for p in parameters)
        answer = _element("returnval", *result) if result else ""
        for what, inside in ((name, fields), (name + "Response", answer)):
            out.append(f'<element name="{what}"><complexType><sequence>{inside}</sequence></complexType></element>')
    return "\n".join(out) + "</schema>\n"


def _wsdl():
    messages = "".join(f'<message name="{n}RequestMsg"><part name="parameters" element="vim25:{n}"/></message>'
                       f'<message name="{n}ResponseMsg"><part name="parameters" element="vim25:{n}Response"/></message>'
                       for n in METHODS)
    ports = "".join(f'<operation name="{n}"><input message="vim25:{n}RequestMsg"/><output message="vim25:{n}ResponseMsg"/>'
                    '</operation>' for n in METHODS)
    bound = "".join(f'<operation name="{n}"><soap:operation soapAction="urn:vim25/7.0" style="document"/><input>'
                    '<soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>'
                    for n in METHODS)
    return ('<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
            'xmlns:vim25="urn:vim25" targetNamespace="urn:vim25"><types><schema xmlns="http://www.w3.org/2001/XMLSchema" '
            'targetNamespace="urn:vim25wrap"><import namespace="urn:vim25" schemaLocation="vim-messages.xsd"/></schema>'
            f'</types>{messages}<portType name="VimPortType">{ports}</portType><binding name="VimBinding" '
            'type="vim25:VimPortType"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
            f'{bound}</binding><service name="VimService"><port name="VimPort" binding="vim25:VimBinding">'
            '<soap:address location="https://localhost/sdk"/></port></service></definitions>\n')


def generate(folder):
    """vim-messages.xsd and vimService.wsdl of the methods above."""
    os.makedirs(folder, exist_ok=True)
    for name, text in (("vim-messages.xsd", _schema()), ("vimService.wsdl", _wsdl())):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text)


def check(folder, envelopes):
    """Complaints about the bodies of these requests."""
    for prefix, uri in (("xsi", TYPE[1:].partition("}")[0]), ("xsd", "http://www.w3.org/2001/XMLSchema"), ("", "urn:vim25")):
        ET.register_namespace(prefix, uri)
    names = []
    for i, envelope in enumerate(sorted(set(envelopes))):
        names.append(f"{folder}/body-{i}.xml")
        with open(names[-1], "w", encoding="utf-8") as f:
            f.write(ET.tostring(ET.fromstring(envelope).find(SOAP + "Body")[0], encoding="unicode"))
    done = subprocess.run(["xmllint", "--noout", "--schema", f"{folder}/vim-messages.xsd", *names], capture_output=True, text=True,
                          timeout=120)
    bad = [line[:300] for line in done.stderr.splitlines() if not line.endswith(" validates")]
    return bad if names else ["no request"]


def oracle(folder, server, ca, duration, every=1):
    """{instance: what Ceilometer says of it} of a vcsim.Server; of each so many machines one."""
    done = subprocess.run(["/usr/bin/python3", __file__, folder, f"localhost:{server.port}", ca, "meter", str(duration),
                           str(every)],
                          capture_output=True, text=True, timeout=240,
                          env=dict(os.environ, VCSIM_PASSWORD=__import__("vcsim").PASSWORD))
    if done.returncode:
        raise RuntimeError(f"Ceilometer's inspector: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])     # it logs there, too


def inspector(folder, address, ca, user):
    """Ceilometer's own."""
    from ceilometer import service
    from ceilometer.compute.virt.vmware import inspector as vmware
    conf = service.prepare_service([], [])
    host, port = address.rsplit(":", 1)
    for k, v in {"host_ip": host, "host_port": int(port), "host_username": user, "insecure": False, "ca_file": ca,
                 "host_password": os.environ["VCSIM_PASSWORD"], "api_retry_count": 1,
                 "wsdl_location": f"file://{folder}/vimService.wsdl"}.items():
        conf.set_override(k, v, group="vmware")
    return vmware.VsphereInspector(conf)


def main(folder, address, ca, user, duration, every):
    from ceilometer.compute.virt import inspector as base
    there, out = inspector(folder, address, ca, user), {}
    context = ssl.create_default_context(cafile=ca)
    machines = json.load(urllib.request.urlopen(f"https://{address}/lab/vms", context=context))
    for machine in sorted(machines, key=lambda m: (len(m["moid"]), m["moid"]))[::int(every)]:
        if "nvp.vm-uuid" not in machine:
            continue
        one = types.SimpleNamespace(id=machine["nvp.vm-uuid"])
        try:
            stats = there.inspect_instance(one, int(duration))
            out[one.id] = {
                "cpu_util": stats.cpu_util, "memory.usage": stats.memory_usage,
                "nics": {r.name: [r.rx_bytes_rate, r.tx_bytes_rate] for r in there.inspect_vnic_rates(one, int(duration))},
                "disks": {d.device: [d.read_bytes_rate, d.write_bytes_rate, d.read_requests_rate, d.write_requests_rate]
                          for d in there.inspect_disk_rates(one, int(duration))}}
        except base.InspectorException as e:
            out[one.id] = {"error": type(e).__name__}
    print("\n" + json.dumps(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
