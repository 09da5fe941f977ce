# SPDX-License-Identifier: Apache-2.0
"""What the meters have to say, worked out from virsh's answers and the domains' XML, independently of
the program under test: snapshots of all that virsh knows, and from two of them, one before and one after
a polling cycle, the samples of that cycle with the range each volume has to lie in.

The table of meters is that of Ceilometer's compute agent; where eras differ, `profile` (26, 19, juno)
decides.  Its judgement of profile 19 is itself tested against samples of a real Ceilometer (profiles.py).
"""
import collections
import dataclasses
import hashlib
import re
import time
import xml.etree.ElementTree as ET

NOVA = "{http://openstack.org/xmlns/libvirt/nova/%s}"
STATES = {  # virDomainState: word of `state`, of `status`
    0: ("pending", "building"), 1: ("running", "active"), 2: ("running", "active"),
    3: ("paused", "paused"), 4: ("shutdown", "stopped"), 5: ("shutdown", "stopped"),
    6: ("crashed", "error"), 7: ("suspended", "suspended"),
}
SHUTOFF = 5


# ---------------------------------------------------------------- what virsh says

@dataclasses.dataclass
class View:
    """One domain at one moment.  Numbers by virsh's names; absent is absent."""
    uuid: str
    name: str
    xml: str
    stats: dict     # domstats
    info: dict      # state, vcpus, max_kib
    memory: dict    # dommemstat, KiB
    disks: dict     # device: domblkinfo's and domblkstat's numbers
    nics: dict      # device: domifstat's numbers

    @property
    def tree(self):
        return ET.fromstring(self.xml)


@dataclasses.dataclass
class Snapshot:
    start: float
    end: float
    domains: dict   # uuid: View


def number(text):
    try:
        return int(text)
    except ValueError:
        return text


def pairs(text, separator=None):
    """Lines `name value` to a dictionary; a column of other words before them is dropped."""
    out = {}
    for line in text.splitlines():
        words = line.strip().split(separator)
        if len(words) >= 2:
            out[words[-2].rstrip(":").strip()] = number(words[-1].strip())
    return out


def devices(xml):
    """Names of the disks that have a source, and of the NICs that have a target and an address."""
    tree = ET.fromstring(xml)
    disks = [d.find("target").get("dev") for d in tree.iterfind("devices/disk") if d.find("source") is not None]
    nics = [n.find("target").get("dev") for n in tree.iterfind("devices/interface")
            if n.find("target") is not None and n.find("mac") is not None]
    return disks, nics


MARK = "@@"


def snapshot(lv):
    """Asks virsh for everything; three processes in all."""
    start = time.time()
    uuids = lv.virsh("list --all --uuid").split()
    texts = sections(lv.virsh(*(c for u in uuids for c in (f"echo {MARK} {u} xml {MARK}", f"dumpxml {u}")), check=False))
    commands = [f"echo {MARK} - stats {MARK}", "domstats --raw"]
    for u in uuids:
        disks, nics = devices(texts[u, "xml"])
        asked = [("info", f"dominfo {u}"), ("memory", f"dommemstat {u}")]
        asked += [(f"info/{d}", f"domblkinfo {u} {d}") for d in disks]
        asked += [(f"disk/{d}", f"domblkstat {u} {d}") for d in disks]
        asked += [(f"nic/{n}", f"domifstat {u} {n}") for n in nics]
        for label, command in asked:
            commands += [f"echo {MARK} {u} {label} {MARK}", command]
    texts.update(sections(lv.virsh(*commands, check=False)))
    stats = domstats(texts["-", "stats"])
    views = {}
    for u in uuids:
        tree = ET.fromstring(texts[u, "xml"])
        disks, nics = devices(texts[u, "xml"])
        info = pairs(texts[u, "info"], ":")
        name = tree.findtext("name")
        views[u] = View(
            u, name, texts[u, "xml"], stats[name],
            {"state": stats[name]["state.state"], "vcpus": info["CPU(s)"],
             "max_kib": int(str(info["Max memory"]).split()[0])},
            pairs(texts[u, "memory"]),
            {d: {**pairs(texts[u, f"info/{d}"], ":"), **pairs(texts[u, f"disk/{d}"])} for d in disks},
            {n: pairs(texts[u, f"nic/{n}"]) for n in nics})
    return Snapshot(start, time.time(), views)


def sections(text):
    """Output of commands with a marking `echo` before each (which ends without a newline)."""
    parts = re.split(rf"{MARK} (\S+) (\S+) {MARK}", text)
    return {(parts[i], parts[i + 1]): parts[i + 2] for i in range(1, len(parts), 3)}


