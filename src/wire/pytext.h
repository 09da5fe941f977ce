/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as Python shows them (repr).  Any thread; nothing is allocated but the output.
 */
#ifndef WIRE_PYTEXT_H
#define WIRE_PYTEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* How a string is shown. */
enum pytext_form {
	PYTEXT_STR, /* Python 3: 'é', printable characters as they are */
	PYTEXT_BYTES, /* Python 3: b'\xc3\xa9' */
	PYTEXT_PY2_STR, /* Python 2: '\xc3\xa9' */
	PYTEXT_PY2_UNICODE, /* Python 2: u'\xe9', u'\u4e91' */
	PYTEXT_FORMS
};

/* Most bytes that n bytes can become. */
#define PYTEXT_ROOM(n) (6 * (size_t)(n) + 16)

/* The n bytes of valid UTF-8 as a literal: in single quotes unless there is a single quote and no double
 * quote in it; \\, \t, \n, \r, and what is not printable as \xhh, \uhhhh, \Uhhhhhhhh.  `out` has
 * room for PYTEXT_ROOM(n) bytes; answers how many were written. */
size_t pytext_put(char *out, const char *p, size_t n, enum pytext_form form);

void pytext_add(struct buf *out, const char *p, size_t n, enum pytext_form form);

/* A JSON value as the Python object that it decodes to, members in their order.  Integers keep their digits
 * (the Python 2 forms put an L behind those that do not fit 63 bits), other numbers become the shortest
 * form of their double.  With PYTEXT_PY2_UNICODE the keys of the outermost object have no u: they come
 * from the program itself.  -EBADMSG: not JSON, `out` as before. */
int pytext_add_json(struct buf *out, const char *json, size_t n, enum pytext_form form);

/* A number of JSON text. */
void pytext_add_number(struct buf *out, const char *span, size_t n, bool integer,
		       enum pytext_form form);

#endif
