/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers in Python's form, against text that CPython 3.11 wrote, the rules themselves, and exact
 * arithmetic.  One thread.
 */
#include "wire/pow10.h"
#include "wire/pynum.h"

#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { RANDOM_DOUBLES = 1000000 };

struct vector {
	double v;
	const char *text;
};

/* repr() of CPython 3.11.7. */
static const struct vector repr[] = {
	{ 0x0.0p+0, "0.0" },
	{ -0x0.0p+0, "-0.0" },
	{ 0x1.0000000000000p+0, "1.0" },
	{ 0x1.0000000000000p+9, "512.0" },
	{ 0x1.999999999999ap-4, "0.1" },
	{ 0x1.3333333333333p-2, "0.3" },
	{ 0x1.3333333333334p-2, "0.30000000000000004" },
	{ 0x1.a36e2eb1c432dp-14, "0.0001" },
	{ 0x1.4f8b588e368f1p-17, "1e-05" },
	{ 0x1.02e4b6ce5dc68p-13, "0.00012345" },
	{ 0x1.b69b4ba630f35p+56, "1.2345678901234568e+17" },
	{ 0x1.c6bf526340000p+49, "1000000000000000.0" },
	{ 0x1.1c37937e08000p+53, "1e+16" },
	{ 0x1.1c37937e07fffp+53, "9999999999999998.0" },
	{ 0x1.0000000000000p+53, "9007199254740992.0" },
	{ 0x1.0f0cf064dd592p+73, "1e+22" },
	{ 0x1.52d02c7e14af6p+76, "1e+23" },
	{ 0x0.0000000000001p-1022, "5e-324" },
	{ 0x1.0000000000000p-1022, "2.2250738585072014e-308" },
	{ 0x0.fffffffffffffp-1022, "2.225073858507201e-308" },
	{ 0x1.fffffffffffffp+1023, "1.7976931348623157e+308" },
	{ 0x1.1666666666666p+2, "4.35" },
	{ 0x1.66c8000000000p+5, "44.84765625" },
	{ 0x1.2000000000000p-4, "0.0703125" },
	{ 0x1.5f70000000000p+5, "43.9296875" },
	{ 0x1.0040000000000p+0, "1.0009765625" },
	{ 0x1.869fffc000000p+16, "99999.9990234375" },
	{ 0x1.2d687e3df2180p+20, "1234567.8901234567" },
	{ 0x1.0000000000000p-44, "5.684341886080802e-14" },
	{ 0x1.0000000000000p-24, "5.960464477539063e-08" },
	{ 0x1.0000000000000p+60, "1.152921504606847e+18" },
	{ 0x1.81cd000000000p+16, "98765.0" },
	{ 0x1.5555555555555p-2, "0.3333333333333333" },
	{ 0x1.0aaaaaaaaaaabp+5, "33.333333333333336" },
	{ -0x1.8000000000000p+0, "-1.5" },
	{ 0x1.249ad2594c37dp+332, "1e+100" },
	{ 0x1.1eb2d66005835p+997, "1.5e+300" },
	{ 0x1.e240ca0000000p+16, "123456.7890625" },
	{ 0x1.fe07017c01026p-21, "9.5e-07" },
	{ 0x1.0624dd2f1a9fcp-10, "0.001" },
	{ 0x1.0000000000000p-10, "0.0009765625" },
	{ 0x1.ffffe00000000p+9, "1023.9990234375" },
	{ 0x1.0000000000002p+52, "4503599627370498.0" },
	{ 0x1.b69b4ba630f34p+56, "1.2345678901234566e+17" },
	{ (double)INFINITY, "inf" },
	{ (double)-INFINITY, "-inf" },
	{ (double)NAN, "nan" },
};

/* str() of CPython 2.7.18. */
static const struct vector py2[] = {
	{ 0.30000000000000004, "0.3" },
	{ 1234567.8901234567, "1234567.89012" },
	{ 99999999999.0, "99999999999.0" },
	{ 1e11, "1e+11" },
	{ 123456789012.0, "1.23456789012e+11" },
	{ 99999999999.99999, "1e+11" },
	{ 512.0, "512.0" },
	{ -0.0, "-0.0" },
	{ 1e-05, "1e-05" },
	{ 0.0001, "0.0001" },
	{ 1e22, "1e+22" },
	{ 44.84765625, "44.84765625" },
	{ 99999.9990234375, "99999.9990234" },
	{ 2.0 / 3, "0.666666666667" },
	{ 5e-324, "4.94065645841e-324" },
	{ (double)-INFINITY, "-inf" },
};

