/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a table from a resource version's digest to what was made of it, all in one buffer.  One thread at
 * a time; blocks on nothing.
 */
#include "wire/text_cache.h"

#include <glib.h>

struct slot {
	uint64_t digest;
	uint32_t offset, len; /* len 0: free */
};

struct text_cache {
	struct buf text;
	size_t max;
	text_cache_fill fill;
	struct slot *slots;
	uint32_t size, used; /* size: a power of two, at least twice `used` */
};

enum { FIRST_SIZE = 64 };

static struct slot *find(struct slot *slots, uint32_t size, uint64_t digest)
{
	uint32_t i = (uint32_t)(digest ^ digest >> 32);

	while (slots[i & (size - 1)].len && slots[i & (size - 1)].digest != digest) {
		i++;
	}
	return &slots[i & (size - 1)];
}

static void grow(struct text_cache *c)
{
	struct slot *slots = g_new0(struct slot, c->size * 2);

	for (uint32_t i = 0; i < c->size; i++) {
		if (c->slots[i].len) {
			*find(slots, c->size * 2, c->slots[i].digest) = c->slots[i];
		}
	}
	g_free(c->slots);
	c->slots = slots;
	c->size *= 2;
}

static void clear(struct text_cache *c)
{
	memset(c->slots, 0, c->size * sizeof(*c->slots));
	c->used = 0;
	buf_reset(&c->text);
}

struct text_cache *text_cache_new(size_t max, text_cache_fill fill)
{
	struct text_cache *c = g_new0(struct text_cache, 1);

	buf_init(&c->text);
	c->max = max;
	c->fill = fill;
	c->size = FIRST_SIZE;
	c->slots = g_new0(struct slot, c->size);
	return c;
}

void text_cache_free(struct text_cache *c)
{
	if (c) {
		buf_fini(&c->text);
		g_free(c->slots);
		g_free(c);
	}
}

const char *text_cache_get(struct text_cache *c, const struct vmt_resource *r, void *context,
			   size_t *ret_len)
{
	struct slot *slot = find(c->slots, c->size, r->digest);
	size_t offset;

	if (slot->len) {
		*ret_len = slot->len;
		return c->text.data + slot->offset;
	}
	if (c->text.len > c->max) {
		clear(c);
	}
	if (c->used * 2 >= c->size) {
		grow(c);
	}
	offset = c->text.len;
	c->fill(context, r, &c->text);
	*ret_len = c->text.len - offset;
	slot = find(c->slots, c->size, r->digest);
	*slot = (struct slot){ r->digest, (uint32_t)offset, (uint32_t)*ret_len };
	c->used++;
	return c->text.data + offset;
}
