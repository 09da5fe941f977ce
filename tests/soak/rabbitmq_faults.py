#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Brokers that fail in every way: tests/integration/rabbitmq_faults.py, too long for `make test`."""
import os
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
os.execv("/usr/bin/python3", ["python3", str(TOP / "tests/integration/rabbitmq_faults.py"), *sys.argv[1:]])
