/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing past U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *p, size_t n);

/* Adds the n bytes to `out`; each maximal part of an ill-formed sequence becomes one U+FFFD (Unicode 15,
 * section 3.9).  Answers how many were replaced. */
size_t utf8_repair(const char *p, size_t n, struct buf *out);

/* The largest length <= n that does not cut a sequence in two. */
size_t utf8_cut(const char *p, size_t n);

#endif
