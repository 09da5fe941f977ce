/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the samples that were read, until a frame is made of them: rows in the order in which they came, each
 * with the number of its meter, and the resource versions seen lately, so that one that comes again is the
 * same object.  One thread at a time; blocks on nothing.
 */
#include "base/arena.h"
#include "base/hash.h"
#include "wire/message_read_private.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

enum {
	METERS_MAX = 60000, /* of a frame: what frame_decode() reads back */
	FIRST_ROOM = 64,
	CACHED = 8192, /* resource versions */
	CACHED_ONE = 64 << 10, /* bytes of one that is kept */
	CACHED_ALL = 64 << 20,
};

/* A meter of the frame to be. */
struct meter {
	const char *name, *unit; /* in `names` */
	uint64_t hash;
	uint32_t count, first; /* rows; the place of the first in the columns */
	uint8_t type, kind;
	bool kinds; /* its rows differ */
};

struct row {
	struct resource *resource; /* one reference */
	union vmt_num value;
	int64_t time_ns, mono_ns;
	uint8_t id[16];
	uint32_t meter, message;
	uint8_t kind;
};

/* The rows in the order of their meters. */
struct columns {
	const struct vmt_resource **resource;
	union vmt_num *value;
	int64_t *time, *mono;
	uint8_t (*id)[16];
	uint8_t *kind;
	uint32_t *message;
	size_t room;
};

struct message_gather {
	uint64_t seed; /* nobody outside can make texts collide */
	struct row *row;
	size_t count, room;
	uint32_t message; /* number of the one in hand */
	struct meter *meter;
	uint32_t meters, meters_room;
	uint32_t last; /* the meter of the row before */
	uint32_t *slot; /* number of a meter and one, by hash; 0: free */
	uint32_t slots; /* a power of two */
	struct arena *names;
	struct columns columns;
	struct resource *cache[CACHED]; /* by hash; one reference each */
	uint64_t cache_hash[CACHED];
	size_t cache_bytes;
};

/* ------------------------------------------------------------------ meters */

static uint64_t add_hash(uint64_t hash, const char *text)
{
	return text ? hash64(text, strlen(text), hash) : hash + 1;
}

static bool same_meter(const struct meter *m, const struct message_sample *s)
{
	return m->type == s->type && strcmp(m->name, s->name) == 0 && strcmp(m->unit, s->unit) == 0;
}

static void make_slots(struct message_gather *r, uint32_t slots)
{
	r->slot = g_renew(uint32_t, r->slot, slots);
	r->slots = slots;
	memset(r->slot, 0, slots * sizeof(*r->slot));
	for (uint32_t m = 0; m < r->meters; m++) {
		uint32_t i = (uint32_t)r->meter[m].hash & (slots - 1);

		while (r->slot[i]) {
			i = (i + 1) & (slots - 1);
		}
		r->slot[i] = m + 1;
	}
}

static uint32_t add_meter(struct message_gather *r, const struct message_sample *s, uint64_t hash,
			  uint32_t slot)
{
	if (r->meters == r->meters_room) {
		r->meters_room = r->meters_room ? r->meters_room * 2 : FIRST_ROOM;
		r->meter = g_renew(struct meter, r->meter, r->meters_room);
	}
	r->meter[r->meters] = (struct meter){ .name = arena_strdup(r->names, s->name),
					      .unit = arena_strdup(r->names, s->unit),
					      .hash = hash,
					      .type = (uint8_t)s->type,
					      .kind = (uint8_t)s->kind };
	r->slot[slot] = ++r->meters;
	if (r->meters * 2 > r->slots) {
		make_slots(r, r->slots * 2);
	}
	return r->meters - 1;
}

/* The number of the sample's meter, or -E2BIG. */
static int64_t find_meter(struct message_gather *r, const struct message_sample *s)
{
	uint64_t hash;
	uint32_t i;

	if (r->meters > 0 && same_meter(&r->meter[r->last], s)) {
		return r->last;
	}
	hash = add_hash(add_hash(r->seed + s->type, s->name), s->unit);
	for (i = (uint32_t)hash & (r->slots - 1); r->slot[i]; i = (i + 1) & (r->slots - 1)) {
		const struct meter *m = &r->meter[r->slot[i] - 1];

		if (m->hash == hash && same_meter(m, s)) {
			return r->slot[i] - 1;
		}
	}
	return r->meters < METERS_MAX ? (int64_t)add_meter(r, s, hash, i) : -E2BIG;
}

