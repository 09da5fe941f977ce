#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every #include of src/ and plugins/ with the layer table in doc/architecture.md.

Usage: check-includes.py [TOP]

The table is the one whose header row has the cells "folder" and "may include".  A folder may include
itself, what its row names (names of src/ folders, "contract" for <virtmeter/...>, "all"), and
nothing else; a row `plugins/*` stands for each plugin, which may also include the folder that
plugins of its name share (plugins/NAME).  Exit status 1 and one line FILE:LINE per offence.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_table(text):
    """{folder: set of names} from the Markdown table."""
    table, columns = {}, None
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            columns = None
        elif "folder" in cells and "may include" in cells:
            columns = cells.index("folder"), cells.index("may include")
        elif columns and not set(line) <= set("|-: "):
            folder = cells[columns[0]].strip("`").rstrip("/")
            table[folder] = {w.strip("`") for w in re.split(r"[,\s]+", cells[columns[1]]) if w not in ("", "–")}
    return table


def folder_of(path, table):
    """The row that speaks of a file (path relative to the top), and the file's own folder."""
    parts = path.parts
    if parts[0] == "src":
        return ("src", "src") if len(parts) == 2 else ("src/" + parts[1],) * 2
    return "plugins" if len(parts) == 2 else "plugins/*", "/".join(parts[:-1])


def target(top, path, kind, name):
    """What an include means: a folder, 'contract', None (outside), or '' (not found)."""
    if name.startswith("virtmeter/"):
        return "contract"
    if kind == "<":
        return None
    for base in (top / "src", top, top / path.parent):
        found = (base / name).resolve()
        if found.is_file() and top.resolve() in found.parents:
            found = found.relative_to(top.resolve())
            return found.parts[0] + "/" + found.parts[1] if found.parts[0] == "src" and len(
                found.parts) > 2 else str(found.parent)
    return ""


def offence(top, path, table, kind, name):
    row, own = folder_of(path, table)
    if row not in table:
        return f"no row for {row} in the layer table of doc/architecture.md"
    goal = target(top, path, kind, name)
    if goal is None or goal == own or "all" in table[row]:
        return None
    if goal == "":
        return f'"{name}" is not found below src/ or beside the file'
    short = goal[4:] if goal.startswith("src/") else goal
    if short in table[row]:
        return None
    if row == "plugins/*" and goal == "plugins/" + own.rsplit("/", 1)[-1]:
        return None
    return f"{own} may not include {goal} ({name}); its row allows: {', '.join(sorted(table[row])) or 'nothing'}"


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    table = layer_table((top / "doc/architecture.md").read_text(encoding="utf-8"))
    if not table:
        sys.exit("doc/architecture.md: no table with the columns 'folder' and 'may include'")
    files = bad = 0
    for sub in ("src", "plugins"):
        for path in sorted((top / sub).rglob("*.[ch]")):
            files += 1
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                m = INCLUDE.match(line)
                said = m and offence(top, path.relative_to(top), table, m[1], m[2])
                if said:
                    bad += 1
                    print(f"{path.relative_to(top)}:{number}: {said}")
    print(f"{files} files, {bad} offences")
    sys.exit(1 if bad or not files else 0)


if __name__ == "__main__":
    main()
