#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Questions to large stores, SQLite and PostgreSQL: how long they take beside what they may take, and that no plan of
PostgreSQL reads a whole table of points.  (SQLite's plans do not depend on what is in the tables: the unit tests
look at those.)

The store is one that a collector would leave behind: 2000 instances, born one after the other on any of 40 hosts in any
of 20 projects, the meters of the shipped polling.yaml every 300 s, each host at a time of its own, a change of
metadata half way.  The program makes the schema; the points are made in SQL, host by host in the order of time.

What a question takes is told whole, and without what the program's start and the connection take in the same turns: the
latter is the host's and the server's affair (a process each, TLS), and is told by the side of psql's.

Usage: queries.py [POINTS [STORE...]]      100000000 points; sqlite, postgresql (both)
Environment: VIRTMETER (the program), SOAK_DIR (where the stores lie for the time), SOAK_STRICT (1: too slow fails),
SOAK_BUFFERS (PostgreSQL's shared_buffers, 2GB; it takes huge pages for them where the machine has some set aside)
"""
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration/lib"))
import agent
import postgres
import private

HOSTS, INSTANCES, PROJECTS, INTERVAL = 40, 50, 20, 300
EPOCH = 1577836800                      # minute 0: 2020-01-01
KINDS = (                               # of a resource: its id behind the instance's, its meters (type, unit)
    ("", {"power.state": ("gauge", "state"), "cpu": ("cumulative", "ns"), "memory.available": ("gauge", "MB"),
          "memory.usage": ("gauge", "MB")}),
    ("-tap", {f"network.{way}.{what}": ("cumulative", unit) for way in ("incoming", "outgoing")
              for what, unit in (("bytes", "B"), ("packets", "packet"))}),
    ("-vda", {f"disk.device.{way}.{what}": ("cumulative", unit) for way in ("read", "write")
              for what, unit in (("bytes", "B"), ("requests", "request"))}))
SERIES = HOSTS * INSTANCES * sum(len(meters) for _, meters in KINDS)
BLOCK = 16                              # numbers set aside for the series of a resource
TURNS = 7


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Layout:
    """All rows but the points."""

    def __init__(self, points):
        draw = random.Random(7)
        self.cycles = max(2, points // SERIES)
        self.points = self.cycles * SERIES
        self.end = int(time.time()) // 3600 * 3600
        self.start = self.end - self.cycles * INTERVAL
        middle = self.start + self.cycles // 2 * INTERVAL
        self.phase = sorted(draw.randrange(INTERVAL * 1000000) for _ in range(HOSTS))
        self.meter, self.form = [], []
        self.resource, self.version, self.seen, self.series, self.run, self.host = [], [], [], [], [], []
        forms = {}
        for _, meters in KINDS:
            for name, form in meters.items():
                self.meter.append((len(self.meter) + 1, name))
                forms.setdefault(form, len(forms) + 1)
        self.form = [(number, *form) for form, number in forms.items()]
        number = {name: n for n, name in self.meter}
        places = [host for host in range(HOSTS) for _ in range(INSTANCES)]
        projects = [f"project-{i % PROJECTS}" for i in range(HOSTS * INSTANCES)]
        draw.shuffle(places)
        draw.shuffle(projects)
        for i, (host, project) in enumerate(zip(places, projects)):
            name = str(uuid.UUID(int=draw.getrandbits(128), version=4))
            for behind, meters in KINDS:
                r = len(self.resource) + 1
                self.resource.append((r, name + behind, "openstack"))
                for turn, (first, last) in enumerate(((self.start, middle), (middle, self.end))):
                    v = len(self.version) + 1
                    metadata = {"display_name": f"vm-{i}", "host": f"host-{host}", "status": "active",
                                "flavor": {"name": "m1.small", "ram": 512 << turn, "vcpus": 1, "disk": 10}}
                    self.version.append((v, v * 7919, r, project, f"user-{i % 7}", json.dumps(metadata)))
                    self.seen.append((v, first * 1000000, last * 1000000))
                for m, (meter, form) in enumerate(meters.items()):
                    s = (r - 1) * BLOCK + m + 1
                    self.series.append((s, r, number[meter]))
                    self.host.append((s, host, form[0] == "gauge" and form[1] == "MB"))
                    for turn, first in enumerate((self.start, middle)):
                        self.run.append((s, first * 1000000, v - 1 + turn, forms[form]))

    def tables(self):
        """Name, columns, rows."""
        yield "meter", "id, name", self.meter
        yield "form", "id, type, unit", self.form
        yield "resource", "id, resource_id, source", self.resource
        yield "version", "id, digest, resource, project_id, user_id, metadata", self.version
        yield "seen", "version, first, last", self.seen
        yield "series", "id, resource, meter", self.series
        yield "run", "series, since, version, form", self.run


def make_schema(url):
    """By an agent that meters nothing."""
    with agent.Agent("", interval=1, meters=["none"], publishers=[url],
                     options={"DEFAULT": {"hypervisor_inspector": "simulated", "libvirt_uri": None}}, start=False) as a:
        a.args = ["--cycles", "2"]
        a.meters = ["power.state"]
        a.write()
        a.start()
        if a.process.wait(60):
            raise private.Failed(f"the agent that makes the schema: {a.log()}")


class Sqlite:
    def __init__(self, folder):
        self.path = f"{folder}/samples.db"
        self.url = f"sqlite://{self.path}"

    def fill(self, layout):
        make_schema(self.url)
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = off")
        db.execute("PRAGMA synchronous = off")
        db.execute("PRAGMA cache_size = -200000")
        db.execute("BEGIN")
        for table in ("point", "run", "series", "seen", "version", "resource", "form", "meter"):
            db.execute(f"DELETE FROM {table}")
        for table, columns, rows in layout.tables():
            db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
        db.execute("CREATE TEMP TABLE made (host, series, real, PRIMARY KEY (host, series)) WITHOUT ROWID")
        db.executemany("INSERT INTO made (series, host, real) VALUES (?, ?, ?)", layout.host)
        for cycle in range(layout.cycles):
            for host, phase in enumerate(layout.phase):
                micros = (layout.start - EPOCH + cycle * INTERVAL) * 1000000 + phase
                db.execute("INSERT INTO point SELECT ?1, series, ?2, CASE WHEN real THEN 100 + (?3 * series % 4096) / 16.0"
                           " ELSE series * 1000000 + ?3 * (1000000 + series) END FROM made WHERE host = ?4",
                           (micros // 60000000, micros % 60000000, cycle, host))
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = wal")
        db.close()
        return os.stat(self.path).st_size / layout.points

    def close(self):
        pass


class Postgresql:
    def __init__(self, folder):
        settings = {"shared_preload_libraries": "auto_explain", "fsync": "off", "wal_level": "minimal", "max_wal_senders": "0",
                    "maintenance_work_mem": "512MB",
                    "max_wal_size": "8GB", "shared_buffers": os.environ.get("SOAK_BUFFERS", "2GB"),
                    "checkpoint_timeout": "30min", "autovacuum": "on"}
        self.pg = postgres.Postgres(folder=folder, settings=settings)
        self.url = self.pg.url(f"?sslmode=verify-full&sslrootcert={self.pg.ca.cert}")

    def copy(self, table, columns, rows):
        text = "\n".join("\t".join(str(int(v) if isinstance(v, bool) else v) for v in row) for row in rows) + "\n"
        self.pg.sql(f"COPY virtmeter.{table} ({columns}) FROM STDIN", text=text)

    def fill_day(self, layout, start, day):
        """A partition, with the fill that its key has when it is written bit by bit: measured, a third is empty."""
        slot = 30 * 60000000    # minutes that lie together
        begin = (start * 60 + EPOCH - layout.start) // INTERVAL
        cycles = max(0, begin), min(layout.cycles, begin + day * 60 // INTERVAL) - 1
        self.pg.sql(
            f"SET search_path = virtmeter; BEGIN; DROP TABLE IF EXISTS point_{start}; CREATE TABLE point_{start} (LIKE point);"
            f" INSERT INTO point_{start} SELECT CASE WHEN NOT real THEN series * 1000000::bigint + c * (1000000 + series) END,"
            f" CASE WHEN real THEN 100 + (c * series % 4096) / 16.0 END, NULL, t / {slot} * 30, series, t % {slot} FROM"
            f" generate_series({cycles[0]}::bigint, {cycles[1]}) c CROSS JOIN LATERAL (SELECT host, {(layout.start - EPOCH) * 1000000}"
            f" + c * {INTERVAL * 1000000} + phase AS t FROM host ORDER BY phase OFFSET 0) x CROSS JOIN LATERAL (SELECT series, real"
            f" FROM made WHERE made.host = x.host ORDER BY series OFFSET 0) y;"
            f" ALTER TABLE point_{start} ADD PRIMARY KEY (minute, series, micros) WITH (fillfactor = 66); COMMIT;"
            f" ALTER TABLE point ATTACH PARTITION point_{start} FOR VALUES FROM ({start}) TO ({start + day});"
            f" DROP TABLE IF EXISTS message_{start}; CREATE TABLE message_{start} (LIKE message INCLUDING ALL); ALTER TABLE message"
            f" ATTACH PARTITION message_{start} FOR VALUES FROM ({start}) TO ({start + day}); ANALYZE point_{start}")

    def fill(self, layout):
        make_schema(self.url)
        sql, day = self.pg.sql, 1440
        sql("SET search_path = virtmeter; TRUNCATE point, run, series, seen, version, resource, form, meter")
        for table, columns, rows in layout.tables():
            self.copy(table, columns, rows)
        sql("CREATE UNLOGGED TABLE virtmeter.made (series integer, host integer, real boolean)")
        self.copy("made", "series, host, real", layout.host)
        sql("CREATE INDEX ON virtmeter.made (host, series)")
        sql("CREATE UNLOGGED TABLE virtmeter.host (host integer, phase bigint)")
        self.copy("host", "host, phase", list(enumerate(layout.phase)))
        first = (layout.start - EPOCH) // 60 // day * day
        for start in range(first, (layout.end - EPOCH) // 60 + 1, day):
            self.fill_day(layout, start, day)
        sql("DROP TABLE virtmeter.made, virtmeter.host")
        sql("CHECKPOINT")
        size = sql("SELECT sum(pg_table_size(inhrelid) + pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent ="
                   " 'virtmeter.point'::regclass")
        return int(size[0][0]) / layout.points

    def explain(self, on):
        self.pg.sql("ALTER SYSTEM SET auto_explain.log_min_duration = " + ("0" if on else "-1"))
        self.pg.sql("SELECT pg_reload_conf()")
        time.sleep(0.5)

    def close(self):
        self.pg.close()


# ------------------------------------------------------------------ questions

def questions(layout, draw):
    """What is asked, the command's words, the limit in milliseconds (None: only shown), how many lines come (None: any)."""
    resource = layout.resource[draw.randrange(HOSTS * INSTANCES) * len(KINDS)][1]
    project = f"project-{draw.randrange(PROJECTS)}"
    day = min(86400, layout.cycles * INTERVAL)
    hour = ["--start", iso(layout.end - day // 2 - 3600), "--end", iso(layout.end - day // 2)]
    whole = ["--start", iso(layout.end - day), "--end", iso(layout.end)]
    whole_lines = sum(len(m) for _, m in KINDS)
    yield "an hour of one resource", ["samples", "--resource", resource, *hour], 50, 4 * 3600 // INTERVAL
    yield "an hour of one resource, one meter", ["samples", "--resource", resource, "-m", "cpu", *hour], 50, 3600 // INTERVAL
    yield "an hour of one resource, statistics", ["statistics", "--resource", resource, *hour], 50, 4
    yield "a project's day, statistics", ["statistics", "--project", project, *whole], 1000, whole_lines
    yield ("a project's day, by resource and hour",
           ["statistics", "--project", project, "-g", "resource", "--period", "3600", *whole], 1000, None)
    yield "a project's day, one meter", ["statistics", "--project", project, "-m", "cpu", *whole], 1000, 1
    yield ("a project's day, by metadata",
           ["statistics", "--project", project, "-M", "flavor.name=m1.small", "-m", "network.*", *whole], 1000, 4)
    yield "the 20 newest", ["samples", "--limit", "20"], None, 20
    yield "the 20 newest of a resource", ["samples", "--resource", resource, "--limit", "20"], None, 20
    yield "a user's hour, statistics", ["statistics", "--user", "user-3", *hour], None, whole_lines
    yield "everybody's hour, one meter", ["statistics", "-m", "cpu", *hour], None, 1
    yield "resources of a project", ["resources", "--project", project], None, 3 * HOSTS * INSTANCES // PROJECTS
    yield "meters of a resource", ["meters", "--resource", resource], None, 4


NOTHING = ["meters", "--resource", "nobody"]    # the program's start and the connection


def ask(store, words):
    """Seconds, lines."""
    begin = time.monotonic()
    done = subprocess.run([agent.PROGRAM, *words, "--store", store.url, "--format", "json"], capture_output=True, text=True)
    passed = time.monotonic() - begin
    if done.returncode:
        raise private.Failed(f"{' '.join(words)}: {done.stderr}")
    return passed, done.stdout.count("\n")


def beside(store):
    """What a client of PostgreSQL's own takes to say nothing, in milliseconds."""
    times = []
    for _ in range(TURNS):
        begin = time.monotonic()
        subprocess.run([f"{store.pg.bin}/psql", "-Xqc", "SELECT 1", store.url], check=True, capture_output=True)
        times.append((time.monotonic() - begin) * 1000)
    return min(times)


def measure(name, store, layout):
    """How many answers were wrong, how many too late."""
    wrong = late = 0
    for what, words, limit, lines in questions(layout, random.Random(3)):
        times, starts = [], []
        for _ in range(TURNS):
            starts.append(ask(store, NOTHING)[0] * 1000)
            passed, got = ask(store, words)
            times.append(passed * 1000)
        if lines not in (None, got):
            wrong += 1
            print(f"{name}: {what}: {got} lines, not {lines}", file=sys.stderr)
        best, verdict = min(times), ""
        if limit:
            answer = max(0, best - min(starts))
            verdict = f"less start and connection {answer:.0f} <= {limit} ms  " + ("met" if answer <= limit else "MISSED")
            late += answer > limit
        print(f"{name:10}  {what:40} {best:8.0f} ms (of {TURNS}; median {sorted(times)[TURNS // 2]:.0f})  {verdict}")
    return wrong, late


def whole_tables(store, layout):
    """Plans that read a whole table of points, or of what belongs to single resources."""
    grown = re.compile(r"Seq Scan on (point|message|series|run|version|seen|resource)\S*")
    store.explain(True)
    before = len(store.pg.log())
    asked = list(questions(layout, random.Random(4)))
    for _, words, _, _ in asked:
        ask(store, words)
    store.explain(False)
    text = store.pg.log()[before:]
    if text.count("Query Text") < 5 * len(asked):
        yield "the server told no plans"
    for plan in text.split("Query Text: ")[1:]:
        found = grown.search(plan)
        if found and "auto_explain" not in plan.split("\n", 1)[0]:
            yield f"{found.group()}: {' '.join(plan.split())[:600]}"


def main():
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000
    kinds = {"sqlite": Sqlite, "postgresql": Postgresql}
    wrong = late = 0
    layout = Layout(points)
    for name in sys.argv[2:] or kinds:
        folder = tempfile.mkdtemp(prefix="vm-queries-", dir=os.environ.get("SOAK_DIR"))
        os.chmod(folder, 0o755)
        need, free = layout.points * (30 if name == "sqlite" else 130), shutil.disk_usage(folder).free
        store = None
        try:
            if need > free:
                raise private.Missing(f"{need >> 20} MiB are needed, {free >> 20} free in {folder}")
            store, begin = kinds[name](folder), time.monotonic()
            size = store.fill(layout)
            print(f"{name}: {layout.points} points in {time.monotonic() - begin:.0f} s, {size:.1f} bytes a point", flush=True)
            if name == "postgresql":
                print(f"{name}: psql starts, connects and says nothing in {beside(store):.0f} ms")
            one, two = measure(name, store, layout)
            if name == "postgresql":
                for fault in whole_tables(store, layout):
                    wrong += 1
                    print(f"postgresql: {fault}", file=sys.stderr)
            wrong, late = wrong + one, late + two
        except private.Missing as e:
            print(f"{name}: left out: {e}")
        finally:
            if store:
                store.close()
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if wrong or (late and os.environ.get("SOAK_STRICT") == "1") else 0)


if __name__ == "__main__":
    main()
