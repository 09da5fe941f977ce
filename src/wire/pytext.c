/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text of Python values.  Any thread; blocks on nothing.
 */
#include "wire/pytext.h"
#include "wire/json.h"
#include "wire/pynum.h"

#include <errno.h>
#include <glib.h>

/* What is not shown as it is, in Python 3: other, separators except the space (str.isprintable). */
static bool printable(gunichar c)
{
	switch (g_unichar_type(c)) {
	case G_UNICODE_CONTROL:
	case G_UNICODE_FORMAT:
	case G_UNICODE_UNASSIGNED:
	case G_UNICODE_PRIVATE_USE:
	case G_UNICODE_SURROGATE:
	case G_UNICODE_LINE_SEPARATOR:
	case G_UNICODE_PARAGRAPH_SEPARATOR:
	case G_UNICODE_SPACE_SEPARATOR:
		return false;
	default:
		return true;
	}
}

static char *put_hex(char *out, char letter, uint32_t v, int digits)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = letter;
	for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
		*out++ = hex[v >> shift & 15];
	}
	return out;
}

static char *put_code(char *out, uint32_t c)
{
	if (c < 0x100) {
		return put_hex(out, 'x', c, 2);
	}
	return c < 0x10000 ? put_hex(out, 'u', c, 4) : put_hex(out, 'U', c, 8);
}

/* A byte of ASCII. */
static char *put_ascii(char *out, char c, char quote)
{
	switch (c) {
	case '\t':
		c = 't';
		break;
	case '\n':
		c = 'n';
		break;
	case '\r':
		c = 'r';
		break;
	default:
		if (c < ' ' || c == 0x7f) {
			return put_hex(out, 'x', (unsigned char)c, 2);
		}
		if (c != quote && c != '\\') {
			*out++ = c;
			return out;
		}
		break;
	}
	*out++ = '\\';
	*out++ = c;
	return out;
}

static char *put_wide(char *out, const char *p, size_t n, enum pytext_form form)
{
	gunichar c = g_utf8_get_char(p);

	if (form == PYTEXT_BYTES || form == PYTEXT_PY2_STR) {
		for (size_t i = 0; i < n; i++) {
			out = put_hex(out, 'x', (unsigned char)p[i], 2);
		}
		return out;
	}
	if (form == PYTEXT_STR && printable(c)) {
		memcpy(out, p, n);
		return out + n;
	}
	return put_code(out, c);
}

size_t pytext_put(char *out, const char *p, size_t n, enum pytext_form form)
{
	const char *end = p + n;
	char quote = memchr(p, '\'', n) && !memchr(p, '"', n) ? '"' : '\'';
	char *at = out;

	if (form == PYTEXT_BYTES || form == PYTEXT_PY2_UNICODE) {
		*at++ = form == PYTEXT_BYTES ? 'b' : 'u';
	}
	*at++ = quote;
	while (p < end) {
		if ((unsigned char)*p < 0x80) {
			at = put_ascii(at, *p++, quote);
		} else {
			size_t len = (size_t)(g_utf8_next_char(p) - p);

			at = put_wide(at, p, len, form);
			p += len;
		}
	}
	*at++ = quote;
	return (size_t)(at - out);
}

void pytext_add(struct buf *out, const char *p, size_t n, enum pytext_form form)
{
	buf_commit(out, pytext_put(buf_reserve(out, PYTEXT_ROOM(n)), p, n, form));
}

/* ------------------------------------------------------------------ JSON */

static bool is_py2(enum pytext_form form)
{
	return form == PYTEXT_PY2_STR || form == PYTEXT_PY2_UNICODE;
}

/* Whether an integer's text lies outside -2^63 … 2^63 - 1. */
static bool is_long(const char *span, size_t n)
{
	const char *limit = *span == '-' ? "9223372036854775808" : "9223372036854775807";

	n -= *span == '-';
	span += *span == '-';
	return n > 19 || (n == 19 && memcmp(span, limit, 19) > 0);
}

void pytext_add_number(struct buf *out, const char *span, size_t n, bool integer,
		       enum pytext_form form)
{
	double v;

	if (integer) {
		if (n == 2 && memcmp(span, "-0", 2) == 0) {
			span++;
			n--;
		}
		buf_add(out, span, n);
		if (is_py2(form) && is_long(span, n)) {
			buf_putc(out, 'L');
		}
	} else if (json_span_double(span, n, &v) == 0) {
		buf_commit(out, pynum_double(buf_reserve(out, PYNUM_MAX), v));
	} else {
		buf_add(out, span, n);
	}
}

static void add_string(struct buf *out, const struct json_reader *r, enum pytext_form form)
{
	size_t n = r->span_len;
	char *at;

	if (!r->escaped) {
		pytext_add(out, r->span, n, form);
		return;
	}
	/* the decoded text stands at the far end of the room, and is overtaken by nothing: what is written
	 * takes at most PYTEXT_ROOM(n) */
	at = buf_reserve(out, PYTEXT_ROOM(n) + n);
	n = json_decode(r->span, n, at + PYTEXT_ROOM(n));
	buf_commit(out, pytext_put(at, at + PYTEXT_ROOM(r->span_len), n, form));
}

static void add_event(struct buf *out, const struct json_reader *r, enum json_event event,
		      enum pytext_form form)
{
	static const struct {
		const char *text;
		size_t n;
	} words[] = {
		[JSON_OBJECT] = { "{", 1 },  [JSON_OBJECT_END] = { "}", 1 },
		[JSON_ARRAY] = { "[", 1 },   [JSON_ARRAY_END] = { "]", 1 },
		[JSON_TRUE] = { "True", 4 }, [JSON_FALSE] = { "False", 5 },
		[JSON_NULL] = { "None", 4 },
	};

	switch (event) {
	case JSON_KEY:
		if (form == PYTEXT_PY2_UNICODE && r->depth == 1) {
			form = PYTEXT_PY2_STR;
		}
		add_string(out, r, form);
		buf_add(out, ": ", 2);
		break;
	case JSON_STRING:
		add_string(out, r, form);
		break;
	case JSON_NUMBER:
		pytext_add_number(out, r->span, r->span_len, r->integer, form);
		break;
	default:
		buf_add(out, words[event].text, words[event].n);
		break;
	}
}

int pytext_add_json(struct buf *out, const char *json, size_t n, enum pytext_form form)
{
	struct json_reader r;
	enum json_event event;
	size_t before = out->len;
	bool first = true; /* in its object or array, or after a key */

	json_reader_init(&r, json, n);
	while ((event = json_next(&r)) > JSON_END) {
		if (!first && event != JSON_OBJECT_END && event != JSON_ARRAY_END) {
			buf_add(out, ", ", 2);
		}
		add_event(out, &r, event, form);
		first = event == JSON_OBJECT || event == JSON_ARRAY || event == JSON_KEY;
	}
	if (event == JSON_ERROR) {
		out->len = before;
		if (out->cap) {
			out->data[before] = '\0';
		}
		return -EBADMSG;
	}
	return 0;
}
