/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a table from a resource version's digest to its metadata as Python text, all in one buffer.  One
 * thread at a time; blocks on nothing.
 */
#include "wire/sample_cache.h"
#include "base/buf.h"
#include "wire/pytext.h"

#include <glib.h>

struct slot {
	uint64_t digest;
	uint32_t offset, len; /* len 0: free */
};

struct sample_cache {
	struct buf text, json;
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

static void grow(struct sample_cache *c)
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

static void clear(struct sample_cache *c)
{
	memset(c->slots, 0, c->size * sizeof(*c->slots));
	c->used = 0;
	buf_reset(&c->text);
}

struct sample_cache *sample_cache_new(void)
{
	struct sample_cache *c = g_new0(struct sample_cache, 1);

	buf_init(&c->text);
	buf_init(&c->json);
	c->size = FIRST_SIZE;
	c->slots = g_new0(struct slot, c->size);
	return c;
}

void sample_cache_free(struct sample_cache *c)
{
	if (c) {
		buf_fini(&c->text);
		buf_fini(&c->json);
		g_free(c->slots);
		g_free(c);
	}
}

static void add_text(struct sample_cache *c, const struct vmt_resource *r, enum vmt_profile profile)
{
	buf_reset(&c->json);
	buf_add(&c->json, r->meta_head, r->meta_head_len);
	buf_add(&c->json, r->meta_tail, r->meta_tail_len);
	if (pytext_add_json(&c->text, c->json.data, c->json.len,
			    profile == VMT_PROFILE_JUNO ? PYTEXT_PY2_UNICODE : PYTEXT_STR)) {
		buf_add(&c->text, "{}", 2);
	}
}

const char *sample_cache_get(struct sample_cache *c, const struct vmt_resource *r,
			     enum vmt_profile profile, size_t *ret_len)
{
	struct slot *slot = find(c->slots, c->size, r->digest);
	size_t offset;

	if (slot->len) {
		*ret_len = slot->len;
		return c->text.data + slot->offset;
	}
	if (c->text.len > SAMPLE_CACHE_MAX) {
		clear(c);
	}
	if (c->used * 2 >= c->size) {
		grow(c);
	}
	offset = c->text.len;
	add_text(c, r, profile);
	*ret_len = c->text.len - offset;
	slot = find(c->slots, c->size, r->digest);
	*slot = (struct slot){ r->digest, (uint32_t)offset, (uint32_t)*ret_len };
	c->used++;
	return c->text.data + offset;
}
