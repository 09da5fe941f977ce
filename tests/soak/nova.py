#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Nova with 1100 servers on this host, in two pages: tests/integration/nova_real.py.

Environment: VIRTMETER (the program)
"""
import os
import pathlib
import sys

SUITE = pathlib.Path(__file__).resolve().parent.parent / "integration/nova_real.py"
os.execvpe(sys.executable, [sys.executable, str(SUITE)], {"SERVERS": "1100", **os.environ})
