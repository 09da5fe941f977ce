/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack into a buffer, in the smallest form that there is for a value, as Python's msgpack does it.
 * Around msgpack-c.  Any thread; nothing is allocated but the output.
 */
#ifndef WIRE_PACK_H
#define WIRE_PACK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* `raw`: strings in the form of msgpack before 2013, which has no str8. */
void pack_string(struct buf *out, const char *p, size_t n, bool raw);
void pack_string_begin(struct buf *out, size_t n, bool raw); /* what stands before its n bytes */
void pack_text(struct buf *out, const char *text, bool raw); /* NULL: nil */
void pack_map(struct buf *out, size_t members);
void pack_int(struct buf *out, int64_t v);
void pack_uint(struct buf *out, uint64_t v);
void pack_double(struct buf *out, double v);

/* A JSON value, members in their order.  -EBADMSG: not JSON; -ERANGE: an integer that does not fit 64
 * bits, or a number too long to read.  `out` as before then. */
int pack_json(struct buf *out, const char *json, size_t n, bool raw);

#endif
