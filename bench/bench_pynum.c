/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers to text, ns each, beside the C library.  Usage: pynum-bench [ROUNDS]
 */
#include "base/clock.h"
#include "wire/pynum.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 10000 };

static double numbers[COUNT];
static volatile size_t sink;

static size_t by_library(char *out, double v)
{
	char text[40];

	for (int n = 15; n <= 17; n++) {
		snprintf(text, sizeof(text), "%.*g", n, v);
		if (strtod(text, NULL) == v) {
			break;
		}
	}
	memcpy(out, text, PYNUM_MAX);
	return strlen(text);
}

static size_t as_integer(char *out, double v)
{
	return pynum_uint(out, (uint64_t)v);
}

static double measure(size_t (*put)(char *, double), int rounds)
{
	double best = 0;

	for (int i = 0; i < rounds; i++) {
		int64_t start = clock_monotonic();
		char text[PYNUM_MAX];
		double ns;

		for (int k = 0; k < COUNT; k++) {
			sink += put(text, numbers[k]);
		}
		ns = (double)(clock_monotonic() - start) / COUNT;
		if (best == 0 || ns < best) {
			best = ns;
		}
	}
	return best;
}

static double random_double(GRand *r)
{
	double v;

	do {
		uint64_t bits = (uint64_t)(g_rand_int(r) & 0x7fffffff) << 32 | g_rand_int(r);

		memcpy(&v, &bits, sizeof(v));
	} while (!(v < 1e308));
	return v;
}

static void row(const char *what, int rounds)
{
	printf("%-24s %8.1f %8.1f %12.1f\n", what, measure(pynum_double, rounds),
	       measure(pynum_py2, rounds), measure(by_library, rounds / 10 + 1));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
	GRand *r = g_rand_new_with_seed(1);

	printf("ns per number              repr  Python 2  the library\n");
	for (int k = 0; k < COUNT; k++) {
		numbers[k] = (double)g_rand_int(r) * (k % 1000);
	}
	printf("%-24s %8.1f\n", "uint64", measure(as_integer, rounds));
	row("whole doubles", rounds);
	for (int k = 0; k < COUNT; k++) {
		numbers[k] = (double)(g_rand_int(r) >> 6) / 1024;
	}
	row("KiB as MiB", rounds);
	for (int k = 0; k < COUNT; k++) {
		numbers[k] = (double)g_rand_int(r) * g_rand_int(r) / 1e9;
	}
	row("seconds", rounds);
	for (int k = 0; k < COUNT; k++) {
		numbers[k] = random_double(r);
	}
	row("any bits", rounds);
	g_rand_free(r);
	return 0;
}
