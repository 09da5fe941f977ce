/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack from outside, made into JSON text, so that one reader and one check of signatures serve both.
 * Strings of every dialect (str, and the raw of before 2013, which has the same codes) and bin are
 * strings.  Any thread; nothing is allocated but the output, which is at most a few times as long as what
 * comes in.
 */
#ifndef WIRE_UNPACK_H
#define WIRE_UNPACK_H

#include "base/buf.h"

enum { UNPACK_DEPTH_MAX = 32 };

/* One value, *all* of the n bytes, laid out as json_writer does; doubles that are not finite become NaN and
 * Infinity.  -EBADMSG: cut short, bytes behind it, an extension, a map's key that is not a string, a string
 * that is not UTF-8; -E2BIG: deeper than UNPACK_DEPTH_MAX.  `out` as before then. */
int unpack_json(const void *bytes, size_t n, struct buf *out);

#endif
