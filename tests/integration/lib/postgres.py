# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server that only one test sees: data, socket, port and certificates of its own, on loopback.

    with Postgres(megabytes=160) as pg:
        pg.url("?schema=x")        postgresql://tester:password@localhost:PORT/samples?...
        pg.sql("SELECT 1")         as the superuser, by the socket; rows as lists of texts
        pg.stop(); pg.start(); pg.kill(); pg.cut()
        pg.fill(); pg.make_room()  of the disk, which is a tmpfs of its own; only by root
    pg.tablespace("small", 48) on another such disk, and pg.fill("small")
    pg.standby(); pg.promote() the same server, as a standby that only reads, and the primary again

As root the server runs as the user postgres.  When the block is left, or this process dies, all of it is gone.
"""
import ctypes
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import private
import rabbit
import tlsca

USER, PASSWORD, DATABASE = "tester", "labpass%21", "samples"     # as in a URL; the password is labpass!
_libc = ctypes.CDLL(None)


def _die_with_us():
    _libc.prctl(1, signal.SIGKILL)


def programs():
    """The folder of the newest one."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    path = found[-1] if found else shutil.which("initdb")
    if not path:
        raise private.Missing("PostgreSQL is missing (Debian package postgresql)")
    if not shutil.which("openssl"):
        raise private.Missing("openssl is missing (Debian package openssl)")
    return os.path.dirname(path)


