/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text of numbers.  Any thread; blocks on nothing.
 */
#include "wire/pynum.h"
#include "wire/pow10.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define PAIR_ROW(t) t "0" t "1" t "2" t "3" t "4" t "5" t "6" t "7" t "8" t "9"
const char pynum_pairs[201] = PAIR_ROW("0") PAIR_ROW("1") PAIR_ROW("2") PAIR_ROW("3") PAIR_ROW("4")
	PAIR_ROW("5") PAIR_ROW("6") PAIR_ROW("7") PAIR_ROW("8") PAIR_ROW("9");
/* clang-format on */

static const uint64_t pow10_u64[] = {
	UINT64_C(1),
	UINT64_C(10),
	UINT64_C(100),
	UINT64_C(1000),
	UINT64_C(10000),
	UINT64_C(100000),
	UINT64_C(1000000),
	UINT64_C(10000000),
	UINT64_C(100000000),
	UINT64_C(1000000000),
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000),
};

enum {
	PY3_POINT = 16,
	PY2_DIGITS = 12,
	PY2_POINT = 11
}; /* largest exponent without 'e', plus one */

/* A number as integer * 10^exponent; the last digit is not 0. */
struct decimal {
	uint64_t digits;
	int exponent;
};

static int digits_of(uint64_t v)
{
	/* 1233 / 4096 is a little over log10(2) */
	int guess = ((64 - __builtin_clzll(v | 1)) * 1233) >> 12;

	return guess + (v >= pow10_u64[guess]) + (v == 0);
}

static void put_pair(char *out, unsigned v)
{
	memcpy(out, pynum_pairs + 2 * v, 2);
}

static void put(char *out, const char *p, int n)
{
	memcpy(out, p, (size_t)n);
}

/* Exactly n digits, with zeros in front. */
static void put_digits(char *out, uint64_t v, int n)
{
	while (n >= 2) {
		n -= 2;
		put_pair(out + n, (unsigned)(v % 100));
		v /= 100;
	}
	if (n) {
		out[0] = (char)('0' + v);
	}
}

size_t pynum_uint(char *out, uint64_t v)
{
	int n = digits_of(v);

	put_digits(out, v, n);
	return (size_t)n;
}

size_t pynum_int(char *out, int64_t v)
{
	if (v >= 0) {
		return pynum_uint(out, (uint64_t)v);
	}
	*out = '-';
	return 1 + pynum_uint(out + 1, -(uint64_t)v);
}

/* ------------------------------------------------------------------ digits of a double */

/* floor(e * log10(2)), floor(log10(3/4 * 2^e)), floor(e * log2(10)) for the exponents of doubles. */
static int floor_log10_pow2(int e)
{
	return (e * 1262611) >> 22;
}

static int floor_log10_three_quarters_pow2(int e)
{
	return (e * 1262611 - 524031) >> 22;
}

static int floor_log2_pow10(int e)
{
	return (e * 1741647) >> 19;
}

/* g * c / 2^128, the last bit set if anything was cut off (g is up to one too large, which shows as a
 * rest of 1). */
