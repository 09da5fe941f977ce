#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every libFuzzer target for FUZZ_TIME seconds (30) on its corpus.  What crashes is kept in
# out/fuzz/NAME/; put it into tests/fuzz/corpus/NAME/ once mended.  Usage: fuzz.sh [NAME...]
set -u
cd "$(dirname "$0")/.." || exit 1
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzzer=true -Dbuildtype=debugoptimized \
	-Db_sanitize=address,undefined -Db_lundef=false >/dev/null || exit 1
ninja -C $build --quiet || exit 1
bad=0 ran=0
for program in "$build"/tests/fuzz/fuzz_*; do
	name=${program##*/fuzz_}
	[ -x "$program" ] && [ -f "$program" ] || continue
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	mkdir -p "out/fuzz/$name/found"
	ran=$((ran + 1))
	if UBSAN_OPTIONS=halt_on_error=1 "$program" -max_total_time="${FUZZ_TIME:-30}" -timeout=5 -rss_limit_mb=1024 \
		-artifact_prefix="out/fuzz/$name/" "out/fuzz/$name/found" "tests/fuzz/corpus/$name" \
		>"out/fuzz/$name/log" 2>&1 </dev/null; then
		echo "$name: $(grep -oE 'Done [0-9]+ runs.*' "out/fuzz/$name/log")"
	else
		echo "$name: failed, see out/fuzz/$name/log"
		bad=$((bad + 1))
	fi
done
[ $ran -gt 0 ] || { echo "fuzz: no target" >&2; exit 1; }
[ $bad = 0 ]
