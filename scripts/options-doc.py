#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the options in virtmeter.conf(5) and etc/virtmeter.conf as the option tables have them.

Usage: options-doc.py OPTIONS_DOC TOP [--check]

OPTIONS_DOC is the program that prints the tables (tests/static/options_doc.c).  What stands in a file between the
marks "options: from the tables" and "end of options" is written anew; with --check it is only compared, and
the result is TAP.
"""
import pathlib
import re
import subprocess
import sys

FILES = [("doc/man/virtmeter.conf.5", "mdoc"), ("etc/virtmeter.conf", "conf")]


def main():
    program, top, check = sys.argv[1], pathlib.Path(sys.argv[2]), "--check" in sys.argv
    for n, (name, form) in enumerate(FILES, 1):
        said = subprocess.run([program, form], check=True, capture_output=True, text=True).stdout
        # the plugin folder depends on where it is installed
        said = re.sub(r"/\S*lib\S*/virtmeter(?=\s|$)", "LIBDIR/virtmeter", said)
        text = (top / name).read_text(encoding="utf-8")
        begin, _, rest = text.partition("options: from the tables")
        mark, _, rest = rest.partition("\n")
        old, _, end = rest.rpartition("end of options")
        last = old.rsplit("\n", 1)[-1]
        new = begin + "options: from the tables" + mark + "\n" + said + last + "end of options" + end
        if not check:
            (top / name).write_text(new, encoding="utf-8")
        else:
            same = "ok" if new == text else "not ok"
            print(f"{same} {n} - {name} has the options of the tables"
                  + ("" if new == text else " (ninja update-options-doc)"))
    if check:
        print(f"1..{len(FILES)}")


main()