def domstats(text):
    out, now = {}, None
    for line in text.splitlines():
        if line.startswith("Domain: '"):
            now = out.setdefault(line[len("Domain: '"):-1], {})
        elif "=" in line:
            key, value = line.strip().split("=", 1)
            now[key] = number(value)
    return out


# ---------------------------------------------------------------- one domain's numbers

def cpu_time(stats):
    """All virtual CPUs' time and wait where each tells both, else the domain's."""
    left, total = stats.get("vcpu.current"), 0
    if left is None:
        return stats.get("cpu.time")
    for i in range(stats.get("vcpu.maximum", 0)):
        if f"vcpu.{i}.time" in stats and f"vcpu.{i}.wait" in stats:
            total += stats[f"vcpu.{i}.time"] + stats[f"vcpu.{i}.wait"]
            left -= 1
    return stats.get("cpu.time") if left else total


def vcpu_sum(stats, what):
    found = [v for k, v in stats.items() if k.startswith("vcpu.") and k.endswith("." + what)]
    return sum(found) if found and len(found) == stats.get("vcpu.current") else None


def used(memory):
    for rest in ("usable", "unused"):
        if "available" in memory and rest in memory:
            return memory["available"] - memory[rest]
    return None


def both_swaps(memory, which):
    return memory.get(which) if "swap_in" in memory and "swap_out" in memory else None


# name, type, unit, value of a View in its own unit, is a number of KiB to be told in MiB
INSTANCE = [
    ("cpu", "cumulative", "ns", lambda v: cpu_time(v.stats), False),
    ("vcpus", "gauge", "vcpu", lambda v: v.stats.get("vcpu.current"), False),
    ("power.state", "gauge", "", lambda v: v.info["state"], False),
    ("memory", "gauge", "MiB", lambda v: v.memory.get("actual"), True),
    ("memory.available", "gauge", "MiB", lambda v: v.memory.get("available"), True),
    ("memory.usage", "gauge", "MiB", lambda v: used(v.memory), True),
    ("memory.resident", "gauge", "MiB", lambda v: v.memory.get("rss"), True),
    ("memory.swap.in", "cumulative", "MiB", lambda v: both_swaps(v.memory, "swap_in"), True),
    ("memory.swap.out", "cumulative", "MiB", lambda v: both_swaps(v.memory, "swap_out"), True),
    ("perf.cpu.cycles", "gauge", "", lambda v: v.stats.get("perf.cpu_cycles"), False),
    ("perf.instructions", "gauge", "", lambda v: v.stats.get("perf.instructions"), False),
    ("perf.cache.references", "gauge", "", lambda v: v.stats.get("perf.cache_references"), False),
    ("perf.cache.misses", "gauge", "", lambda v: v.stats.get("perf.cache_misses"), False),
    ("cpu_l3_cache", "gauge", "B", lambda v: v.stats.get("perf.cmt"), False),
    ("memory.bandwidth.total", "gauge", "B/s", lambda v: v.stats.get("perf.mbmt"), False),
    ("memory.bandwidth.local", "gauge", "B/s", lambda v: v.stats.get("perf.mbml"), False),
    ("instance", "gauge", "instance", lambda v: 1, False),
]
# also told per instance, as the sum over its disks, under `disk.` instead of `disk.device.`: last column
DISK = [
    ("read.requests", "cumulative", "request", lambda d: d.get("rd_req"), True),
    ("read.bytes", "cumulative", "B", lambda d: d.get("rd_bytes"), True),
    ("write.requests", "cumulative", "request", lambda d: d.get("wr_req"), True),
    ("write.bytes", "cumulative", "B", lambda d: d.get("wr_bytes"), True),
    ("read.latency", "cumulative", "ns", lambda d: d.get("rd_total_times"), False),
    ("write.latency", "cumulative", "ns", lambda d: d.get("wr_total_times"), False),
    ("capacity", "gauge", "B", lambda d: max(d["Capacity"], d["Physical"]) if "Capacity" in d else None, True),
    ("allocation", "gauge", "B", lambda d: d.get("Allocation"), True),
    ("usage", "gauge", "B", lambda d: d.get("Physical"), True),
]
NIC = [
    (f"network.{way}.{what}", "cumulative", "B" if what == "bytes" else "packet", f"{key}_{counter}")
    for way, key in (("incoming", "rx"), ("outgoing", "tx"))
    for what, counter in (("bytes", "bytes"), ("packets", "packets"), ("packets.error", "errs"),
                          ("packets.drop", "drop"))
]
# our own, under `vm.`; in MiB whatever the profile
OWN = [
    ("vm.cpu.time", "cumulative", "ns", lambda v: vcpu_sum(v.stats, "time"), False),
    ("vm.cpu.wait", "cumulative", "ns", lambda v: vcpu_sum(v.stats, "wait"), False),
    ("vm.cpu.delay", "cumulative", "ns", lambda v: vcpu_sum(v.stats, "delay"), False),
    ("vm.cpu.user", "cumulative", "ns", lambda v: v.stats.get("cpu.user"), False),
    ("vm.cpu.system", "cumulative", "ns", lambda v: v.stats.get("cpu.system"), False),
    ("vm.memory.maximum", "gauge", "MiB", lambda v: v.stats.get("balloon.maximum"), True),
    ("vm.memory.unused", "gauge", "MiB", lambda v: v.memory.get("unused"), True),
    ("vm.memory.usable", "gauge", "MiB", lambda v: v.memory.get("usable"), True),
    ("vm.memory.caches", "gauge", "MiB", lambda v: v.memory.get("disk_caches"), True),
    ("vm.memory.major_faults", "cumulative", "fault", lambda v: v.memory.get("major_fault"), False),
    ("vm.memory.minor_faults", "cumulative", "fault", lambda v: v.memory.get("minor_fault"), False),
]
OWN_DISK = [
    ("flush.requests", "cumulative", "request", lambda d: d.get("flush_operations"), False),
    ("flush.latency", "cumulative", "ns", lambda d: d.get("flush_total_times"), False),
]
# growth over time, worked out from the agent's own counters: (meter, unit, counter, times)
RATES = [
    ("vm.cpu.util", "%", "vm.cpu.time", lambda s: 100 / 1e9 / s["resource_metadata"]["cpu_number"]),
] + [
    (f"vm.disk.device.{w}.{x}.rate", f"{u}/s", f"disk.device.{w}.{x}", lambda s: 1)
    for w in ("read", "write") for x, u in (("bytes", "B"), ("requests", "request"))
] + [
    (f"vm.network.{w}.{x}.rate", f"{u}/s", f"network.{w}.{x}", lambda s: 1)
    for w in ("incoming", "outgoing") for x, u in (("bytes", "B"), ("packets", "packet"))
]
ONLY_STOPPED = {"power.state", "vcpus", "memory", "disk.device.capacity", "disk.device.usage",
                "disk.device.allocation", "disk.capacity", "disk.usage", "disk.allocation", "vm.memory.maximum"}
