#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent, its durable log, files and RabbitMQ under 200 kills: tests/integration/spool_kill.py with KILLS=200.

Environment: VIRTMETER (the program)
"""
import os
import pathlib
import sys

SUITE = pathlib.Path(__file__).resolve().parent.parent / "integration/spool_kill.py"
os.execvpe(sys.executable, [sys.executable, str(SUITE)], {"KILLS": "200", **os.environ})
