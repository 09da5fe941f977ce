#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two collectors on one queue and one PostgreSQL under 200 kills and with a million samples, and a backlog of five
millions: tests/integration/collectors.py.

Environment: VIRTMETER (the program)
"""
import os
import pathlib
import sys

SUITE = pathlib.Path(__file__).resolve().parent.parent / "integration/collectors.py"
os.execvpe(sys.executable, [sys.executable, str(SUITE)],
           {"KILLS": "200", "SAMPLES": "1000000", "BACKLOG": "5000000", **os.environ})
