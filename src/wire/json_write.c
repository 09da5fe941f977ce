/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing of JSON.  One thread at a time; blocks on nothing.
 */
#include "wire/json.h"
#include "wire/json_word.h"
#include "wire/pynum.h"

#include <glib.h>
#include <math.h>

static char *put_hex4(char *out, unsigned v)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4) {
		*out++ = hex[v >> shift & 15];
	}
	return out;
}

/* One byte of ASCII. */
static char *put_escaped(char *out, unsigned char c)
{
	/* letters of the short escapes, by character */
	static const char letters[] = "\0\0\0\0\0\0\0\0btn\0fr";
	char letter = 0;

	if (c == '"' || c == '\\') {
		letter = (char)c;
	} else if (c >= 0x20) {
		*out++ = (char)c;
		return out;
	} else if (c < sizeof(letters)) {
		letter = letters[c];
	}
	if (!letter) {
		return put_hex4(out, c);
	}
	*out++ = '\\';
	*out++ = letter;
	return out;
}

size_t json_escape(char *out, const char *p, size_t n)
{
	const char *end = p + n;
	char *at = out;

	while (end - p >= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		if (json_specials(word)) {
			for (int i = 0; i < 8; i++) {
				at = put_escaped(at, (unsigned char)p[i]);
			}
		} else {
			memcpy(at, &word, 8);
			at += 8;
		}
		p += 8;
	}
	for (; p < end; p++) {
		at = put_escaped(at, (unsigned char)*p);
	}
	return (size_t)(at - out);
}

size_t json_escape_ascii(char *out, const char *p, size_t n)
{
	const char *end = p + n;
	char *at = out;

	while (p < end) {
		unsigned c = (unsigned char)*p;

		if (c < 0x7f) {
			at = put_escaped(at, (unsigned char)c);
			p++;
			continue;
		}
		c = g_utf8_get_char(p);
		p = g_utf8_next_char(p);
		if (c >= 0x10000) {
			at = put_hex4(at, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + (c & 0x3ff);
		}
		at = put_hex4(at, c);
	}
	return (size_t)(at - out);
}

/* ------------------------------------------------------------------ structure */

void json_writer_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* What stands before a key, or before a value without one. */
static void separate(struct json_writer *w)
{
	uint64_t bit = UINT64_C(1) << (w->depth & 63);

	if (w->valued) {
		w->valued = false;
	} else if (w->depth && (w->members & bit)) {
		buf_add(w->out, ", ", 2);
	}
	w->members |= bit;
}

static void begin(struct json_writer *w, char c)
{
	g_assert(w->depth + 1 < JSON_DEPTH_MAX);
	separate(w);
	buf_putc(w->out, c);
	w->depth++;
	w->members &= ~(UINT64_C(1) << w->depth);
}

static void end(struct json_writer *w, char c)
{
	g_assert(w->depth > 0 && !w->valued);
	w->depth--;
	buf_putc(w->out, c);
}

static void put_quoted(struct json_writer *w, const char *p, size_t n)
{
	char *at = buf_reserve(w->out, JSON_ESCAPE_ROOM(n) + 2);
	size_t len;

	at[0] = '"';
	len = 1 + (w->ascii ? json_escape_ascii(at + 1, p, n) : json_escape(at + 1, p, n));
	at[len++] = '"';
	buf_commit(w->out, len);
}

void json_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void json_key(struct json_writer *w, const char *key)
{
	g_assert(!w->valued);
	separate(w);
	put_quoted(w, key, strlen(key));
	buf_add(w->out, ": ", 2);
	w->valued = true;
}

void json_put_raw(struct json_writer *w, const char *json, size_t n)
{
	separate(w);
	buf_add(w->out, json, n);
}

void json_put_string(struct json_writer *w, const char *p, size_t n)
{
	separate(w);
	put_quoted(w, p, n);
}

void json_put_text(struct json_writer *w, const char *text)
{
	if (text) {
		json_put_string(w, text, strlen(text));
	} else {
		json_put_null(w);
	}
}

void json_put_int(struct json_writer *w, int64_t v)
{
	char text[PYNUM_MAX];

	json_put_raw(w, text, pynum_int(text, v));
}

void json_put_uint(struct json_writer *w, uint64_t v)
{
	char text[PYNUM_MAX];

	json_put_raw(w, text, pynum_uint(text, v));
}

void json_put_double(struct json_writer *w, double v)
{
	char text[PYNUM_MAX];

	if (isfinite(v)) {
		json_put_raw(w, text, pynum_double(text, v));
	} else {
		json_put_null(w);
	}
}

void json_put_bool(struct json_writer *w, bool v)
{
	json_put_raw(w, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_writer *w)
{
	json_put_raw(w, "null", 4);
}