/* ------------------------------------------------------------------ resources */

static void forget_resources(struct message_gather *r)
{
	for (size_t i = 0; i < CACHED; i++) {
		resource_unref(r->cache[i]);
		r->cache[i] = NULL;
	}
	r->cache_bytes = 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_resource(const struct resource *r, const struct message_sample *s)
{
	const struct vmt_resource *p = &r->public;

	return p->meta_tail_len == s->metadata_len - 1 && same(p->id, s->resource_id) &&
	       same(p->project_id, s->project_id) && same(p->user_id, s->user_id) &&
	       same(p->project_name, s->project_name) && same(p->user_name, s->user_name) &&
	       same(p->source, s->source) &&
	       memcmp(p->meta_tail, s->metadata + 1, s->metadata_len - 1) == 0;
}

static size_t bytes_of(const struct resource *r)
{
	return resource_bytes(r) + resource_head_bytes(r->head);
}

static struct resource *make_resource(const struct message_sample *s)
{
	struct resource_owner owner = { .project_id = s->project_id,
					.user_id = s->user_id,
					.project_name = s->project_name,
					.user_name = s->user_name,
					.source = s->source };
	struct resource_head *head = resource_head_new(&owner, "{", 1);
	struct resource *r =
		resource_new(head, s->resource_id, s->metadata + 1, s->metadata_len - 1);

	resource_head_unref(head);
	return r;
}

/* A reference on the version that the sample speaks of. */
static struct resource *find_resource(struct message_gather *r, const struct message_sample *s)
{
	uint64_t hash = hash64(s->metadata, s->metadata_len, r->seed);
	struct resource **place, *made;

	hash = add_hash(add_hash(add_hash(hash, s->resource_id), s->source), s->project_id);
	hash = add_hash(add_hash(add_hash(hash, s->user_id), s->user_name), s->project_name);
	place = &r->cache[hash % CACHED];
	if (*place && r->cache_hash[hash % CACHED] == hash && same_resource(*place, s)) {
		return resource_ref(*place);
	}
	made = make_resource(s);
	if (bytes_of(made) <= CACHED_ONE) {
		if (r->cache_bytes + bytes_of(made) > CACHED_ALL) {
			forget_resources(r);
		}
		r->cache_bytes -= *place ? bytes_of(*place) : 0;
		resource_unref(*place);
		*place = resource_ref(made);
		r->cache_hash[hash % CACHED] = hash;
		r->cache_bytes += bytes_of(made);
	}
	return made;
}

/* ------------------------------------------------------------------ rows */

int message_gather_add(struct message_gather *r, const struct message_sample *s)
{
	int64_t meter = find_meter(r, s);
	struct row *row;
	struct meter *m;

	if (meter < 0) {
		return (int)meter;
	}
	if (r->count == r->room) {
		r->room = r->room ? r->room * 2 : FIRST_ROOM;
		r->row = g_renew(struct row, r->row, r->room);
	}
	r->last = (uint32_t)meter;
	m = &r->meter[r->last];
	m->count++;
	m->kinds = m->kinds || m->kind != s->kind;
	row = &r->row[r->count++];
	*row = (struct row){ .resource = find_resource(r, s),
			     .value = s->value,
			     .time_ns = s->time_ns,
			     .mono_ns = s->mono_ns,
			     .meter = r->last,
			     .message = r->message,
			     .kind = (uint8_t)s->kind };
	memcpy(row->id, s->id, sizeof(row->id));
	return 0;
}

void message_gather_end(struct message_gather *r)
{
	r->message += r->count > 0 && r->row[r->count - 1].message == r->message;
}

size_t message_gather_count(const struct message_gather *r)
{
	return r->count;
}

static void reserve_columns(struct columns *c, size_t n)
{
	if (n > c->room) {
		c->room = MAX(n, c->room * 2);
		c->resource = g_renew(const struct vmt_resource *, c->resource, c->room);
		c->value = g_renew(union vmt_num, c->value, c->room);
		c->time = g_renew(int64_t, c->time, c->room);
		c->mono = g_renew(int64_t, c->mono, c->room);
		c->id = g_realloc_n(c->id, c->room, sizeof(*c->id));
		c->kind = g_renew(uint8_t, c->kind, c->room);
		c->message = g_renew(uint32_t, c->message, c->room);
	}
}

/* Each row to its meter's part of the columns; `first` of a meter is moved on and comes back. */
static void sort_rows(struct message_gather *r)
{
	struct columns *c = &r->columns;
	uint32_t next = 0;

	reserve_columns(c, r->count);
	for (uint32_t m = 0; m < r->meters; m++) {
		r->meter[m].first = next;
		next += r->meter[m].count;
	}
	for (size_t i = 0; i < r->count; i++) {
		const struct row *row = &r->row[i];
		uint32_t to = r->meter[row->meter].first++;

		c->resource[to] = &row->resource->public;
		c->value[to] = row->value;
		c->time[to] = row->time_ns;
		c->mono[to] = row->mono_ns;
		c->kind[to] = row->kind;
		c->message[to] = row->message;
		memcpy(c->id[to], row->id, sizeof(row->id));
	}
	for (uint32_t m = 0; m < r->meters; m++) {
		r->meter[m].first -= r->meter[m].count;
	}
}

static bool all_equal(const int64_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (v[i] != v[0]) {
			return false;
		}
	}
	return true;
}

