# SPDX-License-Identifier: Apache-2.0
"""A vCenter or an ESXi host: the simulator of the govmomi project as Debian packages it, with what vcsim/main.go adds.
It is built once and kept in the cache of the tests."""
import fcntl
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import agent
import private

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vcsim/main.go")
GOPATH = "/usr/share/gocode"
PASSWORD = "s3cret&<of>\"vcsim\""


def program():
    """The simulator, built if it is not there yet or its source is another one."""
    for needed, package in (("govmomi/simulator", "golang-github-vmware-govmomi-dev"),
                            ("../google/uuid", "golang-github-google-uuid-dev")):
        if not os.path.isdir(f"{GOPATH}/src/github.com/vmware/{needed}"):
            raise private.Missing(f"govmomi is missing (Debian package {package})")
    if not shutil.which("go"):
        raise private.Missing("go is missing (Debian package golang-go)")
    cache = os.environ.get("VIRTMETER_TEST_CACHE") or os.path.join(tempfile.gettempdir(), "virtmeter-test-cache")
    os.makedirs(cache, exist_ok=True)
    with open(SOURCE, "rb") as f:
        path = f"{cache}/vcsim-{hashlib.sha256(f.read()).hexdigest()[:16]}"
    with open(f"{cache}/vcsim.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPATH=GOPATH, GOCACHE=f"{cache}/go", GOTOOLCHAIN="local")
            done = subprocess.run(["go", "build", "-o", f"{path}.new", os.path.basename(SOURCE)], env=env, text=True,
                                  cwd=os.path.dirname(SOURCE), capture_output=True, timeout=540)
            if done.returncode:
                raise private.Failed(f"vcsim cannot be built: {done.stderr[-1000:]}")
            os.rename(f"{path}.new", path)
    return path


class Server:
    """Runs it on a port of its own.  leaf: (certificate, key); ca: what that is checked with."""

    def __init__(self, leaf, ca, machines=4, *options):
        self.dir = tempfile.mkdtemp(prefix="vm-vcsim-")
        self.context = ssl.create_default_context(cafile=ca)
        os.mkdir(f"{self.dir}/requests")
        self.log = open(f"{self.dir}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program(), "-l", "127.0.0.1:0", "-vm", str(machines), "-tlscert", leaf[0], "-tlskey", leaf[1],
             "-username", "meter", "-password", PASSWORD, "-record", f"{self.dir}/requests", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=agent._die_with_us)
        try:
            self.port = self._port()
        except BaseException:
            self.close()
            raise

    def _port(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with open(f"{self.dir}/log", encoding="utf-8") as f:
                for line in f:
                    if line.startswith("VCSIM_URL=") and line.endswith("\n"):
                        return urllib.parse.urlsplit(line.split()[0].partition("=")[2]).port
            time.sleep(0.02)
        with open(f"{self.dir}/log", encoding="utf-8") as f:
            raise private.Failed(f"vcsim did not start: {f.read()[-500:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def lab(self, what, body=None, **query):
        """One request to its control channel; the JSON that comes, if it is any."""
        url = f"https://localhost:{self.port}/lab/{what}?{urllib.parse.urlencode(query)}"
        if body is not None or what in ("fail", "expire", "metric", "power"):
            body = body or b""
        with urllib.request.urlopen(url, body, timeout=30, context=self.context) as answer:
            text = answer.read()
        return json.loads(text) if text[:1] in (b"[", b"{") else text

    def fail(self, **query):
        self.lab("fail", query.pop("body", b""), **query)

    def metric(self, counter, *values, entity="*", instance=""):
        self.lab("metric", counter=f"{counter}.average", entity=entity, instance=instance,
                 values=",".join(map(str, values)))

    def calls(self):
        """How often each method was called."""
        return self.lab("stats")["calls"]

    def requests(self, method=""):
        """Envelopes of virtmeter's requests so far; those of Ceilometer's are written otherwise."""
        out = []
        for name in sorted(os.listdir(f"{self.dir}/requests")):
            if method in name:
                with open(f"{self.dir}/requests/{name}", encoding="utf-8") as f:
                    out.append(f.read())
        return [text for text in out if "<soapenv:Envelope" in text]

    def machines(self):
        """In the order in which they were made."""
        return sorted(self.lab("vms"), key=lambda m: (len(m["moid"]), m["moid"]))
