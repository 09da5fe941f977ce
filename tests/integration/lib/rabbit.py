# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ node that only one test sees: node name, ports, epmd, data and cookie of its own, on loopback.

    with Rabbit(tls=True) as mq:
        mq.url("polling", "?x=y")      polling://user:password@127.0.0.1:PORT/vhost?x=y
        mq.take("notifications.sample")  all messages of a queue, as Message
        mq.ctl("list_queues")
        mq.stop(); mq.start(); mq.kill()
"""
import base64
import contextlib
import dataclasses
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import private
import tlsca

BIN = "/usr/lib/rabbitmq/bin"
USER, PASSWORD, VHOST = "openstack", "labpass", "ceilo"
LOCAL = "DNS:localhost,IP:127.0.0.1,IP:::1"
NEEDED = ((f"{BIN}/rabbitmq-server", "rabbitmq-server"), ("openssl", "openssl"))


def check_programs():
    for program, package in NEEDED:
        if not shutil.which(program):
            raise private.Missing(f"{program} is missing (Debian package {package})")
    try:
        import amqp     # noqa: F401
    except ImportError:
        raise private.Missing("the Python module amqp is missing (Debian package python3-amqp)")


def free_ports(count):
    """So many different ones, below those that the kernel gives to connections: nobody takes one while its server is down."""
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            s, port = stack.enter_context(socket.socket()), random.randrange(16384, 32768)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def free_port():
    return free_ports(1)[0]


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise private.Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)


@dataclasses.dataclass
class Message:
    exchange: str
    key: str
    properties: dict
    body: bytes

    @property
    def outer(self):
        return json.loads(self.body)

    @property
    def inner(self):
        outer = self.outer
        return json.loads(outer["oslo.message"]) if "oslo.message" in outer else outer

    @property
    def samples(self):
        inner = self.inner
        if "args" in inner:
            return inner["args"]["data"]
        payload = inner["payload"]
        return payload["samples"] if isinstance(payload, dict) else payload


class Rabbit:
    def __init__(self, tls=False, conf="", start=True):
        check_programs()
        self.dir = tempfile.mkdtemp(prefix="vm-mq-")
        self.port, self.dist, self.epmd_port, tls_port = free_ports(4)
        self.tls_port = tls_port if tls else None
        self.ca = tlsca.Authority(f"{self.dir}/tls") if tls else None
        self.node, self.epmd = None, None
        os.mkdir(f"{self.dir}/log")
        salt = os.urandom(4)
        digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
        with open(f"{self.dir}/definitions.json", "w") as f:
            json.dump({"users": [{"name": USER, "password_hash": digest, "tags": "administrator",
                                  "hashing_algorithm": "rabbit_password_hashing_sha256"}],
                       "vhosts": [{"name": VHOST}, {"name": "/"}],
                       "permissions": [{"user": USER, "vhost": v, "configure": ".*", "write": ".*", "read": ".*"}
                                       for v in (VHOST, "/")]}, f)
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "loopback_users = none",
                 f"load_definitions = {self.dir}/definitions.json", "vm_memory_high_watermark.absolute = 512MB",
                 "disk_free_limit.absolute = 10MB", "log.file.level = info", conf]
        if tls:
            self.ca.leaf("server", "localhost", "serverAuth", LOCAL)
            lines += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                      f"listeners.ssl.2 = 127.0.0.2:{self.tls_port}", "ssl_options.verify = verify_peer",
                      f"ssl_options.cacertfile = {self.ca.cert}", f"ssl_options.certfile = {self.dir}/tls/server.pem",
                      f"ssl_options.keyfile = {self.dir}/tls/server.key",
                      "ssl_options.fail_if_no_peer_cert = false", "ssl_cert_login_from = common_name",
                      "auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = AMQPLAIN", "auth_mechanisms.3 = EXTERNAL"]
        with open(f"{self.dir}/rabbitmq.conf", "w") as f:
            f.write("\n".join(lines) + "\n")
        with open(f"{self.dir}/enabled_plugins", "w") as f:
            f.write("[rabbitmq_auth_mechanism_ssl].\n" if tls else "[].\n")
        self.env = dict(os.environ, HOME=self.dir, RABBITMQ_NODENAME="vmtest@localhost", LC_ALL="C.UTF-8",
                        RABBITMQ_MNESIA_BASE=f"{self.dir}/mnesia", RABBITMQ_LOG_BASE=f"{self.dir}/log",
                        RABBITMQ_CONFIG_FILE=f"{self.dir}/rabbitmq.conf",
                        RABBITMQ_ADVANCED_CONFIG_FILE=f"{self.dir}/advanced.config",
                        RABBITMQ_ENABLED_PLUGINS_FILE=f"{self.dir}/enabled_plugins",
                        RABBITMQ_PID_FILE=f"{self.dir}/pid", RABBITMQ_CONF_ENV_FILE="/dev/null",
                        RABBITMQ_DIST_PORT=str(self.dist), RABBITMQ_NODE_PORT=str(self.port),
                        RABBITMQ_NODE_IP_ADDRESS="127.0.0.1", ERL_EPMD_PORT=str(self.epmd_port),
                        ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_CTL_ERL_ARGS="+S 1:1 +sbwt none",
                        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none "
                        "-kernel inet_dist_use_interface {127,0,0,1}")
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def _spawn(self, *argv):
        with open(f"{self.dir}/log/out", "ab") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                    start_new_session=True)

    def _up(self):
        if self.node.poll() is not None:
            with open(f"{self.dir}/log/out", errors="replace") as f:
                raise private.Failed(f"RabbitMQ did not start: {f.read()[-1500:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def start(self):
        if self.epmd is None:
            epmd = shutil.which("epmd") or (glob.glob("/usr/lib/erlang/erts-*/bin/epmd") + ["epmd"])[0]
            self.epmd = self._spawn(epmd, "-port", str(self.epmd_port), "-address", "127.0.0.1")
        self.node = self._spawn(f"{BIN}/rabbitmq-server")
        try:
            until(self._up, 120, "RabbitMQ")
        except private.Failed as e:
            if self.node.poll() is not None:
                raise
            with open(f"{self.dir}/log/out", errors="replace") as f:
                raise private.Failed(f"{e}; it runs on, and said: {f.read()[-1500:]}") from None
        return self

    def _group(self, sig):
        if self.node and self.node.poll() is None:
            os.killpg(self.node.pid, sig)

    def stop(self):
        """In an orderly way; durable things stay."""
        self._group(signal.SIGTERM)
        try:
            self.node.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self._group(signal.SIGKILL)
        self.node.wait(30)

    def pause(self):
        """It stops reading: a peer that stalls."""
        self._group(signal.SIGSTOP)

    def resume(self):
        self._group(signal.SIGCONT)

    def ctl(self, *args):
        done = subprocess.run([f"{BIN}/rabbitmqctl", "-q", "-n", "vmtest@localhost", *args], env=self.env,
                              capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise private.Failed(f"rabbitmqctl {' '.join(args)}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def listed(self, what, *columns):
        """[{column: value}] of `rabbitmqctl list_…`."""
        return json.loads(self.ctl(what, "-p", VHOST, "--formatter", "json", *columns))

    def rows(self, what, *columns):
        """The same as lists of texts: process ids as rabbitmqctl takes them, which its JSON has in another form."""
        return [line.split("\t") for line in self.ctl(what, "-p", VHOST, "--no-table-headers", *columns).splitlines()]

    def listed_all(self, what, *columns):
        """The same of what belongs to no virtual host."""
        return json.loads(self.ctl(what, "--formatter", "json", *columns))

    def certify(self, ca=None, days=3650):
        """Another certificate for new connections: of another authority, which is then the one that clients'
        have to be of, or one that has expired.  Files are overwritten, as a renewal does."""
        ca = ca or self.ca
        for to, of in zip((f"{self.dir}/tls/server.pem", f"{self.dir}/tls/server.key", f"{self.dir}/tls/ca.pem"),
                          (*ca.leaf("server-next", "localhost", "serverAuth", LOCAL, days), ca.cert)):
            if to != of:
                shutil.copyfile(of, to)
        self.ctl("eval", "ssl:clear_pem_cache().")

    def url(self, scheme, rest="", port=None, host="127.0.0.1", user=USER, password=PASSWORD, vhost=VHOST):
        return f"{scheme}://{user}:{password}@{host}:{port or self.port}/{vhost}{rest}"

    def connect(self):
        import amqp
        c = amqp.Connection(host=f"127.0.0.1:{self.port}", userid=USER, password=PASSWORD, virtual_host=VHOST,
                            connect_timeout=20)
        c.connect()
        return c

    def forget_exchange(self, name="ceilometer"):
        with self.connect() as c:
            c.channel().exchange_delete(name)

    def take(self, queue):
        """Every message of the queue; none where there is no queue."""
        import amqp
        out = []
        with self.connect() as c:
            channel = c.channel()
            while True:
                try:
                    m = channel.basic_get(queue, no_ack=True)
                except amqp.exceptions.NotFound:
                    return out
                if m is None:
                    return out
                body = m.body if isinstance(m.body, bytes) else m.body.encode()
                out.append(Message(m.delivery_info["exchange"], m.delivery_info["routing_key"],
                                   dict(m.properties), body))

    def close(self):
        if self.node:
            self.resume()
            self._group(signal.SIGKILL)
            self.node.wait()
        if self.epmd:
            self.epmd.kill()
            self.epmd.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("# the broker's last words:")
            for name in glob.glob(f"{self.dir}/log/*.log"):
                with open(name, errors="replace") as f:
                    for line in f.read().splitlines()[-15:]:
                        print(f"#   {line[:200]}")
        self.close()
