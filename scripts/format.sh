#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lays out all C files with clang-format.  Usage: format.sh [--check]
cd "$(dirname "$0")/.." || exit 1
files=$(find include src plugins tests bench examples -name '*.[ch]' 2>/dev/null | sort)
[ -n "$files" ] || exit 1
if [ "${1:-}" = --check ]; then
	clang-format --style=file --dry-run -Werror $files
else
	clang-format --style=file -i $files
fi
