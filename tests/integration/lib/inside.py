#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a private libvirtd's namespaces; started by private.py, never by hand.

It hides the host's libvirt behind folders of its own, starts virtlogd and libvirtd, and obeys one
JSON line on stdin with one on stdout.  When stdin ends, however that comes about, it ends too, and the
kernel kills whatever still runs in the PID namespace: no QEMU, tap, firewall rule or loop device
can survive the test.
"""
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

DIR = sys.argv[1]
LOOP_SET_FD, LOOP_SET_STATUS64, LOOP_CTL_GET_FREE = 0x4C00, 0x4C04, 0x4C82
LO_FLAGS_AUTOCLEAR = 4


class Failed(Exception):
    pass


def run(*argv, check=True):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise Failed(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done


def hide_host(name):
    """Own host name, network, /run and libvirt folders.  /run as a whole, for the host's D-Bus lies
    there, by which libvirt would ask systemd and firewalld for things."""
    socket.sethostname(name)
    run("ip", "link", "set", "lo", "up")
    run("umount", "-R", "-l", "/sys/fs/cgroup", check=False)
    run("mount", "-t", "sysfs", "-o", "nosuid,nodev,noexec", "sysfs", "/sys", check=False)
    hosts = os.path.join(DIR, "hosts")
    with open(hosts, "w") as f:
        f.write(f"127.0.0.1 localhost {name}\n")
    run("mount", "--bind", hosts, "/etc/hosts")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/libvirt")
    for mine, theirs in (("etc", "/etc/libvirt"), ("run", "/run/libvirt"), ("lib", "/var/lib/libvirt"),
                         ("cache", "/var/cache/libvirt"), ("log", "/var/log/libvirt")):
        if not os.path.isdir(theirs):       # no libvirt-daemon-system here
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", os.path.dirname(theirs))
            os.mkdir(theirs)
        run("mount", "--bind", os.path.join(DIR, mine), theirs)


def know_user(name):
    """libvirtd does not start without the user and group that it was built for, even when its configuration
    names others; a host without libvirt-daemon-system need not have them."""
    for path, line in (("/etc/passwd", f"{name}:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin"),
                       ("/etc/group", f"{name}:x:64055:")):
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            text = f.read()
        if any(entry.startswith(f"{name}:") for entry in text.splitlines()):
            continue
        mine = os.path.join(DIR, os.path.basename(path))
        with open(mine, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(text.rstrip("\n") + f"\n{line}\n")
        os.chmod(mine, 0o644)
        run("mount", "--bind", mine, path)


class Daemon:
    """A child of ours in the foreground; its output goes to DIR/log."""

    def __init__(self, name, argv, sock):
        self.name, self.argv, self.sock, self.child = name, argv, sock, None

    def start(self):
        if self.child and self.child.poll() is None:
            return
        if os.path.exists(self.sock):
            os.unlink(self.sock)
        with open(f"{DIR}/log/{self.name}.out", "ab") as out:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + 30
        while not self.answers():
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended with {self.child.returncode}: {self.last_words()}")
            if time.monotonic() > end:
                raise Failed(f"{self.name} does not answer on {self.sock}")
            time.sleep(0.01)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.sock) == 0

    def stop(self, sig, wait):
        if self.child is None or self.child.poll() is not None:
            return
        self.child.send_signal(sig)
        if wait:
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def last_words(self):
        with open(f"{DIR}/log/{self.name}.out", errors="replace") as f:
            return f.read()[-500:].strip()


class Inside:
    def __init__(self):
        self.loops = []
        self.virtlogd = Daemon("virtlogd", ["virtlogd", "-f", f"{DIR}/virtlogd.conf"],
                               f"{DIR}/run/virtlogd-sock")
        self.libvirtd = Daemon("libvirtd", ["libvirtd", "-f", f"{DIR}/libvirtd.conf"],
                               f"{DIR}/run/libvirt-sock")

    def up(self, name):
        hide_host(name)
        know_user("libvirt-qemu")
        self.virtlogd.start()

    def start(self):
        self.libvirtd.start()
        return self.libvirtd.child.pid

    def stop(self, sig, wait=True):
        self.libvirtd.stop(sig, wait)

    def run(self, argv):
        done = run(*argv, check=False)
        return [done.returncode, done.stdout, done.stderr]

    def loop(self, path):
        """A loop device over the file.  We hold it open and it clears itself when the last holder
        closes it, so that it cannot outlive us."""
        with open("/dev/loop-control", "rb+", buffering=0) as control:
            device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
        holder, backing = os.open(device, os.O_RDWR), os.open(path, os.O_RDWR)
        fcntl.ioctl(holder, LOOP_SET_FD, backing)
        info = bytearray(232)       # struct loop_info64
        struct.pack_into("I", info, 52, LO_FLAGS_AUTOCLEAR)
        info[56:56 + 63] = path.encode()[:63].ljust(63, b"\0")
        fcntl.ioctl(holder, LOOP_SET_STATUS64, info)
        os.close(backing)
        self.loops.append(holder)
        return device

    def reap(self):
        """Orphans (QEMU is one from its birth) are ours; libvirtd and virtlogd are Popen's."""
        mine = {d.child.pid for d in (self.virtlogd, self.libvirtd) if d.child}
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None:
                return
            if info.si_pid in mine:
                for d in (self.virtlogd, self.libvirtd):
                    if d.child:
                        d.child.poll()
            else:
                os.waitpid(info.si_pid, 0)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # the test decides when to end
    inside, rest = Inside(), b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.2)
        inside.reap()
        if not ready:
            continue
        more = os.read(0, 65536)
        if not more:
            return
        rest += more
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            name, *args = json.loads(line)
            try:
                answer = {"ok": getattr(inside, name)(*args)}
            except (Failed, OSError) as e:
                answer = {"failed": str(e)}
            os.write(1, json.dumps(answer).encode() + b"\n")


main()
