# SPDX-License-Identifier: Apache-2.0
"""Runs `virtmeter`: the program under test is $VIRTMETER (meson sets it)."""
import calendar
import collections
import ctypes
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import private

PROGRAM = os.environ.get("VIRTMETER") or os.path.join(private.HERE, "../../../build/src/virtmeter")
_libc = ctypes.CDLL(None)


def _die_with_us():
    _libc.prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


def command(*args, stdin="", timeout=60, **more):
    """One run of the program to its end."""
    return subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True, text=True,
                          timeout=timeout, **more)


def yaml_list(items):
    return "[" + ", ".join(json.dumps(i) for i in items) + "]"


class Agent:
    """`virtmeter agent` with a configuration in a folder of its own.

    meters: patterns.  publishers: URLs; {dir} stands for the folder.  options: more lines of the
    configuration by section.  wrap: words put before the program (setpriv, strace).
    """

    def __init__(self, uri, interval=2, meters=("*",), publishers=("file://{dir}/samples.json?json",),
                 options=None, args=(), wrap=(), env=None, start=True):
        self.dir = tempfile.mkdtemp(prefix="vm-agent-")
        os.chmod(self.dir, 0o777)       # for agents that run as somebody else
        self.socket, self.file = f"{self.dir}/agent.sock", f"{self.dir}/samples.json"
        self.interval, self.wrap, self.args = interval, list(wrap), list(args)
        self.env, self.process, self.tail = dict(os.environ, **(env or {})), None, Tail(self.file, interval)
        self.conf = {"DEFAULT": {"host": "compute-0", "libvirt_uri": uri, "control_socket": self.socket},
                     "polling": {"cfg_file": f"{self.dir}/polling.yaml"}}
        for section, values in (options or {}).items():
            self.conf.setdefault(section, {}).update(values)
        self.meters, self.publishers = list(meters), [p.format(dir=self.dir) for p in publishers]
        self.write()
        if start:
            self.start()

    def write(self):
        conf = {s: dict(v) for s, v in self.conf.items()}
        conf["DEFAULT"].setdefault("pipeline_cfg_file", f"{self.dir}/pipeline.yaml")
        text = "".join(f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
                       for s, values in conf.items())
        self.put("virtmeter.conf", text)
        self.put("polling.yaml", f"sources:\n  - name: all\n    interval: {self.interval}\n"
                                 f"    meters: {yaml_list(self.meters)}\n")
        self.put("pipeline.yaml", f"sources:\n  - name: all\n    meters: {yaml_list(self.meters)}\n    sinks: [out]\n"
                                  f"sinks:\n  - name: out\n    publishers: {yaml_list(self.publishers)}\n")

    def put(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
            f.write(text)

    @property
    def config(self):
        return f"{self.dir}/virtmeter.conf"

    def start(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, PROGRAM, "agent", "--config-file", self.config, *self.args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd="/", preexec_fn=_die_with_us)
        return self

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def status(self):
        """The status document, or None while no agent answers."""
        done = command("status", "--socket", self.socket, "--format", "json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def ask(self, verb):
        """What the control socket says to a verb, without the time that a program takes to start."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.socket)
            s.sendall(verb.encode() + b"\n")
            return json.loads(b"".join(iter(lambda: s.recv(1 << 16), b"")))

    def document(self):
        """As status(), without the time that a program takes to start: for what is asked again and again."""
        try:
            return self.ask("status")
        except (OSError, ValueError):
            return None

    def cycles(self):
        doc = self.document()
        return sum(t["cycles"] for t in doc["tasks"]) if doc else 0

    def reload(self):
        return command("reload", "--socket", self.socket)

    def wait(self, condition, seconds, what):
        """Until condition() is true; its value.  Raises with the agent's last words when it never is."""
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if not self.running():
                raise private.Failed(f"{what}: the agent ended with {self.process.returncode}: {self.log()[-2000:]}")
            if time.monotonic() > end:
                raise private.Failed(f"{what}: not within {seconds} s; log: {self.log()[-2000:]}")
            time.sleep(0.05)

    def wait_cycles(self, count, seconds=180):
        """`count` further cycles, each a list of samples, from the file publisher."""
        out = []
        self.wait(lambda: out.extend(self.tail.cycles()) or len(out) >= count, seconds, f"{count} cycles")
        return out

    def stop(self, sig=signal.SIGTERM, seconds=70):
        if self.running():
            self.process.send_signal(sig)
        return self.process.wait(seconds)

    def close(self):
        if self.running():
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.process:
            print("# the agent's log:")
            for line in self.log().splitlines()[-30:]:
                print(f"#   {line[:300]}")
        self.close()


class Inside(Agent):
    """An agent in the namespaces of the private libvirtd, where readings = hybrid can work.  nsenter stays between it
    and us."""

    def __init__(self, lv, interval, meters, **more):
        first = next(p for p, name in lv.pids().items() if name == "python3")
        super().__init__(lv.uri_ro, interval, meters, wrap=["nsenter", "-t", str(first), "-m", "-n", "-p"],
                         **more)

    @property
    def pid(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            children = f.read().split()
        return int(children[0]) if children else self.process.pid

    def stop(self, sig=signal.SIGTERM, seconds=70):
        if self.running():
            os.kill(self.pid, sig)
        return self.process.wait(seconds)

    def close(self):
        if self.running():
            os.kill(self.pid, signal.SIGKILL)
        super().close()


@dataclasses.dataclass
class Cycle:
    seen: float         # when the last of it was there
    samples: list

    def volumes(self, name):
        return {s["resource_id"]: s["volume"] for s in self.samples if s["name"] == name}

    def resources(self):
        return {(s["name"], s["resource_id"]) for s in self.samples}


def moment(text):
    """Unix time of a sample's timestamp, in whichever era's form."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


class Tail:
    """Reads a growing file of JSON lines, cycle by cycle.  A cycle is over when the file has grown and then
    rested for a moment: it is written once per cycle."""

    def __init__(self, path, interval, rest=0.4):
        self.path, self.interval, self.rest, self.offset = path, interval, rest, 0
        self.grown, self.size = 0.0, 0

    def cycles(self):
        try:
            size = os.path.getsize(self.path)
        except FileNotFoundError:
            return []
        if size != self.size:
            self.size, self.grown = size, time.time()
            return []
        if size == self.offset or time.time() - self.grown < self.rest:
            return []
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            text = f.read(size - self.offset)  # bytes: as many characters may be more, and of the next cycle
        self.offset = size
        return self.split([json.loads(line) for line in text.split(b"\n") if line])

    def split(self, samples):
        """Cycles that came while nobody looked: one is over where the time leaps."""
        out, latest = [], None
        for s in samples:
            when = moment(s["timestamp"])
            if latest is None or when > latest + self.interval / 2:
                out.append(Cycle(self.grown, []))
                latest = when
            latest = max(when, latest)
            out[-1].samples.append(s)
        return out


def stored(path):
    """Points of a SQLite store by the program's own reader: {(meter, resource): [(time, volume)]}."""
    done = command("samples", "--store", f"sqlite://{path}", "--format", "json", "--limit", 10_000_000)
    if done.returncode:
        raise private.Failed(f"virtmeter samples: {done.stderr.strip()}")
    out = collections.defaultdict(list)
    for line in done.stdout.rstrip("\n").split("\n"):      # a string may hold U+2028
        s = json.loads(line)
        out[s["name"], s["resource_id"]].append((s["timestamp"], s["volume"]))
    return out


SOUND = """import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(db.execute("pragma integrity_check").fetchone()[0])"""


def sound(path, mounts_of=None):
    """SQLite's own opinion of the store; `mounts_of`: the process that sees the file."""
    enter = ["nsenter", "--mount", "--target", str(mounts_of)] if mounts_of else []
    done = subprocess.run([*enter, "/usr/bin/python3", "-c", SOUND, path], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip()[-300:]
