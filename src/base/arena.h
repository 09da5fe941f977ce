/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: memory that is given out by moving a pointer and taken back all at once.  One thread at a
 * time.  Out of memory aborts.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum { ARENA_ALIGN = 16 };

struct arena {
	char *at, *end; /* free part of the block in use */
	struct arena_block *first, *current;
	size_t block; /* size of an ordinary block */
	size_t bytes; /* taken from the heap, all blocks */
};

/* `block`: bytes asked of the heap at a time; 0 for 16 KiB.  Nothing is taken before the first use. */
struct arena *arena_new(size_t block);
void arena_free(struct arena *a);

/* Gives back all pieces; the blocks stay, so that the same work again costs no heap call. */
void arena_reset(struct arena *a);

/* Bytes held from the heap. */
size_t arena_bytes(const struct arena *a);
/* What has been given out since the beginning or the last reset: a block of this size does for the same once more. */
size_t arena_given(const struct arena *a);

/* At the beginning of another block, aligned. */
void *arena_alloc_slow(struct arena *a, size_t size);

/* `size` bytes for text, not aligned, contents undefined; never NULL. */
static inline char *arena_alloc_text(struct arena *a, size_t size)
{
	char *p = a->at;

	if (size > (size_t)(a->end - a->at)) {
		return arena_alloc_slow(a, size);
	}
	a->at += size;
	return p;
}

/* `size` bytes, aligned to 16, contents undefined; never NULL. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
	size_t skip = -(uintptr_t)a->at % ARENA_ALIGN;

	size += !size;
	if (skip >= (size_t)(a->end - a->at)) {
		return arena_alloc_slow(a, size);
	}
	a->at += skip;
	return arena_alloc_text(a, size);
}

void *arena_alloc0(struct arena *a, size_t size);
void *arena_dup(struct arena *a, const void *p, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL for NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n); /* exactly n bytes and a zero */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type) ((type *)arena_alloc0((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), sizeof(type), (n)))
void *arena_array(struct arena *a, size_t size, size_t n); /* zeroed; an overflow aborts */

#endif
