# SPDX-License-Identifier: Apache-2.0
"""The one domain of libvirt's test driver, and an agent that asks a cloud for what it knows of it."""
import json
import os

import agent
import private

DOMAIN, LIBVIRT_NAME = "6695eb01-f6a4-8304-79aa-97f2502e193f", "test"
METERS = ("memory", "vcpus", "memory.usage")


class Watched:
    """An agent that asks a cloud, started once its files are there, and what it says and writes.  yaml: the text of
    polling.yaml."""

    def __init__(self, uri, interval, meters, options, yaml=None):
        self.a = agent.Agent(uri, interval, meters, options=options, start=False)
        if yaml:
            self.a.put("polling.yaml", yaml)
        self.a.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("# " + "\n# ".join(self.told()))
        self.a.close()

    def told(self):
        """Lines of its log, without those for who looks for an error in it."""
        return [line[:300] for line in self.a.log().splitlines() if " DEBUG " not in line]

    def joined(self):
        return (self.a.document() or {}).get("discovery", {}).get("joined", {})

    def written(self):
        """All samples so far."""
        if not os.path.exists(self.a.file):
            return []
        with open(self.a.file, encoding="utf-8") as f:
            return [json.loads(line) for line in f.read().rpartition("\n")[0].splitlines()]

    def until(self, good, what, seconds=60):
        try:
            return self.a.wait(lambda: good() or None, seconds, what)
        except private.Failed as e:
            raise private.Failed(f"{what}: {self.joined()}, {self.told()[-8:]}") from e


class Scene(Watched):
    """With a cycle a second, at the one domain of libvirt's test driver."""

    def __init__(self, c, credentials=None, compute=None, yaml=None, uri="test:///default", **more):
        """`more`: sections of the configuration."""
        options = {"DEFAULT": {"debug": "true"},
                   "compute": {"instance_discovery_method": "naive", **(compute or {})},
                   "service_credentials": {"timeout": 1, **(credentials if credentials is not None else c.options())}}
        super().__init__(uri, 1, METERS, {**options, **more}, yaml)

    def instances(self, outcome):
        inspectors = (self.a.document() or {}).get("inspectors")
        return inspectors[0]["instances"][outcome] if inspectors else None

    def last(self):
        """Metadata of the last sample of the domain, or None."""
        samples = [s for s in self.written() if s["resource_id"] == DOMAIN]
        return samples[-1]["resource_metadata"] if samples else None

    def until(self, good, what, seconds=60):
        try:
            return super().until(good, what, seconds)
        except private.Failed as e:
            raise private.Failed(f"{e}, {self.last()}") from e

    def until_name(self, name):
        return self.until(lambda: (self.last() or {}).get("display_name") == name, f"{name} in the samples")

    def until_error(self, words):
        return self.until(lambda: words in self.joined().get("last_error", ""), f"{words!r} in the status")

    def until_good(self):
        return self.until(lambda: self.joined().get("last_error") == "" and self.joined().get("age_s") is not None,
                          "no error in the status")