static struct vmt_batch batch_of(const struct message_gather *r, const struct meter *m)
{
	const struct columns *c = &r->columns;
	uint32_t at = m->first;
	struct vmt_batch b = {
		.name = m->name,
		.unit = m->unit,
		.type = m->type,
		.kind = m->kind,
		.count = m->count,
		.resource = c->resource + at,
		.value = c->value + at,
		.kinds = m->kinds ? c->kind + at : NULL,
		.time_ns = c->time[at],
		.mono_ns = c->mono[at],
		.ids = (const uint8_t(*)[16])c->id + at,
	};

	b.times = all_equal(c->time + at, m->count) ? NULL : c->time + at;
	b.monos = all_equal(c->mono + at, m->count) ? NULL : c->mono + at;
	memcpy(b.id, c->id[at], sizeof(b.id));
	return b;
}

static void clear_rows(struct message_gather *r)
{
	for (size_t i = 0; i < r->count; i++) {
		resource_unref(r->row[i].resource);
	}
	r->count = 0;
	r->meters = r->last = 0;
	r->message = 0;
	memset(r->slot, 0, r->slots * sizeof(*r->slot));
	arena_reset(r->names);
}

struct frame *message_gather_frame(struct message_gather *r, struct frame_builder *b,
				   enum vmt_profile profile, int64_t now_ns)
{
	if (r->count == 0) {
		clear_rows(r);
		return NULL;
	}
	sort_rows(r);
	frame_begin(b, profile, now_ns, INT64_MIN);
	for (uint32_t m = 0; m < r->meters; m++) {
		struct vmt_batch batch = batch_of(r, &r->meter[m]);

		batch_copy(b, &batch, 0);
		batch_messages(b, r->columns.message + r->meter[m].first);
	}
	clear_rows(r);
	return frame_finish(b);
}

struct message_gather *message_gather_new(void)
{
	struct message_gather *r = g_new0(struct message_gather, 1);

	r->seed = (uint64_t)g_random_int() << 32 | g_random_int();
	r->names = arena_new(4096);
	make_slots(r, FIRST_ROOM * 2);
	return r;
}

void message_gather_free(struct message_gather *r)
{
	if (r) {
		clear_rows(r);
		forget_resources(r);
		arena_free(r->names);
		g_free(r->row);
		g_free(r->meter);
		g_free(r->slot);
		g_free(r->columns.resource);
		g_free(r->columns.value);
		g_free(r->columns.time);
		g_free(r->columns.mono);
		g_free(r->columns.id);
		g_free(r->columns.kind);
		g_free(r->columns.message);
		g_free(r);
	}
}
