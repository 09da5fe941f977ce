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
	SETS = 2048, /* of resource versions that are kept, by the hash of the resource's id */
	WAYS = 4, /* of one set: a resource's meters have other metadata than each other */
	KNOWN_ONE = 64 << 10, /* bytes of one that is kept */
	KNOWN_ALL = 64 << 20,
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
	struct message_known known[SETS][WAYS];
	uint8_t victim[SETS]; /* the next way to be taken */
	size_t known_bytes;
	size_t begin; /* the first row of the message in hand, and the meters before it */
	uint32_t begin_meters;
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
	for (size_t i = 0; i < SETS * (size_t)WAYS; i++) {
		struct message_known *k = &r->known[i / WAYS][i % WAYS];

		resource_unref(k->resource);
		g_free(k->texts);
		*k = (struct message_known){ .resource = NULL };
	}
	r->known_bytes = 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_resource(const struct message_known *k, const struct message_sample *s)
{
	const struct vmt_resource *p = &k->resource->public;

	return p->meta_tail_len == s->tail_len && same(p->id, s->resource_id) &&
	       same(p->project_id, s->project_id) && same(p->user_id, s->user_id) &&
	       same(p->project_name, s->project_name) && same(p->user_name, s->user_name) &&
	       same(p->source, s->source) &&
	       (k == s->known || memcmp(p->meta_tail, s->tail, s->tail_len) == 0);
}

static size_t bytes_of(const struct message_known *k)
{
	return k->resource ? resource_bytes(k->resource) + resource_head_bytes(k->resource->head) +
				     k->raw_len + k->flat_len
			   : 0;
}

static struct resource *make_resource(const struct message_sample *s)
{
	struct resource_owner owner = { .project_id = s->project_id,
					.user_id = s->user_id,
					.project_name = s->project_name,
					.user_name = s->user_name,
					.source = s->source };
	struct resource_head *head = resource_head_new(&owner, "{", 1);
	struct resource *r = resource_new(head, s->resource_id, s->tail, s->tail_len);

	resource_head_unref(head);
	return r;
}

/* The version, whose reference it takes, and the texts of the sample's metadata. */
static struct message_known make_known(struct resource *resource, uint64_t hash,
				       const struct message_sample *s)
{
	bool same_text = s->raw_len - 1 == s->tail_len &&
			 memcmp(s->raw + 1, s->tail, s->tail_len) == 0;
	size_t raw_len = same_text ? 0 : s->raw_len - 1;
	char *texts = g_malloc(raw_len + s->flat_len + 1);

	memcpy(texts, s->raw + 1, raw_len);
	if (s->flat_len) {
		memcpy(texts + raw_len, s->flat, s->flat_len);
	}
	return (struct message_known){ .resource = resource,
				       .hash = hash,
				       .raw = same_text ? resource->public.meta_tail : texts,
				       .raw_len = (uint32_t)s->raw_len - 1,
				       .flat = s->flat ? texts + raw_len : NULL,
				       .flat_len = (uint32_t)s->flat_len,
				       .texts = texts,
				       .dialect = s->dialect };
}

/* Keeps it, in place of another one. */
static void keep(struct message_gather *r, struct message_known *place, struct message_known k)
{
	if (bytes_of(&k) > KNOWN_ONE) {
		resource_unref(k.resource);
		g_free(k.texts);
		return;
	}
	if (r->known_bytes + bytes_of(&k) > KNOWN_ALL) {
		forget_resources(r);
	}
	r->known_bytes += bytes_of(&k) - bytes_of(place);
	resource_unref(place->resource);
	g_free(place->texts);
	*place = k;
}

static uint64_t hash_of(const struct message_gather *r, const char *id)
{
	return hash64(id, strlen(id), r->seed);
}

const struct message_known *message_gather_known(const struct message_gather *r,
						 const char *resource_id, const char *text,
						 size_t room)
{
	uint64_t hash = hash_of(r, resource_id);
	const struct message_known *set = r->known[hash % SETS];

	for (int i = 0; i < WAYS; i++) {
		const struct message_known *k = &set[i];

		if (k->resource && k->hash == hash && k->raw_len < room &&
		    strcmp(k->resource->public.id, resource_id) == 0 &&
		    memcmp(k->raw, text + 1, k->raw_len) == 0) {
			return k;
		}
	}
	return NULL;
}

/* Whether what is signed of the metadata is to be kept with it. */
static bool lacks_flat(const struct message_known *k, const struct message_sample *s)
{
	return s->flat && (!k->flat || k->dialect != s->dialect);
}

/* A reference on the version that the sample speaks of. */
static struct resource *find_resource(struct message_gather *r, const struct message_sample *s)
{
	uint64_t hash = hash_of(r, s->resource_id);
	struct message_known *set = r->known[hash % SETS], *place = NULL;
	struct resource *found = NULL;

	if (s->known && same_resource(s->known, s) && (!s->raw || !lacks_flat(s->known, s))) {
		return resource_ref(s->known->resource);
	}
	for (int i = 0; i < WAYS && !found; i++) {
		place = &set[i];
		if (place->resource && place->hash == hash && same_resource(place, s)) {
			found = resource_ref(place->resource);
		}
	}
	if (found && (!s->raw || !lacks_flat(place, s))) {
		return found;
	}
	if (!found) {
		found = make_resource(s);
		place = &set[r->victim[hash % SETS]++ % WAYS];
	}
	if (s->raw) {
		keep(r, place, make_known(resource_ref(found), hash, s));
	}
	return found;
}

/* ------------------------------------------------------------------ rows */

static void clear_rows(struct message_gather *r)
{
	for (size_t i = 0; i < r->count; i++) {
		resource_unref(r->row[i].resource);
	}
	r->count = 0;
	r->meters = r->last = 0;
	r->message = 0;
	r->begin = 0;
	r->begin_meters = 0;
	memset(r->slot, 0, r->slots * sizeof(*r->slot));
	arena_reset(r->names);
}

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

void message_gather_remove(struct message_gather *r, size_t row)
{
	struct row *out = &r->row[row];

	r->meter[out->meter].count--;
	resource_unref(out->resource);
	memmove(out, out + 1, (--r->count - row) * sizeof(*out));
}

void message_gather_end(struct message_gather *r)
{
	r->message += r->count > r->begin;
	r->begin = r->count;
	r->begin_meters = r->meters;
}

void message_gather_drop(struct message_gather *r)
{
	if (r->begin == 0) {
		clear_rows(r);
		return;
	}
	while (r->count > r->begin) {
		struct row *row = &r->row[--r->count];

		r->meter[row->meter].count--;
		resource_unref(row->resource);
	}
	if (r->meters > r->begin_meters) {
		r->meters = r->begin_meters;
		make_slots(r, r->slots);
	}
	r->last = 0;
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
		struct vmt_batch batch;

		if (r->meter[m].count == 0) {
			continue; /* all its rows were taken out */
		}
		batch = batch_of(r, &r->meter[m]);
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
