#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the tables of virtmeter-meters(7) as doc/meters.md has them, which is printed from the meter table.

Usage: meters-man.py [--check]

Rewrites what stands between the marks `.\\" meters:` and `.\\" end of meters` in the page; with --check only
compares: exit status 1 when they differ.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = TOP / "doc/man/virtmeter-meters.7"
BEGIN, END = '.\\" meters: from doc/meters.md by scripts/meters-man.py\n', '.\\" end of meters\n'
# title of a table, which of the rows it takes by (section, meter, of), in this order
TABLES = [
    ("Instances", lambda own, name, of: not own and of == "instance"),
    ("Disks", lambda own, name, of: not own and of == "disk"),
    ("All disks of an instance together", lambda own, name, of: not own and of == "all disks"),
    ("Network interfaces", lambda own, name, of: not own and of == "NIC"),
    ("Meters of our own", lambda own, name, of: own),
]


def rows(text):
    """(own, meter, type, unit, of, help) of each row of meters.md."""
    own, head = False, []
    for line in text.splitlines():
        if line.startswith("## "):
            own = line == "## Our own"
        cells = [c.strip() for c in line.strip("|").split(" | ")] if line.startswith("|") else []
        cells = [c.strip("| ") for c in cells]
        if "meter" in cells:
            head = cells
        elif not cells:
            head = []
        elif head and "---" not in line:
            cell = dict(zip(head, cells))
            yield own, cell["meter"], cell["type"], cell["unit"], cell["of"], cell["is"]


def quoted(text):
    """Text as an mdoc macro's argument list: nothing in it is taken for a macro or an escape."""
    words = text.replace("\\", "\\e").split()
    words = " ".join("\\&" + w if re.fullmatch(r"[A-Z%][A-Za-z0-9]{1,2}|[.,:;()\[\]?!|]", w) else w for w in words)
    return re.sub(r"\. (?=[A-Z])", ".\n", words)


def unit(text):
    units = [] if text in ('""', "") else [u.strip() for u in text.split(",")]
    return units[-1] if units else ""


def page_part():
    found = list(rows((TOP / "doc/meters.md").read_text(encoding="utf-8")))
    out, taken = [], 0
    for title, wanted in TABLES:
        part = [r for r in found if wanted(r[0], r[1], r[4])]
        taken += len(part)
        out += [f".Ss {title}", ".Bl -tag -width Ds"]
        for _, name, kind, units, _, text in part:
            name = name.replace("`", "")
            mark = " No *" if name.endswith("*") else ""
            words = {"C": "cumulative", "G": "gauge", "D": "delta"}[kind]
            out.append(f".It Cm {name.rstrip('*')}{mark} Pq {words}" + (f" , No {unit(units)}" if unit(units) else ""))
            out.append(quoted(text))
        out.append(".El")
    if taken != len(found) or not found:
        sys.exit(f"doc/meters.md: {len(found)} rows, {taken} in a table")
    return "\n".join(out) + "\n"


def main():
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    new = before + BEGIN + page_part() + END + after
    if sys.argv[1:] == ["--check"]:
        if new != text:
            sys.exit("doc/man/virtmeter-meters.7 is not as doc/meters.md: run scripts/meters-man.py")
    else:
        PAGE.write_text(new, encoding="utf-8")


main()
