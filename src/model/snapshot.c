/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns snapshots: copies what a discovery hands over into an arena, within bounds and as valid
 * UTF-8, and keeps a table from id to index.  Built on one thread, read on any; blocks on nothing.
 */
#include "model/snapshot.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/json_text.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct vmt_snapshot_builder {
	struct arena *arena;
	struct vmt_instance *instance;
	uint64_t *hash;
	size_t count, cap, max;
	uint32_t *table;
	size_t mask;
	size_t cut, refused;
	size_t budget; /* bytes that the pairs of the instance in hand may still take */
	struct buf scratch;
};

static _Atomic uint64_t generations = 1;

enum { TABLE_MIN = 64 };

struct vmt_snapshot_builder *snapshot_builder_new(size_t instances)
{
	struct vmt_snapshot_builder *b = g_new0(struct vmt_snapshot_builder, 1);

	b->arena = arena_new(0);
	b->max = instances ? instances : SNAPSHOT_INSTANCES;
	b->mask = TABLE_MIN - 1;
	b->table = g_new0(uint32_t, TABLE_MIN);
	buf_init(&b->scratch);
	return b;
}

void snapshot_builder_free(struct vmt_snapshot_builder *b)
{
	if (!b) {
		return;
	}
	arena_free(b->arena);
	g_free(b->instance);
	g_free(b->hash);
	g_free(b->table);
	buf_fini(&b->scratch);
	g_free(b);
}

/* ------------------------------------------------------------------ id → index */

/* The slot of `id`: its entry or a free one. */
static size_t slot(const uint32_t *table, size_t mask, const struct vmt_instance *instance,
		   const char *id)
{
	size_t i = hash64(id, strlen(id), 0) & mask;

	while (table[i] && strcmp(instance[table[i] - 1].id, id) != 0) {
		i = (i + 1) & mask;
	}
	return i;
}

/* Keeps the table at most half full. */
static void table_grow(struct vmt_snapshot_builder *b)
{
	if (2 * (b->count + 1) <= b->mask + 1) {
		return;
	}
	b->mask = 2 * b->mask + 1;
	g_free(b->table);
	b->table = g_new0(uint32_t, b->mask + 1);
	for (size_t i = 0; i < b->count; i++) {
		b->table[slot(b->table, b->mask, b->instance, b->instance[i].id)] = (uint32_t)i + 1;
	}
}

/* ------------------------------------------------------------------ copying */

/* A copy of at most `max` bytes that is valid UTF-8. */
static const char *copy(struct vmt_snapshot_builder *b, const char *s, size_t max)
{
	size_t n;

	if (!s) {
		return NULL;
	}
	n = strnlen(s, max + 1);
	if (!utf8_valid(s, n > max ? utf8_cut(s, max) : n)) {
		buf_reset(&b->scratch);
		utf8_repair(s, n, &b->scratch);
		s = b->scratch.data;
		n = b->scratch.len;
	}
	if (n > max) {
		n = utf8_cut(s, max);
		b->cut++;
	}
	return arena_strndup(b->arena, s, n);
}

static const char *text(struct vmt_snapshot_builder *b, const char *s)
{
	return copy(b, s, SNAPSHOT_STRING);
}

static bool raw_fits(const char *value)
{
	size_t n = value ? strnlen(value, SNAPSHOT_STRING + 1) : 0;

	return value && n <= SNAPSHOT_STRING && utf8_valid(value, n) &&
	       json_valid(value, n, JSON_DEPTH);
}

static struct vmt_pair *pair_find(struct vmt_pair *pairs, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pairs[i].key, key) == 0) {
			return &pairs[i];
		}
	}
	return NULL;
}

static const struct vmt_pair *pairs(struct vmt_snapshot_builder *b, const struct vmt_pair *from)
{
	struct vmt_pair *to, *known;
	size_t count = 0, n = 0;

	if (!from || !from->key) {
		return NULL;
	}
	while (n < SNAPSHOT_PAIRS && from[n].key) {
		n++;
	}
	b->cut += from[n].key != NULL;
	to = arena_alloc(b->arena, (n + 1) * sizeof(*to));
	for (size_t i = 0; i < n; i++) {
		struct vmt_pair p = { .raw = from[i].raw };
		size_t bytes = strnlen(from[i].key, SNAPSHOT_STRING) +
			       (from[i].value ? strnlen(from[i].value, SNAPSHOT_STRING) : 0);

		if (bytes > b->budget || (p.raw && !raw_fits(from[i].value))) {
			b->cut++;
			continue;
		}
		b->budget -= bytes;
		p.key = text(b, from[i].key);
		p.value = text(b, from[i].value);
		known = pair_find(to, count, p.key);
		*(known ? known : &to[count++]) = p;
	}
	to[count] = (struct vmt_pair){ 0 };
	return to;
}

/* ------------------------------------------------------------------ content hash */

static uint64_t add_text(uint64_t h, const char *s)
{
	return s ? hash64(s, strlen(s), h + 1) : hash64("", 0, h + 2);
}

static uint64_t add_number(uint64_t h, int64_t v)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)((uint64_t)v >> (8 * i));
	}
	return hash64(bytes, sizeof(bytes), h);
}

static uint64_t add_pairs(uint64_t h, const struct vmt_pair *p)
{
	for (; p && p->key; p++) {
		h = add_number(add_text(add_text(h, p->key), p->value), p->raw);
	}
	return add_number(h, -1);
}