# told of every instance that is known, running or not, for nothing of it has to be read
FROM_DISCOVERY = ("instance", "disk.root.size", "disk.ephemeral.size", "vm.disk.root.size")
OLD_UNITS = {"MiB": "MB", "GiB": "GB"}


# ---------------------------------------------------------------- identity and metadata

def nova(tree):
    """Nova's element in the domain's XML, and its namespace; None where it has none."""
    for version in ("1.1", "1.0"):
        ns = NOVA % version
        found = tree.find(f"metadata/{ns}instance")
        if found is not None:
            return found, ns
    return None, None


def flavor_of(found, ns, profile):
    f = found.find(f"{ns}flavor")
    out = {"name": f.get("name"), "id": f.get("id") or f.get("name")}
    for key, tag in (("vcpus", "vcpus"), ("ram", "memory"), ("disk", "disk"), ("ephemeral", "ephemeral"), ("swap", "swap")):
        out[key] = int(f.findtext(ns + tag) or 0)
    if profile == "26" and f.find(f"{ns}extraSpecs") is not None:
        out["extra_specs"] = {s.get("name"): s.text for s in f.iterfind(f"{ns}extraSpecs/{ns}extraSpec")}
    return out


def image_meta_of(found, ns):
    image = found.find(f"{ns}image")
    if image is None:
        return None
    out = {"base_image_ref": image.get("uuid")}
    for key, tag in (("container_format", "containerFormat"), ("disk_format", "diskFormat"), ("min_disk", "minDisk"),
                     ("min_ram", "minRam")):
        if image.find(ns + tag) is not None:
            out[key] = image.findtext(ns + tag)
    out.update({p.get("name"): p.text for p in image.iterfind(f"{ns}properties/{ns}property")})
    return out


@dataclasses.dataclass
class Identity:
    user: str
    project: str
    flavor: dict
    metadata: dict


