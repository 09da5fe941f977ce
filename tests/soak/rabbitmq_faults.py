#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Brokers that fail in every way: tests/integration/rabbitmq_faults.py, too long for `make test`."""
import os
import pathlib
import sys

SUITE = pathlib.Path(__file__).resolve().parents[1] / "integration/rabbitmq_faults.py"
os.execv(sys.executable, [sys.executable, str(SUITE), *sys.argv[1:]])