class Postgres:
    def __init__(self, megabytes=None, folder=None, settings=None):
        self.bin, self.settings = programs(), settings or {}
        self.dir = tempfile.mkdtemp(prefix="vm-pg-", dir=folder)
        self.port, self.process, self.disk = rabbit.free_port(), None, None
        self.data, self.wrap, self.user = f"{self.dir}/disk/data", [], None
        os.chmod(self.dir, 0o755)
        os.mkdir(f"{self.dir}/disk")
        if os.geteuid() == 0:
            self.user = pwd.getpwnam("postgres")
            self.wrap = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        try:
            if megabytes:
                self._own_disk(megabytes)
            self._make()
            self.start()
            self.sql(f"CREATE DATABASE {DATABASE} ENCODING 'UTF8' TEMPLATE template0", database="postgres")
        except BaseException:
            self.close()
            raise

    def _own_disk(self, megabytes):
        """A mount namespace, held by a process that sleeps; others see it below /proc."""
        if os.geteuid() != 0:
            raise private.Missing("a disk of its own needs root")
        mount = (f"mount -t tmpfs -o size={megabytes}m,mode=0755,uid={self.user.pw_uid},gid={self.user.pw_gid} "
                 f"none {self.dir}/disk && echo there && exec sleep infinity")
        self.disk = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", mount],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=_die_with_us)
        if self.disk.stdout.readline() != b"there\n":
            raise private.Missing("no tmpfs can be mounted here")
        self.wrap = ["nsenter", "-t", str(self.disk.pid), "-m", *self.wrap]

    def _run(self, *argv):
        done = subprocess.run([*self.wrap, *argv], capture_output=True, text=True, timeout=120, cwd="/")
        if done.returncode:
            raise private.Failed(f"{' '.join(argv)}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def _own(self, path):
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def _make(self):
        self.ca = tlsca.Authority(f"{self.dir}/tls")
        self.ca.leaf("server", "localhost", "serverAuth", rabbit.LOCAL)
        os.chmod(self._own(f"{self.dir}/tls/server.key"), 0o600)
        self._own(self.dir)
        if not self.disk:
            self._own(f"{self.dir}/disk")
        with open(f"{self.dir}/password", "w") as f:
            f.write("labpass!\n")
        os.chmod(self._own(f"{self.dir}/password"), 0o600)
        self._run(f"{self.bin}/initdb", "-D", self.data, "-U", USER, "-E", "UTF8", "--locale=C", "--auth-local=trust",
                  "--auth-host=scram-sha-256", f"--pwfile={self.dir}/password", "--no-sync", "--no-instructions",
                  "--wal-segsize=1")

    def start(self):
        settings = {"listen_addresses": "127.0.0.1,127.0.0.2", "port": self.port, "unix_socket_directories": self.dir,
                    "shared_buffers": "32MB", "max_connections": 30, "ssl": "on", "ssl_cert_file":
                    f"{self.dir}/tls/server.pem", "ssl_key_file": f"{self.dir}/tls/server.key", "max_wal_size": "32MB",
                    "min_wal_size": "8MB", "autovacuum": "off", "synchronous_commit": "on",
                    **self.settings}
        words = [w for k, v in settings.items() for w in ("-c", f"{k}={v}")]
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen([*self.wrap, f"{self.bin}/postgres", "-D", self.data, *words], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        rabbit.until(self._up, 60, "PostgreSQL")
        return self

    def _up(self):
        if self.process.poll() is not None:
            raise private.Failed(f"PostgreSQL did not start: {self.log()[-1500:]}")
        try:
            return self.sql("SELECT 1", database="postgres") == [["1"]]
        except private.Failed:
            return False

    @property
    def postmaster(self):
        """With a disk of its own the server is a child of nsenter, or took its place."""
        with open(f"/proc/{self.disk.pid}/root{self.data}/postmaster.pid" if self.disk
                  else f"{self.data}/postmaster.pid") as f:
            return int(f.readline())

    def _end(self, sig, seconds=60):
        if self.process and self.process.poll() is None:
            try:
                os.kill(self.postmaster, sig)
            except (OSError, ValueError):
                pass
            self.process.wait(seconds)

    def stop(self):
        self._end(signal.SIGINT)

    def kill(self):
        """All its processes at once, as when the machine fails."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        time.sleep(0.3)         # its children let go of the shared memory

    def cut(self):
        """Ends the connections of the program under test; how many."""
        return len(self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'virtmeter'"))

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def standby(self):
        self.stop()
        self._run("touch", f"{self.data}/standby.signal")
        self.start()

    def promote(self):
        self.sql("SELECT pg_promote()", database="postgres")

    def tablespace(self, name, megabytes):
        folder = f"{self.dir}/disk/{name}"
        subprocess.run(["nsenter", "-t", str(self.disk.pid), "-m", "sh", "-c",
                        f"mkdir {folder} && mount -t tmpfs -o size={megabytes}m,mode=0700,uid={self.user.pw_uid},"
                        f"gid={self.user.pw_gid} none {folder} && mkdir {folder}/data && chown postgres {folder}/data"],
                       check=True, timeout=30)
        self.sql(f"CREATE TABLESPACE {name} LOCATION '{folder}/data'")

    def filler(self, tablespace):
        return f"/proc/{self.disk.pid}/root{self.dir}/disk/{tablespace}/filler"

    def fill(self, tablespace="."):
        with open(self.filler(tablespace), "wb", buffering=0) as f:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while f.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def make_room(self, tablespace="."):
        os.unlink(self.filler(tablespace))

    def sql(self, command, database=DATABASE, text=None, timeout=600):
        """`text`: what a COPY … FROM STDIN reads."""
        done = subprocess.run([f"{self.bin}/psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p",
                               str(self.port), "-U", USER, "-d", database, "-c", command], input=text,
                              capture_output=True, text=True, timeout=timeout, cwd="/")
        if done.returncode:
            raise private.Failed(f"psql: {done.stderr.strip()[-400:]}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def url(self, rest="", host="localhost", password=PASSWORD):
        return f"postgresql://{USER}:{password}@{host}:{self.port}/{DATABASE}{rest}"

    def close(self):
        self.kill()
        if self.disk:
            self.disk.kill()
            self.disk.wait()
            self.disk.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("# the server's last words:")
            for line in self.log().splitlines()[-20:]:
                print(f"#   {line[:200]}")
        self.close()
