/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame needs and is not known yet: asked of the database in lists, and added where it is not there.  Under
 * the lock of the schema, on the publisher's thread; blocks on the server.
 */
#include <errno.h>
#include <string.h>

#include "ids.h"

enum { LIST_MOST = 2000, SERIES_BLOCK = 16 };

/* ------------------------------------------------------------------ names */

/* `sql` answers one id for its one or two texts. */
static int find_or_add(struct pg *p, const char *sql, const char *first, const char *second,
		       uint32_t *ret_id, struct vmt_error *error)
{
	const char *values[] = { first, second };
	PGresult *result = NULL;
	int code = pg_ask(p, sql, values, second ? 2 : 1, &result, error);

	if (code == 0 && PQntuples(result) != 1) {
		code = vmt_error_set(error, -EIO, "%s: a row was not added", p->text);
	}
	if (code == 0) {
		*ret_id = (uint32_t)pg_number(result, 0, 0);
	}
	PQclear(result);
	return code;
}

static int load_names(struct pg *p, const struct vmt_batch *batch, struct vmt_error *error)
{
	const char *type = select_type_name(batch->type), *unit = batch->unit ? batch->unit : "";
	uint32_t id;
	int code = 0;

	if (!pgids_meter(p->ids, batch->name)) {
		code = find_or_add(p,
				   "WITH old AS (SELECT id FROM meter WHERE name = $1), new AS"
				   " (INSERT INTO meter (name) SELECT $1 WHERE NOT EXISTS"
				   " (SELECT 1 FROM old) RETURNING id)"
				   " SELECT id FROM old UNION ALL SELECT id FROM new",
				   batch->name, NULL, &id, error);
		if (code) {
			return code;
		}
		g_hash_table_insert(p->ids->meter, g_strdup(batch->name), GUINT_TO_POINTER(id));
	}
	if (!pgids_form(p->ids, batch)) {
		code = find_or_add(
			p,
			"WITH old AS (SELECT id FROM form WHERE type = $1 AND unit = $2),"
			" new AS (INSERT INTO form (type, unit) SELECT $1, $2 WHERE NOT"
			" EXISTS (SELECT 1 FROM old) RETURNING id)"
			" SELECT id FROM old UNION ALL SELECT id FROM new",
			type, unit, &id, error);
		if (code == 0) {
			g_hash_table_insert(p->ids->form, g_strconcat(type, " ", unit, NULL),
					    GUINT_TO_POINTER(id));
		}
	}
	return code;
}

/* ------------------------------------------------------------------ versions */

static void know_version(struct pg *p, const PGresult *result, int row)
{
	struct pgids_version *v = g_new0(struct pgids_version, 1);

	v->digest = (uint64_t)pg_number(result, row, 0);
	v->id = (uint32_t)pg_number(result, row, 1);
	v->resource = (uint32_t)pg_number(result, row, 2);
	g_hash_table_replace(p->ids->version, &v->digest, v);
}

static int take_versions(struct pg *p, const char *sql, const char *const *values, int count,
			 struct vmt_error *error)
{
	PGresult *result = NULL;
	int code = pg_ask(p, sql, values, count, &result, error);

	for (int i = 0; code == 0 && i < PQntuples(result); i++) {
		know_version(p, result, i);
	}
	PQclear(result);
	return code;
}

enum { DIGEST, RESOURCE, SOURCE, PROJECT, USER, PROJECT_NAME, USER_NAME, METADATA, ARRAYS };

static void put_version(struct buf array[ARRAYS], const struct vmt_resource *r)
{
	const char *texts[ARRAYS] = { [RESOURCE] = r->id,
				      [SOURCE] = r->source ? r->source : "",
				      [PROJECT] = r->project_id,
				      [USER] = r->user_id,
				      [PROJECT_NAME] = r->project_name,
				      [USER_NAME] = r->user_name };
	struct buf metadata = BUF_INIT;

	pgids_put_number(&array[DIGEST], (int64_t)r->digest);
	for (int i = RESOURCE; i < METADATA; i++) {
		pgids_put_text(&array[i], texts[i], texts[i] ? strlen(texts[i]) : 0);
	}
	buf_add(&metadata, r->meta_head, r->meta_head_len);
	buf_add(&metadata, r->meta_tail, r->meta_tail_len);
	pgids_put_text(&array[METADATA], metadata.data, metadata.len);
	buf_fini(&metadata);
}

