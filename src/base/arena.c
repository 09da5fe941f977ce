/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the blocks behind an arena.  One thread at a time; blocks on nothing.
 */
#include "base/arena.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_DEFAULT ((size_t)16 << 10)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	_Alignas(ARENA_ALIGN) char data[];
};

struct arena *arena_new(size_t block)
{
	struct arena *a = g_new0(struct arena, 1);

	a->block = block ? block : BLOCK_DEFAULT;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a) {
		return;
	}
	while (a->first) {
		struct arena_block *b = a->first;

		a->first = b->next;
		g_free(b);
	}
	g_free(a);
}

static void use(struct arena *a, struct arena_block *b)
{
	a->current = b;
	a->at = b->data;
	a->end = b->data + b->size;
}

void arena_reset(struct arena *a)
{
	if (a->first) {
		use(a, a->first);
	}
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}

size_t arena_given(const struct arena *a)
{
	size_t bytes = 0;

	for (const struct arena_block *b = a->first; b && b != a->current; b = b->next) {
		bytes += b->size;
	}
	return bytes + (a->current ? (size_t)(a->at - a->current->data) : 0);
}

/* The next kept block that is large enough, or a new one behind the current; blocks that are too
 * small for this piece move behind it and serve later ones. */
void *arena_alloc_slow(struct arena *a, size_t size)
{
	struct arena_block **at = a->current ? &a->current->next : &a->first;
	struct arena_block **from = at, *b;
	size_t want;

	if (size > SIZE_MAX / 2) {
		g_error("arena: %zu bytes asked for", size);
	}
	while (*at && (*at)->size < size) {
		at = &(*at)->next;
	}
	b = *at;
	if (b) {
		*at = b->next;
	} else {
		want = MAX(a->block, size);
		b = g_malloc(sizeof(*b) + want);
		b->size = want;
		a->bytes += sizeof(*b) + want;
	}
	b->next = *from;
	*from = b;
	use(a, b);
	a->at += size;
	return b->data;
}

void *arena_alloc0(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

void *arena_array(struct arena *a, size_t size, size_t n)
{
	if (size && n > SIZE_MAX / size) {
		g_error("arena: %zu x %zu bytes asked for", n, size);
	}
	return arena_alloc0(a, size * n);
}

void *arena_dup(struct arena *a, const void *p, size_t size)
{
	void *q = arena_alloc(a, size);

	if (size) {
		memcpy(q, p, size);
	}
	return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc_text(a, n + 1);

	if (n) {
		memcpy(p, s, n);
	}
	p[n] = '\0';
	return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	char *p;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	g_assert(n >= 0);
	p = arena_alloc_text(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	return p;
}
