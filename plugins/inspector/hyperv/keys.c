/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys to numbers, by open addressing.  Any thread; never blocks.
 */
#include "plugins/inspector/hyperv/keys.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

struct key_slot {
	const char *key; /* NULL: free */
	size_t len;
	uint64_t hash;
	int number;
};

/* Eight bytes at a time, with bit 5 set in all: more than letters become equal, but only letters are compared so. */
uint64_t key_hash(const char *key, size_t len)
{
	uint64_t h = len * UINT64_C(0x9E3779B97F4A7C15), word = 0;

	for (; len >= sizeof(word); len -= sizeof(word), key += sizeof(word)) {
		memcpy(&word, key, sizeof(word));
		h = (h ^ (word | UINT64_C(0x2020202020202020))) * UINT64_C(0xFF51AFD7ED558CCD);
		h ^= h >> 32;
	}
	for (word = 0; len > 0; len--) {
		word = word << 8 | ((unsigned char)key[len - 1] | 0x20);
	}
	h = (h ^ word) * UINT64_C(0xC4CEB9FE1A85EC53);
	return h ^ h >> 29;
}

void keys_init(struct keys *k, struct arena *arena, size_t count)
{
	uint64_t slots = 16;

	while (slots < (uint64_t)count * 2) {
		slots *= 2;
	}
	k->slot = ARENA_ARRAY(arena, struct key_slot, slots);
	k->mask = slots - 1;
}

/* Mostly they are written alike. */
static bool is_same(const char *a, const char *b, size_t len)
{
	return memcmp(a, b, len) == 0 || g_ascii_strncasecmp(a, b, len) == 0;
}

static struct key_slot *find(const struct keys *k, const char *key, size_t len, uint64_t hash)
{
	for (uint64_t i = hash & k->mask;; i = (i + 1) & k->mask) {
		struct key_slot *s = &k->slot[i];

		if (!s->key || (s->hash == hash && s->len == len && is_same(s->key, key, len))) {
			return s;
		}
	}
}

void keys_put(struct keys *k, const char *key, size_t len, int number)
{
	uint64_t hash = key_hash(key, len);
	struct key_slot *s = find(k, key, len, hash);

	if (!s->key) {
		*s = (struct key_slot){ key, len, hash, number };
	}
}

int keys_get(const struct keys *k, const char *key, size_t len)
{
	const struct key_slot *s = find(k, key, len, key_hash(key, len));

	return s->key ? s->number : KEY_NONE;
}
