# SPDX-License-Identifier: Apache-2.0
"""The domains that the integration suite meters: what each is there for, its XML, its start.

All are QEMU guests without acceleration, 64 MiB, on guest.asm's disk; ids, names and taps are computed
from the domain's key, so that they are the same in every run.
"""
import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import time
import uuid
from xml.sax.saxutils import escape, quoteattr

import libvirt

import private

libvirt.registerErrorHandler(lambda *_: None, None)

NAMESPACE = uuid.UUID("b3c1f8f4-5d9c-4bd4-9c52-6c1f0c1c6e5d")
NOVA = "http://openstack.org/xmlns/libvirt/nova/"
DISK_BYTES = 64 << 20


def uid(text):
    return str(uuid.uuid5(NAMESPACE, text))


USER, PROJECT, IMAGE = uid("user").replace("-", ""), uid("project").replace("-", ""), uid("image")

# assembler options of each kind of guest
GUESTS = {
    "idle": [],
    "busy": ["-DBUSY"],
    "busy-old-balloon": ["-DBUSY", "-DNO_USABLE", "-DNO_SWAP_OUT"],
}


@dataclasses.dataclass
class Disk:
    kind: str = "qcow2"         # qcow2 (over a base), raw, block (loop device), cdrom, empty-cdrom
    bus: str = "virtio"
    size: int = DISK_BYTES

    source = None               # path, once made
    dev = None


@dataclasses.dataclass
class Nic:
    kind: str = "tap"           # tap, filter (tap in a bridge with a filterref), macvtap
    dev = None
    mac = None
    parameters: dict = None     # of the filter


@dataclasses.dataclass
class Domain:
    key: str
    name: str = None
    title: str = None
    guest: str = "idle"
    disks: list = dataclasses.field(default_factory=lambda: [Disk()])
    nics: list = dataclasses.field(default_factory=lambda: [Nic()])
    vcpus: int = 1
    vcpus_max: int = None
    balloon: bool = True
    state: str = "running"      # running, paused, shutoff
    metadata: str = None        # XML of <metadata>'s inside
    emulator: str = None        # another program than QEMU itself
    ram: str = None             # a file that stands in its memory, from 16 MiB on
    needs: str = None           # "loop", "macvtap", "filter": left out where it cannot be

    @property
    def uuid(self):
        return uid("domain " + self.key)


def nova(name, version="1.1", prefix=True, flavor="m1.nano", flavor_id=None, vcpus=1, ram=64, disk=1,
         ephemeral=0, swap=0, image=IMAGE, extra=None, image_meta=None):
    """Nova's metadata of an instance, as its libvirt driver writes it."""
    p = "nova:" if prefix else ""
    xmlns = f'xmlns:nova="{NOVA}{version}"' if prefix else f'xmlns="{NOVA}{version}"'
    specs = "" if extra is None else f"<{p}extraSpecs>" + "".join(
        f"<{p}extraSpec name={quoteattr(k)}>{escape(v)}</{p}extraSpec>" for k, v in extra.items()
    ) + f"</{p}extraSpecs>"
    pictures = "" if image_meta is None else f"""
  <{p}image uuid="{image}">
    <{p}containerFormat>bare</{p}containerFormat>
    <{p}diskFormat>qcow2</{p}diskFormat>
    <{p}minDisk>1</{p}minDisk>
    <{p}minRam>0</{p}minRam>
    <{p}properties>""" + "".join(
        f"<{p}property name={quoteattr(k)}>{escape(v)}</{p}property>" for k, v in image_meta.items()
    ) + f"</{p}properties>\n  </{p}image>"
    root = f'<{p}root type="image" uuid="{image}"/>' if image else ""
    fid = "" if flavor_id is None else f" id={quoteattr(flavor_id)}"
    return f"""<{p}instance {xmlns}>
  <{p}package version="26.2.2"/>
  <{p}name>{escape(name)}</{p}name>
  <{p}creationTime>2026-01-02 10:02:00</{p}creationTime>
  <{p}flavor name={quoteattr(flavor)}{fid}>
    <{p}memory>{ram}</{p}memory>
    <{p}disk>{disk}</{p}disk>
    <{p}swap>{swap}</{p}swap>
    <{p}ephemeral>{ephemeral}</{p}ephemeral>
    <{p}vcpus>{vcpus}</{p}vcpus>{specs}
  </{p}flavor>{pictures}
  <{p}owner>
    <{p}user uuid="{USER}">demo</{p}user>
    <{p}project uuid="{PROJECT}">demo</{p}project>
  </{p}owner>
  {root}
</{p}instance>"""


