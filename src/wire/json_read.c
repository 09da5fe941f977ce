/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of JSON.  One thread at a time; blocks on nothing.
 */
#include "base/utf8.h"
#include "base/word.h"
#include "wire/json.h"
#include "wire/json_block.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum state {
	WANT_VALUE,
	WANT_ITEM_OR_END, /* after '[' */
	WANT_KEY,
	WANT_KEY_OR_END, /* after '{' */
	WANT_MORE, /* after a value inside something: ',' or the end of it */
	WANT_NOTHING, /* after the outermost value */
	FAILED
};

enum { NUMBER_MAX = 1000 };

void json_reader_init(struct json_reader *r, const char *text, size_t len)
{
	*r = (struct json_reader){
		.text = text, .end = text + len, .at = text, .state = WANT_VALUE
	};
	if (len > JSON_SIZE_MAX) {
		r->state = FAILED;
		r->error = "too large";
	} else if (!utf8_valid(text, len)) {
		r->state = FAILED;
		r->error = "not UTF-8";
	}
}

void json_reader_init_again(struct json_reader *r, const char *text, size_t len)
{
	*r = (struct json_reader){
		.text = text, .end = text + len, .at = text, .known = true, .state = WANT_VALUE
	};
}

static enum json_event fail(struct json_reader *r, const char *reason)
{
	r->state = FAILED;
	r->error = reason;
	return JSON_ERROR;
}

static bool inside_object(const struct json_reader *r)
{
	return r->objects >> (r->depth - 1) & 1;
}

static enum json_event value_done(struct json_reader *r, enum json_event event)
{
	r->state = r->depth ? WANT_MORE : WANT_NOTHING;
	return event;
}

/* ------------------------------------------------------------------ tokens */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes from `at` on without '"', '\\' and control characters. */
static const char *plain_run(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t marks = json_specials(load64(at));

		if (marks) {
			return at + __builtin_ctzll(marks) / 8;
		}
		at += 8;
	}
	while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
		at++;
	}
	return at;
}

/* Those of the bits that stand for the `n`-th byte or one behind it. */
static uint64_t bits_from(uint64_t bits, size_t n)
{
	return n < JSON_BLOCK ? bits & ~UINT64_C(0) << n : 0;
}

/* The escape at `at`, which is '\\': its length, 0 if it is none. */
static size_t escape_length(const char *at, const char *end)
{
	if (end - at < 2) {
		return 0;
	}
	if (at[1] != 'u') {
		return at[1] && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
	}
	if (end - at < 6) {
		return 0;
	}
	for (int i = 2; i < 6; i++) {
		if (hex_digit(at[i]) < 0) {
			return 0;
		}
	}
	return 6;
}

/* What ends a run of plain bytes: -EBADMSG with the reason, 0 at the end of the string, or the length of the escape. */
static int read_mark(struct json_reader *r, const char *at)
{
	size_t n;

	r->at = at;
	if (*at == '"') {
		r->span_len = (size_t)(at - r->span);
		r->at = at + 1;
		return 0;
	}
	if (*at != '\\') {
		fail(r, "control character in a string");
		return -EBADMSG;
	}
	n = r->end - at >= 2 && at[1] == '"' ? 2 : escape_length(at, r->end);
	if (!n) {
		fail(r, "unknown escape");
		return -EBADMSG;
	}
	r->escaped = true;
	return (int)n;
}

/* Blocks of the string, as long as there are whole ones: as read_mark(), or 1 with *at behind what was read. */
static int read_blocks(struct json_reader *r, const char **at)
{
	while (r->end - *at >= JSON_BLOCK) {
		const char *block = *at;
		uint64_t ends = json_block_ends(block);
		size_t done = JSON_BLOCK;

		while (ends) {
			size_t i = (size_t)__builtin_ctzll(ends);
			int n = read_mark(r, block + i);

			if (n <= 0) {
				return n;
			}
			done = i + (size_t)n > JSON_BLOCK ? i + (size_t)n : JSON_BLOCK;
			ends = bits_from(ends, i + (size_t)n);
		}
		*at = block + done;
	}
	return 1;
}

