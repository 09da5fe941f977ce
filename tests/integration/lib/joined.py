# SPDX-License-Identifier: Apache-2.0
"""The one domain of libvirt's test driver, and an agent that asks a cloud for what it knows of it."""
import json
import os

import agent
import private

DOMAIN, LIBVIRT_NAME = "6695eb01-f6a4-8304-79aa-97f2502e193f", "test"
METERS = ("memory", "vcpus", "memory.usage")


class Scene:
    """An agent with a cycle a second that asks the cloud."""

    def __init__(self, c, credentials=None, compute=None, yaml=None, uri="test:///default", **more):
        """`yaml`: the text of polling.yaml.  `more`: sections of the configuration."""
        options = {"DEFAULT": {"debug": "true"},
                   "compute": {"instance_discovery_method": "naive", **(compute or {})},
                   "service_credentials": {"timeout": 1, **(credentials if credentials is not None else c.options())}}
        self.a = agent.Agent(uri, 1, METERS, options={**options, **more}, start=False)
        if yaml:
            self.a.put("polling.yaml", yaml)
        self.a.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.a.close()

    def joined(self):
        doc = self.a.document()
        return (doc or {}).get("discovery", {}).get("joined", {})

    def instances(self, outcome):
        inspectors = (self.a.document() or {}).get("inspectors")
        return inspectors[0]["instances"][outcome] if inspectors else None

    def last(self):
        """Metadata of the last sample of the domain, or None."""
        if not os.path.exists(self.a.file):
            return None
        with open(self.a.file, encoding="utf-8") as f:
            lines = f.read().rpartition("\n")[0].splitlines()
        samples = [s for s in map(json.loads, lines) if s["resource_id"] == DOMAIN]
        return samples[-1]["resource_metadata"] if samples else None

    def until(self, good, what, seconds=60):
        try:
            return self.a.wait(lambda: good() or None, seconds, what)
        except private.Failed as e:
            told = [line for line in self.a.log().splitlines() if " DEBUG " not in line][-8:]
            raise private.Failed(f"{what}: {self.joined()}, {self.last()}, {told}") from e

    def until_name(self, name):
        return self.until(lambda: (self.last() or {}).get("display_name") == name, f"{name} in the samples")

    def until_error(self, words):
        return self.until(lambda: words in self.joined().get("last_error", ""), f"{words!r} in the status")

    def until_good(self):
        return self.until(lambda: self.joined().get("last_error") == "" and self.joined().get("age_s") is not None,
                          "no error in the status")
