#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An <emulator> that can keep its QEMU's monitor from answering while the QEMU runs on: what the kernel cannot tell.

It stands between libvirt's monitor socket and QEMU's.  While the file `hold-UUID` exists beside it, QEMU's replies
are kept.  What is no domain (libvirt asking what QEMU can do) goes to QEMU as it is.
"""
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time

QEMU = "/usr/bin/qemu-system-x86_64"
HEAD = "socket,id=charmonitor,fd="


def die_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


def pass_on(source, to):
    """What came, with its file descriptors; False at the end."""
    data, fds, _, _ = socket.recv_fds(source, 65536, 16)
    if data and fds:
        socket.send_fds(to, [data], fds)
    elif data:
        to.sendall(data)
    for fd in fds:
        os.close(fd)
    return bool(data)


def serve(libvirt, qemu, held, child):
    while child.poll() is None:
        sources = [libvirt] if os.path.exists(held) else [libvirt, qemu]
        ready, _, _ = select.select(sources, [], [], 0.05)
        for source in ready:
            if not pass_on(source, qemu if source is libvirt else libvirt):
                return


def connect(path):
    for _ in range(600):
        try:
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            return s
        except OSError:
            s.close()
            time.sleep(0.05)
    raise SystemExit("QEMU does not open its monitor")


def main():
    argv = sys.argv[1:]
    at = next((i for i, a in enumerate(argv) if a.startswith(HEAD)), None)
    if at is None:
        os.execv(QEMU, [QEMU, *argv])
    folder, name = os.path.dirname(os.path.abspath(sys.argv[0])), argv[argv.index("-uuid") + 1]
    fd, rest = argv[at][len(HEAD):].split(",", 1)
    path = f"{folder}/qmp-{name[:13]}"
    if os.path.exists(path):
        os.unlink(path)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(1)
    os.set_inheritable(listening.fileno(), True)
    argv[at] = f"{HEAD}{listening.fileno()},{rest}"
    child = subprocess.Popen([QEMU, *argv], close_fds=False, preexec_fn=die_with_us)
    theirs = socket.socket(fileno=int(fd))
    theirs.settimeout(0.5)
    while child.poll() is None:
        try:
            libvirt, _ = theirs.accept()
        except TimeoutError:
            continue
        with libvirt, connect(path) as qemu:
            serve(libvirt, qemu, f"{folder}/hold-{name}", child)
    sys.exit(child.returncode if child.returncode >= 0 else 1)


main()
