/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a message that its signature covers: names and values of all its members, sorted, one
 * behind the other, values as the Python of the peer shows them.  One thread at a time for an
 * object, whose memory is used again.
 */
#ifndef WIRE_FLATTEN_H
#define WIRE_FLATTEN_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Peers differ in how they show floats and lists. */
enum flatten_dialect {
	FLATTEN_PY3, /* on Python 3 (all of today's): floats in full, strings in lists as b'…' */
	FLATTEN_PY2, /* on Python 2, from 2014.2.1: 12 digits, strings in lists as '…', hash order */
	FLATTEN_PY2_2014_2_0, /* Python 2 up to 2014.2.0: items of lists shown twice */
	FLATTEN_DIALECTS
};

/* "py3", "py2", "py2-2014.2.0": the values of options; NULL-terminated. */
extern const char *const flatten_dialects[];

struct flatten_value;

struct flatten {
	struct flatten_value *values; /* the message as a tree; [0] is its root */
	size_t count, room;
	uint32_t *slots; /* Python 2 dictionary */
	size_t slots_room;
	uint64_t probes; /* left to look for a free slot, for one message */
	struct buf strings, name, item;
};

void flatten_init(struct flatten *f);
void flatten_fini(struct flatten *f); /* NULL is fine */

/* Adds the text of the message (JSON, an object) to `out`, its own `message_signature` left out; of
 * repeated keys the last counts.  -EBADMSG: not JSON, or not an object; -EILSEQ: a name that a
 * 2014.2.0 peer cannot sign (not ASCII); -ERANGE: a number too long; -E2BIG: more than 2^18
 * values, more than 64 MiB of text, or keys made to collide.
 * `out` is as before then. */
int flatten_json(struct flatten *f, const char *json, size_t n, enum flatten_dialect dialect,
		 struct buf *out);

/* The same of one member of a message, whose name is `name` and whose value, an object, is the JSON: what it adds to the
 * text of the message, without what stands before and behind. */
int flatten_member(struct flatten *f, const char *name, const char *json, size_t n,
		   enum flatten_dialect dialect, struct buf *out);

/* A number as it stands in the text, outside of lists.  -ERANGE: too long. */
int flatten_number(const char *digits, size_t n, bool integer, enum flatten_dialect dialect,
		   struct buf *out);

#endif
