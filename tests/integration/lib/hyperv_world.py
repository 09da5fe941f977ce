# SPDX-License-Identifier: Apache-2.0
"""The instances of an invented Hyper-V host, and what Ceilometer's inspector (19.0.0, with os-win 5.7.1) computes from
them: tests/golden/hyperv, and any number of machines in the image of its three."""
import json
import os
import re

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../golden/hyperv")
V2 = "root/virtualization/v2"


def golden(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as f:
        return json.load(f)


class World:
    def __init__(self, machines=None):
        self.data, self.expected = golden("instances.json")["namespaces"], golden("expected.json")
        systems = self.data[V2]["Msvm_ComputerSystem"]
        self.guids = {s["ElementName"]: s["Name"] for s in systems if re.match(r"[0-9A-F]{8}-", s["Name"])}
        if machines is not None:
            self.multiply(machines)

    def multiply(self, count):
        """Each class's instances, the host's own once and those of the originals again and again."""
        originals = sorted(self.guids.items())
        changes = [(*originals[i % len(originals)], f"instance-{i + 1:08x}",
                    f"{0x51ca1100 + i:08X}-AAAA-4BBB-8CCC-{i + 1:012X}") for i in range(count)]
        for name, instances in self.data[V2].items():
            texts = [json.dumps(i) for i in instances]
            out = [i for i, text in zip(instances, texts) if not any(g in text for _, g in originals)]
            for old_name, old, new_name, new in changes:
                out += [json.loads(text.replace(old, new).replace(old_name, new_name)) for text in texts if old in text]
            self.data[V2][name] = out
        self.expected = {new_name: json.loads(json.dumps(self.expected[old_name]).replace(old, new).replace(
            old_name, new_name)) for old_name, old, new_name, new in changes}
        self.guids = {new_name: new for _, _, new_name, new in changes}

    def unmetered(self, *names):
        """Resource metering is off for these."""
        guids = [self.guids[n] for n in names or self.guids]
        for name in ("Msvm_MetricForME", "Msvm_BaseMetricValue", "Msvm_AggregationMetricValue"):
            self.data[V2][name] = [i for i in self.data[V2][name] if not any(g in json.dumps(i) for g in guids)]
        return self

    def all_on(self):
        """None is off, of which values are 0 whatever is known of it; and the one that was has no values."""
        for system in self.data[V2]["Msvm_ComputerSystem"]:
            if str(system["EnabledState"]) == "3":
                del self.expected[system["ElementName"]]
            system["EnabledState"] = 2
        return self

    def without(self, *classes):
        for name in classes:
            del self.data[V2][name]
        return self
