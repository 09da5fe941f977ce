#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the options in virtmeter.conf(5) and etc/virtmeter.conf as the option tables have them, and the table of what
each inspector gives in virtmeter-meters(7) as plugins and meter rules have it.

Usage: options-doc.py OPTIONS_DOC TOP [--check]

OPTIONS_DOC is the program that prints them (tests/static/options_doc.c).  What stands in a file between the marks
"options: from the tables" and "end of options" (or as below) is written anew; with --check it is only compared, and
the result is TAP.
"""
import pathlib
import re
import subprocess
import sys

OPTIONS = ("options: from the tables", "end of options")
FILES = [("doc/man/virtmeter.conf.5", "mdoc", *OPTIONS), ("etc/virtmeter.conf", "conf", *OPTIONS),
         ("doc/man/virtmeter-meters.7", "inspectors", "inspectors: from the plugins", "end of inspectors")]


def main():
    program, top, check = sys.argv[1], pathlib.Path(sys.argv[2]), "--check" in sys.argv
    for n, (name, form, start, stop) in enumerate(FILES, 1):
        said = subprocess.run([program, form], check=True, capture_output=True, text=True).stdout
        # the plugin folder depends on where it is installed
        said = re.sub(r"/\S*lib\S*/virtmeter(?=\s|$)", "LIBDIR/virtmeter", said)
        text = (top / name).read_text(encoding="utf-8")
        begin, _, rest = text.partition(start)
        mark, _, rest = rest.partition("\n")
        old, _, end = rest.rpartition(stop)
        last = old.rsplit("\n", 1)[-1]
        new = begin + start + mark + "\n" + said + last + stop + end
        if not check:
            (top / name).write_text(new, encoding="utf-8")
        else:
            same = "ok" if new == text else "not ok"
            print(f"{same} {n} - {name} is as the tables"
                  + ("" if new == text else " (ninja update-options-doc)"))
    if check:
        print(f"1..{len(FILES)}")


main()
