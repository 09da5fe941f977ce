/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two open-addressing tables (versions, series) and two small ones by name (meters, forms).  On the
 * publisher's thread; blocks on the database when something is looked up for the first time.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "ids.h"

enum {
	TABLE_FIRST = 256, /* places; always a power of two */
	TABLE_MOST = 1 << 21, /* places; a table of this size is emptied when it is full */
	NAMES_MOST = 8192,
	KEEP_PUBLISHES = 1024, /* not used for that many: may be forgotten */
};

struct ids {
	struct ids_version *version;
	struct ids_series *series;
	uint32_t version_places, version_count, series_places, series_count;
	uint32_t now; /* number of the publish */
	GHashTable *meter, *form; /* name → id */
	uint64_t *touched; /* digests of versions to be written */
	uint32_t touched_count, touched_cap;
};

/* ------------------------------------------------------------------ tables */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

/* Places for `count` entries, so that a table is at most half full after it was made. */
static uint32_t places_for(uint32_t count)
{
	uint32_t places = TABLE_FIRST;

	while (places / 2 < count) {
		places *= 2;
	}
	return places;
}

static bool stale(const struct ids *ids, uint32_t used)
{
	return ids->now - used > KEEP_PUBLISHES;
}

static struct ids_version *version_place(const struct ids *ids, uint64_t digest)
{
	uint32_t mask = ids->version_places - 1;
	uint32_t i = (uint32_t)mix(digest) & mask;

	while (ids->version[i].id && ids->version[i].digest != digest) {
		i = (i + 1) & mask;
	}
	return &ids->version[i];
}

static struct ids_series *series_place(const struct ids *ids, uint32_t resource, uint32_t meter)
{
	uint32_t mask = ids->series_places - 1;
	uint32_t i = (uint32_t)mix((uint64_t)resource << 32 | meter) & mask;

	while (ids->series[i].meter &&
	       (ids->series[i].meter != meter || ids->series[i].resource != resource)) {
		i = (i + 1) & mask;
	}
	return &ids->series[i];
}

/* Is this one kept when the table is made anew?  What waits for ids_flush() always is. */
static bool version_kept(const struct ids *ids, const struct ids_version *v, bool full)
{
	return v->id && (v->touched || (!full && !stale(ids, v->used)));
}

/* Room for one more. */
static void version_room(struct ids *ids)
{
	struct ids_version *old = ids->version;
	uint32_t places = ids->version_places, live = 0;
	bool full = places >= TABLE_MOST;

	if (places && ids->version_count < places / 4 * 3) {
		return;
	}
	for (uint32_t i = 0; i < places; i++) {
		live += version_kept(ids, &old[i], full);
	}
	ids->version_places = places_for(live + 1);
	ids->version = g_new0(struct ids_version, ids->version_places);
	ids->version_count = live;
	for (uint32_t i = 0; i < places; i++) {
		if (version_kept(ids, &old[i], full)) {
			*version_place(ids, old[i].digest) = old[i];
		}
	}
	g_free(old);
}

static bool series_kept(const struct ids *ids, const struct ids_series *e, bool full)
{
	return e->meter && !full && !stale(ids, e->used);
}

static void series_room(struct ids *ids)
{
	struct ids_series *old = ids->series;
	uint32_t places = ids->series_places, live = 0;
	bool full = places >= TABLE_MOST;

	if (places && ids->series_count < places / 4 * 3) {
		return;
	}
	for (uint32_t i = 0; i < places; i++) {
		live += series_kept(ids, &old[i], full);
	}
	ids->series_places = places_for(live + 1);
	ids->series = g_new0(struct ids_series, ids->series_places);
	ids->series_count = live;
	for (uint32_t i = 0; i < places; i++) {
		if (series_kept(ids, &old[i], full)) {
			*series_place(ids, old[i].resource, old[i].meter) = old[i];
		}
	}
	g_free(old);
}

/* ------------------------------------------------------------------ life */

