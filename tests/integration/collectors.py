#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two collectors on one queue and one PostgreSQL: what is sent, again and in any order, is there once in the end, while
collectors are killed, the database is restarted, killed and cut off, and the broker is restarted.  SAMPLES (30000) are
sent under KILLS (20) kills, BACKLOG (200000) wait for one collector, whose memory is bounded."""
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import collector
import postgres
import rabbit
import tap

KILLS, SAMPLES = int(os.environ.get("KILLS", "20")), int(os.environ.get("SAMPLES", "30000"))
BACKLOG = int(os.environ.get("BACKLOG", "200000"))
SIZE = 50       # samples a message
MEMORY_MB = 96  # of a collector, whatever waits
QUEUE = "notifications.sample"


def message(n, meter, start):
    """The n-th message: samples that are like no others, a thousand resources a second."""
    first = n * SIZE
    return json.dumps({"payload": {"samples": [
        {"source": "openstack", "counter_name": meter, "counter_type": "gauge", "counter_unit": "B", "counter_volume": i,
         "user_id": None, "project_id": "p", "resource_id": f"r-{i % 1000}",
         "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + i // 1000)),
         "resource_metadata": {"k": i % 1000}, "message_id": f"0b3f1b9e-6609-11f1-8f0a-{i:012x}",
         "message_signature": ""} for i in range(first, first + SIZE)]}}).encode()


def options(mq):
    return {"DEFAULT": {"transport_url": mq.url("rabbit")}, "publisher": {"telemetry_secret": ""},
            "oslo_messaging_rabbit": {"amqp_durable_queues": "true"}, "virtmeter": {"publish_timeout": "5"}}


def stored(pg, meter):
    """Points, distinct ones, and the sum of their values."""
    rows = pg.sql("SELECT count(*), count(DISTINCT (p.minute, p.series, p.micros)), coalesce(sum(p.whole), 0) FROM"
                  " virtmeter.point p JOIN virtmeter.series s ON s.id = p.series JOIN virtmeter.meter m ON m.id = s.meter"
                  f" WHERE m.name = '{meter}'")
    return tuple(int(v) for v in rows[0])


def wanted(count):
    return count, count, count * (count - 1) // 2


def trouble(i, mq, pg):
    """What else goes wrong beside the i-th kill."""
    if i == KILLS // 4:
        pg.stop()
        pg.start()
    elif i == KILLS // 2:
        pg.kill()
        pg.start()
    elif i == KILLS * 3 // 4:
        mq.stop()
        mq.start()
    elif i % 5 == 2:
        pg.cut()


def progress(done, before, of, what):
    """A line every twentieth of a long way."""
    if of >= 100 and done * 20 // of > before * 20 // of:
        print(f"# {time.strftime('%H:%M:%S')} {done} of {of} {what}", flush=True)


def faults(t, mq, pg):
    count = SAMPLES // SIZE
    order = list(range(count)) + random.sample(range(count), count // 5)
    random.shuffle(order)
    start = int(time.time()) - 7200
    with collector.Collector(["notifications://"], options(mq), publishers=(pg.url(),)) as one, \
            collector.Collector(["notifications://"], options(mq), publishers=(pg.url(),)) as two:
        one.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 4, 60, "both collectors consume")
        both, sent = [one, two], 0
        for i in range(KILLS):
            upto = len(order) * (i + 1) // KILLS
            collector.send(mq, (message(n, "fault", start) for n in order[sent:upto]), QUEUE)
            sent = upto
            time.sleep(random.random() * 0.3)
            victim = random.choice(both)
            victim.stop(signal.SIGKILL)
            trouble(i, mq, pg)
            victim.start()
            progress(i + 1, i, KILLS, "kills")
        one.wait(lambda: collector.drained(mq), max(300, SAMPLES // 1000), "the queue is empty")
        got = stored(pg, "fault")
        t.ok(got == wanted(SAMPLES), f"two collectors, one database, {KILLS} times SIGKILL, the database restarted, killed "
             f"and cut off, the broker restarted, a fifth of {SAMPLES} samples twice, in any order: each is stored once",
             f"{got} of {wanted(SAMPLES)}")
        t.same(pg.sql("SELECT coalesce(sum(value), 0) FROM virtmeter.counter WHERE name IN ('conflicts', 'rejected')"),
               [["0"]], "none is refused")
        collector.ends_well(t, one, "one")
        collector.ends_well(t, two, "two")


def refused(t, mq, pg):
    """A store that is away, and a publisher that waits for nothing: what it drops goes back to the broker, ever more
    slowly."""
    count, start = 20, int(time.time()) - 7200
    pg.stop()
    with collector.Collector(["notifications://"], options(mq), publishers=(pg.url("?policy=drop"),)) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
        collector.send(mq, (message(n, "refused", start) for n in range(count)), QUEUE)
        c.wait(lambda: c.receiver("notifications")["returned"] > 0, 30, "the store takes nothing")
        time.sleep(6)   # who gives back at once is sent thousands by then
        r = c.receiver("notifications")
        t.ok(count < r["messages"] <= 6 * count, f"of {count} messages that cannot be stored {r['messages']} are delivered in 6 s", r)
        t.ok(c.balanced() and r["accepted"] == 0, "none is accepted meanwhile", r)
        pg.start()
        r = c.wait(lambda: collector.drained(mq) and c.receiver("notifications"), 90, "the store is back")
        t.ok(stored(pg, "refused") == wanted(count * SIZE) and r["accepted"] + r["duplicates"] == count * SIZE,
             "what was given back is stored once when the store is back", r)
        collector.ends_well(t, c, "refused")


def queued(mq):
    return next(q["messages"] for q in mq.listed("list_queues", "name", "messages") if q["name"] == QUEUE)


def disk_full(t, mq):
    """No message is acknowledged that is not stored, though the database's disk is full and the collector is killed."""
    if os.geteuid() != 0:
        t.skip("disk full", "a disk of its own needs root")
        return
    few, count, start = 20, 400, int(time.time()) - 7200
    with postgres.Postgres(megabytes=96) as pg, \
            collector.Collector(["notifications://"], options(mq), publishers=(pg.url(),)) as c:
        c.wait(lambda: len(mq.listed("list_consumers", "queue_name")) == 2, 60, "both queues are consumed")
        collector.send(mq, (message(n, "full", start) for n in range(few)), QUEUE)
        c.wait(lambda: collector.drained(mq), 60, "the database stores")
        pg.fill()
        collector.send(mq, (message(n, "full", start) for n in range(few, count)), QUEUE)
        c.wait(lambda: c.status()["publishers"][0]["state"] == "retrying", 60, "the disk is full")
        t.ok("No space left on device" in pg.log(), "the database says so")
        c.stop(signal.SIGKILL)
        rabbit.until(lambda: not mq.listed("list_consumers", "queue_name"), 30, "the broker knows that it is gone")
        left = queued(mq)
        pg.make_room()
        pg.stop()
        pg.start()
        there = stored(pg, "full")[0]
        t.ok(0 < left and (count - left) * SIZE <= there, "disk full: every message that is acknowledged is stored",
             f"{count - left} of {count} are acknowledged, {there / SIZE} stored")
        c.start()
        c.wait(lambda: c.status() and collector.drained(mq), 90, "the queue is empty")
        t.same(stored(pg, "full"), wanted(count * SIZE), "room again: all are stored, each once")
        collector.ends_well(t, c, "disk full")


