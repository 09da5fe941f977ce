#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent and a PostgreSQL of the suite's own: what is stored is what went to a file, sample by sample, whatever
happened to the server meanwhile.  TAP.

Restarted, killed, its connections cut, its disk or a tablespace full, deadlocks and serialization failures forced, for a
time a standby that only reads: nothing is lost, nothing doubled.  The commands that read
answer from PostgreSQL as from SQLite.  Certificates and passwords are checked, and no secret is told.

Environment: VIRTMETER (the program), VIRTMETER_REQUIRE
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import postgres
import private
import tap

OPTIONS = {"DEFAULT": {"hypervisor_inspector": "simulated", "libvirt_uri": None}, "simulated": {"instances": 40}}
METERS = ("*", "vm.*")
SAME = ("name", "type", "unit", "volume", "user_id", "project_id", "resource_id", "timestamp", "resource_metadata", "source", "id",
        "monotonic_time")


def read(what, store, *words):
    done = agent.command(what, "--store", store, "--format", "json", *words, timeout=300)
    if done.returncode:
        raise private.Failed(f"{what}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def key(sample):
    return tuple(json.dumps(sample[k], sort_keys=True) for k in SAME)


def in_file(a):
    with open(a.file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def start(pg, rest, interval=1):
    tls = f"sslmode=verify-full&sslrootcert={pg.ca.cert}&store_message_ids=true"
    return agent.Agent("", interval=interval, meters=METERS, options=OPTIONS, publishers=[
        "file://{dir}/samples.json?json", pg.url(f"?{tls}{rest}"),
        "sqlite://{dir}/samples.db?store_message_ids=true&synchronous=off"])


def row(a):
    doc = a.status()
    return next(p for p in doc["publishers"] if p["url"].startswith("postgresql:")) if doc else None


def confirmed(a, more=1, seconds=90):
    """Until so many more samples were confirmed."""
    before = a.wait(lambda: row(a), 30, "status")["confirmed"]
    a.wait(lambda: row(a)["confirmed"] >= before + more, seconds, f"{more} more samples confirmed, {row(a)}")


def values_and_queries(t, pg):
    with start(pg, "&schema=plain") as a:
        a.wait_cycles(4)
        confirmed(a)
        t.same(a.stop(), 0, "the agent ends in an orderly way")
        store, other = pg.url("?schema=plain"), f"sqlite://{a.dir}/samples.db"
        wrote, stored = in_file(a), read("samples", store)
        t.ok(len(wrote) > 4000, f"{len(wrote)} samples went to the file")
        t.same(sorted(map(key, stored)), sorted(map(key, wrote)), "what is stored is what is in the file")
        for words in (["samples", "--meter", "cpu*"], ["samples", "--metadata", "status=active", "--limit", "50"], ["resources"],
                      ["meters", "--meter", "disk.*"], ["statistics", "--groupby", "project", "--period", "2"],
                      ["statistics", "--meter", "cpu", "--groupby", "resource,metadata.flavor.name"]):
            rows = read(words[0], store, *words[1:])
            t.ok(rows and rows == read(words[0], other, *words[1:]), f"{' '.join(words)}: {len(rows)} rows, as from SQLite")
        wrong = "x' OR '1' = '1"
        t.same(read("samples", store, "--project", wrong, "--meter", "*"), [], "what is asked for is no SQL")
        log = a.log()
        t.ok("labpass" not in log and "labpass" not in json.dumps(a.conf), "no secret in the log")
        t.same(pg.sql("SELECT count(*) FROM plain.sample"), [[str(len(wrote))]], "the view has them all")


def refused(t, pg):
    for what, url, reason in (
            ("a wrong password", pg.url("?schema=plain", password="nonsense"), "password authentication failed"),
            ("another host's certificate", pg.url(f"?schema=plain&sslmode=verify-full&sslrootcert={pg.ca.cert}",
                                                  host="127.0.0.2"), "certificate"),
            ("an unknown authority", pg.url("?schema=plain&sslmode=verify-full&sslrootcert=/etc/hostname"), "certificate"),
            ("no such database", pg.url("?schema=plain").replace("/samples", "/nothing"), "does not exist"),
            ("an empty schema", pg.url("?schema=nothing"), "schema nothing is empty")):
        done = agent.command("samples", "--store", url)
        lines = done.stderr.splitlines()
        t.ok(done.returncode == 1 and len(lines) == 1 and reason in lines[0] and "labpass" not in lines[0] and
             "nonsense@" not in lines[0], f"{what} is told in one line", done.stderr)


def troubles(t, pg, a):
    pg.stop()
    time.sleep(2)
    pg.start()
    confirmed(a, 500)
    t.ok(True, "restarted: goes on")
    pg.kill()
    time.sleep(2)
    pg.start()
    confirmed(a, 500)
    t.ok(True, "killed: goes on")
    cut = 0
    for _ in range(15):
        cut += pg.cut()
        time.sleep(0.2)
    confirmed(a, 500)
    t.ok(cut > 0, f"{cut} connections cut: goes on")


def meet(pg, then):
    """A transaction that has the last row of `seen`, waits until the store's waits for it, and goes on. It reads what is
    committed, whatever the role's default, or it would itself be the one that cannot serialize."""
    pg.sql("BEGIN ISOLATION LEVEL READ COMMITTED; SET search_path = trouble; SET deadlock_timeout = '60s';"
           " DO $$ DECLARE waits bool := false; n int := 0; BEGIN"
           " UPDATE seen SET first = first WHERE version = (SELECT max(version) FROM seen);"
           " WHILE NOT waits LOOP PERFORM pg_sleep(0.02); n := n + 1; PERFORM pg_stat_clear_snapshot(); SELECT count(*) > 0"
           " INTO waits FROM pg_stat_activity WHERE application_name = 'virtmeter' AND wait_event_type = 'Lock';"
           f" IF n > 1500 THEN RAISE 'the store does not come'; END IF; END LOOP; {then} END $$; COMMIT")


def conflicts(t, pg, a):
    meet(pg, "UPDATE seen SET first = first WHERE version = (SELECT min(version) FROM seen);")
    confirmed(a, 500)
    t.ok(pg.log().count("deadlock detected") > 0, "a deadlock, which the store loses: goes on")
    pg.sql("ALTER ROLE tester SET default_transaction_isolation = 'repeatable read'")
    pg.cut()
    confirmed(a, 500)
    meet(pg, "")
    confirmed(a, 500)
    t.ok(pg.log().count("could not serialize access") > 0, "a serialization failure: goes on")
    pg.sql("ALTER ROLE tester RESET default_transaction_isolation")
    pg.cut()


def waits(a, samples, seconds=30):
    """Until so many samples wait."""
    a.wait(lambda: row(a)["queued"] >= samples, seconds, f"{samples} samples wait, {row(a)}")


def failover(t, pg, a):
    pg.standby()
    a.wait(lambda: any(why in row(a)["last_error"] for why in ("read-only", "recovery")), 60,
           f"the standby's reason, {row(a)}")
    waits(a, 2000)
    t.ok(True, "a standby refuses to write: samples wait")
    pg.promote()
    confirmed(a, 2000)
    t.ok(True, "promoted: goes on")


def tablespace_full(t, pg, a):
    pg.tablespace("small", 48)
    name = pg.sql("SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'trouble.point'::regclass AND"
                  " inhrelid <> 'trouble.point_rest'::regclass")[0][0]
    pg.sql(f"ALTER TABLE {name} SET TABLESPACE small")
    confirmed(a, 500)
    pg.fill("small")
    waits(a, 2000)
    t.ok(pg.log().count("No space left on device") > 0, "the tablespace is full: samples wait")
    pg.make_room("small")
    confirmed(a, 2000)
    t.ok(True, "room in it again: goes on")


def disk_full(t, pg, a):
    pg.fill()
    waits(a, 2000)
    t.ok(True, "disk full: samples wait")
    pg.make_room()
    try:
        pg.sql("SELECT 1")
    except private.Failed:
        pg.stop()
        pg.start()
    confirmed(a, 2000)
    t.ok(True, "room again: goes on")


def main():
    with tap.Suite("postgresql") as t:
        root = os.geteuid() == 0
        with postgres.Postgres(megabytes=192 if root else None) as pg:
            values_and_queries(t, pg)
            refused(t, pg)
            with start(pg, "&schema=trouble") as a:
                a.wait_cycles(2)
                troubles(t, pg, a)
                conflicts(t, pg, a)
                failover(t, pg, a)
                if root:
                    tablespace_full(t, pg, a)
                    disk_full(t, pg, a)
                else:
                    t.skip("disk full", "a disk of its own needs root")
                a.wait(lambda: row(a)["queued"] < 6000, 120, "the queue is short again")
                t.same(a.stop(), 0, "the agent ends in an orderly way")
                wrote, stored = in_file(a), read("samples", pg.url("?schema=trouble"))
                t.same(len(stored), len(wrote), "as many samples as in the file")
                t.same(sorted(map(key, stored)), sorted(map(key, wrote)), "each of them once, as it was")
                t.same(pg.sql("SELECT coalesce(sum(value), 0) FROM trouble.counter WHERE name = 'conflicts'"), [["0"]],
                       "no conflicts")


if __name__ == "__main__":
    main()
