# SPDX-License-Identifier: Apache-2.0
"""Test Anything Protocol for the integration suites.

    with tap.Suite("values") as t:
        t.ok(a == b, "a is b", f"a {a}, b {b}")
        t.skip("macvtap", "no such kernel module")

A missing program skips the whole suite, naming the Debian package; with VIRTMETER_REQUIRE=1 (where a skip
would hide that nothing was tested) it fails instead.  An exception is a failure, told in one line
with its place; the suites' `with Libvirt()` blocks clean up on its way out, and after a signal, too.
"""
import concurrent.futures
import os
import signal
import sys
import threading
import traceback

import private


class Ended(Exception):
    pass


def _end(number, _frame):
    raise Ended(f"signal {number}")


class Suite:
    def __init__(self, name):
        self.name, self.count, self.failed, self.lock = name, 0, 0, threading.Lock()

    def __enter__(self):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _end)
        return self

    def __exit__(self, kind, error, trace):
        if kind is private.Missing:
            if os.environ.get("VIRTMETER_REQUIRE", "") in ("", "0") and not self.count:
                print(f"1..0 # SKIP {error}")
                print(f"{self.name}: {error}", file=sys.stderr)
                os._exit(0)
            self.ok(False, "what the suite needs is there", str(error))
        elif kind is SystemExit:
            return False
        elif kind:
            where = traceback.extract_tb(trace)[-1]
            self.ok(False, "the suite ran to its end", "".join(traceback.format_exception(kind, error, trace))
                    if not issubclass(kind, Ended) else f"{error} at line {where.lineno}")
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)

    def ok(self, good, what, why=""):
        """One result; `why` is shown when it is bad."""
        with self.lock:
            self.count += 1
            print(f"{'ok' if good else 'not ok'} {self.count} - {self._line(what)}")
            if not good:
                self.failed += 1
                self.say(why)
        return bool(good)

    @staticmethod
    def beside(*parts):
        """Runs parts of a suite, which mostly wait, at the same time; all of them end before the first exception goes on."""
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            done = [pool.submit(part) for part in parts]
        for part in done:
            part.result()

    def same(self, got, wanted, what):
        return self.ok(got == wanted, what, f"got    {got!r}\nwanted {wanted!r}")

    def none(self, troubles, what, most=15):
        """Good when the list of troubles is empty; shows the first of them."""
        more = f"\n... and {len(troubles) - most} more" if len(troubles) > most else ""
        return self.ok(not troubles, what, "\n".join(map(str, troubles[:most])) + more)

    def skip(self, what, why):
        self.count += 1
        print(f"ok {self.count} - {self._line(what)} # SKIP {self._line(why)}")

    @staticmethod
    def say(text):
        for line in str(text).splitlines():
            print(f"# {line}")

    @staticmethod
    def _line(text):
        return " ".join(str(text).split()).replace("#", "no.")