/* After the opening quote.  0, or -EBADMSG with the reason. */
static int read_string(struct json_reader *r)
{
	const char *at = r->at;
	int n;

	r->span = at;
	r->escaped = false;
	n = read_blocks(r, &at);
	while (n > 0) {
		at = plain_run(at, r->end);
		if (at == r->end) {
			r->at = at;
			fail(r, "string without end");
			return -EBADMSG;
		}
		n = read_mark(r, at);
		at += n;
	}
	return n;
}

static bool read_digits(struct json_reader *r)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		r->at++;
	}
	return r->at > from;
}

static bool take(struct json_reader *r, char c)
{
	if (r->at < r->end && *r->at == c) {
		r->at++;
		return true;
	}
	return false;
}

static bool take_word(struct json_reader *r, const char *word, size_t n)
{
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) {
		return false;
	}
	r->at += n;
	return true;
}

static enum json_event read_number(struct json_reader *r)
{
	r->span = r->at;
	r->integer = true;
	take(r, '-');
	if (r->nonfinite &&
	    (take_word(r, "Infinity", 8) || (r->at == r->span && take_word(r, "NaN", 3)))) {
		r->integer = false;
	} else {
		if (!take(r, '0') && !read_digits(r)) {
			return fail(r, r->at == r->end ? "value missing" : "not a value");
		}
		if (take(r, '.')) {
			r->integer = false;
			if (!read_digits(r)) {
				return fail(r, "no digit after the point");
			}
		}
		if (take(r, 'e') || take(r, 'E')) {
			r->integer = false;
			if (!take(r, '+')) {
				take(r, '-');
			}
			if (!read_digits(r)) {
				return fail(r, "no digit in the exponent");
			}
		}
	}
	r->span_len = (size_t)(r->at - r->span);
	return value_done(r, JSON_NUMBER);
}

static void skip_space(struct json_reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) {
		r->at++;
	}
}

static enum json_event open_level(struct json_reader *r, bool object)
{
	uint64_t bit;

	if (r->depth == JSON_DEPTH_MAX) {
		return fail(r, "too deep");
	}
	r->at++;
	bit = UINT64_C(1) << r->depth++;
	r->objects = object ? r->objects | bit : r->objects & ~bit;
	r->state = object ? WANT_KEY_OR_END : WANT_ITEM_OR_END;
	return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_event close_level(struct json_reader *r)
{
	bool object = inside_object(r);

	r->at++;
	r->depth--;
	return value_done(r, object ? JSON_OBJECT_END : JSON_ARRAY_END);
}

static enum json_event read_value(struct json_reader *r)
{
	if (r->at == r->end) {
		return fail(r, "value missing");
	}
	switch (*r->at) {
	case '{':
		return open_level(r, true);
	case '[':
		return open_level(r, false);
	case '"':
		r->at++;
		return read_string(r) ? JSON_ERROR : value_done(r, JSON_STRING);
	default:
		break;
	}
	if (take_word(r, "true", 4)) {
		return value_done(r, JSON_TRUE);
	}
	if (take_word(r, "false", 5)) {
		return value_done(r, JSON_FALSE);
	}
	if (take_word(r, "null", 4)) {
		return value_done(r, JSON_NULL);
	}
	return read_number(r);
}

static enum json_event read_key(struct json_reader *r)
{
	if (!take(r, '"')) {
		return fail(r, "key missing");
	}
	if (read_string(r)) {
		return JSON_ERROR;
	}
	skip_space(r);
	if (!take(r, ':')) {
		return fail(r, "':' missing");
	}
	r->state = WANT_VALUE;
	return JSON_KEY;
}

enum json_event json_next(struct json_reader *r)
{
	char close;

