# SPDX-License-Identifier: Apache-2.0
"""A network namespace of the suite's own, and packets that are lost in it."""
import os
import shutil
import subprocess

import private

OWN = "VIRTMETER_OWN_NET"


def inside():
    return os.environ.get(OWN) == "1"


def words():
    """What is to be put before a command."""
    return ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])


def environment():
    return dict(os.environ, **{OWN: "1"})


def check():
    if not shutil.which("iptables"):
        raise private.Missing("iptables is missing (Debian package iptables)")


def up():
    check()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def drop(yes, port):
    """A connection whose other end is gone without a word: no packet passes."""
    for chain in ("INPUT", "OUTPUT"):
        for side in ("--sport", "--dport"):
            subprocess.run(["iptables", "-A" if yes else "-D", chain, "-p", "tcp", side, str(port), "-j", "DROP"], check=True,
                           capture_output=True)
