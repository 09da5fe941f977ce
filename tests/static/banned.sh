#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each function of src/base/banned.h fails to compile, each substitute compiles.  TAP.
# Usage: banned.sh COMPILER... SOURCE_ROOT     the compiler may be several words (ccache cc)
cc=
while [ $# -gt 1 ]; do
	cc="$cc $1"
	shift
done
top=$1
n=0
null=$(mktemp) || exit 1
trap 'rm -f "$null"' EXIT

compiles() { # compiles STATEMENT
	printf '#include <stdarg.h>\n#include <glib.h>\nint f(char *a, const char *b, va_list v);\nint f(char *a, const char *b, va_list v)\n{\n\t(void)a; (void)b; (void)v;\n\t%s;\n\treturn 0;\n}\n' "$1" |
		$cc -std=c17 -D_GNU_SOURCE -Wall -Walloca -Werror -include "$top/src/base/banned.h" \
			$(pkg-config --cflags glib-2.0) -O1 -c -o "$null" -x c - >/dev/null 2>&1
}

row() { # row WANTED STATEMENT
	n=$((n + 1))
	if compiles "$2"; then got=compiles; else got=fails; fi
	if [ "$got" = "$1" ]; then echo "ok $n - $1: $2"; else echo "not ok $n - $1: $2"; fi
}

row fails 'strcpy(a, b)'
row fails 'strcat(a, b)'
row fails 'sprintf(a, "%s", b)'
row fails 'vsprintf(a, b, v)'
row fails 'gets(a)'
row fails 'return atoi(b)'
row fails 'return (int)atol(b)'
row fails 'return (int)atoll(b)'
row fails 'return (int)atof(b)'
row fails 'return strtok(a, b) != NULL'
row fails 'return system(b)'
row fails 'return popen(b, "r") != NULL'
row fails 'return __builtin_alloca((size_t)*b) != NULL'
row compiles 'char *end; return (int)strtoll(b, &end, 10)'
row compiles 'snprintf(a, 4, "%s", b)'
row compiles 'char *rest; return strtok_r(a, b, &rest) != NULL'
row compiles 'g_free(g_strdup(b))'
echo "1..$n"
