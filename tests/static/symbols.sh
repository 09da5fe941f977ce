#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No two of the program's static libraries define the same function or object: the linker would take one
# of them without a word.  And the program needs no heavy library to start.  Arguments: the build folder.  TAP.
set -u
build=$1
echo "1..2"
twice=$(find "$build/src" "$build/plugins" -name '*.a' |
	sort -u | while read -r lib; do
		nm --defined-only --extern-only "$lib" 2>/dev/null |
			awk -v lib="${lib##*/}" 'NF == 3 && $2 ~ /[TDBRV]/ { print $3, lib }' | sort -u
	done | sort | awk '$1 == last { print $1 ": " lib ", " $2 } { last = $1; lib = $2 }' |
	grep -vE '^(__odr_asan|vmt_plugin: )')
if [ -z "$twice" ]; then
	echo "ok 1 - every symbol has one home"
else
	echo "$twice" | sed 's/^/# /'
	echo "not ok 1 - every symbol has one home"
fi
needed=$(readelf -d "$build/src/virtmeter" | grep NEEDED)
case $needed in
*libasan* | *libtsan*) late='curl|pq|rabbitmq' ;; # see plugins/libvirt/meson.build
*) late='virt|curl|pq|rabbitmq' ;;
esac
heavy=$(echo "$needed" | grep -E "lib($late)\.")
if [ -z "$heavy" ]; then
	echo "ok 2 - heavy libraries are opened when they are called"
else
	echo "$heavy" | sed 's/^/# /'
	echo "not ok 2 - heavy libraries are opened when they are called"
fi
