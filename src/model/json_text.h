/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text: strings written with their escapes, and a check of text that others give us as
 * JSON.  Any thread.
 */
#ifndef MODEL_JSON_TEXT_H
#define MODEL_JSON_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH = 16 }; /* of arrays and objects, as checked */

/* The string in quotes, valid UTF-8 (RFC 8259): only '"', '\' and control characters are
 * escaped. */
void json_add_string(struct buf *out, const char *s, size_t n);

/* The same for a zero-terminated string; NULL gives null. */
void json_add(struct buf *out, const char *s);

void json_add_int(struct buf *out, int64_t v);
void json_add_uint(struct buf *out, uint64_t v);

/* Whether the n bytes are one JSON value (RFC 8259), with arrays and objects no deeper than
 * `depth`; spaces around it are allowed.  Does not look at UTF-8 or for repeated keys. */
bool json_valid(const char *p, size_t n, int depth);

#endif
