# SPDX-License-Identifier: Apache-2.0
"""Redis and memcached that only one test sees: ports of their own on loopback, nothing on the disk.

    with Redis(password="x", tls=authority) as redis:
        redis.url("membership_timeout=3")
        redis.hang(); redis.go_on()     SIGSTOP, SIGCONT
        redis.stop(); redis.start()     it forgets everything
        redis.say("ZCARD", "key")
"""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import private
import rabbit

_libc = ctypes.CDLL(None)


def _die_with_us():
    _libc.prctl(1, signal.SIGKILL)


class Server:
    program = package = None

    def __init__(self):
        if not shutil.which(self.program):
            raise private.Missing(f"{self.program} is missing (Debian package {self.package})")
        self.port, self.process = rabbit.free_port(), None
        self.dir = tempfile.mkdtemp(prefix="vm-coordinator-")

    def start(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir, preexec_fn=_die_with_us)
        rabbit.until(self.answers, 20, f"{self.program} listens")
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Redis(Server):
    program = package = "redis-server"

    def __init__(self, password=None, tls=None, master=None):
        """`master`: another one, whose replica this is."""
        super().__init__()
        self.password, self.tls, self.files, self.master = password, tls, None, master
        if tls:
            self.files = tls.leaf("redis", "localhost", "serverAuth", "IP:127.0.0.1")

    def command(self):
        listen = ["--port", "0", "--tls-port", str(self.port), "--tls-cert-file", self.files[0], "--tls-key-file",
                  self.files[1], "--tls-ca-cert-file", self.tls.cert, "--tls-auth-clients", "no"] if self.tls else [
                      "--port", str(self.port)]
        return [self.program, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.dir, *listen,
                *(["--requirepass", self.password, "--masterauth", self.password] if self.password else []),
                *(["--replicaof", "127.0.0.1", str(self.master.port)] if self.master else [])]

    def url(self, query=""):
        secret = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self.tls else 'redis'}://{secret}127.0.0.1:{self.port}/0?{query}"

    def say(self, *words):
        """The first line that is answered, "" when it is cut off (a replica that becomes a master lets go of everybody); not
        over TLS."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s, contextlib.suppress(ConnectionError):
            if self.password:
                words_of = [("AUTH", self.password), words]
            else:
                words_of = [words]
            lines = s.makefile("rb")
            for command in words_of:
                s.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in command))
                line = lines.readline().decode().strip()
            return line
        return ""


class Sentinel(Server):
    """One that decides alone, and soon."""
    program = package = "redis-server"

    def __init__(self, master):
        super().__init__()
        with open(f"{self.dir}/sentinel.conf", "w", encoding="utf-8") as f:
            f.write(f"bind 127.0.0.1\nport {self.port}\ndir {self.dir}\nsentinel monitor lab 127.0.0.1 {master.port} 1\n"
                    f"sentinel auth-pass lab {master.password}\nsentinel down-after-milliseconds lab 1000\n"
                    f"sentinel failover-timeout lab 4000\n")

    def command(self):
        return [self.program, f"{self.dir}/sentinel.conf", "--sentinel"]

    def info(self):
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(b"INFO sentinel\r\n")
            s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(4096), b""))


class Memcached(Server):
    program = package = "memcached"

    def command(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [self.program, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "16", "-t", "1", *user]

    def url(self, query=""):
        return f"memcached://127.0.0.1:{self.port}?{query}"
