# SPDX-License-Identifier: Apache-2.0
"""Counts the calls that libvirtd got, by its own log: `Libvirt(log_filters=rpc.FILTERS)`.  Honest even to
a client that hides some."""
import collections
import re

FILTERS = "1:rpc.netserverprogram"
REMOTE_PROGRAM = 0x20008086
NAMES = {1: "open", 2: "close", 13: "get-info", 14: "get-xml", 23: "lookup-by-name", 24: "lookup-by-uuid", 60: "features",
         64: "block-stats", 65: "interface-stats", 148: "list", 159: "memory-stats", 194: "block-info", 212: "get-state",
         229: "control-info", 253: "get-metadata", 273: "list-all", 344: "bulk-stats", 66: "auth-list", 315: "event-deregister", 316: "event-register"}
LINE = re.compile(r"virNetServerProgramDispatch:\d+ : prog=(\d+) ver=\d+ type=0 status=0 serial=\d+ proc=(\d+)")


class Counter:
    def __init__(self, lv):
        self.path, self.offset = lv.log, 0
        self.take()

    def take(self):
        """Calls since the last look, by name."""
        with open(self.path, errors="replace") as f:
            f.seek(self.offset)
            text = f.read()
            self.offset = f.tell()
        found = LINE.findall(text)
        return collections.Counter(NAMES.get(int(proc), f"procedure {proc}") for prog, proc in found
                                   if int(prog) == REMOTE_PROGRAM)
