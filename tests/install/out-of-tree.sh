#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty folder, builds examples/plugin against what is there and nothing else, and runs the
# installed agent with it: a publisher, a transformer and a pollster with meters of its own work, a plugin of another ABI
# number and a file that is no plugin are refused by name while the agent goes on.  TAP.
# Usage: out-of-tree.sh SOURCE_ROOT BUILD_ROOT
set -u
source=$1
build=$2
n=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

row() { # row STATUS NAME [FILE to show when it failed]
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		[ -z "${3:-}" ] || sed 's/^/# /' "$3" 2>/dev/null | tail -n 25
	fi
}
has() { grep -qE -- "$1" "$2"; }

# -- install
root=$tmp/root
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >"$tmp/install.log" 2>&1
row $? "install into an empty folder" "$tmp/install.log"
program=$(find "$root" -type f -path '*/bin/virtmeter')
pc=$(find "$root" -name virtmeter.pc)
for wanted in bin/virtmeter include/virtmeter/plugin.h share/man/man8/virtmeter-agent.8 \
	share/man/man5/virtmeter.conf.5 lib/systemd/system/virtmeter-agent.service \
	lib/sysusers.d/virtmeter.conf share/bash-completion/completions/virtmeter \
	etc/virtmeter/virtmeter.conf etc/virtmeter/polling.yaml etc/virtmeter/pipeline.yaml; do
	[ -n "$(find "$root" -path "*/$wanted")" ]
	row $? "installed: $wanted"
done
[ "$(find "$root" -path '*/include/*' -type f | wc -l)" = 1 ]
row $? "the contract is one header"
conf=$(find "$root" -path '*/etc/virtmeter/virtmeter.conf')
echo '# changed by the operator' >>"$conf"
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >"$tmp/install.log" 2>&1 && has 'by the operator' "$conf"
row $? "a second install keeps the operator's file" "$tmp/install.log"

# -- build outside the tree, with the installed header only
cp -r "$source/examples/plugin" "$tmp/example"
cp "$source/tests/install/abi99.c" "$tmp/example/"
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$root
make -C "$tmp/example" CFLAGS='-O1 -g -Wall -Wextra -Wno-unused-parameter -Werror' all abi99.so >"$tmp/make.log" 2>&1
row $? "the example builds against the installed header" "$tmp/make.log"
plugins=$tmp/plugins
mkdir -p "$plugins"
cp "$tmp"/example/*.so "$plugins/"
echo 'this is not a shared object' >"$plugins/broken.so"

# -- run
cat >"$tmp/virtmeter.conf" <<END
[DEFAULT]
pipeline_cfg_file = $tmp/pipeline.yaml
[virtmeter]
plugin_dir = $plugins
pollsters = *
control_socket = $tmp/agent.sock
[polling]
cfg_file = $tmp/polling.yaml
END
cat >"$tmp/polling.yaml" <<'END'
sources:
  - name: all
    interval: 1
    meters: ["*", "vm.example.*"]
END
cat >"$tmp/pipeline.yaml" <<END
sources:
  - name: all
    meters: ["*", "vm.example.*"]
    sinks: [lines]
  - name: cpu
    meters: [cpu]
    sinks: [clamped]
sinks:
  - name: clamped
    transformers:
      - name: clamp
        parameters: {max: 12.5, target: {name: cpu.clamped}}
    publishers: ["lines://$tmp/clamped.txt?separator=|"]
  - name: lines
    publishers: ["lines://$tmp/out.txt?separator=|"]
END
timeout 60 "$program" agent --config-file "$tmp/virtmeter.conf" --demo --cycles 2 >"$tmp/agent.log" 2>&1 </dev/null
row $? "the agent runs two cycles with the plugins" "$tmp/agent.log"
[ -s "$tmp/out.txt" ] && has '^[0-9]+\|cpu\|[0-9a-f-]{36}\|[0-9]+\|ns$' "$tmp/out.txt"
row $? "the publisher has written the table's meters, with its option from the URL" "$tmp/agent.log"
has '^[0-9]+\|vm\.example\.disk_pressure\|[0-9a-f-]{36}-[a-z]+\|[0-9.]+\|B/request$' "$tmp/out.txt"
row $? "the pollster's meter per disk is there" "$tmp/out.txt"
has '^[0-9]+\|vm\.example\.disks\|[0-9a-f-]{36}\|[1-9][0-9]*\|disk$' "$tmp/out.txt"
row $? "the pollster's meter per instance is there" "$tmp/out.txt"
[ "$(grep -c '|vm.example.disks|' "$tmp/out.txt")" = "$((2 * $(grep '|vm.example.disks|' "$tmp/out.txt" | cut -d'|' -f3 | sort -u | wc -l)))" ]
row $? "once per instance and cycle" "$tmp/out.txt"
[ -s "$tmp/clamped.txt" ] && ! grep -vqE '^[0-9]+\|cpu\.clamped\|[0-9a-f-]{36}\|12\.5\|ns$' "$tmp/clamped.txt"
row $? "the transformer is found by its name in pipeline.yaml, and has its parameters" "$tmp/clamped.txt"
has 'abi99\.so.*99' "$tmp/agent.log"
row $? "a plugin of ABI 99 is refused by name" "$tmp/agent.log"
has 'broken\.so' "$tmp/agent.log"
row $? "a file that is no plugin is refused by name" "$tmp/agent.log"

"$program" list plugins --config-file "$tmp/virtmeter.conf" >"$tmp/list.log" 2>&1 </dev/null
has 'lines' "$tmp/list.log" && has 'pressure' "$tmp/list.log" && ! has 'future' "$tmp/list.log"
row $? "list plugins shows what was loaded" "$tmp/list.log"
has "publisher +notifier .*$root.*/virtmeter/publisher-notifier\.so" "$tmp/list.log"
row $? "the program's own shared objects are found where it was installed to" "$tmp/list.log"
"$program" check --config-file "$tmp/virtmeter.conf" >"$tmp/check.log" 2>&1 </dev/null
[ $? = 1 ] && has 'abi99\.so' "$tmp/check.log"
row $? "check exits 1 and names the refused plugin" "$tmp/check.log"
rm "$plugins/abi99.so" "$plugins/broken.so"
sed -e 's/name: clamp$/name: clmp/' -e 's/max: 12.5/max: -1/' "$tmp/pipeline.yaml" >"$tmp/typo.yaml"
sed "s,pipeline.yaml,typo.yaml," "$tmp/virtmeter.conf" >"$tmp/typo.conf"
"$program" check --config-file "$tmp/typo.conf" >"$tmp/check.log" 2>&1 </dev/null
[ $? = 1 ] && has 'typo.yaml:11:15: No transformer named clmp loaded; did you mean clamp\?' "$tmp/check.log"
row $? "a transformer's name that is not there is told with the nearest" "$tmp/check.log"
sed -i 's/name: clmp$/name: clamp/' "$tmp/typo.yaml"
"$program" check --config-file "$tmp/typo.conf" >"$tmp/check.log" 2>&1 </dev/null
[ $? = 1 ] && has 'typo.yaml:12:27: max: is less than min' "$tmp/check.log"
row $? "what it says of a parameter is told with that one's place" "$tmp/check.log"
"$program" check --config-file "$tmp/virtmeter.conf" >"$tmp/check.log" 2>&1 </dev/null
row $? "check is content without it" "$tmp/check.log"
echo "1..$n"
