/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes.  `data` is always followed by a zero that `len` does not count, so it can be used as
 * a string; before the first byte it is an empty constant string.  One thread at a time.  Pointers into
 * it hold until the next addition.  Out of memory aborts.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct buf {
	char *data;
	size_t len, cap; /* cap: bytes at data, the zero included; 0: nothing from the heap */
};

extern char buf_empty[1];
#define BUF_INIT                                                                                   \
	{                                                                                          \
		buf_empty, 0, 0                                                                    \
	}

static inline void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_fini(struct buf *b); /* NULL is fine; usable as empty afterwards */
void buf_grow(struct buf *b, size_t n);

/* Empties it; the memory stays. */
static inline void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->cap) {
		b->data[0] = '\0'; /* never write to the shared empty one */
	}
}

/* Takes back what was added behind the first `len` bytes (len <= b->len). */
static inline void buf_cut(struct buf *b, size_t len)
{
	b->len = len;
	if (b->cap) {
		b->data[len] = '\0';
	}
}

/* Room for n more bytes and the zero: answers where they go.  Write there, then add to `len` and put
 * the zero (buf_commit). */
static inline char *buf_reserve(struct buf *b, size_t n)
{
	if (n >= b->cap - b->len) {
		buf_grow(b, n);
	}
	return b->data + b->len;
}

static inline void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
	b->data[b->len] = '\0';
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n) {
		memcpy(buf_reserve(b, n), p, n);
		buf_commit(b, n);
	}
}

static inline void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void buf_putc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	buf_commit(b, 1);
}

void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Removes the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

/* Hands the bytes over, to be freed with g_free(); the buffer is empty afterwards. */
char *buf_steal(struct buf *b);

#endif