struct ids *ids_new(void)
{
	struct ids *ids = g_new0(struct ids, 1);

	ids->meter = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ids->form = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return ids;
}

void ids_clear(struct ids *ids)
{
	if (!ids) {
		return;
	}
	g_hash_table_remove_all(ids->meter);
	g_hash_table_remove_all(ids->form);
	if (ids->version_count) {
		memset(ids->version, 0, ids->version_places * sizeof *ids->version);
	}
	if (ids->series_count) {
		memset(ids->series, 0, ids->series_places * sizeof *ids->series);
	}
	ids->version_count = ids->series_count = ids->touched_count = 0;
}

void ids_free(struct ids *ids)
{
	if (!ids) {
		return;
	}
	g_hash_table_destroy(ids->meter);
	g_hash_table_destroy(ids->form);
	g_free(ids->version);
	g_free(ids->series);
	g_free(ids->touched);
	g_free(ids);
}

void ids_begin(struct ids *ids)
{
	ids->now++;
	if (g_hash_table_size(ids->meter) > NAMES_MOST ||
	    g_hash_table_size(ids->form) > NAMES_MOST) {
		g_hash_table_remove_all(ids->meter);
		g_hash_table_remove_all(ids->form);
	}
}

size_t ids_bytes(const struct ids *ids)
{
	return ids->version_places * sizeof *ids->version +
	       ids->series_places * sizeof *ids->series + ids->touched_cap * sizeof *ids->touched;
}

/* ------------------------------------------------------------------ rows */

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	/* The text outlives the step; NULL binds NULL. */
	sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

/* Runs `get`, and where it finds nothing `add`, both with the same texts bound.  *ret_id is the row. */
static int get_or_add(struct store *s, enum store_statement get, enum store_statement add,
		      const char *first, const char *second, uint32_t *ret_id,
		      struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, get);
	int found;

	if (!statement) {
		return store_failed(s, error);
	}
	bind_text(statement, 1, first);
	if (second) {
		bind_text(statement, 2, second);
	}
	found = store_step(statement);
	if (found < 0) {
		return store_failed(s, error);
	}
	if (found) {
		*ret_id = (uint32_t)sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
		return 0;
	}
	statement = store_statement(s, add);
	if (!statement) {
		return store_failed(s, error);
	}
	bind_text(statement, 1, first);
	if (second) {
		bind_text(statement, 2, second);
	}
	if (store_step(statement) < 0) {
		return store_failed(s, error);
	}
	*ret_id = (uint32_t)sqlite3_last_insert_rowid(s->db);
	return 0;
}

int ids_meter(struct store *s, const char *name, uint32_t *ret_id, struct vmt_error *error)
{
	uint32_t id = GPOINTER_TO_UINT(g_hash_table_lookup(s->ids->meter, name));
	int code;

	if (!id) {
		code = get_or_add(s, STORE_METER_GET, STORE_METER_ADD, name, NULL, &id, error);
		if (code) {
			return code;
		}
		g_hash_table_insert(s->ids->meter, g_strdup(name), GUINT_TO_POINTER(id));
	}
	*ret_id = id;
	return 0;
}

int ids_form(struct store *s, enum vmt_meter_type type, const char *unit, uint32_t *ret_id,
	     struct vmt_error *error)
{
	const char *type_name = select_type_name(type);
	char key[128];
	uint32_t id;
	int code;

	if ((size_t)g_snprintf(key, sizeof key, "%s %s", type_name, unit) >= sizeof key) {
		return get_or_add(s, STORE_FORM_GET, STORE_FORM_ADD, type_name, unit, ret_id,
				  error);
	}
	id = GPOINTER_TO_UINT(g_hash_table_lookup(s->ids->form, key));
	if (!id) {
		code = get_or_add(s, STORE_FORM_GET, STORE_FORM_ADD, type_name, unit, &id, error);
		if (code) {
			return code;
		}
		g_hash_table_insert(s->ids->form, g_strdup(key), GUINT_TO_POINTER(id));
	}
	*ret_id = id;
	return 0;
}

