#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Documentation: every manual page passes mandoc's lint, every relative link leads somewhere, every
# source file names its licence.  TAP.
# Usage: docs.sh SOURCE_ROOT
cd "$1" || exit 1
n=0

row() { # row STATUS NAME: STATUS 0 is good
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

if command -v mandoc >/dev/null 2>&1; then
	for page in doc/man/*.[1-9]; do
		said=$(mandoc -Tlint -W warning "$page" 2>&1)
		row $? "mandoc $page"
		[ -z "$said" ] || echo "$said" | sed 's/^/# /'
	done
else
	n=$((n + 1))
	echo "ok $n - mandoc # SKIP mandoc is not installed"
fi

said=$(python3 scripts/meters-man.py --check 2>&1)
row $? "virtmeter-meters(7) is as doc/meters.md"
[ -z "$said" ] || echo "# $said"

dead=$(find . -name '*.md' -not -path './build*' -not -path './out/*' -not -path './.git/*' | while read -r file; do
	grep -oE '\]\([^)# ]+' "$file" | sed 's/^](//' | grep -vE '^[a-z]+:' | while read -r goal; do
		[ -e "$(dirname "$file")/$goal" ] || echo "$file: $goal"
	done
done)
row "$([ -z "$dead" ]; echo $?)" "links in Markdown files"
[ -z "$dead" ] || echo "$dead" | sed 's/^/# dead: /'

bare=$(find src plugins include tests bench examples scripts -type f \
	\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.def' \) 2>/dev/null |
	while read -r file; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
	done)
row "$([ -z "$bare" ]; echo $?)" "licence line in each source file"
[ -z "$bare" ] || echo "$bare" | sed 's/^/# without: /'
echo "1..$n"
