#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same files and environment, read by oslo.config itself and by our reader (values.c): the values have to be equal.
Where they are not, and are not meant to be, DIFFERENT says why; a difference that is gone fails as well.
Usage: compare.py PROGRAM"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration/lib"))
import private
import tap

try:
    from oslo_config import cfg
except ImportError:
    cfg = None


def options():
    """The tables of values.c."""
    return {
        "DEFAULT": [cfg.StrOpt("s"), cfg.StrOpt("t", default="default of t"), cfg.IntOpt("i", default=7),
                    cfg.FloatOpt("f", default=0.5), cfg.BoolOpt("b", default=False), cfg.ListOpt("l", default=["x", "y"]),
                    cfg.MultiStrOpt("m", default=["x", "y"]), cfg.DictOpt("d", default={"x": "y"})],
        "grp": [cfg.StrOpt("s"), cfg.StrOpt("ref", default="$t/${grp.s}"), cfg.BoolOpt("b", default=True),
                cfg.StrOpt("new_name", default="n", deprecated_name="old_name"), cfg.ListOpt("two_words", default=[])],
    }


def value_of(conf, group, name):
    try:
        return conf[name] if group == "DEFAULT" else conf[group][name]
    except (ValueError, RecursionError, cfg.Error):
        return {"error": True}


def theirs(files, env):
    """What oslo.config makes of it."""
    conf, before = cfg.ConfigOpts(), dict(os.environ)
    tables = options()
    for group, of in tables.items():
        conf.register_opts(of, group=None if group == "DEFAULT" else group)
    os.environ.update(env)
    try:
        conf(args=[x for f in files for x in ("--config-file", f)], project="none", default_config_files=[],
             default_config_dirs=[])
        return {f"{g}.{o.name}": value_of(conf, g, o.name) for g, of in tables.items() for o in of}
    except (cfg.ConfigFileParseError, UnicodeDecodeError):
        return "refused"
    finally:
        os.environ.clear()
        os.environ.update(before)


