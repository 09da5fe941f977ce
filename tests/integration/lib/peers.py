# SPDX-License-Identifier: Apache-2.0
"""Real peers of the AMQP publishers, from Debian's packages: an RPC server of oslo.messaging, Ceilometer's
polling and notification agents, its own check of signatures; and a relay that writes down what passes through it.

By hand: peers.py rpc-server URL FILE | verify SECRET < JSON lines
"""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import rabbit

PYTHON = "/usr/bin/python3"
HERE = os.path.dirname(os.path.abspath(__file__))

POLLING_CONF = """\
[DEFAULT]
host = compute-0
transport_url = {url}
libvirt_type = qemu
libvirt_uri = {uri}
[compute]
instance_discovery_method = libvirt_metadata
[polling]
cfg_file = polling.yaml
[oslo_concurrency]
lock_path = {dir}
[service_credentials]
auth_type = password
auth_url = http://127.0.0.1:{port}/v3
username = ceilometer
password = test
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
interface = internal
"""


def rpc_server(url, path):
    """Serves record_metering_data on topic metering; each call is a line of `path`."""
    import oslo_messaging
    from oslo_config import cfg

    class Endpoint:
        target = oslo_messaging.Target(version="1.0")

        def record_metering_data(self, context, data):
            with open(path, "a") as f:
                f.write(json.dumps({"context": context, "data": data}) + "\n")

    conf = cfg.ConfigOpts()
    conf([])
    transport = oslo_messaging.get_rpc_transport(conf, url=url)
    target = oslo_messaging.Target(exchange="ceilometer", topic="metering", server="collector-0")
    server = oslo_messaging.get_rpc_server(transport, target, [Endpoint()], executor="threading",
                                           access_policy=oslo_messaging.LegacyRPCAccessPolicy)
    server.start()
    print("ready", flush=True)
    signal.pause()


def verify(secret):
    """Lines of samples on stdin: Ceilometer's own opinion of each signature."""
    from ceilometer.publisher import utils
    good = [bool(utils.verify_signature(json.loads(line), secret)) for line in sys.stdin]
    print(json.dumps(good))


def signatures(samples, secret):
    done = subprocess.run([PYTHON, os.path.abspath(__file__), "verify", secret], capture_output=True, text=True,
                          input="".join(json.dumps(s) + "\n" for s in samples), timeout=120)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr[-500:]


class Process:
    def __init__(self, *argv, log):
        self.log_path = log
        with open(log, "ab") as f:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class RpcServer:
    def __init__(self, url):
        self.dir = tempfile.mkdtemp(prefix="vm-rpc-")
        self.path = f"{self.dir}/calls"
        self.process = Process(PYTHON, os.path.abspath(__file__), "rpc-server", url, self.path, log=f"{self.dir}/log")

    def ready(self):
        return "ready" in self.process.log()

    def calls(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class NotificationAgent:
    """ceilometer-agent-notification with a file publisher."""

    def __init__(self, url):
        self.dir = tempfile.mkdtemp(prefix="vm-ceilo-")
        self.path = f"{self.dir}/samples.jsonl"
        self._put("ceilometer.conf", f"[DEFAULT]\nhost = collector-0\ntransport_url = {url}\n[notification]\n"
                                     f"pipelines = meter\n[oslo_concurrency]\nlock_path = {self.dir}\n")
        self._put("pipeline.yaml", "---\nsources:\n  - name: all\n    meters: ['*']\n    sinks: [out]\nsinks:\n"
                                   f"  - name: out\n    publishers: ['file://{self.path}?json']\n")
        self.process = Process(PYTHON, "/usr/bin/ceilometer-agent-notification", "--config-file",
                               f"{self.dir}/ceilometer.conf", "--config-dir", self.dir, log=f"{self.dir}/log")

    def _put(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)

    def samples(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Polling:
    """ceilometer-polling of the compute namespace on a libvirtd, with all of its meters, and what it needs of Nova."""

    def __init__(self, uri, url, interval):
        self.dir = tempfile.mkdtemp(prefix="vm-poll-")
        port = rabbit.free_port()
        self.nova = Process(PYTHON, f"{HERE}/openstack.py", str(port), log=f"{self.dir}/nova.log")
        for name, text in (("ceilometer.conf", POLLING_CONF.format(url=url, uri=uri, dir=self.dir, port=port)),
                           ("polling.yaml", f"sources:\n  - name: all\n    interval: {interval}\n    meters: ['*']\n")):
            with open(f"{self.dir}/{name}", "w") as f:
                f.write(text)
        self.process = Process(PYTHON, "/usr/bin/ceilometer-polling", "--polling-namespaces", "compute", "--config-file",
                               f"{self.dir}/ceilometer.conf", "--config-dir", self.dir, log=f"{self.dir}/log")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.close()
        self.nova.close()
        if kind:
            print("# ceilometer-polling's last words:", *self.process.log().splitlines()[-15:], sep="\n#   ")
        shutil.rmtree(self.dir, ignore_errors=True)


class Relay:
    """Passes connections on to a port of this host; keeps what clients said.  It can be cut and stalled."""

    def __init__(self, target):
        self.target, self.said, self.pairs, self.stalled = target, [], [], threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            said = bytearray()
            self.said.append(said)
            self.pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far, said), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, bytearray()), daemon=True).start()

    def _pump(self, source, sink, said):
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            said += data
            while self.stalled.is_set():
                time.sleep(0.05)
            try:
                sink.sendall(data)
            except OSError:
                break
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for pair in self.pairs:
            for s in pair:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def close(self):
        self.stalled.clear()
        self.listener.close()
        self.cut()


