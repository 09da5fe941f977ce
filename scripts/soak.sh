#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What takes longer than `make test` may: every program of tests/soak, one after the other, on a release build.
# Each ends with status 0 when all held, and prints what did not: what the machine lacks, too, unless
# VIRTMETER_REQUIRE=0.  The last line is `N passed, N failed`.
#
# Usage: soak.sh [NAME...]    the programs' names without .py (all)
# Environment: BUILD (build-release); what each program says of itself
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(cd "${BUILD:-build-release}" && pwd) || exit 1
export VIRTMETER=$build/src/virtmeter VIRTMETER_TEST_CACHE=$build/soak-cache VIRTMETER_REQUIRE=${VIRTMETER_REQUIRE:-1}
passed=0 failed=0
for program in tests/soak/*.py; do
	name=$(basename "$program" .py)
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	echo "== $name"
	if /usr/bin/python3 "$program"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "== $name: failed"
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
