#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each of the program's own shared objects shows its plugin and nothing else, and of the program it wants
# nothing but the contract.  Arguments: the shared objects.  TAP.
set -u
n=0
for file in "$@"; do
	n=$((n + 1))
	shown=$(nm -D --defined-only "$file" | awk '{ print $3 }' | grep -vE '^(vmt_plugin|_init|_fini|__.san.*|__odr_asan.*)$')
	wanted=$(nm -D --undefined-only "$file" | awk '{ print $2 }' |
		grep -E '^(arena|batch|buf|clock|flatten|frame|hash|intern|json|log|loop|pynum|pytext|resource|sample|signer|utf8|uuid|wait)_')
	if [ -z "$shown$wanted" ] && nm -D --defined-only "$file" | grep -q ' vmt_plugin$'; then
		echo "ok $n - ${file##*/}"
	else
		echo "# shows:" $shown
		echo "# wants:" $wanted
		echo "not ok $n - ${file##*/}"
	fi
done
echo "1..$n"