static const char *text_of(size_t (*put)(char *, double), double v)
{
	static char text[PYNUM_MAX + 1];
	size_t n = put(text, v);

	g_assert_cmpuint(n, <=, PYNUM_MAX);
	text[n] = '\0';
	return text;
}

static void test_vectors(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(repr); i++) {
		g_assert_cmpstr(text_of(pynum_double, repr[i].v), ==, repr[i].text);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(py2); i++) {
		g_assert_cmpstr(text_of(pynum_py2, py2[i].v), ==, py2[i].text);
	}
}

static void test_integers(void)
{
	char text[PYNUM_MAX], expected[PYNUM_MAX];
	uint64_t v = 1;

	for (int i = 0; i < 20; i++, v *= 10) {
		for (uint64_t w = v - 1; w <= v + 1; w++) {
			size_t n = pynum_uint(text, w);

			g_assert_cmpint(snprintf(expected, sizeof(expected), "%" PRIu64, w), ==,
					(int)n);
			g_assert_true(memcmp(text, expected, n) == 0);
			n = pynum_int(text, -(int64_t)w);
			g_assert_cmpint(snprintf(expected, sizeof(expected), "%" PRId64,
						 -(int64_t)w),
					==, (int)n);
			g_assert_true(memcmp(text, expected, n) == 0);
		}
	}
	g_assert_cmpuint(pynum_uint(text, UINT64_MAX), ==, 20);
	g_assert_true(memcmp(text, "18446744073709551615", 20) == 0);
	g_assert_cmpuint(pynum_int(text, INT64_MIN), ==, 20);
	g_assert_true(memcmp(text, "-9223372036854775808", 20) == 0);
}

/* Significant digits of a number's text. */
static int digits_in(const char *text)
{
	int n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text >= '0' && *text <= '9' && (n || *text != '0')) {
			n++;
			zeros = *text == '0' ? zeros + 1 : 0;
		}
	}
	return n - zeros;
}

/* Whether some decimal of n digits reads as v: the nearest one, or (below a power of two, where the
 * interval is not symmetric) its neighbour away from zero. */
static bool readable_with(double v, int n)
{
	char text[40];
	int kept;

	snprintf(text, sizeof(text), "%.*e", n - 1, v);
	if (strtod(text, NULL) == v) {
		return true;
	}
	kept = (int)(strchr(text, 'e') - text);
	for (int i = kept - 1; i >= 0; i--) {
		if (text[i] == '.' || text[i] == '-') {
			continue;
		}
		if (text[i]++ != '9') {
			return strtod(text, NULL) == v;
		}
		text[i] = '0';
	}
	return false; /* all nines: the next is a shorter number, tried with fewer digits */
}

static void check_shortest(double v)
{
	const char *text = text_of(pynum_double, v);
	int n = digits_in(text);
	double again = strtod(text, NULL);

	if (memcmp(&again, &v, sizeof(v)) != 0) {
		g_error("%a became %s, which is %a", v, text, again);
	}
	if (n > 1 && readable_with(v, n - 1)) {
		g_error("%a became %s, which can be shorter", v, text);
	}
	if (n == 17) { /* no choice: the nearest */
		char nearest[40];

		snprintf(nearest, sizeof(nearest), "%.16e", v);
		g_assert_cmpfloat(strtod(nearest, NULL), ==, v);
	}
}

/* str() by way of the C library. */
static void check_py2(double v)
{
	char expected[400], *e;
	int exponent, n;

	snprintf(expected, sizeof(expected), "%.11e", v);
	exponent = (int)strtol(strchr(expected, 'e') + 1, NULL, 10);
	if (exponent >= -4 && exponent < 11) {
		n = snprintf(expected, sizeof(expected), "%.*f", 11 - exponent, v);
		while (expected[n - 1] == '0' && expected[n - 2] != '.') {
			expected[--n] = '\0';
		}
		if (!strchr(expected, '.')) {
			memcpy(expected + n, ".0", 3);
		}
	} else {
		e = strchr(expected, 'e');
		n = (int)(e - expected);
		while (expected[n - 1] == '0') {
			n--;
		}
		n -= expected[n - 1] == '.';
		memmove(expected + n, e, strlen(e) + 1);
	}
	g_assert_cmpstr(text_of(pynum_py2, v), ==, expected);
}