D = "[DEFAULT]\n"
# name: the files' text (one, or a list), and the environment
CASES = {
    "nothing": "",
    "plain": D + "s = a\nt=b\ni = 12\nf = 1.25\nb = true\n[grp]\ns = c\n",
    "colon": D + "s: a\nt : b = c\n",
    "equals in the value": D + "s = a = b\nt = c : d\n",
    "empty values": D + "s =\nt =\nl =\nd =\nm =\n",
    "empty number": D + "i =\n",
    "empty float": D + "f =\n",
    "empty boolean": D + "b =\n",
    "blanks around": D + "s   =   a b   \nt\t=\tc\t\n",
    "quotes": D + "s = \"a b\"\nt = 'c d'\n[grp]\ns = \"\"\n",
    "quotes inside": D + "s = a \"b\" c\nt = \"a\" and \"b\"\n",
    "one quote": D + "s = \"\nt = 'a\n[grp]\ns = a'\n",
    "mixed quotes": D + "s = \"a'\nt = '\"a\"'\n",
    "quoted blanks": D + "s = \"  a  \"\n",
    "quoted list": D + "l = \"a, b\", c\n[grp]\ntwo_words = \"a, b\"\n",
    "comments": D + "# s = a\n; s = b\ns = c # not a comment\nt = d ; nor this\n",
    "indented comment": D + "s = a\n  # goes on\n",
    "comment between lines": D + "s = a\n# b\nt = c\n",
    "continued": D + "s = a\n b\n\tc\nt = d\n",
    "continued list": D + "l = a,\n  b,\n  c\n",
    "continued, then empty": D + "s = a\n b\n\n[grp]\ns = c\n",
    "continued quotes": D + "s = \"a\n b\"\n",
    "continued key = value": D + "s = a\n t = b\n",
    "empty, then continued": D + "s =\n  a\n  b\n",
    "continuation of nothing": D + " s = a\n",
    "continuation after a blank line": D + "s = a\n\n b\n",
    "no assignment": D + "s\n",
    "no key": D + "= a\n",
    "no section": "s = a\n",
    "no section's name": "[]\ns = a\n",
    "open section": "[DEFAULT\ns = a\n",
    "text behind the section": "[DEFAULT] x\ns = a\n",
    "section twice": D + "s = a\n[grp]\ns = b\n[DEFAULT]\nt = c\n",
    "section's case": "[GRP]\ns = a\n[Grp]\nb = false\n",
    "DEFAULT's case": "[default]\ns = a\n",
    "blanks in a section": "[ grp ]\ns = a\n",
    "key's case": D + "S = a\nT = b\n",
    "dashes": "[grp]\ntwo-words = a,b\nnew-name = c\n",
    "key twice": D + "s = a\ns = b\ni = 1\ni = 2\n",
    "multi": D + "m = a\nm = b, c\nm =\n",
    "multi and lines": D + "m = a\n b\nm = c\n",
    "multi with a dollar": D + "s = v\nm = $s\nm = ${s}x\n",
    "deprecated name": "[grp]\nold_name = a\n",
    "deprecated and new": "[grp]\nold_name = a\nnew_name = b\n",
    "new and deprecated": "[grp]\nnew_name = b\nold_name = a\n",
    "booleans": D + "b = YES\n[grp]\nb = Off\n",
    "booleans by number": D + "b = 1\n[grp]\nb = 0\n",
    "boolean that is none": D + "b = maybe\n[grp]\nb = 2\n",
    "boolean in quotes": D + "b = \"true\"\n[grp]\nb = 'no'\n",
    "numbers": D + "i = -3\nf = 1e3\n",
    "numbers with a sign": D + "i = +3\nf = +.5\n",
    "numbers with zeros": D + "i = 007\nf = 00.50\n",
    "number and text": D + "i = 3s\nf = 1,5\n",
    "hexadecimal": D + "i = 0x10\n",
    "hexadecimal float": D + "f = 0x1p3\n",
    "fraction": D + "i = 1.0\n",
    "large number": D + "i = 9223372036854775807\n",
    "larger number": D + "i = 9223372036854775808\n",
    "underscores": D + "i = 1_000\nf = 1_0.5\n",
    "not a number": D + "f = nan\n",
    "infinite": D + "f = inf\n",
    "list": D + "l = a,b , c ,d e\n",
    "list with empty items": D + "l = a,,b\n",
    "list with a comma behind": D + "l = a,b,\n",
    "list with a comma before": D + "l = ,a\n",
    "list of commas": D + "l = ,,\n",
    "list with a dollar": D + "s = p,q\nl = $s,r\n",
    "dict": D + "d = a:b,c:d\n",
    "dict with blanks": D + "d = a : b , c : d e\n",
    "dict with colons": D + "d = url:http://h:80/,x:y\n",
    "dict with empty values": D + "d = a:,b:\n",
    "dict with a comma in a key": D + "d = a,b:c\n",
    "dict with a comma behind": D + "d = a:b,\n",
    "dict without a colon": D + "d = a\n",
    "dict that ends without one": D + "d = a:b,c\n",
    "dict with an empty key": D + "d = :a\n",
    "dict with a key twice": D + "d = a:b,a:c\n",
    "dict over lines": D + "d = a:b,\n  c:d\n",
    "dict with a dollar": D + "s = v\nd = a:$s,b:${s}\n",
    "name": D + "s = $t!\n[grp]\ns = ${t}\n",
    "own group first": D + "s = default's\n[grp]\ns = its own\nnew_name = $s\n",
    "name of DEFAULT": D + "t = x\n[grp]\ns = $t\n",
    "name of a group": D + "s = ${grp.s}\n[grp]\ns = g\n",
    "name of a group without braces": D + "s = $grp.s\n[grp]\ns = g\n",
    "DEFAULT by name": D + "t = x\n[grp]\ns = ${DEFAULT.t}\n",
    "name of a number": D + "s = $i/$f/$b\n",
    "name of a list": D + "s = $l\n",
    "name without a value": D + "t = $s\n",
    "default with names": D + "t = x\n[grp]\ns = y\n",
    "names in names": D + "s = $t\nt = ${grp.s}\n[grp]\ns = $new_name\nnew_name = end\n",
    "unknown name": D + "s = $nothing\n",
    "unknown name in a group": D + "s = ${grp.nothing}\n",
    "circle": D + "s = $t\nt = $s\n",
    "dollars": D + "s = a$$b\nt = $$t\n[grp]\ns = 5$\n",
    "dollar and no name": D + "s = a$ b\nt = $1\n[grp]\ns = ${\n",
    "escaped dollar": D + "s = \\$t\nt = a\\b\n",
    "Unicode": D + "s = Ünïcode 😀\nl = ä,ö\n",
    "not UTF-8": b"[DEFAULT]\ns = \xff\n",
    "carriage returns": D.replace("\n", "\r\n") + "s = a\r\nt = b\r\n",
    "no last newline": D + "s = a",
    "other options": D + "unknown = 1\n[nowhere]\nx = y\n",
    "byte order mark": "\ufeff" + D + "s = a\n",
    "zero byte": D + "s = a\0b\n",
    "later file": [D + "s = a\nt = b\nm = c\n", D + "s = d\nm = e\n"],
    "later file's deprecated name": ["[grp]\nnew_name = a\n", "[grp]\nold_name = b\n"],
    "later file empties": [D + "s = a\nl = b\n", D + "s =\nl =\n"],
    "environment": (D + "s = a\ni = 1\nl = b\n", {"OS_DEFAULT__S": "env", "OS_DEFAULT__I": "5", "OS_DEFAULT__L": "p, q",
                                               "OS_GRP__B": "no", "OS_DEFAULT__D": "k:v"}),
    "environment and names": (D + "s = a\n[grp]\nref = r$s\n", {"OS_DEFAULT__S": "env"}),
    "environment with a name": ("", {"OS_GRP__S": "$t"}),
    "environment with quotes": ("", {"OS_DEFAULT__S": "\"a\"", "OS_DEFAULT__T": " b "}),
    "environment, empty": (D + "s = a\n", {"OS_DEFAULT__S": ""}),
    "environment, wrong": ("", {"OS_DEFAULT__I": "x", "OS_DEFAULT__B": "y"}),
    "environment's case": ("", {"OS_default__S": "a", "OS_Grp__s": "b"}),
    "environment, deprecated": ("", {"OS_GRP__OLD_NAME": "a"}),
    "environment, multi": (D + "m = a\n", {"OS_DEFAULT__M": "env"}),
}

