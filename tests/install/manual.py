#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual says what the program says: options of each command, meters, configuration options, and the
commands that the shell completion knows.  TAP.

Usage: manual.py PROGRAM SOURCE_ROOT
"""
import json
import pathlib
import re
import subprocess
import sys

PROGRAM, TOP = sys.argv[1], pathlib.Path(sys.argv[2])
PAGES = {
    "agent": "virtmeter-agent.8", "collector": "virtmeter-collector.8", "poll": "virtmeter-poll.1", "list": "virtmeter-list.1",
    "check": "virtmeter-check.1", "samples": "virtmeter-samples.1", "resources": "virtmeter-samples.1",
    "statistics": "virtmeter-samples.1", "meters": "virtmeter-samples.1", "send": "virtmeter-send.1", "spool": "virtmeter-spool.1",
    "status": "virtmeter-status.1", "reload": "virtmeter-status.1",
}
count = 0


def row(good, name, *notes):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for note in () if good else notes:
        print(f"# {note}")


def run(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)


def page(name):
    return (TOP / "doc/man" / name).read_text(encoding="utf-8")


def documented(text):
    """Long options that have an entry in a page."""
    return set(re.findall(r"(?:^\.It |, )Fl -([a-z][a-z-]*)", "\n".join(
        line for line in text.splitlines() if line.startswith(".It ")), re.M))


def words(text, heads):
    """Arguments of the .It lines of a page, as single words without macros."""
    for line in text.splitlines():
        if line.startswith(".It "):
            yield from (w for w in re.split(r"[\s,]+", line[4:]) if w and w not in heads)


def commands():
    said = run("--help").stdout
    return [m[1] for m in re.finditer(r"^  ([a-z]+) ", said, re.M)]


def check_commands():
    names = commands()
    row(set(names) == set(PAGES), "each command has its page", sorted(set(names) ^ set(PAGES)))
    completion = (TOP / "etc/virtmeter.bash").read_text()
    row(all(re.search(rf"\b{n}\b", completion) for n in names), "completion knows each command")
    options = {}
    for name in names:
        said = run(name, "--help")
        row(said.returncode == 0, f"{name} --help", said.stderr)
        options.setdefault(PAGES.get(name), set()).update(
            o for o in re.findall(r"--([a-z][a-z-]*)", said.stdout) if not o.startswith("help"))
    for name, real in sorted(options.items(), key=str):
        told = documented(page(name))
        row(told == real, f"options of {name}", f"only in the program: {sorted(real - told)}",
            f"only in the manual: {sorted(told - real)}")


def check_meters():
    said = run("list", "meters", "--format", "json")
    real = {json.loads(line)["name"] for line in said.stdout.splitlines()}
    text = page("virtmeter-meters.7")
    row(said.returncode == 0 and real, "list meters", said.stderr)
    listed = {m[1] for m in re.finditer(r"^\.It Cm (\S+)(?: No \*)? Pq (?:cumulative|gauge|delta)", text, re.M)}
    row(listed == real, "the meters of virtmeter-meters(7) are the program's", sorted(listed ^ real))


def check_options():
    said = run("list", "plugins", "--format", "json")
    row(said.returncode == 0 and said.stdout, "list plugins", said.stderr)
    plugins = [json.loads(line) for line in said.stdout.splitlines()]
    for what, named, of_transformer in (("option of a plugin", "virtmeter.conf.5", False),
                                        ("parameter of a transformer", "virtmeter-transformers.7", True)):
        real = {o["name"] for p in plugins if (p["namespace"] == "transformer") == of_transformer
                for o in p.get("options", [])}
        text = page(named)
        told = set(words(text, {"Va", "Cm", "No", "Ns"})) | set(re.findall(r"^\.(?:It )?Va ([\w.]+)", text, re.M))
        row(real and real <= told, f"each {what} stands in {named}", sorted(real - told))


check_commands()
check_meters()
check_options()
print(f"1..{count}")
