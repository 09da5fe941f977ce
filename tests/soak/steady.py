#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent under watch for a long time: memory, files and threads do not grow, the ledger is right at
every look, no cycle is lost, reloads are taken, the end is clean.

Environment: VIRTMETER (the program), SOAK_TIME (3600, seconds)

The agent meters its simulated instances every second into an SQLite store and a rotated file, and is told to
reload every 30 s.  Exit status 0 when all held; what did not is printed, a line each.
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(os.environ["VIRTMETER"]).resolve()
SECONDS = int(os.environ.get("SOAK_TIME", "3600"))
LOOK = max(1, min(10, SECONDS // 60))  # seconds between two looks
GROWTH_KIB = 2048  # resident memory, from the end of the warm-up to the end

CONF = """[DEFAULT]
pipeline_cfg_file = {0}/pipeline.yaml
[virtmeter]
control_socket = {0}/agent.sock
[polling]
cfg_file = {0}/polling.yaml
"""
POLLING = """sources:
  - name: all
    interval: 1
    meters: ["*", "vm.*"]
"""
PIPELINE = """sources:
  - name: all
    meters: ["*", "vm.*"]
    sinks: [both]
sinks:
  - name: both
    publishers:
      - sqlite://{0}/samples.db
      - file://{0}/samples.json?json&max_bytes=1000000&backup_count=2
"""


def look(pid):
    """Resident KiB, open files, threads."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def ask(tmp, *words):
    return subprocess.run([PROGRAM, *words, "--socket", f"{tmp}/agent.sock"], capture_output=True, text=True,
                          timeout=30)


def ledger(status):
    """What is wrong with the ledgers of a status document."""
    for p in status["publishers"]:
        right = p["confirmed"] + p["queued"] + sum(p["dropped"].values())
        if p["produced"] != right:
            yield f"{p['url']}: produced {p['produced']}, accounted for {right}"
        if sum(p["dropped"].values()):
            yield f"{p['url']}: dropped {p['dropped']}"


def median(rows, column):
    return statistics.median(r[column] for r in rows)


def watch(agent, tmp):
    faults, looks, reloads = [], [], 0
    begin = time.monotonic()
    status = {}
    while time.monotonic() - begin < SECONDS and agent.poll() is None:
        time.sleep(LOOK)
        passed = time.monotonic() - begin
        answer = ask(tmp, "status", "--format", "json")
        if answer.returncode != 0:
            faults.append(f"{passed:.0f} s: status: {answer.stderr.strip()}")
            continue
        status = json.loads(answer.stdout)
        faults += [f"{passed:.0f} s: {f}" for f in ledger(status)]
        looks.append(look(agent.pid))
        if passed > 30 * (reloads + 1):
            reloads += 1
            answer = ask(tmp, "reload")
            if answer.returncode != 0:
                faults.append(f"{passed:.0f} s: reload: {answer.stderr.strip()}")
    passed = time.monotonic() - begin
    if agent.poll() is not None:
        return faults + [f"the agent ended by itself, status {agent.returncode}"]
    warm, last = looks[len(looks) // 4: len(looks) // 4 + 5], looks[-5:]
    rss, files, threads = (median(last, i) - median(warm, i) for i in range(3))
    cycles = sum(t["cycles"] for t in status["tasks"])
    if rss > GROWTH_KIB:
        faults.append(f"resident memory grew by {rss:.0f} KiB")
    if files > 0 or threads > 0:
        faults.append(f"{files:.0f} more open files, {threads:.0f} more threads")
    if cycles < 0.9 * passed - 2:
        faults.append(f"{cycles} cycles in {passed:.0f} s")
    agent.send_signal(signal.SIGTERM)
    if agent.wait(timeout=90) != 0:
        faults.append(f"exit status {agent.returncode} after SIGTERM")
    print(f"{passed:.0f} s, {cycles} cycles, {reloads} reloads, resident {median(last, 0):.0f} KiB "
          f"({rss:+.0f} since the warm-up), {median(last, 1):.0f} files, {median(last, 2):.0f} threads")
    return faults


def main():
    with tempfile.TemporaryDirectory() as tmp:
        for name, text in (("virtmeter.conf", CONF), ("polling.yaml", POLLING), ("pipeline.yaml", PIPELINE)):
            pathlib.Path(tmp, name).write_text(text.format(tmp))
        conf = f"{tmp}/virtmeter.conf"
        with open(f"{tmp}/log", "w+") as log:
            agent = subprocess.Popen([PROGRAM, "agent", "--config-file", conf, "--demo"], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log)
            try:
                faults = watch(agent, tmp)
            finally:
                if agent.poll() is None:
                    agent.kill()
                    agent.wait()
            if faults:
                log.seek(0)
                print("\n".join(log.read().splitlines()[-20:]), file=sys.stderr)
    for fault in faults:
        print(f"steady: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


main()
