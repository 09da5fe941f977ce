#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors.txt: who owns what on rings of tooz (python3-tooz), for src/agent/ring_test.c.

Usage: make.py > vectors.txt
"""
import uuid

from tooz import hashring

SPACE = uuid.UUID("5c1e9d55-6bd0-4e6f-9b6f-0d5a3f2c7a10")


def name(kind, i):
    return str(uuid.uuid5(SPACE, "%s %d" % (kind, i)))


RINGS = [
    ["only"],
    ["a", "b"],
    [name("member", i) for i in range(2)],
    [name("member", i) for i in range(3)],
    [name("member", i) for i in range(8)],
    [name("member", i) for i in range(64)],
    ["compute-1", "compute-10", "Zürich", "x" * 200],
]
KEYS = [name("instance", i) for i in range(100)] + ["", "compute-1", "instance-0000002a", "Zürich", "y" * 300]

print("# tooz hashring.HashRing; made by make.py")
for members in RINGS:
    ring = hashring.HashRing(members)
    print("ring\t" + "\t".join(members))
    for key in KEYS:
        (owner,) = ring.get_nodes(key.encode())
        print("%s\t%d" % (key, members.index(owner)))