def backlog(t, mq, pg):
    start = int(time.time()) - 7200
    collector.send(mq, (message(n, "backlog", start) for n in range(BACKLOG // SIZE)), QUEUE)
    # what a sanitizer keeps of freed memory, to find who uses it still, is not the collector's
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
    with collector.Collector(["notifications://"], options(mq), publishers=(pg.url(),), env=env) as c:
        told = 0

        def taken():
            """Asked of the collector: rabbitmqctl is a burden for the broker."""
            nonlocal told
            before, told = told, (c.receiver("notifications") or {"accepted": 0})["accepted"]
            progress(told // SIZE, before // SIZE, BACKLOG // SIZE, "messages of the backlog")
            time.sleep(0.2)
            return told >= BACKLOG
        c.wait(taken, max(900, BACKLOG // 1000), "the backlog is accepted")
        c.wait(lambda: collector.drained(mq), 120, "the backlog is stored")
        got, peak = stored(pg, "backlog"), collector.peak_mb(c.pid)
        t.ok(got == wanted(BACKLOG), f"a backlog of {BACKLOG} samples is stored, each once", got)
        t.ok(peak < MEMORY_MB, f"memory is bounded meanwhile: {peak:.0f} MiB of {MEMORY_MB}")
        r = c.receiver("notifications")
        t.ok(r["received"] == r["accepted"] == BACKLOG and r["duplicates"] == 0, "and the ledger says so", r)
        collector.ends_well(t, c, "backlog")


def main():
    with tap.Suite("collectors") as t, rabbit.Rabbit() as mq, postgres.Postgres() as pg:
        faults(t, mq, pg)
        refused(t, mq, pg)
        disk_full(t, mq)
        backlog(t, mq, pg)


if __name__ == "__main__":
    main()