def identity(view, host, profile):
    """User, project and common metadata of an instance that Nova made; None for any other."""
    tree = view.tree
    found, ns = nova(tree)
    if found is None:
        return None
    user = found.find(f"{ns}owner/{ns}user").get("uuid")
    project = found.find(f"{ns}owner/{ns}project").get("uuid")
    flavor, root = flavor_of(found, ns, profile), found.find(f"{ns}root[@type='image']")
    image = root.get("uuid") if root is not None else None
    state, status = STATES[view.info["state"]]
    meta = {
        "display_name": found.findtext(f"{ns}name"), "name": view.name,
        "instance_type": flavor["id"] if profile == "juno" else flavor["name"],
        "host": hashlib.sha224((project + host).encode()).hexdigest(),
        "flavor": flavor, "status": status,
        "image": {"id": image} if image else None, "image_ref": image, "image_ref_url": None,
        "architecture": tree.find("os/type").get("arch"), "os_type": tree.findtext("os/type"),
        "vcpus": flavor["vcpus"], "memory_mb": flavor["ram"], "disk_gb": flavor["disk"],
        "ephemeral_gb": flavor["ephemeral"], "root_gb": flavor["disk"] - flavor["ephemeral"],
    }
    if profile != "juno":
        meta.update(instance_id=view.uuid, instance_host=host, state=state, task_state="")
    if profile == "26":
        described = image_meta_of(found, ns)
        if described:
            meta["image_meta"] = described
    return Identity(user, project, flavor, meta)


def nic_metadata(view, name, ident, profile):
    for n in view.tree.iterfind("devices/interface"):
        if n.find("target") is not None and n.find("target").get("dev") == name:
            break
    ref = n.find("filterref")
    fref = None if ref is None else ref.get("filter")
    parameters = {} if ref is None else {p.get("name").lower(): p.get("value") for p in ref.iterfind("parameter")}
    if profile != "juno":
        port, source = n.find("virtualport/parameters"), n.find("source")
        parameters["interfaceid"] = None if port is None else port.get("interfaceid")
        parameters["bridge"] = None if source is None else source.get("bridge")
    own = {"name": name, "mac": n.find("mac").get("address"), "fref": fref, "parameters": parameters}
    rid = fref or f"{view.name}-{view.uuid}-{name}"
    if profile == "juno":
        return rid, {**own, "instance_id": view.uuid, "instance_type": ident.flavor["id"] if ident else None}
    return rid, {**own, "vnic_name": fref or name}


# ---------------------------------------------------------------- the samples of a cycle

@dataclasses.dataclass
class Expected:
    """volume in [low, high]; `kind` int or float; metadata None: not judged."""
    name: str
    type: str
    unit: str
    resource: str
    low: object
    high: object
    kind: type
    user: str = None
    project: str = None
    metadata: dict = None


@dataclasses.dataclass
class Rules:
    profile: str = "26"
    host: str = "compute-0"
    stopped: bool = False       # report_stopped_instance_metrics
    own: bool = False           # the meters under vm., too
    resident_slack_kib: int = 1024   # a QEMU's memory goes up and down between two looks


def expected(befores, after, rules):
    """Samples of a cycle that ran between the snapshots; `befores` in order of time, the last one lies
    before the cycle; earlier ones only widen what is read at a cadence of its own."""
    out = []
    for uuid, late in after.domains.items():
        early = befores[-1].domains.get(uuid)
        if early is not None:
            out += of_domain([b.domains[uuid] for b in befores if uuid in b.domains], late, rules)
    return out