	if (r->state == FAILED) {
		return JSON_ERROR;
	}
	skip_space(r);
	if (r->state == WANT_NOTHING) {
		return r->at == r->end ? JSON_END : fail(r, "something follows the value");
	}
	if (r->state == WANT_MORE) {
		if (take(r, ',')) {
			skip_space(r);
			r->state = inside_object(r) ? WANT_KEY : WANT_VALUE;
		} else {
			close = inside_object(r) ? '}' : ']';
			r->start = r->at;
			return r->at < r->end && *r->at == close ? close_level(r)
								 : fail(r, "',' or an end missing");
		}
	}
	r->start = r->at;
	if (r->state == WANT_KEY_OR_END || r->state == WANT_ITEM_OR_END) {
		close = r->state == WANT_KEY_OR_END ? '}' : ']';
		if (r->at < r->end && *r->at == close) {
			return close_level(r);
		}
	}
	return r->state == WANT_KEY || r->state == WANT_KEY_OR_END ? read_key(r) : read_value(r);
}

/* Behind the closing quote; NULL: there is none. */
static const char *skip_string(const char *at, const char *end)
{
	for (;;) {
		at = plain_run(at, end);
		if (at >= end) {
			return NULL;
		}
		if (*at == '"') {
			return at + 1;
		}
		at += end - at > 1 ? 2 : 1;
	}
}

/* Over the rest of a container, whose text was read before. */
static int skip_known(struct json_reader *r)
{
	const char *at = r->at;

	for (unsigned level = 1; level;) {
		if (!at || at >= r->end) {
			fail(r, "value without end");
			return -EBADMSG;
		}
		switch (*at++) {
		case '"':
			at = skip_string(at, r->end);
			break;
		case '{':
		case '[':
			level++;
			break;
		case '}':
		case ']':
			level--;
			break;
		default:
			break;
		}
	}
	r->at = at;
	r->depth--;
	value_done(r, JSON_OBJECT_END);
	return 0;
}

int json_skip(struct json_reader *r, enum json_event event)
{
	unsigned depth = r->depth;

	if (event == JSON_KEY) {
		event = json_next(r);
		depth = r->depth;
	}
	if (r->known && (event == JSON_OBJECT || event == JSON_ARRAY)) {
		return skip_known(r);
	}
	if (event == JSON_OBJECT || event == JSON_ARRAY) {
		while (event != JSON_ERROR && r->depth >= depth) {
			event = json_next(r);
		}
	}
	return event == JSON_ERROR ? -EBADMSG : 0;
}

void json_skip_equal(struct json_reader *r, size_t n)
{
	r->at = r->start + n;
	r->depth--;
	value_done(r, JSON_OBJECT_END);
}

/* ------------------------------------------------------------------ what a token holds */

/* Four digits, checked before. */
static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		v = v << 4 | (unsigned)hex_digit(p[i]);
	}
	return v;
}

static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The escape at `at` (valid) to UTF-8: *at moves past it. */
static size_t decode_escape(const char **at, const char *end, char *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = *at, *letter;
	unsigned c;

	*at = p + 2;
	if (p[1] != 'u') {
		letter = strchr(from, p[1]);
		*out = letter ? to[letter - from] : p[1];
		return 1;
	}
	*at = p + 6;
	c = hex4(p + 2);
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
		unsigned low = hex4(p + 8);

		if (low >= 0xdc00 && low < 0xe000) {
			*at = p + 12;
			return put_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
		}
	}
	return put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
}

/* Copies n bytes of what ends at `end`, perhaps some more behind them; to[n] and on may be written as far as from[n] and on
 * may be read. */
static void copy_run(char *to, const char *from, size_t n, const char *end)
{
	for (; n >= 8; n -= 8, to += 8, from += 8) {
		memcpy(to, from, 8);
	}
	if (end - from >= 8) {
		memcpy(to, from, 8);
	} else {
		memcpy(to, from, n);
	}
}

/* The escape at *at, or the byte if it is none. */
static size_t decode_mark(const char **at, const char *end, char *out)
{
	if (**at != '\\') { /* a quote, of text that is no span */
		*out = *(*at)++;
		return 1;
	}
	if (end - *at >= 2 && (*at)[1] == '"') {
		*out = '"';
		*at += 2;
		return 1;
	}
	return decode_escape(at, end, out);
}