static int version_add(struct store *s, const struct vmt_resource *r, struct ids_version *entry,
		       struct vmt_error *error)
{
	sqlite3_stmt *statement;
	uint32_t length = r->meta_head_len + r->meta_tail_len;
	char *metadata;
	int code = get_or_add(s, STORE_RESOURCE_GET, STORE_RESOURCE_ADD, r->id,
			      r->source ? r->source : "", &entry->resource, error);

	if (code) {
		return code;
	}
	statement = store_statement(s, STORE_VERSION_ADD);
	if (!statement) {
		return store_failed(s, error);
	}
	metadata = g_malloc(length + 1);
	memcpy(metadata, r->meta_head, r->meta_head_len);
	memcpy(metadata + r->meta_head_len, r->meta_tail, r->meta_tail_len);
	sqlite3_bind_int64(statement, 1, (int64_t)r->digest);
	sqlite3_bind_int64(statement, 2, entry->resource);
	bind_text(statement, 3, r->project_id);
	bind_text(statement, 4, r->user_id);
	bind_text(statement, 5, r->project_name);
	bind_text(statement, 6, r->user_name);
	sqlite3_bind_text(statement, 7, metadata, (int)length, SQLITE_STATIC);
	code = store_step(statement);
	sqlite3_clear_bindings(statement);
	g_free(metadata);
	if (code < 0) {
		return store_failed(s, error);
	}
	entry->id = (uint32_t)sqlite3_last_insert_rowid(s->db);
	return 0;
}

static int version_load(struct store *s, const struct vmt_resource *r, struct ids_version *entry,
			struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, STORE_VERSION_GET);
	int found;

	if (!statement) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(statement, 1, (int64_t)r->digest);
	found = store_step(statement);
	if (found < 0) {
		return store_failed(s, error);
	}
	if (!found) {
		return version_add(s, r, entry, error);
	}
	entry->id = (uint32_t)sqlite3_column_int64(statement, 0);
	entry->resource = (uint32_t)sqlite3_column_int64(statement, 1);
	if (sqlite3_column_type(statement, 2) != SQLITE_NULL) {
		entry->first = sqlite3_column_int64(statement, 2);
		entry->last = sqlite3_column_int64(statement, 3);
	}
	sqlite3_reset(statement);
	return 0;
}

int ids_version(struct store *s, const struct vmt_resource *resource,
		struct ids_version **ret_version, struct vmt_error *error)
{
	struct ids *ids = s->ids;
	struct ids_version *place = ids->version_places ? version_place(ids, resource->digest)
							: NULL;
	struct ids_version entry = { .digest = resource->digest,
				     .first = INT64_MAX,
				     .last = INT64_MIN };
	int code;

	if (!place || !place->id) {
		code = version_load(s, resource, &entry, error);
		if (code) {
			return code;
		}
		version_room(ids);
		place = version_place(ids, resource->digest);
		*place = entry;
		ids->version_count++;
	}
	place->used = ids->now;
	if (!place->touched) {
		if (ids->touched_count == ids->touched_cap) {
			ids->touched_cap = ids->touched_cap ? ids->touched_cap * 2 : TABLE_FIRST;
			ids->touched = g_renew(uint64_t, ids->touched, ids->touched_cap);
		}
		ids->touched[ids->touched_count++] = place->digest;
		place->touched = true;
	}
	*ret_version = place;
	return 0;
}

