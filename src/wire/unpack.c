/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of msgpack.  Any thread; blocks on nothing.
 */
#include "wire/unpack.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/pynum.h"

#include <errno.h>
#include <math.h>

struct unpack {
	const uint8_t *at, *end;
	struct buf *out;
	unsigned depth;
};

static int put_value(struct unpack *u);

/* ------------------------------------------------------------------ numbers */

/* A number of `size` bytes, highest first. */
static int take(struct unpack *u, size_t size, uint64_t *ret_v)
{
	uint64_t v = 0;

	if ((size_t)(u->end - u->at) < size) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < size; i++) {
		v = v << 8 | *u->at++;
	}
	*ret_v = v;
	return 0;
}

static void put_uint(struct unpack *u, uint64_t v)
{
	buf_commit(u->out, pynum_uint(buf_reserve(u->out, PYNUM_MAX), v));
}

static void put_int(struct unpack *u, int64_t v)
{
	buf_commit(u->out, pynum_int(buf_reserve(u->out, PYNUM_MAX), v));
}

static void put_double(struct unpack *u, double v)
{
	if (isfinite(v)) {
		buf_commit(u->out, pynum_double(buf_reserve(u->out, PYNUM_MAX), v));
	} else {
		buf_puts(u->out, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
	}
}

static int put_unsigned(struct unpack *u, size_t size)
{
	uint64_t v;
	int ret = take(u, size, &v);

	if (ret == 0) {
		put_uint(u, v);
	}
	return ret;
}

static int put_signed(struct unpack *u, size_t size)
{
	unsigned shift = 64 - 8 * (unsigned)size;
	uint64_t v;
	int ret = take(u, size, &v);

	if (ret == 0) {
		put_int(u, (int64_t)(v << shift) >> shift);
	}
	return ret;
}

static int put_float(struct unpack *u, size_t size)
{
	uint64_t v;
	int ret = take(u, size, &v);
	uint32_t low;
	double d;
	float f;

	if (ret < 0) {
		return ret;
	}
	if (size == sizeof(d)) {
		memcpy(&d, &v, sizeof(d));
		put_double(u, d);
	} else {
		low = (uint32_t)v;
		memcpy(&f, &low, sizeof(f));
		put_double(u, (double)f);
	}
	return 0;
}

/* ------------------------------------------------------------------ strings and containers */

static int put_string(struct unpack *u, uint64_t n)
{
	const char *text = (const char *)u->at;
	char *to;

	if (n > (uint64_t)(u->end - u->at) || !utf8_valid(text, n)) {
		return -EBADMSG;
	}
	buf_putc(u->out, '"');
	to = buf_reserve(u->out, JSON_ESCAPE_ROOM(n));
	buf_commit(u->out, json_escape(to, text, n));
	buf_putc(u->out, '"');
	u->at += n;
	return 0;
}

static int put_counted_string(struct unpack *u, size_t size)
{
	uint64_t n;
	int ret = take(u, size, &n);

	return ret < 0 ? ret : put_string(u, n);
}

static bool is_string(uint8_t code)
{
	return (code & 0xe0) == 0xa0 || (code >= 0xd9 && code <= 0xdb) ||
	       (code >= 0xc4 && code <= 0xc6);
}

/* Each member is one byte at least, so that a count beyond what is left cannot be meant. */
static int put_container(struct unpack *u, uint64_t n, bool map)
{
	int ret = 0;

	if (n > (uint64_t)(u->end - u->at) / (map ? 2 : 1)) {
		return -EBADMSG;
	}
	if (u->depth == UNPACK_DEPTH_MAX) {
		return -E2BIG;
	}
	u->depth++;
	buf_putc(u->out, map ? '{' : '[');
	for (uint64_t i = 0; i < n && ret == 0; i++) {
		if (i > 0) {
			buf_puts(u->out, ", ");
		}
		if (map) {
			ret = u->at < u->end && is_string(*u->at) ? put_value(u) : -EBADMSG;
			buf_puts(u->out, ": ");
		}
		ret = ret == 0 ? put_value(u) : ret;
	}
	buf_putc(u->out, map ? '}' : ']');
	u->depth--;
	return ret;
}

static int put_counted_container(struct unpack *u, size_t size, bool map)
{
	uint64_t n;
	int ret = take(u, size, &n);

	return ret < 0 ? ret : put_container(u, n, map);
}

static int put_word(struct unpack *u, const char *word)
{
	buf_puts(u->out, word);
	return 0;
}

/* ------------------------------------------------------------------ by first byte */

/* The codes 0xc0 to 0xdf, each with one meaning. */
static int put_coded(struct unpack *u, uint8_t code)
{
	switch (code) {
	case 0xc0:
		return put_word(u, "null");
	case 0xc2:
		return put_word(u, "false");
	case 0xc3:
		return put_word(u, "true");
	case 0xc4:
	case 0xc5:
	case 0xc6:
		return put_counted_string(u, (size_t)1 << (code - 0xc4));
	case 0xca:
	case 0xcb:
		return put_float(u, (size_t)4 << (code - 0xca));
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		return put_unsigned(u, (size_t)1 << (code - 0xcc));
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return put_signed(u, (size_t)1 << (code - 0xd0));
	case 0xd9:
	case 0xda:
	case 0xdb:
		return put_counted_string(u, (size_t)1 << (code - 0xd9));
	case 0xdc:
	case 0xdd:
		return put_counted_container(u, (size_t)2 << (code - 0xdc), false);
	case 0xde:
	case 0xdf:
		return put_counted_container(u, (size_t)2 << (code - 0xde), true);
	default:
		return -EBADMSG; /* extensions, and what never was a code */
	}
}

static int put_value(struct unpack *u)
{
	uint8_t code;

	if (u->at == u->end) {
		return -EBADMSG;
	}
	code = *u->at++;
	if (code < 0x80) {
		put_uint(u, code);
		return 0;
	}
	if (code >= 0xe0) {
		put_int(u, (int8_t)code);
		return 0;
	}
	if (code < 0xa0) {
		return put_container(u, code & 0x0f, code < 0x90);
	}
	return code < 0xc0 ? put_string(u, code & 0x1f) : put_coded(u, code);
}

int unpack_json(const void *bytes, size_t n, struct buf *out)
{
	struct unpack u = { .at = bytes, .end = (const uint8_t *)bytes + n, .out = out };
	size_t before = out->len;
	int ret = put_value(&u);

	if (ret == 0 && u.at != u.end) {
		ret = -EBADMSG;
	}
	if (ret < 0) {
		buf_cut(out, before);
	}
	return ret;
}
