#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A libvirtd, and guests, that only one test sees.

Own mount, network, UTS, IPC and PID namespaces (an ordinary user takes a user namespace, too, and is root in
there): the host's libvirtd, domains, taps and configuration are neither seen nor touched.  The
sockets lie in a short folder below the temporary one and are reached from outside:

    with Libvirt() as lv:
        lv.uri, lv.uri_ro            qemu+unix:///system?socket=...
        lv.crash(); lv.start()       libvirtd dies and comes back, the guests run on
        lv.enter("ip", "link")       a command inside

When the block is left, or this process dies in whatever way, all of it is gone.

By hand:  private.py [--set NAME | --many N] [-- COMMAND...]     a shell, or COMMAND, with $LIBVIRT_URI
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["PATH"] += ":/usr/sbin:/sbin"
os.environ["LC_ALL"] = "C.UTF-8"

NEEDED = (
    ("libvirtd", "libvirt-daemon"),
    ("virtlogd", "libvirt-daemon"),
    ("virsh", "libvirt-clients"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("ip", "iproute2"),
    ("nasm", "nasm"),
    ("unshare", "util-linux"),
)


class Missing(Exception):
    """Something this machine lacks; the text names the Debian package."""


class Failed(Exception):
    pass


def check_programs():
    for program, package in NEEDED:
        if not shutil.which(program):
            raise Missing(f"{program} is missing (Debian package {package})")
    try:
        import libvirt      # noqa: F401
    except ImportError:
        raise Missing("the Python module libvirt is missing (Debian package python3-libvirt)")
    if os.geteuid() != 0:
        if not shutil.which("newuidmap"):
            raise Missing("newuidmap is missing (Debian package uidmap)")
        name = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        with open("/etc/subuid") as f:
            if not any(line.split(":")[0] in (name, str(os.getuid())) for line in f):
                raise Missing(f"user {name} has no line in /etc/subuid (usermod --add-subuids)")


def cache_dir():
    """Kept between runs: what libvirt found out about QEMU (four seconds), the guests' disks."""
    return os.environ.get("VIRTMETER_TEST_CACHE") or os.path.join(
        tempfile.gettempdir(), f"virtmeter-cache-{os.getuid()}")


QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
security_default_confined = 0
namespaces = []
seccomp_sandbox = 0
cgroup_controllers = {cgroups}
stdio_handler = "logd"
"""

LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
max_clients = 100
log_outputs = "2:file:{dir}/log/libvirtd.log"
{more}
"""


class Libvirt:
    """log_filters: as in libvirtd.conf, for tests that count calls (then log_level 1 is kept).
    cgroups: controllers of version 1 that guests get a cgroup of."""

    def __init__(self, name="compute-0", log_filters=None, conf="", cgroups=()):
        check_programs()
        self.dir = tempfile.mkdtemp(prefix="vm-")
        os.chmod(self.dir, 0o755)       # other users may reach the read-only socket
        self.log = f"{self.dir}/log/libvirtd.log"
        if log_filters:
            conf += f'log_filters = "{log_filters}"\nlog_outputs = "1:file:{self.log}"\n'
        for sub in ("etc", "run", "lib", "cache", "log", "instances"):
            os.mkdir(f"{self.dir}/{sub}")
        os.makedirs(cache_dir(), exist_ok=True)
        known = f"{cache_dir()}/capabilities"
        if os.path.isdir(known):
            shutil.copytree(known, f"{self.dir}/cache/qemu/capabilities")
        self._write("etc/qemu.conf", QEMU_CONF.format(cgroups=json.dumps(list(cgroups))))
        self._write("virtlogd.conf", f'log_outputs = "3:file:{self.dir}/log/virtlogd.log"\n')
        text = LIBVIRTD_CONF.format(uuid=uuid.uuid4(), dir=self.dir, more=conf)
        if log_filters:
            text = text.replace(f'log_outputs = "2:file:{self.log}"\n', "", 1)
        self._write("libvirtd.conf", text)
        self.uri = f"qemu+unix:///system?socket={self.dir}/run/libvirt-sock"
        self.uri_ro = self.uri + "-ro"
        self.instances = f"{self.dir}/instances"
        self.process = None
        try:
            self._namespaces(name)
        except BaseException:
            self.close()
            raise

    def _write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)

    def _namespaces(self, name):
        argv = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
                "--mount-proc", "--propagation", "private"]
        if os.geteuid() != 0:
            argv += ["--user", "--map-root-user", "--map-auto"]
        argv += ["/usr/bin/python3", f"{HERE}/inside.py", self.dir]
        with open(f"{self.dir}/log/inside.out", "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=err, start_new_session=True)
        self._ask("up", name)

    def _ask(self, *command):
        try:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            with open(f"{self.dir}/log/inside.out", errors="replace") as f:
                raise Failed(f"no namespaces of our own: {f.read().strip()[-500:]}")
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer["ok"]

    def start(self):
        """libvirtd, when it does not run.  Its sockets answer on return."""
        self._inner_pid = self._ask("start")
        return self

    def stop(self):
        """libvirtd ends in an orderly way, the guests run on."""
        self._ask("stop", signal.SIGTERM)

    def crash(self):
        """libvirtd is killed, the guests run on."""
        self._ask("stop", signal.SIGKILL)

    def pause(self):
        """libvirtd does not answer any more, but its sockets are open."""
        self._ask("stop", signal.SIGSTOP, False)

    def resume(self):
        self._ask("stop", signal.SIGCONT, False)

    def enter(self, *argv, check=True):
        """Runs a command inside; its output."""
        rc, out, err = self._ask("run", argv)
        if check and rc:
            raise Failed(f"{' '.join(argv)}: {err.strip() or out.strip()}")
        return out

    def loop(self, path):
        """A loop device over the file, for as long as this object is there."""
        return self._ask("loop", path)

    def virsh(self, *commands, check=True, read_only=True):
        """Runs virsh once with all the commands; its output."""
        argv = ["virsh", "-q", "-c", self.uri_ro if read_only else self.uri]
        argv += ["-r"] if read_only else []
        done = subprocess.run(argv + ["; ".join(commands)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if check and done.returncode:
            raise Failed(f"virsh {commands}: {done.stderr.strip()}")
        return done.stdout

    def pids(self):
        """Host's PIDs of what runs inside: {pid: command name}."""
        ours = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/status") as f:
                    inner = next((x.split()[1:] for x in f if x.startswith("NSpid:")), [])
                if len(inner) > 1 and os.readlink(f"/proc/{pid}/ns/pid") == self._pid_ns():
                    with open(f"/proc/{pid}/comm") as f:
                        ours.add((int(pid), f.read().strip()))
            except OSError:
                pass
        return dict(ours)

    def _pid_ns(self):
        return os.readlink(f"/proc/{self.process.pid}/ns/pid_for_children")

    def libvirtd_pid(self):
        return next(p for p, name in self.pids().items() if name == "libvirtd")

    def qemu_pids(self):
        return [p for p, name in self.pids().items() if name.startswith("qemu-system")]

    def close(self, keep_logs=None):
        """Everything inside is killed, DIR removed.  keep_logs: a folder that gets the logs."""
        if self.process:
            found = f"{self.dir}/cache/qemu/capabilities"
            if os.path.isdir(found):
                shutil.copytree(found, f"{cache_dir()}/capabilities", dirs_exist_ok=True)
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process = None
        if keep_logs:
            shutil.copytree(f"{self.dir}/log", keep_logs, dirs_exist_ok=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


def by_hand():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", action="store_true", help="with the domains of the suite")
    parser.add_argument("--many", type=int, default=0, metavar="N", help="with N equal idle domains")
    parser.add_argument("command", nargs="*")
    args = parser.parse_args()
    try:
        with Libvirt() as lv:
            import domains
            if args.set:
                domains.Set(lv).create()
            if args.many:
                domains.many(lv, args.many)
            env = dict(os.environ, LIBVIRT_URI=lv.uri, LIBVIRT_DEFAULT_URI=lv.uri, PRIVATE_DIR=lv.dir)
            return subprocess.call(args.command or [os.environ.get("SHELL", "sh")], env=env)
    except Missing as e:
        print(f"private.py: {e}", file=sys.stderr)
        return 77
    except Failed as e:
        print(f"private.py: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    sys.exit(__import__("private").by_hand())