size_t json_decode(const char *span, size_t len, char *out)
{
	const char *at = span, *end = span + len;
	char *to = out;

	while (end - at >= JSON_BLOCK) {
		const char *block = at, *from = at;
		uint64_t escapes = json_block_escapes(block);

		at = block + JSON_BLOCK;
		while (escapes) {
			const char *mark = block + __builtin_ctzll(escapes);

			copy_run(to, from, (size_t)(mark - from), end);
			to += mark - from;
			from = mark;
			to += decode_mark(&from, end, to);
			escapes = bits_from(escapes, (size_t)(from - block));
		}
		at = from > at ? from : at;
		copy_run(to, from, (size_t)(at - from), end);
		to += at - from;
	}
	while (at < end) {
		const char *from = at;

		at = plain_run(at, end);
		memcpy(to, from, (size_t)(at - from));
		to += at - from;
		if (at < end) {
			to += decode_mark(&at, end, to);
		}
	}
	return (size_t)(to - out);
}

void json_text(const struct json_reader *r, struct buf *out)
{
	if (r->escaped) {
		buf_commit(out, json_decode(r->span, r->span_len, buf_reserve(out, r->span_len)));
	} else {
		buf_add(out, r->span, r->span_len);
	}
}

bool json_is(const struct json_reader *r, const char *text)
{
	const char *at = r->span, *end = at + r->span_len;
	size_t n = strlen(text);

	if (!r->escaped) {
		return n == r->span_len && memcmp(at, text, n) == 0;
	}
	while (at < end) {
		char piece[4];
		size_t len = 1;

		if (*at == '\\') {
			len = decode_escape(&at, end, piece);
		} else {
			piece[0] = *at++;
		}
		if (strncmp(text, piece, len) != 0 || memchr(piece, 0, len)) {
			return false;
		}
		text += len;
	}
	return !*text;
}

int json_uint(const struct json_reader *r, uint64_t *ret_v)
{
	uint64_t v = 0;
	size_t i = *r->span == '-';

	if (!r->integer) {
		return -EINVAL;
	}
	if (i && !(r->span_len == 2 && r->span[1] == '0')) {
		return -ERANGE;
	}
	for (; i < r->span_len; i++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(r->span[i] - '0'), &v)) {
			return -ERANGE;
		}
	}
	*ret_v = v;
	return 0;
}

int json_int(const struct json_reader *r, int64_t *ret_v)
{
	struct json_reader positive = *r;
	bool minus = *r->span == '-';
	uint64_t v;
	int status;

	positive.span += minus;
	positive.span_len -= minus;
	status = json_uint(&positive, &v);
	if (status) {
		return status;
	}
	if (v > (uint64_t)INT64_MAX + minus) {
		return -ERANGE;
	}
	*ret_v = minus ? (int64_t)-v : (int64_t)v;
	return 0;
}

static locale_t plain_locale;
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;

static void open_locale(void)
{
	plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Few digits and a small exponent: two exact numbers and one rounding. */
static bool quick_double(const char *p, const char *end, double *ret_v)
{
	static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	bool minus = p < end && *p == '-', point = false;
	uint64_t digits = 0;
	int places = 0;
	double v;

	for (p += minus; p < end; p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9' || digits >= (UINT64_C(1) << 53) / 10) {
			return false;
		}
		digits = digits * 10 + (uint64_t)(*p - '0');
		places += point;
	}
	if (places > 22) {
		return false;
	}
	v = (double)digits / tens[places];
	*ret_v = minus ? -v : v;
	return true;
}

int json_span_double(const char *span, size_t len, double *ret_v)
{
	char text[NUMBER_MAX + 1];

	if (quick_double(span, span + len, ret_v)) {
		return 0;
	}
	if (len > NUMBER_MAX) {
		return -ERANGE;
	}
	memcpy(text, span, len);
	text[len] = '\0';
	pthread_once(&locale_once, open_locale);
	*ret_v = strtod_l(text, NULL, plain_locale);
	return 0;
}

int json_double(const struct json_reader *r, double *ret_v)
{
	return json_span_double(r->span, r->span_len, ret_v);
}
