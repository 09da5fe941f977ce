#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent killed with SIGKILL at random instants, again and again, with a durable log.

Publishers to files, one of which cannot write for a good part of the time, and to a RabbitMQ of the suite's own
where there is one; after the last kill the agent runs to its end.  Then, for each publisher: produced = received, each
sample once + dropped, and nothing waits; the queue verifies.  TAP.

Environment: VIRTMETER (the program), KILLS (20), SEED
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import private
import rabbit

PROGRAM = str(pathlib.Path(os.environ["VIRTMETER"]).resolve())
KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 32))))

CONF = """[DEFAULT]
host = compute-0
hypervisor_inspector = simulated
pipeline_cfg_file = {0}/pipeline.yaml
[simulated]
instances = 40
[virtmeter]
queue_dir = {0}/queue
control_socket = {0}/agent.sock
[polling]
cfg_file = {0}/polling.yaml
"""
POLLING = "sources:\n  - name: all\n    interval: 1\n    meters: ['*']\n"
PIPELINE = """sources:
  - name: all
    meters: ["*"]
    sinks: [both]
sinks:
  - name: both
    publishers: ["file://{0}/steady.json?json", "file://{0}/late/late.json?json"{1}]
"""


def received(path):
    """Ids of whole records; a kill may leave half a line, whose samples come again."""
    ids, again = set(), 0
    with open(path, "rb") as lines:
        for line in lines:
            try:
                sample = json.loads(line)
            except ValueError:
                continue
            again += sample["id"] in ids
            ids.add(sample["id"])
    return ids, again


def queue(tmp, *words):
    return subprocess.run([PROGRAM, "spool", *words, f"{tmp}/queue"], capture_output=True, text=True, timeout=120)


def ledgers(tmp):
    answer = queue(tmp, "ls", "--format", "json")
    return {row["publisher"]: row for row in map(json.loads, answer.stdout.splitlines())}


def broker():
    """A RabbitMQ, or None and why there is none."""
    try:
        return rabbit.Rabbit(), None
    except private.Missing as missing:
        if os.environ.get("VIRTMETER_REQUIRE", "") not in ("", "0"):
            raise
        return None, str(missing)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))     # not without the broker
    mq, missing = broker()
    try:
        return kills(mq, missing)
    finally:
        if mq:
            mq.close()


def kills(mq, missing):
    chance, bad = random.Random(SEED), []
    bus = ', "' + mq.url("polling", "?amqp_durable_queues=1&policy=queue&topic=kill") + '"' if mq else ""
    tmp = tempfile.mkdtemp(prefix="virtmeter-kill-")
    for name, text in (("v.conf", CONF), ("polling.yaml", POLLING), ("pipeline.yaml", PIPELINE)):
        pathlib.Path(tmp, name).write_text(text.format(tmp, bus))
    command = [PROGRAM, "agent", "--config-file", f"{tmp}/v.conf"]
    late = pathlib.Path(tmp, "late")
    for kill in range(KILLS):
        if kill % 4 == 2:
            late.mkdir(exist_ok=True)
        elif kill % 4 == 0 and late.is_dir():
            late.rename(f"{tmp}/late-{kill}")
        log = open(f"{tmp}/log", "ab")
        agent = subprocess.Popen(command, stdout=log, stderr=log)
        time.sleep(chance.uniform(0.05, 2.2))
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        said = queue(tmp, "verify")
        if said.returncode and "there is no queue" not in said.stderr:
            bad.append(f"kill {kill}: {said.stdout}{said.stderr}")
    late.mkdir(exist_ok=True)
    last = subprocess.run([*command, "--cycles", "1"], capture_output=True, text=True, timeout=300)
    if last.returncode:
        bad.append(f"last run: {last.stderr}")
    rows, repeats = ledgers(tmp), 0
    places = {"steady.json": [received(f"{tmp}/steady.json")],
              "late.json": [received(p) for p in pathlib.Path(tmp).glob("late*/late.json")]}
    if mq:
        ids = [s["message_id"] for m in mq.take("kill.sample") for s in m.samples]
        places["polling://"] = [(set(ids), len(ids) - len(set(ids)))]
    for name, parts in places.items():
        row = next(r for url, r in rows.items() if name in url)
        ids = set()
        for some, again in parts:
            repeats += again + len(ids & some)
            ids |= some
        print(f"# {name}: produced {row['produced']}, received {len(ids)}, dropped {sum(row['dropped'].values())}")
        if row["produced"] != len(ids) + sum(row["dropped"].values()):
            bad.append(f"{name}: {row}, received {len(ids)}")
        if row["queued"] or row["produced"] == 0 or row["dropped"]:
            bad.append(f"{name}: {row}")
    print(f"# {KILLS} kills, seed {SEED}; {repeats} samples came more than once")
    for line in bad:
        print("# " + line.replace("\n", "\n# "))
    print("1..2\n" + ("not ok" if bad else "ok") + " 1 - nothing is lost, and everything is counted")
    print("ok 2 - over AMQP as well" + ("" if mq else f" # SKIP {missing}"))
    if not bad:
        shutil.rmtree(tmp)
    else:
        print(f"# kept: {tmp}")
    return 1 if bad else 0


sys.exit(main())