def of_domain(earlier, late, rules):
    early, off = earlier[-1], late.info["state"] == SHUTOFF
    ident = identity(late, rules.host, rules.profile)
    common = ident.metadata if ident else None
    who = {"user": ident.user if ident else None, "project": ident.project if ident else None}
    rows = []

    def row(name, kind, unit, resource, values, more=None, slack=0, mib=False, whole=None):
        if any(v is None for v in values):
            return
        low, high, number_kind = min(values) - slack, max(values) + slack, int
        if mib:
            whole_mb = rules.profile == "juno" and not name.startswith("vm.")
            low, high = (low // 1024, high // 1024) if whole_mb else (low / 1024.0, high / 1024.0)
            number_kind = int if whole_mb else float
        if not name.startswith("vm."):
            unit = unit if rules.profile == "26" else OLD_UNITS.get(unit, unit)
        meta = whole if whole is not None else None if common is None else {**common, **(more or {})}
        rows.append(Expected(name, kind, unit, resource, low, high, number_kind, metadata=meta, **who))

    for name, kind, unit, value, mib in INSTANCE + (OWN if rules.own else []):
        if name == "cpu" and rules.profile == "juno":
            value = lambda v: v.stats.get("cpu.time")       # noqa: E731
        family = name == "cpu" or name.startswith("vm.cpu")
        more = {"cpu_number": late.stats.get("vcpu.current")} if family else None
        row(name, kind, unit, late.uuid, [value(early), value(late)], more, mib=mib,
            slack=rules.resident_slack_kib if name == "memory.resident" else 0)
    if ident:
        for name, value in (("disk.root.size", ident.metadata["root_gb"]),
                            ("disk.ephemeral.size", ident.metadata["ephemeral_gb"])):
            row(name, "gauge", "GiB", late.uuid, [value])
        if rules.own:
            row("vm.disk.root.size", "gauge", "GiB", late.uuid, [ident.flavor["disk"]])
        row(f"instance:{ident.flavor['name']}", "gauge", "instance", late.uuid, [1])
    disk_rows(earlier, late, rules, row)
    for nic in late.nics:
        resource, more = nic_metadata(late, nic, ident, rules.profile)
        whole = more if rules.profile == "juno" else None
        for name, kind, unit, key in NIC:
            row(name, kind, unit, resource, [early.nics.get(nic, {}).get(key), late.nics[nic].get(key)], more, whole=whole)
    if off:
        rows = [r for r in rows if r.name.startswith(FROM_DISCOVERY) or (rules.stopped and r.name in ONLY_STOPPED)]
    return rows


def disk_rows(earlier, late, rules, row):
    early = earlier[-1]
    for what, kind, unit, value, aggregate in DISK + (OWN_DISK if rules.own else []):
        head = "vm.disk.device" if what.startswith("flush") else "disk.device"
        views = (earlier if what in ("allocation", "usage", "capacity") else [early]) + [late]
        sums = collections.defaultdict(int)
        for disk in late.disks:
            values = [value(v.disks.get(disk, {})) for v in views]
            more = None if rules.profile == "juno" else {"disk_name": disk}
            row(f"{head}.{what}", kind, unit, f"{late.uuid}-{disk}", values, more)
            for i, v in enumerate(values):
                sums[i] = None if v is None or sums[i] is None else sums[i] + v
        if aggregate and sums:
            named = rules.profile != "juno" or what.startswith(("read", "write"))
            row(f"disk.{what}", kind, unit, late.uuid, list(sums.values()), {"device": list(late.disks)} if named else None)


# ---------------------------------------------------------------- judging

# meters of which virsh knows nothing: of the polling's health, of the kernel
NOT_VIRSHS = ("vm.sample.", "vm.monitor.", "vm.call.", "vm.host.", "vm.io.")


def judge(wanted, samples, ignore=()):
    """Troubles of a cycle's samples (dictionaries as file://…?json writes them), as lines.  `ignore`: names
    of meters that are judged elsewhere."""
    troubles, got = [], {}
    for s in samples:
        key = s["name"], s["resource_id"]
        if key in got:
            troubles.append(f"{key}: twice in a cycle")
        got[key] = s
    want = {(e.name, e.resource): e for e in wanted}
    troubles += [f"{n} {r}: missing" for n, r in sorted(want.keys() - got.keys())]
    troubles += [f"{n} {r}: {got[n, r]['volume']!r}, but virsh has nothing of the kind"
                 for n, r in sorted(got.keys() - want.keys()) if n not in ignore and not n.startswith(NOT_VIRSHS)]
    for key in sorted(want.keys() & got.keys()):
        troubles += [f"{' '.join(key)}: {x}" for x in compare(want[key], got[key])]
    return troubles


def compare(want, got):
    out = [f"{k} is {got[k]!r}, should be {v!r}"
           for k, v in (("type", want.type), ("unit", want.unit), ("user_id", want.user), ("project_id", want.project))
           if got[k] != v]
    volume = got["volume"]
    if type(volume) is not want.kind:
        out.append(f"volume {volume!r} is written as {type(volume).__name__}")
    if not want.low <= volume <= want.high:
        out.append(f"volume {volume!r}, virsh says {want.low!r} to {want.high!r}")
    if want.metadata is not None and got["resource_metadata"] != want.metadata:
        out += differences("metadata", want.metadata, got["resource_metadata"])
    return out


def differences(path, want, got):
    if isinstance(want, dict) and isinstance(got, dict):
        out = []
        for key in sorted(want.keys() | got.keys()):
            if key not in got:
                out.append(f"{path}.{key} is missing, should be {want[key]!r}")
            elif key not in want:
                out.append(f"{path}.{key} is {got[key]!r}, should not be there")
            else:
                out += differences(f"{path}.{key}", want[key], got[key])
        return out
    same = want == got and type(want) is type(got)
    return [] if same else [f"{path} is {got!r:.300}, should be {want!r:.300}"]
