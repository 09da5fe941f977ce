#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make run`: the agent in the foreground, every 10 s, with a table of each cycle, samples in an SQLite
# file below out/run.  Takes the hypervisor of this host, or, where none answers, simulated instances.
# Usage: [BUILD=build] run.sh [OPTION of virtmeter agent...]
cd "$(dirname "$0")/.." || exit 1
program=${BUILD:-build}/src/virtmeter
dir=$PWD/out/run
demo=
mkdir -p "$dir" || exit 1
# Nothing of this host's own configuration: what is seen does not depend on it, nor touch its queues.
printf '# Written by make run; every option has its default.\n' >"$dir/virtmeter.conf"

case " $* " in
*' --demo '* | *' --inspector '*) ;;
*)
	if said=$(timeout 30 "$program" list instances --config-file "$dir/virtmeter.conf" 2>&1 >/dev/null); then
		echo "make run: metering the instances of this host's hypervisor"
	else
		echo "make run: no hypervisor answers ($(echo "$said" | tail -n 1)); showing simulated instances (--demo)"
		demo=--demo
	fi
	;;
esac
echo "make run: samples go to $dir/virtmeter.db; read them with: $program samples --store sqlite://$dir/virtmeter.db"
exec "$program" agent --config-file "$dir/virtmeter.conf" --socket "$dir/agent.sock" --interval 10 --table \
	--publish "sqlite://$dir/virtmeter.db" $demo "$@"