/* Adds those of `list` (struct vmt_resource *) that are still not known. */
static int add_versions(struct pg *p, const GPtrArray *list, struct vmt_error *error)
{
	struct buf array[ARRAYS];
	const char *values[ARRAYS];
	unsigned missing = 0;
	int code = 0;

	for (int i = 0; i < ARRAYS; i++) {
		buf_init(&array[i]);
	}
	for (guint i = 0; i < list->len; i++) {
		const struct vmt_resource *r = g_ptr_array_index(list, i);

		if (!pgids_version(p->ids, r->digest)) {
			put_version(array, r);
			missing++;
		}
	}
	for (int i = 0; i < ARRAYS; i++) {
		pgids_end(&array[i]);
		values[i] = array[i].data;
	}
	if (missing) {
		code = pg_ask(
			p,
			"INSERT INTO resource (resource_id, source) SELECT n.id, n.source FROM"
			" unnest($1::text[], $2::text[]) WITH ORDINALITY AS n(id, source, at)"
			" WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.resource_id = n.id"
			" AND r.source = n.source) GROUP BY n.id, n.source ORDER BY min(n.at)",
			&values[RESOURCE], 2, NULL, error);
		code = code ? code
			    : take_versions(
				      p,
				      "INSERT INTO version (digest, resource, project_id, user_id,"
				      " project_name, user_name, metadata) SELECT n.digest, r.id,"
				      " n.project, n.person, n.project_name, n.user_name, n.metadata"
				      " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],"
				      " $5::text[], $6::text[], $7::text[], $8::text[]) WITH"
				      " ORDINALITY AS n(digest, id, source, project, person,"
				      " project_name, user_name, metadata, at) JOIN resource r ON"
				      " r.resource_id = n.id AND r.source = n.source ORDER BY n.at"
				      " RETURNING digest, id, resource",
				      values, ARRAYS, error);
	}
	for (int i = 0; i < ARRAYS; i++) {
		buf_fini(&array[i]);
	}
	return code;
}

/* Finds those of the list, and adds the others. */
static int load_list(struct pg *p, const GPtrArray *list, struct vmt_error *error)
{
	struct buf digests = BUF_INIT;
	const char *values[1];
	int code;

	for (guint i = 0; i < list->len; i++) {
		const struct vmt_resource *r = g_ptr_array_index(list, i);

		pgids_put_number(&digests, (int64_t)r->digest);
	}
	pgids_end(&digests);
	values[0] = digests.data;
	code = take_versions(p,
			     "SELECT digest, id, resource FROM version WHERE digest ="
			     " ANY($1::bigint[])",
			     values, 1, error);
	buf_fini(&digests);
	return code ? code : add_versions(p, list, error);
}

static int load_versions(struct pg *p, const struct vmt_batch *batch, struct vmt_error *error)
{
	GPtrArray *list = g_ptr_array_new();
	GHashTable *listed = g_hash_table_new(g_int64_hash, g_int64_equal);
	int code = 0;

	for (uint32_t i = 0; i < batch->count && code == 0; i++) {
		const struct vmt_resource *r = batch->resource[i];

		if (!pgids_version(p->ids, r->digest) &&
		    g_hash_table_add(listed, (gpointer)&r->digest)) {
			g_ptr_array_add(list, (gpointer)r);
		}
		if (list->len == LIST_MOST || (i + 1 == batch->count && list->len)) {
			code = load_list(p, list, error);
			g_ptr_array_set_size(list, 0);
			g_hash_table_remove_all(listed);
		}
	}
	g_ptr_array_free(list, TRUE);
	g_hash_table_destroy(listed);
	return code;
}

/* ------------------------------------------------------------------ series */

static struct pgids_series *know_series(struct pg *p, uint64_t key, uint32_t id)
{
	struct pgids_series *s = g_new0(struct pgids_series, 1);

	s->key = key;
	s->id = id;
	s->last = INT64_MIN;
	g_hash_table_replace(p->ids->series, &s->key, s);
	return s;
}

/* Those that are there, with their newest run and a time that no point of them is past. */
static int find_series(struct pg *p, const GArray *keys, struct vmt_error *error)
{
	struct buf array[2] = { BUF_INIT, BUF_INIT };
	const char *values[2];
	PGresult *result = NULL;
	int code;

	for (guint i = 0; i < keys->len; i++) {
		uint64_t key = g_array_index(keys, uint64_t, i);

		pgids_put_number(&array[0], (int64_t)(key >> 32));
		pgids_put_number(&array[1], (int64_t)(uint32_t)key);
	}
	pgids_end(&array[0]);
	pgids_end(&array[1]);
	values[0] = array[0].data;
	values[1] = array[1].data;
	code = pg_ask(
		p,
		"SELECT s.id, s.resource, s.meter, u.version, u.form, u.since, (SELECT"
		" max(n.last) FROM version v JOIN seen n ON n.version = v.id WHERE v.resource"
		" = s.resource) FROM unnest($1::integer[], $2::integer[]) AS k(resource, meter)"
		" JOIN series s ON s.resource = k.resource AND s.meter = k.meter LEFT JOIN"
		" LATERAL (SELECT version, form, since FROM run WHERE series = s.id ORDER BY"
		" since DESC LIMIT 1) u ON true",
		values, 2, &result, error);
	for (int i = 0; code == 0 && i < PQntuples(result); i++) {
		uint64_t key = (uint64_t)pg_number(result, i, 1) << 32 |
			       (uint32_t)pg_number(result, i, 2);
		struct pgids_series *s = know_series(p, key, (uint32_t)pg_number(result, i, 0));

		if (!PQgetisnull(result, i, 3)) {
			s->version = (uint32_t)pg_number(result, i, 3);
			s->form = (uint32_t)pg_number(result, i, 4);
			s->since = pg_number(result, i, 5);
			s->last = pg_number(result, i, 6);
		}
	}
	PQclear(result);
	buf_fini(&array[0]);
	buf_fini(&array[1]);
	return code;
}

