#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make bench`: the hot paths by themselves (programs *-bench of the build, where there are any), then the
# agent beside its limit and its peers on real QEMU domains.
#
# Environment: BUILD (build-release); what hot.sh and real.py say of themselves.  A row that misses its
# target is marked; the exit status is 1 then only with BENCH_STRICT=1, for a shared machine tells little.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(cd "${BUILD:-build-release}" && pwd) || exit 1
status=0
for program in "$build"/bench/*-bench; do
	[ -x "$program" ] || continue
	"$program" || status=1
done
BUILD=$build /usr/bin/python3 bench/broker.py || status=1
BUILD=$build /usr/bin/python3 bench/collector.py || status=1
BUILD=$build /usr/bin/python3 bench/real.py "$@" || status=1
BUILD=$build /usr/bin/python3 bench/hybrid.py || status=1
VIRTMETER=$build/src/virtmeter /usr/bin/python3 bench/stuck.py || status=1
BUILD=$build /usr/bin/python3 bench/hyperv.py || status=1
BUILD=$build /usr/bin/python3 bench/vsphere.py || status=1
BUILD=$build /usr/bin/python3 bench/dead.py || status=1
[ "${BENCH_STRICT:-0}" = 0 ] || exit $status
