/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259): a pull reader and a writer.  Any thread, one thread at a time for an object.
 *
 * The reader walks over text that the caller keeps; it allocates nothing, and numbers stay spans of the
 * text, for their digits are part of what a signature covers:
 *
 *     json_reader_init(&r, text, len);
 *     while ((event = json_next(&r)) > JSON_END) …
 *     if (event == JSON_ERROR) … r.error, r.at - r.text
 *
 * Text is refused past JSON_SIZE_MAX bytes, deeper than JSON_DEPTH_MAX, and when it is not UTF-8.  Repeated
 * keys are handed on as they are.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 64, JSON_SIZE_MAX = 64 << 20 };

enum json_event {
	JSON_ERROR = -1, /* and so for ever */
	JSON_END, /* one value was read, nothing but space follows; and so for ever */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL
};

struct json_reader {
	const char *text, *end;
	const char *at; /* next byte to look at; with JSON_ERROR: where it went wrong */
	const char *error; /* reason, a constant */
	const char *start; /* first byte of the token */
	const char *
		span; /* key, string: what stands between the quotes, escapes as they are; number: it */
	size_t span_len;
	bool escaped; /* key, string: the span has escapes */
	bool integer; /* number: neither point nor exponent */
	bool nonfinite; /* set it after init to accept NaN, Infinity, -Infinity, as Python writes them */
	/* private */
	bool known;
	uint8_t state;
	unsigned depth;
	uint64_t objects; /* bit: that level is an object */
};

void json_reader_init(struct json_reader *r, const char *text, size_t len);
/* Begins anew on text, or on a value in it, that a reader has come to the end of without an error: it is known to be
 * UTF-8, and json_skip() looks for the end of a container alone.  On other text what comes is wrong, but nothing
 * behind its end is read. */
void json_reader_init_again(struct json_reader *r, const char *text, size_t len);
enum json_event json_next(struct json_reader *r);

/* Skips the rest of the value whose first event is `event` (for JSON_KEY: the value of that key).
 * 0, -EBADMSG when an error came up. */
int json_skip(struct json_reader *r, enum json_event event);

/* Ends the object or array whose first event came last behind its first n bytes: for text that is equal to one that a
 * reader went through. */
void json_skip_equal(struct json_reader *r, size_t n);

/* Adds the key or string, decoded.  Half a surrogate pair becomes U+FFFD. */
void json_text(const struct json_reader *r, struct buf *out);

/* The same for a span kept from before; `out` has room for `len` bytes (it never gets longer). */
size_t json_decode(const char *span, size_t len, char *out);

/* Whether the key or string is `text`. */
bool json_is(const struct json_reader *r, const char *text);

/* The number.  -EINVAL: not an integer (json_int, json_uint); -ERANGE: does not fit; for a double only
 * when it has more than 1000 characters, too large ones become infinite. */
int json_int(const struct json_reader *r, int64_t *ret_v);
int json_uint(const struct json_reader *r, uint64_t *ret_v);
int json_double(const struct json_reader *r, double *ret_v);
int json_span_double(const char *span, size_t len, double *ret_v);

/* ------------------------------------------------------------------ writer */

/* Writes valid UTF-8 as Python's json.dumps does: separators ", " and ": ", short escapes where there are
 * any, else \u00xx in lower case.  With `ascii` nothing but ASCII is written.  The caller keeps the
 * order (keys only in objects, as many ends as begins, no deeper than JSON_DEPTH_MAX). */
struct json_writer {
	struct buf *out;
	bool ascii;
	/* private */
	bool valued; /* a key was written, its value not */
	unsigned depth;
	uint64_t members; /* bit: that level has one already */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_text(struct json_writer *w, const char *text); /* NULL: null */
void json_put_string(struct json_writer *w, const char *p, size_t n);
void json_put_int(struct json_writer *w, int64_t v);
void json_put_uint(struct json_writer *w, uint64_t v);
void json_put_double(struct json_writer *w, double v); /* null when it is not finite */
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, const char *json, size_t n); /* a value as it is */

/* What stands between the quotes, for n bytes of valid UTF-8.  Room for JSON_ESCAPE_ROOM(n) bytes; answers how
 * many were written. */
#define JSON_ESCAPE_ROOM(n) (6 * (size_t)(n) + 8)
size_t json_escape(char *out, const char *p, size_t n);
size_t json_escape_ascii(char *out, const char *p, size_t n);

#endif
