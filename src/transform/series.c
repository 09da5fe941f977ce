/* SPDX-License-Identifier: Apache-2.0 */
/* Records per series.  On the pipeline thread; blocks on nothing. */
#include "transform/series.h"

#include <glib.h>
#include <string.h>

#include "base/hash.h"

struct series {
	struct series_ops ops;
	void *context;
	series_key_fn key_fn;
	void *key_context;
	GHashTable *groups; /* name → struct series_group * */
	struct series_group *last;
	struct buf key;
};

/* ---- groups */

static void drop(struct series_group *g, uint32_t slot)
{
	if (g->series->ops.dropped) {
		g->series->ops.dropped(g->series->context, series_at(g, slot));
	}
	vmt_resource_unref(g->resource[slot]);
	g_free(g->key[slot]);
}

static void group_free(void *data)
{
	struct series_group *g = data;

	for (uint32_t i = 0; i < g->count; i++) {
		drop(g, i);
	}
	g_free(g->name);
	g_free(g->unit);
	g_free(g->out_name);
	g_free(g->out_unit);
	g_free(g->resource);
	g_free(g->key);
	g_free(g->record);
	g_free(g->hint);
	g_free(g->table);
	g_free(g);
}

struct series *series_new(const struct series_ops *ops, void *context)
{
	struct series *s = g_new0(struct series, 1);

	s->ops = *ops;
	s->context = context;
	s->groups = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, group_free);
	buf_init(&s->key);
	return s;
}

void series_free(struct series *series)
{
	if (series) {
		g_hash_table_destroy(series->groups);
		buf_fini(&series->key);
		g_free(series);
	}
}

void series_set_key(struct series *series, series_key_fn key, void *context)
{
	series->key_fn = key;
	series->key_context = context;
}

struct series_group *series_group(struct series *series, const char *name, uint32_t rows)
{
	struct series_group *g = series->last;

	if (!g || strcmp(g->name, name) != 0) {
		g = g_hash_table_lookup(series->groups, name);
	}
	if (!g) {
		g = g_new0(struct series_group, 1);
		g->series = series;
		g->name = g_strdup(name);
		g->record_size = series->ops.record_size;
		g_hash_table_insert(series->groups, g->name, g);
	}
	series->last = g;
	if (rows > g->hints) {
		g->hint = g_renew(uint32_t, g->hint, rows);
		memset(g->hint + g->hints, 0xff, (rows - g->hints) * sizeof(*g->hint));
		g->hints = rows;
	}
	return g;
}

/* ---- the table of keys */

static uint32_t *place_of(const struct series_group *g, const char *key, size_t len)
{
	uint32_t at = (uint32_t)hash64(key, len, 0) & (g->slots - 1);

	while (g->table[at] && strcmp(g->key[g->table[at] - 1], key) != 0) {
		at = (at + 1) & (g->slots - 1);
	}
	return &g->table[at];
}

static void rebuild(struct series_group *g, uint32_t slots)
{
	g->slots = slots;
	g->table = g_renew(uint32_t, g->table, slots);
	memset(g->table, 0, slots * sizeof(*g->table));
	for (uint32_t i = 0; i < g->count; i++) {
		*place_of(g, g->key[i], strlen(g->key[i])) = i + 1;
	}
}

static void make_room(struct series_group *g)
{
	if (g->count < g->room) {
		return;
	}
	g->room = MAX(16, g->room + g->room / 2);
	g->resource = g_renew(const struct vmt_resource *, g->resource, g->room);
	g->key = g_renew(char *, g->key, g->room);
	g->record = g_realloc_n(g->record, g->room, g->record_size);
	if (g->slots < 2 * g->room) {
		rebuild(g, g->slots ? 2 * g->slots : 64);
	}
}

static uint32_t add(struct series_group *g, const char *key, size_t len)
{
	uint32_t slot;

	make_room(g);
	slot = g->count;
	g->key[slot] = g_strndup(key, len);
	g->resource[slot] = NULL;
	memset(series_at(g, slot), 0, g->record_size);
	((struct series_record *)series_at(g, slot))->time_ns = INT64_MIN;
	*place_of(g, key, len) = slot + 1;
	g->count++;
	return slot;
}

uint32_t series_find(struct series_group *g, uint32_t row, const struct vmt_resource *resource)
{
	struct series *s = g->series;
	const char *key = resource->id;
	size_t len = strlen(key);
	uint32_t slot;
	bool fresh;

	if (s->key_fn) {
		buf_reset(&s->key);
		s->key_fn(s->key_context, resource, &s->key);
		key = s->key.data;
		len = s->key.len;
	}
	slot = g->slots ? *place_of(g, key, len) : 0;
	fresh = slot == 0;
	slot = fresh ? add(g, key, len) : slot - 1;
	g->hint[row] = slot;
	if (g->resource[slot] != resource) {
		const struct vmt_resource *before = g->resource[slot];

		g->resource[slot] = vmt_resource_ref(resource);
		if (s->ops.changed && (fresh || before->digest != resource->digest)) {
			s->ops.changed(s->context, series_at(g, slot), resource);
		}
		vmt_resource_unref(before);
	}
	return slot;
}

/* ---- what goes */

/* The last record takes the place of this one; hints are verified, so they may point anywhere. */
static void take_out(struct series_group *g, uint32_t slot)
{
	uint32_t last = g->count - 1;

	drop(g, slot);
	if (slot != last) {
		g->resource[slot] = g->resource[last];
		g->key[slot] = g->key[last];
		memcpy(series_at(g, slot), series_at(g, last), g->record_size);
	}
	g->count = last;
}

static bool listed(const uint64_t *list, size_t count, uint64_t what)
{
	for (size_t i = 0; what && i < count; i++) {
		if (list[i] == what) {
			return true;
		}
	}
	return false;
}

void series_forget(struct series *series, const uint64_t *instances, size_t count)
{
	GHashTableIter it;
	void *value;

	g_hash_table_iter_init(&it, series->groups);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		struct series_group *g = value;
		uint32_t before = g->count;

		for (uint32_t i = g->count; i-- > 0;) {
			if (listed(instances, count, g->resource[i]->instance)) {
				take_out(g, i);
			}
		}
		if (g->count != before) {
			rebuild(g, g->slots);
		}
	}
}

void series_expire(struct series *series, int64_t before_ns)
{
	GHashTableIter it;
	void *value;

	g_hash_table_iter_init(&it, series->groups);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		struct series_group *g = value;
		uint32_t before = g->count;

		for (uint32_t i = g->count; i-- > 0;) {
			if (((struct series_record *)series_at(g, i))->time_ns < before_ns) {
				take_out(g, i);
			}
		}
		if (g->count == 0) {
			series->last = NULL;
			g_hash_table_iter_remove(&it);
		} else if (g->count != before) {
			rebuild(g, g->slots);
		}
	}
}

size_t series_count(const struct series *series)
{
	GHashTableIter it;
	void *value;
	size_t n = 0;

	g_hash_table_iter_init(&it, series->groups);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		n += ((struct series_group *)value)->count;
	}
	return n;
}

void series_each(struct series *series, series_fn fn, void *context)
{
	GHashTableIter it;
	void *value;

	g_hash_table_iter_init(&it, series->groups);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		struct series_group *g = value;

		for (uint32_t i = 0; i < g->count; i++) {
			fn(context, g, series_at(g, i));
		}
	}
}
