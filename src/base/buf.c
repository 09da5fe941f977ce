/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns growable bytes.  One thread at a time; blocks on nothing.
 */
#include "base/buf.h"

#include <glib.h>
#include <stdint.h>
#include <stdio.h>

char buf_empty[1];

void buf_fini(struct buf *b)
{
	if (b) {
		if (b->cap) {
			g_free(b->data);
		}
		buf_init(b);
	}
}

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = MAX(b->cap * 2, (size_t)64);

	if (n >= SIZE_MAX / 4 - b->len) {
		g_error("buf: %zu bytes asked for", n);
	}
	while (cap - b->len <= n) {
		cap *= 2;
	}
	b->data = g_realloc(b->cap ? b->data : NULL, cap);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
	g_assert(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		buf_grow(b, (size_t)n);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
	}
	b->len += (size_t)n;
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
	g_assert(n <= b->len);
	if (n) {
		memmove(b->data, b->data + n, b->len - n);
		b->len -= n;
		b->data[b->len] = '\0';
	}
}

char *buf_steal(struct buf *b)
{
	char *p = b->cap ? b->data : g_strdup("");

	buf_init(b);
	return p;
}