/* A new series gets a number beside the others of its resource, so that they lie on one page. */
static int series_add(struct store *s, struct ids_series *entry, struct vmt_error *error)
{
	sqlite3_stmt *max = store_statement(s, STORE_SERIES_MAX);
	sqlite3_stmt *end = store_statement(s, STORE_SERIES_END);
	sqlite3_stmt *add = store_statement(s, STORE_SERIES_ADD);
	int64_t id;

	if (!max || !end || !add) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(max, 1, entry->resource);
	if (store_step(max) < 0) {
		return store_failed(s, error);
	}
	id = sqlite3_column_int64(max, 0) + 1; /* NULL is 0 */
	sqlite3_reset(max);
	if (id % STORE_SERIES_BLOCK == 1 || id == 1) {
		if (store_step(end) < 0) {
			return store_failed(s, error);
		}
		id = sqlite3_column_int64(end, 0);
		id = (id + STORE_SERIES_BLOCK - 1) / STORE_SERIES_BLOCK * STORE_SERIES_BLOCK + 1;
		sqlite3_reset(end);
	}
	sqlite3_bind_int64(add, 1, id);
	sqlite3_bind_int64(add, 2, entry->resource);
	sqlite3_bind_int64(add, 3, entry->meter);
	if (store_step(add) < 0) {
		return store_failed(s, error);
	}
	entry->id = (uint32_t)id;
	return 0;
}

/* The newest run of a series that is there already, and a time that no point of it is past. */
static int series_state(struct store *s, struct ids_series *entry, struct vmt_error *error)
{
	sqlite3_stmt *run = store_statement(s, STORE_RUN_LAST);
	sqlite3_stmt *seen = store_statement(s, STORE_SEEN_LAST);

	if (!run || !seen) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(run, 1, entry->id);
	switch (store_step(run)) {
	case 0:
		return 0;
	case 1:
		entry->version = (uint32_t)sqlite3_column_int64(run, 0);
		entry->form = (uint32_t)sqlite3_column_int64(run, 1);
		sqlite3_reset(run);
		break;
	default:
		return store_failed(s, error);
	}
	sqlite3_bind_int64(seen, 1, entry->resource);
	if (store_step(seen) < 0) {
		return store_failed(s, error);
	}
	if (sqlite3_column_type(seen, 0) != SQLITE_NULL) {
		entry->last = sqlite3_column_int64(seen, 0);
	}
	sqlite3_reset(seen);
	return 0;
}

static int series_load(struct store *s, struct ids_series *entry, struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, STORE_SERIES_GET);

	if (!statement) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(statement, 1, entry->resource);
	sqlite3_bind_int64(statement, 2, entry->meter);
	switch (store_step(statement)) {
	case 0:
		return series_add(s, entry, error);
	case 1:
		entry->id = (uint32_t)sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
		return series_state(s, entry, error);
	default:
		return store_failed(s, error);
	}
}

int ids_series(struct store *s, uint32_t resource, uint32_t meter, struct ids_series **ret_series,
	       struct vmt_error *error)
{
	struct ids *ids = s->ids;
	struct ids_series *place = ids->series_places ? series_place(ids, resource, meter) : NULL;
	struct ids_series entry = { .resource = resource, .meter = meter, .last = INT64_MIN };
	int code;

	if (!place || !place->meter) {
		code = series_load(s, &entry, error);
		if (code) {
			return code;
		}
		series_room(ids);
		place = series_place(ids, resource, meter);
		*place = entry;
		ids->series_count++;
	}
	place->used = ids->now;
	*ret_series = place;
	return 0;
}

int ids_flush(struct store *s, struct vmt_error *error)
{
	struct ids *ids = s->ids;
	sqlite3_stmt *statement = store_statement(s, STORE_SEEN_PUT);

	if (!statement) {
		return store_failed(s, error);
	}
	for (uint32_t i = 0; i < ids->touched_count; i++) {
		struct ids_version *v = version_place(ids, ids->touched[i]);

		v->touched = false;
		if (v->first > v->last) {
			continue;
		}
		sqlite3_bind_int64(statement, 1, v->id);
		sqlite3_bind_int64(statement, 2, v->first);
		sqlite3_bind_int64(statement, 3, v->last);
		if (store_step(statement) < 0) {
			return store_failed(s, error);
		}
	}
	ids->touched_count = 0;
	return 0;
}