# A bit of everything that metadata can do to a reader, well-formed because libvirt insists on that.
HOSTILE_NAME = 'a"b\\c\'d</script>&<![CDATA[\u202e\u2028\U0001f4a9\t\u0085%n%s{}$(id)`id`' + "x" * 3000
NO_OWNER = f"""<nova:instance xmlns:nova="{NOVA}1.1"><nova:name>no-owner</nova:name>
  <nova:flavor name="m1.nano"><nova:memory>64</nova:memory></nova:flavor></nova:instance>"""
NO_FLAVOR_NAME = f"""<nova:instance xmlns:nova="{NOVA}1.1"><nova:name>no-flavor-name</nova:name>
  <nova:flavor><nova:memory>64</nova:memory></nova:flavor>
  <nova:owner><nova:user uuid="{USER}"/><nova:project uuid="{PROJECT}"/></nova:owner></nova:instance>"""
BAD_NUMBERS = f"""<nova:instance xmlns:nova="{NOVA}1.1"><nova:name>bad-numbers</nova:name>
  <nova:flavor name="m1.nano"><nova:memory>lots</nova:memory><nova:disk>-7</nova:disk>
  <nova:ephemeral>99999999999999999999999999</nova:ephemeral><nova:vcpus/><nova:swap> 1 </nova:swap></nova:flavor>
  <nova:owner><nova:user uuid=""/><nova:project uuid="not a uuid &amp; &quot;long&quot; {'y' * 5000}"/></nova:owner>
  </nova:instance>"""
DEEP = (f'<nova:instance xmlns:nova="{NOVA}1.1">' + "<nova:x>" * 200 + "</nova:x>" * 200 +
        "<nova:name>first</nova:name><nova:name>second</nova:name></nova:instance>")


def suite():
    """The set that issue and specification ask for."""
    return [
        Domain("plain", metadata=nova("vm-plain")),
        Domain("busy", guest="busy", vcpus=2, nics=[Nic(), Nic()],
               disks=[Disk(), Disk("raw"), Disk("empty-cdrom", "ide")],
               metadata=nova("vm-busy", version="1.0", vcpus=2, ephemeral=1, disk=3)),
        Domain("paused", guest="busy", state="paused", vcpus=2, metadata=nova("vm-paused", vcpus=2)),
        Domain("shutoff", state="shutoff", metadata=nova("vm-shutoff")),
        Domain("loop", guest="busy", needs="loop", disks=[Disk(), Disk("block")],
               metadata=nova("vm-loop", prefix=False, flavor_id="42", extra={"hw_rng:allowed": "True", "x": ""},
                             image_meta={"hw_disk_bus": "virtio", "os_distro": "déb & <ian>"})),
        Domain("hotplug", guest="busy", vcpus=2, vcpus_max=4, metadata=nova("vm-hotplug", vcpus=4)),
        Domain("unicode", name="вм-ünï-虚拟机", title="Ein »Titel« 😀", nics=[], balloon=False,
               metadata=nova("名前 – Ünïcode 😀", flavor="größe.ß", image=None, extra={})),
        Domain("bare", title="without Nova", nics=[Nic(), Nic(), Nic()]),
        Domain("cdrom", guest="busy-old-balloon", disks=[Disk(), Disk("cdrom", "ide"), Disk("qcow2", "scsi")],
               metadata=nova("vm-cdrom", swap=128)),
        Domain("filter", guest="busy", needs="filter", nics=[Nic("filter", {"IP": "192.0.2.7", "Projmask": "255.255.255.0"})],
               metadata=nova("vm-filter")),
        Domain("macvtap", guest="busy", needs="macvtap", nics=[Nic("macvtap")], metadata=nova("vm-macvtap")),
        Domain("hostile", metadata=nova(HOSTILE_NAME, flavor='"\\\' <flavor>', extra={'"k\\': "\t'v'"})),
        Domain("no-owner", metadata=NO_OWNER),
        Domain("no-flavor-name", metadata=NO_FLAVOR_NAME),
        Domain("bad-numbers", metadata=BAD_NUMBERS),
        Domain("deep", metadata=DEEP, state="shutoff"),
        Domain("foreign", metadata='<other:thing xmlns:other="http://example.org/other">x</other:thing>'),
    ]