static uint64_t content(const struct vmt_instance *in)
{
	const char *texts[] = { in->id,         in->name,        in->display_name, in->user_id,
				in->project_id, in->user_name,   in->project_name, in->host_id,
				in->host,       in->status,      in->state,        in->task_state,
				in->flavor.id,  in->flavor.name, in->flavor.href,  in->image.id,
				in->image.name, in->image.href };
	int64_t numbers[] = {
		in->has_flavor,      in->has_image,       in->flavor.vcpus,
		in->flavor.ram_mib,  in->flavor.disk_gib, in->flavor.ephemeral_gib,
		in->flavor.swap_mib, in->flavor.has_swap, in->flavor.has_extra_specs
	};
	uint64_t h = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		h = add_text(h, texts[i]);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		h = add_number(h, numbers[i]);
	}
	h = add_pairs(h, in->flavor.extra_specs);
	h = add_pairs(h, in->image_meta);
	h = add_pairs(h, in->attributes);
	return add_pairs(h, in->metadata);
}

/* ------------------------------------------------------------------ adding */

static void copy_flavor(struct vmt_snapshot_builder *b, struct vmt_flavor *f)
{
	f->id = text(b, f->id);
	f->name = text(b, f->name);
	f->href = text(b, f->href);
	f->extra_specs = f->has_extra_specs ? pairs(b, f->extra_specs) : NULL;
}

static void copy_instance(struct vmt_snapshot_builder *b, struct vmt_instance *in)
{
	const char **texts[] = { &in->name,      &in->display_name, &in->user_id,   &in->project_id,
				 &in->user_name, &in->project_name, &in->host_id,   &in->host,
				 &in->status,    &in->state,        &in->task_state };

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		*texts[i] = text(b, *texts[i]);
	}
	b->budget = SNAPSHOT_LISTS;
	if (in->has_flavor) {
		copy_flavor(b, &in->flavor);
	} else {
		in->flavor = (struct vmt_flavor){ 0 };
	}
	if (in->has_image) {
		in->image.id = text(b, in->image.id);
		in->image.name = text(b, in->image.name);
		in->image.href = text(b, in->image.href);
	} else {
		in->image = (struct vmt_image){ 0 };
	}
	in->attributes = pairs(b, in->attributes);
	in->image_meta = pairs(b, in->image_meta);
	in->metadata = pairs(b, in->metadata);
}

VMT_API int vmt_snapshot_add(struct vmt_snapshot_builder *b, const struct vmt_instance *instance)
{
	struct vmt_instance *in;
	size_t at;

	if (!instance->id || !instance->id[0] ||
	    strnlen(instance->id, SNAPSHOT_ID + 1) > SNAPSHOT_ID ||
	    !utf8_valid(instance->id, strlen(instance->id))) {
		b->refused++;
		return -EINVAL;
	}
	table_grow(b);
	at = slot(b->table, b->mask, b->instance, instance->id);
	if (b->table[at] || b->count == b->max) {
		b->refused++;
		return b->table[at] ? -EEXIST : -E2BIG;
	}
	if (b->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 32;
		b->instance = g_renew(struct vmt_instance, b->instance, b->cap);
		b->hash = g_renew(uint64_t, b->hash, b->cap);
	}
	in = &b->instance[b->count];
	*in = *instance;
	in->id = arena_strdup(b->arena, instance->id);
	copy_instance(b, in);
	b->hash[b->count] = content(in);
	b->table[at] = (uint32_t)++b->count;
	return 0;
}

/* ------------------------------------------------------------------ the snapshot */

static bool same(const struct vmt_snapshot_builder *b, const struct snapshot *s)
{
	if (s->list.count != b->count || s->cut != b->cut || s->refused != b->refused) {
		return false;
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct vmt_instance *x = &b->instance[i], *y = &s->list.instances[i];

		if (b->hash[i] != s->hash[i] || x->stopped != y->stopped || x->epoch != y->epoch) {
			return false;
		}
	}
	return true;
}

struct snapshot *snapshot_builder_finish(struct vmt_snapshot_builder *b, struct snapshot *previous,
					 int64_t time_ns)
{
	struct snapshot *s;

	if (previous && same(b, previous)) {
		snapshot_builder_free(b);
		snapshot_confirm(previous, time_ns);
		return snapshot_ref(previous);
	}
	s = g_new0(struct snapshot, 1);
	s->list.count = b->count;
	s->list.instances = b->instance;
	s->list.generation = atomic_fetch_add(&generations, 1);
	s->list.time_ns = time_ns;
	s->hash = b->hash;
	s->cut = b->cut;
	s->refused = b->refused;
	s->table = b->table;
	s->mask = b->mask;
	s->arena = b->arena;
	atomic_init(&s->refs, 1);
	b->arena = NULL;
	b->instance = NULL;
	b->hash = NULL;
	b->table = NULL;
	snapshot_builder_free(b);
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
		g_free((void *)(uintptr_t)s->list.instances);
		g_free((void *)(uintptr_t)s->hash);
		g_free(s->table);
		arena_free(s->arena);
		g_free(s);
	}
}

void snapshot_confirm(struct snapshot *s, int64_t time_ns)
{
	__atomic_store_n(&s->list.time_ns, time_ns, __ATOMIC_RELAXED);
}

ssize_t snapshot_find(const struct snapshot *s, const char *id)
{
	uint32_t entry = s->table[slot(s->table, s->mask, s->list.instances, id)];

	return entry ? (ssize_t)entry - 1 : -ENOENT;
}