/* resource → greatest id of a series of it; the greatest of all in *ret_end. */
static int series_ends(struct pg *p, const GArray *keys, GHashTable *ends, int64_t *ret_end,
		       struct vmt_error *error)
{
	struct buf array = BUF_INIT;
	const char *values[1];
	PGresult *result = NULL;
	int code;

	for (guint i = 0; i < keys->len; i++) {
		pgids_put_number(&array, (int64_t)(g_array_index(keys, uint64_t, i) >> 32));
	}
	pgids_end(&array);
	values[0] = array.data;
	code = pg_ask(p,
		      "SELECT resource, max(id) FROM series WHERE resource = ANY($1::integer[])"
		      " GROUP BY resource UNION ALL SELECT 0, coalesce(max(id), 0) FROM series",
		      values, 1, &result, error);
	for (int i = 0; code == 0 && i < PQntuples(result); i++) {
		int64_t resource = pg_number(result, i, 0), id = pg_number(result, i, 1);

		if (resource) {
			g_hash_table_insert(ends, GINT_TO_POINTER((int)resource),
					    GINT_TO_POINTER((int)id));
		} else {
			*ret_end = id;
		}
	}
	PQclear(result);
	buf_fini(&array);
	return code;
}

/* A new series gets a number beside the others of its resource, so that they lie on one page. */
static int64_t next_id(GHashTable *ends, uint32_t resource, int64_t *end)
{
	int64_t id = GPOINTER_TO_INT(g_hash_table_lookup(ends, GUINT_TO_POINTER(resource))) + 1;

	if (id % SERIES_BLOCK == 1) {
		id = (*end + SERIES_BLOCK - 1) / SERIES_BLOCK * SERIES_BLOCK + 1;
	}
	g_hash_table_insert(ends, GUINT_TO_POINTER(resource), GINT_TO_POINTER((int)id));
	*end = MAX(*end, id);
	return id;
}

/* Adds those of `keys` that are still not known. */
static int add_series(struct pg *p, const GArray *keys, struct vmt_error *error)
{
	GHashTable *ends = g_hash_table_new(NULL, NULL);
	struct buf array[3] = { BUF_INIT, BUF_INIT, BUF_INIT };
	const char *values[3];
	int64_t end = 0;
	int code = series_ends(p, keys, ends, &end, error);
	bool any = false;

	for (guint i = 0; i < keys->len && code == 0; i++) {
		uint64_t key = g_array_index(keys, uint64_t, i);
		int64_t id;

		if (g_hash_table_contains(p->ids->series, &key)) {
			continue;
		}
		id = next_id(ends, (uint32_t)(key >> 32), &end);
		know_series(p, key, (uint32_t)id);
		pgids_put_number(&array[0], id);
		pgids_put_number(&array[1], (int64_t)(key >> 32));
		pgids_put_number(&array[2], (int64_t)(uint32_t)key);
		any = true;
	}
	for (int i = 0; i < 3; i++) {
		pgids_end(&array[i]);
		values[i] = array[i].data;
	}
	if (code == 0 && any) {
		code = pg_ask(
			p,
			"INSERT INTO series SELECT * FROM unnest($1::integer[], $2::integer[],"
			" $3::integer[])",
			values, 3, NULL, error);
	}
	for (int i = 0; i < 3; i++) {
		buf_fini(&array[i]);
	}
	g_hash_table_destroy(ends);
	return code;
}

static int load_series(struct pg *p, const struct vmt_batch *batch, struct vmt_error *error)
{
	GArray *keys = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	uint32_t meter = pgids_meter(p->ids, batch->name);
	int code = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct pgids_version *v = pgids_version(p->ids, batch->resource[i]->digest);
		uint64_t key = (uint64_t)v->resource << 32 | meter;

		if (!g_hash_table_contains(p->ids->series, &key)) {
			g_array_append_val(keys, key);
		}
	}
	if (keys->len) {
		code = find_series(p, keys, error);
		if (code == 0) {
			code = add_series(p, keys, error);
		}
	}
	g_array_free(keys, TRUE);
	return code;
}

int pgids_load(struct pg *p, const struct vmt_frame *frame, uint64_t bit, struct vmt_error *error)
{
	int code = 0;

	for (size_t i = 0; i < frame->count && code == 0; i++) {
		const struct vmt_batch *batch = &frame->batch[i];

		if (!(batch->publishers & bit)) {
			continue;
		}
		code = load_names(p, batch, error);
		if (code == 0) {
			code = load_versions(p, batch, error);
		}
		if (code == 0) {
			code = load_series(p, batch, error);
		}
	}
	return code;
}
