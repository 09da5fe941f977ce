/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the checking and mending of UTF-8.  Any thread; blocks on nothing.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* By lead byte: continuation bytes that follow, and the range of the first of them (table 3-7 of the
 * Unicode standard). */
struct lead {
	unsigned char from, to, more, low, high;
};

static const struct lead leads[] = {
	{ 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf }, { 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf }, { 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

static const struct lead *lead_of(unsigned char c)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		if (c >= leads[i].from && c <= leads[i].to) {
			return &leads[i];
		}
	}
	return NULL;
}

/* Length of the sequence at p; negative: ill-formed, so many bytes belong to its maximal part. */
static int sequence(const unsigned char *p, size_t n)
{
	const struct lead *l;
	int i;

	if (p[0] < 0x80) {
		return 1;
	}
	l = lead_of(p[0]);
	if (!l) {
		return -1;
	}
	for (i = 1; i <= l->more; i++) {
		unsigned char low = i == 1 ? l->low : 0x80, high = i == 1 ? l->high : 0xbf;

		if ((size_t)i >= n || p[i] < low || p[i] > high) {
			return -i;
		}
	}
	return i;
}

/* Bytes of plain ASCII at the front. */
static size_t ascii_run(const unsigned char *p, size_t n)
{
	size_t i = 0;
	uint64_t word, four[4];

	for (; n - i >= sizeof(four); i += sizeof(four)) {
		memcpy(four, p + i, sizeof(four));
		if ((four[0] | four[1] | four[2] | four[3]) & UINT64_C(0x8080808080808080)) {
			break;
		}
	}
	for (; n - i >= 8; i += 8) {
		memcpy(&word, p + i, 8);
		if (word & UINT64_C(0x8080808080808080)) {
			break;
		}
	}
	while (i < n && p[i] < 0x80) {
		i++;
	}
	return i;
}

static size_t valid_run(const unsigned char *p, size_t n)
{
	size_t i = 0;

	for (;;) {
		int s;

		i += ascii_run(p + i, n - i);
		if (i == n) {
			return n;
		}
		s = sequence(p + i, n - i);
		if (s < 0) {
			return i;
		}
		i += (size_t)s;
	}
}

bool utf8_valid(const char *p, size_t n)
{
	return valid_run((const unsigned char *)p, n) == n;
}

size_t utf8_repair(const char *text, size_t n, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t bad = 0;

	for (;;) {
		size_t good = valid_run(p, n);

		buf_add(out, p, good);
		p += good;
		n -= good;
		if (!n) {
			return bad;
		}
		good = (size_t)-sequence(p, n);
		buf_add(out, "\xef\xbf\xbd", 3);
		p += good;
		n -= good;
		bad++;
	}
}

size_t utf8_cut(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = p[n - back];

		if (c >= 0xc0) {
			const struct lead *l = lead_of(c);

			return l && l->more >= back ? n - back : n;
		}
		if (c < 0x80) {
			return n;
		}
	}
	return n;
}