# ---------------------------------------------------------------- disks

def sh(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise private.Failed(f"{' '.join(argv)}: {done.stderr.strip()}")


def bases():
    """The guests' boot disks, assembled once; a dictionary of kind to path of a qcow2 file."""
    folder = os.path.join(private.cache_dir(), "disks")
    os.makedirs(folder, exist_ok=True)
    asm = os.path.join(private.HERE, "guest.asm")
    out = {}
    for kind, options in GUESTS.items():
        out[kind] = f"{folder}/{kind}.qcow2"
        if os.path.exists(out[kind]) and os.path.getmtime(out[kind]) > os.path.getmtime(asm):
            continue
        raw = f"{folder}/{kind}.raw"
        sh("nasm", "-f", "bin", *options, "-o", raw, asm)
        os.truncate(raw, DISK_BYTES)
        sh("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, out[kind])
    return out


def make_disk(lv, domain, index, disk, base):
    folder = f"{lv.instances}/{domain.uuid}"
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/disk{index}"
    if disk.kind == "empty-cdrom":
        return None
    if disk.kind == "qcow2":
        if index == 0:
            sh("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path, str(disk.size))
        else:
            sh("qemu-img", "create", "-q", "-f", "qcow2", path, str(disk.size))
        return path
    with open(path, "wb") as f:
        f.truncate(disk.size)
        if disk.kind == "cdrom":
            f.write(b"not a file system" * 1000)
    return lv.loop(path) if disk.kind == "block" else path


# ---------------------------------------------------------------- XML

def disk_xml(domain, disk, order):
    kind, letter = ("cdrom" if "cdrom" in disk.kind else "disk"), domain.disks.index(disk)
    prefix = {"virtio": "vd", "ide": "hd", "scsi": "sd"}[disk.bus]
    disk.dev = prefix + "abcdefgh"[letter]
    source = "" if disk.source is None else (
        f"<source dev='{disk.source}'/>" if disk.kind == "block" else f"<source file='{disk.source}'/>")
    driver = "qcow2" if disk.kind == "qcow2" else "raw"
    return f"""
    <disk type='{"block" if disk.kind == "block" else "file"}' device='{kind}'>
      <driver name='qemu' type='{driver}'/>
      {source}
      <target dev='{disk.dev}' bus='{disk.bus}'/>
      {"<readonly/>" if kind == "cdrom" else ""}
      {f"<boot order='{order}'/>" if kind == "disk" else ""}
    </disk>"""


def nic_xml(domain, index, nic):
    port = uid(f"port {domain.key} {index}")
    nic.dev = ("mvt" if nic.kind == "macvtap" else "tap") + port[:11]    # "macvtap…" is libvirt's own
    serial = int(uid(domain.key)[:4], 16)
    nic.mac = f"fa:16:3e:{serial >> 8:02x}:{serial & 255:02x}:{index:02x}"
    head = {
        "tap": "<interface type='ethernet'>",
        "filter": "<interface type='bridge'>\n      <source bridge='br-test'/>",
        "macvtap": "<interface type='direct'>\n      <source dev='under0' mode='bridge'/>",
    }[nic.kind]
    more = ""
    if nic.kind == "filter":
        nic.filter = f"nova-{domain.key}-{nic.mac.replace(':', '')}"
        more = f"<filterref filter='{nic.filter}'>" + "".join(
            f"<parameter name='{k}' value='{v}'/>" for k, v in nic.parameters.items()) + "</filterref>"
    return f"""
    {head}
      <mac address='{nic.mac}'/>
      <target dev='{nic.dev}'/>
      <model type='virtio'/>
      <rom enabled='no'/>
      {more}
    </interface>"""


def xml(domain):
    # with an order each, for the BIOS leaves the others alone
    disks = "".join(disk_xml(domain, d, i + 1) for i, d in enumerate(domain.disks))
    nics = "".join(nic_xml(domain, i, n) for i, n in enumerate(domain.nics))
    most = domain.vcpus_max or domain.vcpus
    cache = 2 if most == domain.vcpus else 32   # QEMU dies when a hot-plugged CPU finds no room there
    scsi = "<controller type='scsi' model='virtio-scsi'/>" if any(d.bus == "scsi" for d in domain.disks) else ""
    balloon = ("<memballoon model='virtio'><stats period='2'/></memballoon>" if domain.balloon
               else "<memballoon model='none'/>")
    ram = "" if domain.ram is None else f"""
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-device'/>
    <qemu:arg value='loader,file={domain.ram},addr=0x1000000,force-raw=on'/>
  </qemu:commandline>"""
    return f"""<domain type='qemu'>
  <name>{escape(domain.name or "instance-" + domain.key)}</name>
  <uuid>{domain.uuid}</uuid>
  {f"<title>{escape(domain.title)}</title>" if domain.title else ""}
  {f"<metadata>{domain.metadata}</metadata>" if domain.metadata else ""}
  <memory unit='KiB'>65536</memory>
  <vcpu placement='static' current='{domain.vcpus}'>{most}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/><apic/><tcg><tb-cache unit='MiB'>{cache}</tb-cache></tcg></features>
  <on_reboot>destroy</on_reboot>
  <devices>{f"<emulator>{domain.emulator}</emulator>" if domain.emulator else ""}{disks}{nics}
    {scsi}
    <controller type='usb' model='none'/>
    <video><model type='none'/></video>
    {balloon}
  </devices>{ram}
</domain>"""


# ---------------------------------------------------------------- bringing them up

class Set:
    """Domains in a private libvirtd.  `left_out` says what could not be here, and why."""

    def __init__(self, lv, domains=None):
        self.lv, self.left_out, self.bases = lv, {}, bases()
        self.domains = suite() if domains is None else domains

    def create(self, threads=3):
        todo = {"loop": self._try_loop, "filter": self._filters, "macvtap": self._under}
        for need in sorted({d.needs for d in self.domains if d.needs}):
            try:
                todo[need]()
            except (private.Failed, OSError, libvirt.libvirtError) as e:
                self.left_out[need] = str(e)
        self.domains = [d for d in self.domains if d.needs not in self.left_out]
        if not os.access("/dev/net/tun", os.W_OK):
            self.left_out["tap"] = "/dev/net/tun may not be opened"
            for domain in self.domains:
                domain.nics = []
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._one, self.domains))
        for d in [d for d in self.domains if isinstance(d.needs, private.Failed)]:
            self.domains.remove(d)
        return self

    def __getitem__(self, key):
        return next(d for d in self.domains if d.key == key)

    def __contains__(self, key):
        return any(d.key == key for d in self.domains)

    def _try_loop(self):
        path = f"{self.lv.instances}/loop-probe"
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        self.lv.loop(path)

    def _filters(self):
        self.lv.enter("ip", "link", "add", "br-test", "type", "bridge")
        self.lv.enter("ip", "link", "set", "br-test", "up")
        conn = libvirt.open(self.lv.uri)
        for domain in self.domains:
            xml(domain)         # computes the names
            for nic in domain.nics:
                if nic.kind == "filter":
                    conn.nwfilterDefineXML(f"<filter name='{nic.filter}'/>")
        conn.close()

    def _under(self):
        self.lv.enter("ip", "link", "add", "under0", "type", "veth", "peer", "name", "under1")
        self.lv.enter("ip", "link", "set", "under0", "up")
        self.lv.enter("ip", "link", "set", "under1", "up")

    def _one(self, domain):
        conn = libvirt.open(self.lv.uri)
        try:
            for i, disk in enumerate(domain.disks):
                disk.source = make_disk(self.lv, domain, i, disk, self.bases[domain.guest])
            made = conn.defineXML(xml(domain))
            if domain.state != "shutoff":
                made.create()
            if domain.state == "paused":
                time.sleep(2)       # it shall have counters
                made.suspend()
        except libvirt.libvirtError as e:
            if not domain.needs:
                raise private.Failed(f"domain {domain.key}: {e}")
            self.left_out[domain.needs] = str(e)
            conn.lookupByUUIDString(domain.uuid).undefine()
            domain.needs = private.Failed(str(e))
        finally:
            conn.close()


def many(lv, count, threads=3):
    """`count` equal domains, idle, as a small cloud's compute node has them."""
    domains = [Domain(f"many-{i}", metadata=nova(f"vm-{i}")) for i in range(1, count + 1)]
    return Set(lv, domains).create(threads)


def remove_disks(lv, domain):
    shutil.rmtree(f"{lv.instances}/{domain.uuid}", ignore_errors=True)