static double random_double(GRand *r)
{
	uint64_t bits = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void test_random(void)
{
	GRand *r = g_rand_new_with_seed(20260721);

	for (int i = 0; i < RANDOM_DOUBLES; i++) {
		double v = random_double(r);

		if (isfinite(v)) {
			check_shortest(v);
			if (i % 8 == 0) {
				check_py2(v);
			}
		}
	}
	for (int i = 0; i < RANDOM_DOUBLES / 8; i++) {
		double v = (double)(g_rand_int(r) >> g_rand_int_range(r, 0, 31)) / 1024;

		check_shortest(v);
		check_py2(v);
		/* 13 digits that end in 5: the middle between two texts of Python 2 */
		check_py2((g_rand_int(r) * 10.0 + 5) / 1e9 + 1000);
		check_py2(g_rand_double(r));
	}
	g_rand_free(r);
}

/* Powers of two, of ten, their neighbours and the small ones. */
static void test_edges(void)
{
	for (int e = -1074; e < 1024; e++) {
		double v = ldexp(1, e);

		check_shortest(v);
		check_shortest(nextafter(v, 0) > 0 ? nextafter(v, 0) : v);
		check_shortest(nextafter(v, (double)INFINITY));
		check_py2(v);
	}
	for (int k = -323; k <= 308; k++) {
		char text[16];
		double v;

		snprintf(text, sizeof(text), "1e%d", k);
		v = strtod(text, NULL);
		check_shortest(v);
		check_shortest(nextafter(v, 0));
		check_shortest(-nextafter(v, (double)INFINITY));
		check_py2(v);
	}
	for (int i = 1; i < 2000; i++) {
		check_shortest(i * 0x1p-1074);
		check_py2(i * 0x1p-1074);
	}
}

/* ------------------------------------------------------------------ the table, exactly */

enum { WORDS = 48 };

struct big {
	uint32_t w[WORDS]; /* least first */
};

static void big_multiply(struct big *a, uint32_t by)
{
	uint64_t carry = 0;

	for (int i = 0; i < WORDS; i++) {
		carry += (uint64_t)a->w[i] * by;
		a->w[i] = (uint32_t)carry;
		carry >>= 32;
	}
	g_assert_cmpuint(carry, ==, 0);
}

/* (high, low) * 10^tens * 2^shift */
static struct big big_of(uint64_t high, uint64_t low, int tens, int shift)
{
	struct big a = { { (uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
			   (uint32_t)(high >> 32) } };

	for (; tens > 0; tens--) {
		big_multiply(&a, 10);
	}
	for (; shift >= 16; shift -= 16) {
		big_multiply(&a, 65536);
	}
	big_multiply(&a, UINT32_C(1) << shift);
	return a;
}

static int big_compare(const struct big *a, const struct big *b)
{
	for (int i = WORDS - 1; i >= 0; i--) {
		if (a->w[i] != b->w[i]) {
			return a->w[i] < b->w[i] ? -1 : 1;
		}
	}
	return 0;
}

/* Each row is the least g with g * 2^r >= 10^k; what would be negative powers is moved to the other
 * side of the comparison. */
static void test_table(void)
{
	g_assert_cmpuint(G_N_ELEMENTS(pow10_table), ==, POW10_LAST - POW10_FIRST + 1);
	for (int k = POW10_FIRST; k <= POW10_LAST; k++) {
		const struct pow10 *g = &pow10_table[k - POW10_FIRST];
		int r = (int)floor(k * log2(10)) - 127;
		struct big ten = big_of(0, 1, MAX(k, 0), MAX(-r, 0));
		struct big this = big_of(g->high, g->low, MAX(-k, 0), MAX(r, 0));
		struct big less =
			big_of(g->high - (g->low == 0), g->low - 1, MAX(-k, 0), MAX(r, 0));

		g_assert_cmpuint(g->high >> 63, ==, 1);
		g_assert_cmpint(big_compare(&this, &ten), >=, 0);
		g_assert_cmpint(big_compare(&less, &ten), <, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pynum/vectors", test_vectors);
	g_test_add_func("/pynum/integers", test_integers);
	g_test_add_func("/pynum/table", test_table);
	g_test_add_func("/pynum/edges", test_edges);
	g_test_add_func("/pynum/random", test_random);
	return g_test_run();
}