METHODS = {
    (40, 10): ("exchange.declare", ["short:reserved-1", "short-string:exchange", "short-string:type",
                                    "bits:passive,durable,auto-delete,internal,no-wait", "table:arguments"]),
    (50, 10): ("queue.declare", ["short:reserved-1", "short-string:queue",
                                 "bits:passive,durable,exclusive,auto-delete,no-wait", "table:arguments"]),
    (50, 20): ("queue.bind", ["short:reserved-1", "short-string:queue", "short-string:exchange",
                              "short-string:routing-key", "bits:no-wait", "table:arguments"]),
    (60, 40): ("basic.publish", ["short:reserved-1", "short-string:exchange", "short-string:routing-key",
                                 "bits:mandatory,immediate"]),
    (85, 10): ("confirm.select", ["bits:nowait"]),
    (20, 10): ("channel.open", ["short-string:reserved-1"]),
}


def methods(said):
    """What a client asked for on its channel, as [{"method", "args"}], and the flags of content headers."""
    out, flags, at = [], [], 8 if said[:4] == b"AMQP" else 0
    while at + 7 <= len(said):
        kind, channel, size = struct.unpack(">BHI", said[at:at + 7])
        payload = bytes(said[at + 7:at + 7 + size])
        at += size + 8
        if len(payload) < size:
            break
        if kind == 2:
            flags.append("0x%04x" % struct.unpack(">H", payload[12:14]))
        if kind != 1 or channel == 0:
            continue
        name, fields = METHODS.get(struct.unpack(">HH", payload[:4]), (None, []))
        if name:
            out.append({"method": name, "args": _arguments(payload[4:], fields)})
    return out, flags


def _arguments(data, fields):
    args = {}
    for field in fields:
        kind, names = field.split(":")
        if kind == "short":
            args[names], data = struct.unpack(">H", data[:2])[0], data[2:]
        elif kind == "short-string":
            n = data[0]
            args[names], data = data[1:1 + n].decode(), data[1 + n:]
        elif kind == "bits":
            for i, name in enumerate(names.split(",")):
                args[name] = bool(data[0] >> i & 1)
            data = data[1:]
        else:
            n = struct.unpack(">I", data[:4])[0]
            args[names], data = ({} if n == 0 else data[4:4 + n].hex()), data[4 + n:]
    return args


if __name__ == "__main__":
    rpc_server(*sys.argv[2:4]) if sys.argv[1] == "rpc-server" else verify(sys.argv[2])
