#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Publishers over the network beside real peers: Ceilometer's own way to read a datagram and its own check of
signatures, Python's TLS server with certificates made here, good and bad.  Everything on loopback."""
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import netns
import private
import tap

SECRET = "s3cr\u00e9t"
KEYS = {"juno": 12, "19": 13, "26": 15}
STRAY = re.compile(rb"s3cr|hunter2")


def need_ceilometer():
    try:
        import msgpack
        from ceilometer.publisher import utils
    except ImportError as e:
        raise private.Missing(f"python3-ceilometer and python3-msgpack are needed: {e}")
    return msgpack, utils


class Folder:
    """A configuration with demo instances and the publishers given, below the suite's folder."""

    above = None

    def __init__(self, *publishers, options=None):
        self.dir = tempfile.mkdtemp(dir=self.above)
        conf = {"DEFAULT": {"host": "compute-0", "pipeline_cfg_file": f"{self.dir}/pipeline.yaml",
                            "control_socket": f"{self.dir}/sock"},
                "polling": {"cfg_file": f"{self.dir}/polling.yaml"},
                "publisher": {"telemetry_secret": SECRET}}
        for section, values in (options or {}).items():
            conf.setdefault(section, {}).update(values)
        self.config = self.put("virtmeter.conf", "".join(
            f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) for s, values in conf.items()))
        self.put("polling.yaml", "sources:\n  - {name: all, interval: 1, meters: ['*']}\n")
        urls = ", ".join(json.dumps(p.format(dir=self.dir)) for p in (*publishers, "file://{dir}/all.json?json"))
        self.put("pipeline.yaml", "sources:\n  - {name: s, meters: ['*'], sinks: [k]}\n"
                                  f"sinks:\n  - {{name: k, publishers: [{urls}]}}\n")

    def put(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run(self, cycles=1, **more):
        return agent.command("agent", "--demo", "--cycles", cycles, "--config-file", self.config, timeout=120, **more)

    def send(self, *args):
        return agent.command("send", "--config-file", self.config, *args)

    def samples(self):
        with open(os.path.join(self.dir, "all.json"), encoding="utf-8") as f:
            return {s["id"]: s for s in map(json.loads, f)}


class Udp:
    """Every datagram that comes to a port."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.got, self.ended = self.socket.getsockname()[1], [], False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        self.socket.settimeout(0.2)
        while True:
            try:
                self.got.append(self.socket.recv(65536))
            except socket.timeout:
                if self.ended:
                    return

    def end(self):
        self.ended = True
        self.thread.join()
        self.socket.close()
        return self.got


class Tcp:
    """The frames of so many connections, each read by a thread of its own."""

    def __init__(self, connections=1):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.got = self.socket.getsockname()[1], []
        self.threads = [threading.Thread(target=self.read, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def read(self):
        with self.socket.accept()[0] as c, c.makefile("rb") as f:
            while head := f.read(8):
                self.got.append(f.read(struct.unpack("<Q", head)[0]))


def same_sample(message, sample):
    """What differs between a message and the line that the file publisher wrote for it."""
    names = {"source": "source", "counter_name": "name", "counter_type": "type", "counter_unit": "unit",
             "counter_volume": "volume", "user_id": "user_id", "user_name": "user_name", "project_id": "project_id",
             "project_name": "project_name", "resource_id": "resource_id", "timestamp": "timestamp",
             "resource_metadata": "resource_metadata", "message_id": "id", "monotonic_time": "monotonic_time"}
    return [f"{k}: {message.get(k)!r}, not {sample.get(v)!r}" for k, v in names.items()
            if (k in message) != (v in sample) or message.get(k) != sample.get(v)
            or type(message.get(k)) is not type(sample.get(v))]


def check_messages(t, what, raw, folder, utils, unpack, keys):
    """All samples came once, whole, with a signature that Ceilometer accepts and a changed one has not."""
    samples, trouble, seen = folder.samples(), [], set()
    for datagram in raw:
        m = unpack(datagram)
        seen.add(m["message_id"])
        if len(m) != keys:
            trouble.append(f"{m['counter_name']}: {len(m)} keys, should be {keys}")
        if not utils.verify_signature(m, SECRET):
            trouble.append(f"{m['counter_name']}: signature {m['message_signature']}")
        if utils.verify_signature(dict(m, counter_volume=m["counter_volume"] + 1), SECRET):
            trouble.append(f"{m['counter_name']}: a signature that covers no volume")
        trouble += same_sample(m, samples.get(m["message_id"], {}))
    t.ok(len(raw) > 20 and len(raw) == len(samples) and seen == set(samples), f"{what}: every sample once",
         f"{len(raw)} messages, {len(seen)} of them different, {len(samples)} samples")
    t.none(trouble, f"{what}: read by Ceilometer's reader, signature accepted, as the file publisher has them")


def datagrams(t, msgpack, utils):
    for profile, keys in KEYS.items():
        for strings in ("auto", "raw"):
            peer = Udp()
            # Ceilometer of today runs on Python 3: the other dialects have vectors of their own
            f = Folder(f"udp://127.0.0.1:{peer.port}?signature_dialect=py3&strings={strings}",
                       options={"DEFAULT": {"meter_profile": profile}})
            done = f.run()
            t.same(done.returncode, 0, f"udp, profile {profile}, strings {strings}: the agent ends well")
            check_messages(t, f"udp, profile {profile}, strings {strings}", peer.end(), f, utils,
                           lambda d: msgpack.loads(d, raw=False), keys)


def stream(t, msgpack, utils):
    peer = Tcp()
    f = Folder(f"tcp://127.0.0.1:{peer.port}")
    done = f.run()
    peer.threads[0].join(10)
    t.same(done.returncode, 0, "tcp: the agent ends well")
    check_messages(t, "tcp", peer.got, f, utils, lambda d: msgpack.loads(d, raw=False), 16)
    t.same({msgpack.loads(d)["publisher_id"] for d in peer.got}, {"compute-0"}, "tcp: publisher_id is the host")


def half_open():
    """In a network namespace of its own: the far side is gone without a word.  That is noticed by the deadline,
    polling goes on, and what was not acknowledged comes over a new connection.  Prints what happened, as JSON."""
    import msgpack
    netns.up()
    peer = Tcp(connections=20)
    with agent.Agent("", 1, meters=["cpu", "memory.usage"], args=["--demo"],
                     publishers=[f"tcp://127.0.0.1:{peer.port}?policy=queue", "file://{dir}/samples.json?json"],
                     options={"virtmeter": {"publish_timeout": 3}}) as a:
        a.wait(lambda: len(peer.got) > 10, 60, "samples arrive")
        netns.drop(True, peer.port)
        dropped, before = time.monotonic(), a.cycles()
        a.wait(lambda: "does not acknowledge" in a.log(), 60, "told")
        noticed = time.monotonic() - dropped
        a.wait(lambda: a.cycles() >= before + 5, 60, "polling goes on")
        netns.drop(False, peer.port)
        publisher = lambda: next(p for p in a.status()["publishers"] if p["url"].startswith("tcp"))     # noqa: E731
        a.wait(lambda: publisher()["state"] == "ok" and publisher()["queued"] == 0, 60, "nothing waits any more")
        overruns = sum(task["overruns"] for task in a.status()["tasks"])
        a.stop()
        with open(a.file, encoding="utf-8") as f:
            made = {json.loads(line)["id"] for line in f}
        time.sleep(0.5)
        got = {msgpack.loads(d)["message_id"] for d in list(peer.got)}
        print(json.dumps({"noticed": noticed, "made": len(made), "missing": len(made - got), "strange": len(got - made),
                          "overruns": overruns}))


def half_open_stream(t):
    netns.check()
    done = subprocess.run([*netns.words(), sys.executable, os.path.abspath(__file__), "half-open"], env=netns.environment(),
                          capture_output=True, text=True, timeout=300)
    said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    t.ok(said and said["noticed"] < 6, "tcp, half-open: noticed by the deadline of 3 s", f"{said}\n{done.stdout}{done.stderr}")
    t.ok(said and said["made"] > 40 and not said["missing"] and not said["strange"] and not said["overruns"],
         "tcp, half-open: every sample arrives in the end, polling is not held up", said)


# ---------------------------------------------------------------- TLS

def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if done.returncode:
        raise private.Missing(f"openssl {args[0]}: {done.stderr.strip().splitlines()[-1]}")


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder, name):
        self.dir, self.name = folder, name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.path("key"), "-out", self.path("pem"))

    def path(self, end, of=None):
        return os.path.join(self.dir, f"{of or self.name}.{end}")

    def issue(self, name, alternative="DNS:localhost,IP:127.0.0.1", days=2):
        """NAME.pem with key and certificate in one file."""
        with open(self.path("ext", name), "w") as f:
            f.write(f"subjectAltName={alternative}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.path("key", name), "-out", self.path("csr", name))
        openssl("x509", "-req", "-in", self.path("csr", name), "-CA", self.path("pem"), "-CAkey", self.path("key"),
                "-CAcreateserial", "-days", str(days), "-extfile", self.path("ext", name), "-out", self.path("crt", name))
        with open(self.path("pem", name), "w") as f:
            for part in ("key", "crt"):
                with open(self.path(part, name)) as p:
                    f.write(p.read())
        return self.path("pem", name)


class Https:
    """Takes every POST; `seen`: the samples, and who sent them by certificate and by name."""

    def __init__(self, certificate, client_ca=None):
        outer, self.got, self.who = self, [], set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.got += body
                peer = self.connection.getpeercert()
                outer.who.add((dict(x[0] for x in peer["subject"])["commonName"] if peer else None,
                               self.headers.get("Authorization")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


SAMPLE = ("--name", "cpu_util", "--resource", "r", "--volume", "12.5")


def refused(t, what, done, *patterns):
    lines = done.stderr.splitlines()
    t.ok(done.returncode == 1 and len(lines) == 1 and all(re.search(p, lines[0]) for p in patterns)
         and not STRAY.search(done.stderr.encode()), what, f"status {done.returncode}, wanted {patterns}\n{done.stderr}")


def tls(t, folder):
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    ca = ours.path("pem")
    good = Https(ours.issue("good"))
    url = f"https://user:hunter2@127.0.0.1:{good.port}/samples?verify_ssl={ca}"
    done = Folder(url).send(*SAMPLE)
    t.ok(done.returncode == 0 and len(good.got) == 1 and good.got[0]["volume"] == 12.5, "https: a good certificate",
         done.stderr)
    t.ok(not STRAY.search((done.stdout + done.stderr).encode()) and "****" in done.stdout, "https: no password is shown",
         done.stdout + done.stderr)
    f = Folder(url)
    done = f.run()
    ids = {s["id"] for s in good.got} - {good.got[0]["id"]}
    t.ok(done.returncode == 0 and ids == set(f.samples()), "https: every sample of an agent's cycle",
         f"{len(ids)} of {len(f.samples())}\n{done.stderr}")
    by_name = Folder(f"https://localhost:{good.port}/?verify_ssl={ca}").send(*SAMPLE)
    t.ok(by_name.returncode == 0, "https: by the name in the certificate", by_name.stderr)
    refused(t, "https: an unknown authority", Folder(f"https://127.0.0.1:{good.port}/").send(*SAMPLE),
            "authority of its certificate is unknown; name its file in verify_ssl")
    refused(t, "https: another authority",
            Folder(f"https://127.0.0.1:{good.port}/?verify_ssl={theirs.path('pem')}").send(*SAMPLE), "authority")
    count = len(good.got)
    done = Folder(f"https://127.0.0.1:{good.port}/?verify_ssl=False").send(*SAMPLE)
    t.ok(done.returncode == 0 and len(good.got) == count + 1, "https: verification is off on request only", done.stderr)
    good.end()
    for name, alternative, days, pattern in (("wrong", "DNS:other.example", 2, "for another host"),
                                             ("expired", "IP:127.0.0.1", -1, "has expired; renew it there")):
        bad = Https(ours.issue(name, alternative, days))
        refused(t, f"https: {name}", Folder(f"https://127.0.0.1:{bad.port}/?verify_ssl={ca}").send(*SAMPLE), pattern)
        t.same(len(bad.got), 0, f"https: {name}: nothing was sent")
        bad.end()


def client_certificates(t, folder):
    ours = Authority(folder, "own")
    ca, cert = ours.path("pem"), ours.issue("agent-7")
    peer = Https(ours.issue("server"), client_ca=ca)
    url = f"https://127.0.0.1:{peer.port}/?verify_ssl={ca}"
    done = Folder(url).send(*SAMPLE)
    t.ok(done.returncode == 1 and not peer.got, "https: without the client certificate that is wanted", done.stderr)
    done = Folder(f"{url}&clientcert={cert}").send(*SAMPLE)
    t.ok(done.returncode == 0 and peer.who == {("agent-7", None)}, "https: with a client certificate",
         f"{peer.who} {done.stderr}")
    refused(t, "https: a client certificate that is not there", Folder(f"{url}&clientcert=/nonexistent.pem").send(*SAMPLE),
            "clientcert: /nonexistent.pem: No such file")
    done = Folder(f"{url}&clientcert={ours.path('crt', 'agent-7')}&clientkey={ours.path('key', 'agent-7')}").send(*SAMPLE)
    t.ok(done.returncode == 0, "https: certificate and key in two files", done.stderr)
    peer.end()


def reload(t, folder):
    """An agent goes on with a new certificate of its own, without a restart."""
    ours = Authority(folder, "root")
    cert = ours.issue("first")
    peer = Https(ours.issue("peer"), client_ca=ours.path("pem"))
    f = Folder(f"https://127.0.0.1:{peer.port}/?verify_ssl={ours.path('pem')}&clientcert={cert}")
    process = subprocess.Popen([agent.PROGRAM, "agent", "--demo", "--config-file", f.config], stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not peer.who and time.monotonic() < until:
        time.sleep(0.1)
    second = ours.issue("second")
    os.replace(second, cert)
    while len(peer.who) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    t.ok(peer.who == {("first", None), ("second", None)}, "https: a new client certificate counts from the next request",
         f"{peer.who}\n{errors.decode()}")
    peer.end()


# ---------------------------------------------------------------- bad input, secrets

def trouble(t):
    port = Udp()
    gone = port.port
    port.end()
    refused(t, "tcp: nobody listens", Folder(f"tcp://127.0.0.1:{gone}").send(*SAMPLE), "Connection refused; nobody listens")
    for scheme in ("udp", "tcp", "http"):
        refused(t, f"{scheme}: a host that there is not", Folder(f"{scheme}://no-such-host.invalid:1/").send(*SAMPLE),
                f"{scheme}://no-such-host.invalid:1/: .*(looking up|resolve)")
        refused(t, f"{scheme}: no host", Folder(f"{scheme}:///x").send(*SAMPLE), "names no host; write")
    refused(t, "udp: an unknown parameter", Folder("udp://127.0.0.1:1?nonsense=1").send(*SAMPLE), "unknown parameter nonsense")
    refused(t, "udp: a dialect that there is not", Folder("udp://127.0.0.1:1?signature_dialect=py4").send(*SAMPLE), "py4")
    peer = Udp()
    big = json.dumps({"k": "x" * 70000})
    refused(t, "udp: a sample that no datagram holds",
            Folder(f"udp://127.0.0.1:{peer.port}").send(*SAMPLE, "--metadata", big), "too large for a datagram")
    t.same(peer.end(), [], "udp: nothing of it came")
    done = Folder("null://").send("--name", "x")
    t.same((done.returncode, len(done.stderr.splitlines())), (2, 1), "send: without a resource is wrong usage")
    done = Folder("null://").send("--name", "x", "--resource", "r", "--metadata", "[]")
    t.same(done.returncode, 2, "send: metadata that is no object is wrong usage")
    f = Folder("null://")
    f.put("pipeline.yaml", "sources:\n  - {name: s, meters: [cpu], sinks: [k]}\nsinks:\n  - {name: k, publishers: ['null://']}\n")
    refused(t, "send: no pipeline takes it", f.send(*SAMPLE), "cpu_util: no pipeline takes")


def later(t):
    """Ceilometer's publishers that are not there yet: one warning, and the sink lives on, even alone."""
    for scheme in ("gnocchi", "prometheus", "opentelemetryhttp", "kafka", "zaqar"):
        f = Folder(f"{scheme}://host")
        done = f.run()
        told = [x for x in done.stderr.splitlines() if "comes with a later version" in x]
        t.ok(done.returncode == 0 and len(told) == 1 and f"{scheme}://host: " in told[0] and len(f.samples()) > 20,
             f"{scheme}: one warning, the sink's other publisher has the samples", done.stderr)
    f.put("pipeline.yaml", "sources:\n  - {name: s, meters: ['*'], sinks: [k]}\n"
                           "sinks:\n  - {name: k, publishers: ['gnocchi://']}\n")
    t.same(f.run().returncode, 0, "gnocchi alone: the agent runs")


def secrets(t, msgpack, utils):
    """The secret from a file and from the environment; it is nowhere to be read."""
    for way in ("file", "environment"):
        peer = Udp()
        f = Folder(f"udp://127.0.0.1:{peer.port}", options={"publisher": {"telemetry_secret": ""}})
        text = f"[DEFAULT]\nmeter_profile = 26\npipeline_cfg_file = {f.dir}/pipeline.yaml\n"
        env = dict(os.environ)
        if way == "file":
            text += f"[publisher]\ntelemetry_secret_file = {f.put('secret', SECRET + chr(10))}\n"
        else:
            env["OS_PUBLISHER__TELEMETRY_SECRET"] = SECRET
        f.put("virtmeter.conf", text)
        done = agent.command("send", "--debug", "--config-file", f.config, *SAMPLE, env=env)
        got = [msgpack.loads(d, raw=False) for d in peer.end()]
        t.ok(done.returncode == 0 and len(got) == 1 and utils.verify_signature(got[0], SECRET),
             f"the secret from the {way}", done.stderr)
        t.ok(not STRAY.search((done.stdout + done.stderr).encode()), f"the secret from the {way} is not told", done.stderr)
    f.put("virtmeter.conf", "[publisher]\ntelemetry_secret_file = /nonexistent/secret\n"
                            f"[DEFAULT]\npipeline_cfg_file = {f.dir}/pipeline.yaml\n")
    done = f.send(*SAMPLE)
    t.ok(done.returncode == 1 and "/nonexistent/secret: there is no such file" in done.stderr, "a file of a secret that is not there",
         done.stderr)


def main():
    with tap.Suite("network") as t, tempfile.TemporaryDirectory(prefix="vm-net-") as Folder.above:
        msgpack, utils = need_ceilometer()
        datagrams(t, msgpack, utils)
        stream(t, msgpack, utils)
        half_open_stream(t)
        trouble(t)
        later(t)
        secrets(t, msgpack, utils)
        with tempfile.TemporaryDirectory(prefix="vm-tls-") as folder:
            tls(t, folder)
            client_certificates(t, folder)
            reload(t, folder)


if sys.argv[1:] == ["half-open"]:
    half_open()
else:
    main()
