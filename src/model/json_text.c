/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing of JSON strings and numbers and the check of foreign JSON text.  Any thread;
 * blocks on nothing.
 */
#include "model/json_text.h"

#include <inttypes.h>
#include <string.h>

static const char *escape(unsigned char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

void json_add_string(struct buf *out, const char *s, size_t n)
{
	size_t from = 0;

	buf_putc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\') {
			continue;
		}
		buf_add(out, s + from, i - from);
		from = i + 1;
		if (escape(c)) {
			buf_add(out, escape(c), 2);
		} else {
			buf_printf(out, "\\u%04x", c);
		}
	}
	buf_add(out, s + from, n - from);
	buf_putc(out, '"');
}

void json_add(struct buf *out, const char *s)
{
	if (s) {
		json_add_string(out, s, strlen(s));
	} else {
		buf_add(out, "null", 4);
	}
}

void json_add_int(struct buf *out, int64_t v)
{
	buf_printf(out, "%" PRId64, v);
}

void json_add_uint(struct buf *out, uint64_t v)
{
	buf_printf(out, "%" PRIu64, v);
}

/* ------------------------------------------------------------------ check */

struct reader {
	const char *at, *end;
	int depth; /* that is still allowed */
};

static bool value(struct reader *r);

static void space(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
		r->at++;
	}
}

static bool take(struct reader *r, char c)
{
	if (r->at < r->end && *r->at == c) {
		r->at++;
		return true;
	}
	return false;
}

static bool word(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) {
		return false;
	}
	r->at += n;
	return true;
}

static bool digits(struct reader *r)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		r->at++;
	}
	return r->at > from;
}

static bool number(struct reader *r)
{
	take(r, '-');
	if (!take(r, '0') && !digits(r)) {
		return false;
	}
	if (take(r, '.') && !digits(r)) {
		return false;
	}
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+')) {
			take(r, '-');
		}
		return digits(r);
	}
	return true;
}

static bool hex4(struct reader *r)
{
	for (int i = 0; i < 4; i++, r->at++) {
		if (r->at == r->end || !strchr("0123456789abcdefABCDEF", *r->at) || !*r->at) {
			return false;
		}
	}
	return true;
}

static bool string(struct reader *r)
{
	if (!take(r, '"')) {
		return false;
	}
	while (r->at < r->end) {
		unsigned char c = (unsigned char)*r->at++;

		if (c == '"') {
			return true;
		}
		if (c < 0x20) {
			return false;
		}
		if (c != '\\') {
			continue;
		}
		if (r->at == r->end) {
			return false;
		}
		c = (unsigned char)*r->at++;
		if (c == 'u' ? !hex4(r) : !c || !strchr("\"\\/bfnrt", c)) {
			return false;
		}
	}
	return false;
}

/* The members after '{' or '[', to the closing character. */
static bool members(struct reader *r, bool object)
{
	char close = object ? '}' : ']';

	if (--r->depth < 0) {
		return false;
	}
	space(r);
	if (!take(r, close)) {
		do {
			space(r);
			if (object && (!string(r) || (space(r), !take(r, ':')))) {
				return false;
			}
			if (!value(r)) {
				return false;
			}
		} while (take(r, ','));
		if (!take(r, close)) {
			return false;
		}
	}
	r->depth++;
	return true;
}

/* With the space around it. */
static bool value(struct reader *r)
{
	bool ok;

	space(r);
	if (take(r, '{')) {
		ok = members(r, true);
	} else if (take(r, '[')) {
		ok = members(r, false);
	} else if (r->at < r->end && *r->at == '"') {
		ok = string(r);
	} else {
		ok = word(r, "true") || word(r, "false") || word(r, "null") || number(r);
	}
	space(r);
	return ok;
}

bool json_valid(const char *p, size_t n, int depth)
{
	struct reader r = { .at = p, .end = p + n, .depth = depth };

	return value(&r) && r.at == r.end;
}
