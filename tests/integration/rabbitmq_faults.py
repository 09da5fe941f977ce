#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between the agent and RabbitMQ, one thing after the other, in a network namespace of the suite's
own.  After each: every sample that was made has arrived (some of them twice, perhaps), polling never stood still,
and the reason was told."""
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import netns
import peers
import rabbit
import tap

TIMEOUT = 4         # of an attempt, in seconds


class Stage:
    """An agent that publishes each `interval`, by way of a relay, into durable queues."""

    def __init__(self, mq, scheme="polling", topic="notifications", rest="", port=None, interval=1):
        self.mq, self.queue = mq, f"{topic}.sample"
        self.relay = peers.Relay(port or mq.port)
        url = mq.url(scheme, f"?amqp_durable_queues=1&heartbeat_timeout_threshold=6{rest}", port=self.relay.port)
        self.agent = agent.Agent("", interval, meters=["cpu", "memory.usage", "disk.device.*"],
                                 publishers=[url, "file://{dir}/samples.json?json"], args=["--demo"],
                                 options={"virtmeter": {"publish_timeout": TIMEOUT, "queue_bytes": 1 << 28}})

    def made(self):
        try:
            with open(self.agent.file, encoding="utf-8") as f:
                return {json.loads(line)["id"] for line in f if line.endswith("\n")}
        except FileNotFoundError:
            return set()

    def publisher(self):
        doc = self.agent.status()
        return next((p for p in doc["publishers"] if not p["url"].startswith("file")), None) if doc else None

    def wait(self, condition, seconds, what):
        return self.agent.wait(condition, seconds, what)

    def confirmed(self):
        p = self.publisher()
        return p["confirmed"] if p else 0

    def go_on(self, cycles=2):
        """Until that many further cycles were made and all of them confirmed."""
        start = self.agent.cycles()
        self.wait(lambda: self.agent.cycles() >= start + cycles, 60, f"{cycles} cycles")
        self.wait(lambda: (self.publisher() or {}).get("queued", 1) == 0, 90, "nothing queued")

    def close(self):
        self.agent.close()
        self.relay.close()


def verdict(t, s, name, complaint, taken=()):
    """Ends the agent in an orderly way and counts."""
    s.go_on()
    doc = s.publisher()
    code = s.agent.stop()
    got = list(taken) + [x["message_id"] for m in s.mq.take(s.queue) for x in m.samples]
    made, log = s.made(), s.agent.log()
    t.ok(code == 0 and set(got) == made, f"{name}: every sample has arrived",
         f"{len(set(got))} of {len(made)}, {len(got) - len(set(got))} of them twice; status {code}; {log[-1500:]}")
    t.ok(doc["produced"] == doc["confirmed"] + doc["queued"] + sum(doc["dropped"].values())
         and not sum(doc["dropped"].values()), f"{name}: the ledger is even, nothing dropped", doc)
    t.ok(re.search(complaint, log), f"{name}: the reason was told", log[-1500:])


def trouble(t, mq, name, harm, mend, complaint, **more):
    s = Stage(mq, **more)
    try:
        s.go_on(2)
        before = s.agent.cycles()
        taken = harm(s) or []
        s.wait(lambda: s.agent.cycles() >= before + 3, 60, f"{name}: polling goes on")
        s.wait(lambda: re.search(complaint, s.agent.log()), 60, f"{name}: told")
        mend(s)
        verdict(t, s, name, complaint, taken)
    finally:
        s.close()


def nothing(_):
    pass


def delete_queue(s):
    """Once it is empty: what is deleted with a queue was delivered before."""
    import amqp
    taken = []
    while True:
        taken += [x["message_id"] for m in s.mq.take(s.queue) for x in m.samples]
        try:
            with s.mq.connect() as c:
                c.channel().queue_delete(s.queue, if_empty=True)
            return taken
        except amqp.exceptions.PreconditionFailed:
            pass


def delete_exchange(s):
    s.mq.forget_exchange()


def delete_both(s):
    taken = delete_queue(s)
    delete_exchange(s)
    return taken


class Mute:
    """A stand-in for a broker, strict in what it does: it takes a connection and says what it is told to."""

    def __init__(self, says, close):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.says, self.close_after = self.listener.getsockname()[1], says, close
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        kept = []
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            try:
                s.recv(8)
                s.sendall(self.says)
                if self.close_after:
                    s.close()
                else:
                    kept.append(s)
            except OSError:
                pass


START = bytes.fromhex("01000000000027000a000a00090000000000000005504c41494e00000005656e5f5553ce")


def hostile(t):
    """Replies that are no AMQP, or too little or too much of it; the agent goes on polling and says why."""
    rows = (("silence", b"", False), ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n", True),
            ("another version", b"AMQP\x00\x00\x08\x00", True), ("closed at once", b"", True),
            ("a frame without end", b"\x01\x00\x00\xff\xff\xff\xff" + b"x" * 4096, False),
            ("a frame of unknown type", b"\x2a\x00\x00\x00\x00\x00\x01xy", False),
            ("an end that is none", b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\x00", True),
            ("half a start", START[:20], True), ("acks for nothing", b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"
                                                 + b"\xff" * 8 + b"\x01\xce", True))
    for name, says, close in rows:
        there = Mute(says, close)
        with agent.Agent("", 1, publishers=[f"polling://u:secretword@127.0.0.1:{there.port}/", "file://{dir}/samples.json?json"],
                         args=["--demo"], options={"virtmeter": {"publish_timeout": 2}}) as a:
            a.wait(lambda: "retrying" in a.log(), 30, name)
            a.wait(lambda: a.cycles() >= 3, 30, name)
            memory = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{a.pid}/status").read())[1])
            limit = 400_000 if "asan" in os.environ.get("VIRTMETER", "") else 100_000
            t.ok("secretword" not in a.log() and memory < limit, f"hostile broker, {name}: told, memory stays small",
                 f"{memory} kB {a.log()[-600:]}")
            code = a.stop()
            t.ok(code in (0, 1), f"hostile broker, {name}: the agent leaves", code)
        there.listener.close()


def oversized(t):
    """Messages larger than the broker takes are sent in parts; a sample that is too large by itself is refused for
    good and counted, the others arrive."""
    for limit, parts in ((6000, True), (500, False)):
        with rabbit.Rabbit(conf=f"max_message_size = {limit}") as mq:
            s = Stage(mq)
            try:
                s.wait(lambda: s.agent.cycles() >= 2, 60, "two cycles")
                refused = lambda: ((s.publisher() or {}).get("dropped") or {}).get("refused", 0)    # noqa: E731
                if parts:
                    verdict(t, s, "message too large", "")
                else:
                    s.wait(refused, 60, "refused")
                    s.go_on(1)
                    doc = s.publisher()
                    t.ok(doc["produced"] == doc["confirmed"] + doc["queued"] + doc["dropped"]["refused"]
                         and not doc["confirmed"] and "larger than the broker takes" in s.agent.log(),
                         "samples too large by themselves are refused for good", f"{doc} {s.agent.log()[-800:]}")
            finally:
                s.close()


def main():
    with tap.Suite("rabbitmq_faults") as t:
        netns.up()
        with rabbit.Rabbit() as mq:
            def cut(s):
                s.relay.cut()

            def stall(s):
                s.relay.stalled.set()

            def flow(s):
                s.relay.stalled.clear()
                s.relay.cut()

            def alarm(s):
                mq.ctl("set_vm_memory_high_watermark", "absolute", "1000")

            def calm(s):
                mq.ctl("set_vm_memory_high_watermark", "absolute", "512MB")

            trouble(t, mq, "connection cut", cut, nothing, "socket|closed|reset", topic="cut", rest="&topic=cut")
            trouble(t, mq, "connection cut while nothing is sent", cut, nothing, "socket|closed|reset", topic="idle",
                    rest="&topic=idle", interval=3)      # the guard, which looks each second, notices first
            trouble(t, mq, "queue deleted", delete_queue, nothing, "no queue took", topic="gone", rest="&topic=gone")
            trouble(t, mq, "exchange deleted", delete_both, nothing, "404|no exchange", topic="ex", rest="&topic=ex")
            trouble(t, mq, "memory alarm", alarm, calm, "blocked", topic="alarm", rest="&topic=alarm")
            trouble(t, mq, "a peer that stops reading", stall, flow, "in time", topic="stall", rest="&topic=stall")
            trouble(t, mq, "broker stopped by a signal", lambda s: mq.pause(), lambda s: mq.resume(), "in time|heartbeat",
                    topic="stop", rest="&topic=stop")
            trouble(t, mq, "half-open connection", lambda s: netns.drop(True, s.relay.port), lambda s: netns.drop(False, s.relay.port),
                    "in time|timed out", topic="half", rest="&topic=half")
            trouble(t, mq, "broker restarted", lambda s: mq.stop(), lambda s: mq.start(), "refused|closed|socket|CONNECTION_FORCED",
                    topic="restart", rest="&topic=restart")
            trouble(t, mq, "broker killed", lambda s: mq.kill(), lambda s: mq.start(), "refused|closed|socket", topic="kill",
                    rest="&topic=kill")
        oversized(t)
        hostile(t)


if not netns.inside():
    os.execvpe("unshare", [*netns.words(), sys.executable, *sys.argv], netns.environment())
main()
