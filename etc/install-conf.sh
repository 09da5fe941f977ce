#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs configuration files where there are none yet.  Usage: install-conf.sh FOLDER FILE...
folder=${DESTDIR:-}$1
shift
mkdir -p "$folder" || exit 1
for file in "$@"; do
	goal=$folder/${file##*/}
	if [ -e "$goal" ]; then
		echo "Keeping $goal"
	else
		echo "Installing $goal"
		cp "$file" "$goal" && chmod 644 "$goal" || exit 1
	fi
done
