#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Static analysis of what a build folder compiles: lint.sh tidy|cppcheck BUILD
cd "$(dirname "$0")/.." || exit 1
build=$2
jobs=$(nproc 2>/dev/null || echo 2)
case $1 in
tidy)
	# a database of our own files, without the flags that only gcc knows
	mkdir -p "$build/tidy"
	sed -E 's/"-W(no-)?(format-truncation|stringop|alloc|duplicated)[^" ]*"?//g' \
		"$build/compile_commands.json" >"$build/tidy/compile_commands.json"
	find "$PWD/src" "$PWD/plugins" -name '*.c' ! -name '*_test.c' 2>/dev/null | sort |
		xargs -P "$jobs" -n 4 clang-tidy --quiet -p "$build/tidy" --extra-arg=-Wno-unknown-warning-option
	;;
cppcheck)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$jobs" \
		--enable=warning,performance,portability --suppressions-list=tests/cppcheck.supp \
		--library=gtk --include=src/base/banned.h -D_GNU_SOURCE -D__x86_64__ -I src -I include \
		-i tests $(ls -d src plugins 2>/dev/null)
	;;
*)
	echo "usage: lint.sh tidy|cppcheck BUILD" >&2
	exit 2
	;;
esac
