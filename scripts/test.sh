#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests and sums them up: the last line is `N passed, N failed, N skipped`.
#
# Usage: test.sh check    quick: rules of the sources, unit, golden, fuzz corpora, conformance, scenario
#        test.sh all      everything: format, static analysis, all suites under ASan and UBSan, those
#                         with threads under TSan, integration with a real libvirtd and QEMU
#
# Each step's output is kept in out/test/STEP.log.  A step that crashes, and a suite that is missing
# or has run nothing, count as failed.
set -u
cd "$(dirname "$0")/.." || exit 1
logs=out/test
mkdir -p $logs
rm -f $logs/*
export VIRTMETER_REQUIRE=1 # the programs were installed: a missing one is a failure
passed=0 failed=0 skipped=0

count() { # count NAME SECONDS 'P F S' [FAILURES]
	local p f s
	read -r p f s <<<"$3"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-24s %5d passed, %d failed, %d skipped (%d s)\n' "$1" "$p" "$f" "$s" "$2"
	[ -z "${4:-}" ] || printf '%s\n' "$4" | sed 's/^/    failed: /'
}

step() { # step NAME MINUTES COMMAND...: one test, by its exit status
	local name=$1 minutes=$2 start=$SECONDS
	shift 2
	if timeout --kill-after=30 "${minutes}m" "$@" >"$logs/$name.log" 2>&1 </dev/null; then
		count "$name" $((SECONDS - start)) '1 0 0'
	else
		count "$name" $((SECONDS - start)) '0 1 0' "$name, see $logs/$name.log"
		grep -E 'error:|warning:' "$logs/$name.log" | sort -u | head -n 30 | grep . ||
			tail -n 30 "$logs/$name.log"
		return 1
	fi
}

made() { # made FOLDER OPTION...: the build
	local dir=$1
	shift
	{ [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"; } && ninja -C "$dir"
}

# build FOLDER OPTION...: counts only when it fails
build() {
	local dir=$1
	if ! made "$@" >"$logs/${dir//\//-}.log" 2>&1 </dev/null; then
		count "$dir" 0 '0 1 0' "the build, see $logs/${dir//\//-}.log"
		grep -m 10 -E 'error|ERROR|FAILED' "$logs/${dir//\//-}.log" | sed 's/^/    | /'
		return 1
	fi
}

# suite FOLDER LABEL MINUTES SUITE [OPTION...]: one suite of a build folder through meson
suite() {
	local dir=$1 name=$4-$2 minutes=$3 suite=$4 start=$SECONDS sums status
	shift 4
	if ! meson test -C "$dir" --list --no-rebuild --suite "$suite" 2>/dev/null | grep -qv '^No '; then
		count "$name" 0 '0 1 0' "suite $suite has no test"
		return
	fi
	timeout --kill-after=60 "${minutes}m" ${with:-} meson test -C "$dir" --no-rebuild --suite "$suite" \
		--logbase "$name" "$@" >"$logs/$name.log" 2>&1 </dev/null
	status=$?
	cp "$dir/meson-logs/$name.txt" "$logs/$name.full.log" 2>/dev/null
	if ! sums=$(python3 scripts/test-sum.py meson "$dir/meson-logs/$name.json" 2>>"$logs/$name.log"); then
		count "$name" $((SECONDS - start)) '0 1 0' "$name left no log"
		return
	fi
	rm -f "$dir/meson-logs/$name.json"
	read -r p f s <<<"$sums"
	if [ $status != 0 ] && [ "$f" = 0 ]; then
		sums="$p 1 $s"$'\n'"$name: meson test ended with status $status"
	elif [ $((p + f + s)) = 0 ]; then
		sums="0 1 0"$'\n'"$name: ran no test"
	fi
	count "$name" $((SECONDS - start)) "$(head -n 1 <<<"$sums")" "$(tail -n +2 <<<"$sums")"
}

# What computes is done in the time that suites leave which mostly wait: static analysis, and the builds that are next, of
# which only their own turn tells whether they failed.
beside() {
	beside_start=$SECONDS
	{
		renice -n 19 "$BASHPID"
		chrt --idle --pid 0 "$BASHPID"
		made build-plain "${plain[@]}"
		timeout --kill-after=30 30m sh scripts/lint.sh tidy build-plain >"$logs/tidy.log" 2>&1
		echo $? >"$logs/tidy.status"
		made build-tsan "${tsan[@]}"
	} >"$logs/beside.log" 2>&1 </dev/null &
	beside_pid=$!
}

joined() { # counts the analysis
	wait "$beside_pid"
	if [ "$(cat "$logs/tidy.status")" = 0 ]; then
		count tidy $((SECONDS - beside_start)) '1 0 0'
	else
		count tidy $((SECONDS - beside_start)) '0 1 0' "tidy, see $logs/tidy.log"
		grep -E 'error:|warning:' "$logs/tidy.log" | sort -u | head -n 30
	fi
}

case ${1:-all} in
check)
	if build build; then
		for s in static unit golden fuzz conformance scenario; do
			suite build quick 2 $s
		done
	fi
	;;
all)
	step format 2 sh scripts/format.sh --check
	plain=(-Dbuildtype=debugoptimized)
	tsan=("${plain[@]}" -Db_sanitize=thread)
	if build build-asan "${plain[@]}" -Db_sanitize=address,undefined; then
		for s in static unit golden fuzz conformance scenario; do
			suite build-asan asan 10 $s
		done
		beside
		suite build-asan asan 15 fault
		suite build-asan asan 40 integration
		joined
	fi
	if build build-tsan "${tsan[@]}"; then
		# ThreadSanitizer's memory layout does not stand every address randomisation
		with=
		setarch "$(uname -m)" -R true 2>/dev/null && with="setarch $(uname -m) -R"
		for s in unit conformance scenario; do
			suite build-tsan tsan 10 $s
		done
		with=
	fi
	# nothing of a sanitizer in between: as it will run, and what the analysers read
	if build build-plain "${plain[@]}"; then
		suite build-plain plain 5 unit
		step cppcheck 10 sh scripts/lint.sh cppcheck build-plain
	fi
	;;
*)
	echo "usage: test.sh check|all" >&2
	exit 2
	;;
esac

echo "logs: $logs; $SECONDS s"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