EMPTY = "no number is the default: nobody here has a use for None"
LENIENT = "white space in [ section ] cannot be meant"
DASH = "'-' and '_' are one in files as they are on the command line"
RANGE = "numbers are those of 64 bits, and finite"
PYTHON = "numbers are not Python's literals"
ITEM = "an empty item is left out: as a prefix of metadata, say, it would match everything"
DEFAULT = "${DEFAULT.name} is what people write for ${name}"
TEXT = "a name stands for the text of its value, not for Python's idea of it"
BOM = "editors write it"
ZERO = "no value may have a zero byte"
ENV_CASE = "groups are equal in any case, as in files"
ENV_OLD = "an older name is good everywhere"
ENV_MULTI = "one value, not its letters"
# (case, option, or "" for all): why ours is another
DIFFERENT = {
    ("empty number", "DEFAULT.i"): EMPTY,
    ("empty float", "DEFAULT.f"): EMPTY,
    ("blanks in a section", "grp.s"): LENIENT,
    ("blanks in a section", "grp.ref"): LENIENT,
    ("dashes", "grp.new_name"): DASH,
    ("dashes", "grp.two_words"): DASH,
    ("larger number", "DEFAULT.i"): RANGE,
    ("underscores", "DEFAULT.i"): PYTHON,
    ("underscores", "DEFAULT.f"): PYTHON,
    ("not a number", "DEFAULT.f"): RANGE,
    ("infinite", "DEFAULT.f"): RANGE,
    ("list with empty items", "DEFAULT.l"): ITEM,
    ("list with a comma before", "DEFAULT.l"): ITEM,
    ("DEFAULT by name", "grp.s"): DEFAULT,
    ("DEFAULT by name", "grp.ref"): DEFAULT,
    ("name of a number", "DEFAULT.s"): TEXT,
    ("name of a list", "DEFAULT.s"): TEXT,
    ("byte order mark", ""): BOM,
    ("zero byte", ""): ZERO,
    ("environment's case", "grp.s"): ENV_CASE,
    ("environment's case", "grp.ref"): ENV_CASE,
    ("environment, deprecated", "grp.new_name"): ENV_OLD,
    ("environment, multi", "DEFAULT.m"): ENV_MULTI,
}


def ours(program, name, folder):
    """What our reader makes of all cases, those without an environment in one run."""
    out, plain = {}, []
    for case, (files, env) in name.items():
        if env:
            out[case] = run(program, files, env)[0]
        else:
            plain.append((case, files))
    words = [w for _, files in plain for w in (*files, "--")]
    out.update(zip((case for case, _ in plain), run(program, words, {})))
    return out


def run(program, words, env):
    done = subprocess.run([program, *words], env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise private.Failed(f"{program}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def written(folder):
    """Every case as ([path], environment)."""
    out = {}
    for number, (case, what) in enumerate(CASES.items()):
        texts, env = what if isinstance(what, tuple) else (what, {})
        paths = []
        for text in texts if isinstance(texts, list) else [texts]:
            paths.append(f"{folder}/{number}-{len(paths)}.conf")
            with open(paths[-1], "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
        out[case] = paths, env
    return out


def as_float(value):
    return float(value) if isinstance(value, int) else value


def differences(case, got, wanted):
    """{option: how it differs}, of those that DIFFERENT does not have; which of it were met."""
    if got == "refused" or wanted == "refused":
        bad = {} if got == wanted else {"": f"ours: {got}\noslo.config: {wanted}"}
    else:
        got = {**got, "DEFAULT.f": as_float(got["DEFAULT.f"])}
        bad = {k: f"{k}: ours {got[k]!r}, oslo.config {wanted[k]!r}" for k in wanted
               if got[k] != wanted[k] or type(got[k]) is not type(wanted[k])}
    met = {(case, k) for k in bad if (case, k) in DIFFERENT}
    return [text for k, text in bad.items() if (case, k) not in DIFFERENT], met


def main(t):
    if cfg is None:
        raise private.Missing("oslo_config is missing (Debian package python3-oslo.config)")
    met = set()
    with tempfile.TemporaryDirectory(prefix="vm-oslo-") as folder:
        cases = written(folder)
        got = ours(sys.argv[1], cases, folder)
        for case, (files, env) in cases.items():
            bad, reasons = differences(case, got[case], theirs(files, env))
            met |= reasons
            t.none(bad, case)
    t.same(sorted(met), sorted(DIFFERENT), "the differences that have a reason are the ones there are")


if __name__ == "__main__":
    with tap.Suite("oslo_config") as suite:
        main(suite)