static uint64_t scale_to_odd(const struct pow10 *g, uint64_t c)
{
	unsigned __int128 low = (unsigned __int128)g->low * c;
	unsigned __int128 high = (unsigned __int128)g->high * c + (uint64_t)(low >> 64);

	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c * 2^e, c > 0, to the shortest decimal inside its rounding interval.  All three (the number and the
 * ends of the interval) are held as 4 * value / 10^k, so that one multiplication each suffices. */
static struct decimal shortest(uint64_t c, int e, bool closer_below)
{
	uint64_t odd = c & 1;
	int k = closer_below ? floor_log10_three_quarters_pow2(e) : floor_log10_pow2(e);
	int shift = e + floor_log2_pow10(-k) + 1;
	const struct pow10 *g = &pow10_table[-k - POW10_FIRST];
	uint64_t below = scale_to_odd(g, (4 * c - 2 + closer_below) << shift) + odd;
	uint64_t value = scale_to_odd(g, (4 * c) << shift);
	uint64_t above = scale_to_odd(g, (4 * c + 2) << shift) - odd;
	uint64_t s = value / 4;
	bool down, up;

	if (s >= 10) { /* one digit less? */
		uint64_t t = s / 10;

		down = below <= 40 * t;
		up = 40 * t + 40 <= above;
		if (down != up) {
			return (struct decimal){ t + up, k + 1 };
		}
	}
	down = below <= 4 * s;
	up = 4 * s + 4 <= above;
	if (down == up) { /* both or none: the nearer one, of two the even one */
		up = value > 4 * s + 2 || (value == 4 * s + 2 && (s & 1));
	}
	return (struct decimal){ s + up, k };
}

static void strip_zeros(struct decimal *d)
{
	while (d->digits % 100000000 == 0) {
		d->digits /= 100000000;
		d->exponent += 8;
	}
	while (d->digits % 10 == 0) {
		d->digits /= 10;
		d->exponent++;
	}
}

/* v > 0 and finite. */
static struct decimal decimal_of(double v)
{
	uint64_t bits, fraction;
	int e;
	struct decimal d;

	memcpy(&bits, &v, sizeof(bits));
	fraction = bits & ((UINT64_C(1) << 52) - 1);
	e = (int)(bits >> 52);
	if (e) {
		d = shortest(fraction | UINT64_C(1) << 52, e - 1075, !fraction && e > 1);
	} else {
		d = shortest(fraction, -1074, false);
	}
	strip_zeros(&d);
	return d;
}

/* ------------------------------------------------------------------ from digits to text */

static size_t put_scientific(char *out, const char *digits, int n, int exponent)
{
	char *p = out;

	*p++ = digits[0];
	if (n > 1) {
		*p++ = '.';
		put(p, digits + 1, n - 1);
		p += n - 1;
	}
	*p++ = 'e';
	*p++ = exponent < 0 ? '-' : '+';
	exponent = abs(exponent);
	if (exponent >= 100) {
		*p++ = (char)('0' + exponent / 100);
	}
	put_pair(p, (unsigned)exponent % 100);
	return (size_t)(p + 2 - out);
}

/* point_max: from this exponent on it is scientific. */
static size_t put_decimal(char *out, struct decimal d, int point_max)
{
	char digits[24] = "0";
	int n = digits_of(d.digits), point = n + d.exponent; /* digits before the point */

	put_digits(digits, d.digits, n);
	if (point <= -4 || point > point_max) {
		return put_scientific(out, digits, n, point - 1);
	}
	if (point <= 0) {
		put(out, "0.0000", 6);
		put(out + 2 - point, digits, n);
		return 2 + (size_t)-point + (size_t)n;
	}
	if (point >= n) {
		put(out, digits, n);
		memset(out + n, '0', (size_t)(point - n));
		put(out + point, ".0", 2);
		return (size_t)point + 2;
	}
	put(out, digits, point);
	out[point] = '.';
	put(out + point + 1, digits + point, n - point);
	return (size_t)n + 1;
}

/* Integers, and multiples of 1/1024 (KiB as MiB): their exact decimal form is the shortest as long as
 * it has no more digits than every double tells apart (15).  0: not such a number. */
static size_t put_plain(char *out, double v, double limit, int digits_max)
{
	double scaled = v * 1024;
	uint64_t whole, part;
	size_t n;
	int places = 10;

	if (!(v < limit)) {
		return 0;
	}
	whole = (uint64_t)v;
	if ((double)whole == v) {
		n = pynum_uint(out, whole);
		put(out + n, ".0", 2);
		return n + 2;
	}
	part = (uint64_t)scaled;
	if ((double)part != scaled || v < 1.0 / 1024) {
		return 0;
	}
	part = (part & 1023) * 9765625; /* 10^10 / 1024 */
	while (part % 10 == 0) {
		part /= 10;
		places--;
	}
	n = (size_t)digits_of(whole);
	if ((int)n + places > digits_max) {
		return 0;
	}
	put_digits(out, whole, (int)n);
	out[n] = '.';
	put_digits(out + n + 1, part, places);
	return n + 1 + (size_t)places;
}

/* Sign and what is not a number; NULL: all is written, *ret_n bytes. */
static char *put_sign(char *out, double *v, size_t *ret_n)
{
	char *p = out;

	if (isnan(*v)) {
		put(out, "nan", 3);
		*ret_n = 3;
		return NULL;
	}
	if (signbit(*v)) {
		*p++ = '-';
		*v = -*v;
	}
	if (isinf(*v)) {
		put(p, "inf", 3);
		*ret_n = (size_t)(p - out) + 3;
		return NULL;
	}
	return p;
}

size_t pynum_double(char *out, double v)
{
	size_t n = 0;
	char *p = put_sign(out, &v, &n);

	if (!p) {
		return n;
	}
	n = put_plain(p, v, 1e15, 15);
	if (!n) {
		n = put_decimal(p, decimal_of(v), PY3_POINT);
	}
	return (size_t)(p - out) + n;
}

/* Exactly rounded to 12 digits by the C library; digits only are taken over, as the point may be a
 * locale's. */
static struct decimal rounded_by_library(double v)
{
	char text[40];
	struct decimal d = { 0, 0 };
	const char *p;

	snprintf(text, sizeof(text), "%.*e", PY2_DIGITS - 1, v);
	for (p = text; *p && *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9') {
			d.digits = d.digits * 10 + (uint64_t)(*p - '0');
		}
	}
	d.exponent = *p == 'e' ? (int)strtol(p + 1, NULL, 10) - (PY2_DIGITS - 1) : 0;
	return d;
}

/* The shortest form rounds to 12 digits like the number itself, unless it lies in the middle (then the
 * number may be on either side), and in the subnormal range, where it has fewer digits than it seems. */
static struct decimal rounded(double v)
{
	struct decimal d = decimal_of(v);
	int surplus = digits_of(d.digits) - PY2_DIGITS;
	uint64_t unit, rest;

	if (surplus <= 0 && v >= 0x1p-1022) {
		return d;
	}
	unit = surplus > 0 ? pow10_u64[surplus] : 1;
	rest = d.digits % unit;
	if (v < 0x1p-1022 || rest * 2 == unit) {
		d = rounded_by_library(v);
	} else {
		d.digits = d.digits / unit + (rest * 2 > unit);
		d.exponent += surplus;
	}
	strip_zeros(&d);
	return d;
}

size_t pynum_py2(char *out, double v)
{
	size_t n = 0;
	char *p = put_sign(out, &v, &n);

	if (!p) {
		return n;
	}
	n = put_plain(p, v, 1e11, PY2_DIGITS);
	if (!n) {
		n = put_decimal(p, rounded(v), PY2_POINT);
	}
	return (size_t)(p - out) + n;
}
