/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples, newest first: minute by minute from the end of the table; in each the points of the series that
 * the query selects, found one by one when they are few, or by reading the minute when they are many.
 * What does not change (names, resource versions) is read once and kept.  On the thread of the command;
 * blocks on the database.
 */
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "query.h"

enum {
	SEEK_SHARE = 8, /* fewer than 1/8 of all series: look each of them up */
	VERSIONS_KEPT = 4096,
	SERIES_KEPT = 65536,
};

struct point {
	uint32_t micros, series;
	uint8_t kind;
	union vmt_num value;
};

struct run {
	int64_t since;
	uint32_t version, form;
};

/* What is known of one series. */
struct series {
	const char *name; /* the plan's */
	uint32_t count;
	struct run run[]; /* ascending */
};

struct form {
	enum vmt_meter_type type;
	char *unit;
};

struct version {
	struct vmt_resource resource;
	char text[]; /* its strings */
};

struct reader {
	struct query_plan plan;
	struct store *store;
	sqlite3_stmt *newest, *scan, *seek, *series, *runs, *version, *message;
	GHashTable *series_known, *version_known, *form_known; /* id → struct of above */
	GArray *points; /* of the minute */
	uint64_t given;
	vmt_row_fn row;
	void *context;
	struct vmt_error *error;
};

/* ------------------------------------------------------------------ what is known */

static void form_free(void *data)
{
	struct form *f = data;

	g_free(f->unit);
	g_free(f);
}

static int load_forms(struct reader *r)
{
	sqlite3_stmt *statement;
	int found;

	if (sqlite3_prepare_v2(r->store->db, "SELECT id, type, unit FROM form", -1, &statement,
			       NULL) != SQLITE_OK) {
		return store_failed(r->store, r->error);
	}
	while ((found = store_step(statement)) == 1) {
		struct form *f = g_new0(struct form, 1);
		int type = ids_type((const char *)sqlite3_column_text(statement, 1));

		f->type = type < 0 ? VMT_GAUGE : (enum vmt_meter_type)type;
		f->unit = g_strdup((const char *)sqlite3_column_text(statement, 2));
		g_hash_table_insert(r->form_known,
				    GUINT_TO_POINTER((guint)sqlite3_column_int64(statement, 0)), f);
	}
	found = found < 0 ? store_failed(r->store, r->error) : 0;
	sqlite3_finalize(statement);
	return found;
}

static struct series *read_series(struct reader *r, uint32_t id)
{
	GArray *runs = g_array_new(FALSE, FALSE, sizeof(struct run));
	struct series *series;
	const char *name = NULL;

	sqlite3_bind_int64(r->series, 1, id);
	if (store_step(r->series) == 1) {
		name = g_hash_table_lookup(
			r->plan.meter, GUINT_TO_POINTER((guint)sqlite3_column_int64(r->series, 0)));
		sqlite3_reset(r->series);
	}
	sqlite3_bind_int64(r->runs, 1, id);
	while (store_step(r->runs) == 1) {
		struct run run = { sqlite3_column_int64(r->runs, 0),
				   (uint32_t)sqlite3_column_int64(r->runs, 1),
				   (uint32_t)sqlite3_column_int64(r->runs, 2) };

		g_array_append_val(runs, run);
	}
	series = g_malloc(sizeof *series + runs->len * sizeof(struct run));
	series->name = name;
	series->count = runs->len;
	if (runs->len) {
		memcpy(series->run, runs->data, runs->len * sizeof(struct run));
	}
	g_array_free(runs, TRUE);
	return series;
}

static const struct series *find_series(struct reader *r, uint32_t id)
{
	struct series *series = g_hash_table_lookup(r->series_known, GUINT_TO_POINTER(id));

	if (!series) {
		if (g_hash_table_size(r->series_known) >= SERIES_KEPT) {
			g_hash_table_remove_all(r->series_known);
		}
		series = read_series(r, id);
		g_hash_table_insert(r->series_known, GUINT_TO_POINTER(id), series);
	}
	return series;
}

static const struct run *find_run(const struct series *series, int64_t micros)
{
	uint32_t low = 0, high = series->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (series->run[middle].since <= micros) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low ? &series->run[low - 1] : NULL;
}

/* Copies *text to *at, which moves on; NULL stays NULL. */
static void keep(const char **text, size_t length, char **at)
{
	if (*text) {
		memcpy(*at, *text, length);
		(*at)[length] = '\0';
		*text = *at;
		*at += length + 1;
	}
}

static struct version *read_version(const struct vmt_resource *from)
{
	struct vmt_resource r = *from;
	const char **texts[] = { &r.id,      &r.source,       &r.project_id,
				 &r.user_id, &r.project_name, &r.user_name };
	size_t size = r.meta_head_len + r.meta_tail_len + 2;
	struct version *v;
	char *at;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		size += *texts[i] ? strlen(*texts[i]) + 1 : 0;
	}
	v = g_malloc(sizeof *v + size);
	at = v->text;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		keep(texts[i], *texts[i] ? strlen(*texts[i]) : 0, &at);
	}
	keep(&r.meta_head, r.meta_head_len, &at);
	keep(&r.meta_tail, r.meta_tail_len, &at);
	v->resource = r;
	return v;
}

static const struct version *find_version(struct reader *r, uint32_t id)
{
	struct version *v = g_hash_table_lookup(r->version_known, GUINT_TO_POINTER(id));
	struct vmt_resource resource;

	if (v) {
		return v;
	}
	sqlite3_bind_int64(r->version, 1, id);
	if (store_step(r->version) != 1) {
		return NULL;
	}
	if (g_hash_table_size(r->version_known) >= VERSIONS_KEPT) {
		g_hash_table_remove_all(r->version_known);
	}
	query_resource(r->version, 0, &resource);
	v = read_version(&resource);
	sqlite3_reset(r->version);
	g_hash_table_insert(r->version_known, GUINT_TO_POINTER(id), v);
	return v;
}

/* ------------------------------------------------------------------ one minute */

static void take_value(struct point *p, sqlite3_stmt *statement, int column)
{
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_FLOAT:
		p->kind = VMT_DOUBLE;
		p->value.d = sqlite3_column_double(statement, column);
		break;
	case SQLITE_INTEGER:
		p->kind = VMT_INT64;
		p->value.i = sqlite3_column_int64(statement, column);
		break;
	default:
		p->kind = VMT_UINT64;
		p->value.u = g_ascii_strtoull((const char *)sqlite3_column_text(statement, column),
					      NULL, 10);
	}
}

/* Takes the rows of a statement whose columns are series, micros, value.  0 or -1. */
static int take_points(struct reader *r, sqlite3_stmt *statement, int64_t minute, bool filter)
{
	int64_t start = store_minute_start(minute);
	int found;

	while ((found = store_step(statement)) == 1) {
		struct point p = { .series = (uint32_t)sqlite3_column_int64(statement, 0),
				   .micros = (uint32_t)sqlite3_column_int64(statement, 1) };

		if (start + p.micros < r->plan.first || start + p.micros > r->plan.last ||
		    (filter && !query_has(r->plan.series, p.series))) {
			continue;
		}
		take_value(&p, statement, 2);
		g_array_append_val(r->points, p);
	}
	return found;
}

static int take_minute(struct reader *r, int64_t minute)
{
	const GArray *series = r->plan.series;
	int found = 0;

	g_array_set_size(r->points, 0);
	if (!series || series->len > r->plan.series_end / SEEK_SHARE) {
		sqlite3_bind_int64(r->scan, 1, minute);
		return take_points(r, r->scan, minute, series != NULL);
	}
	sqlite3_bind_int64(r->seek, 1, minute);
	for (guint i = 0; i < series->len && found == 0; i++) {
		sqlite3_bind_int64(r->seek, 2, g_array_index(series, uint32_t, i));
		found = take_points(r, r->seek, minute, false);
	}
	return found;
}

static int newest_first(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->micros != y->micros) {
		return x->micros < y->micros ? 1 : -1;
	}
	return (x->series > y->series) - (x->series < y->series);
}

static void take_message(struct reader *r, const struct point *p, int64_t minute,
			 struct vmt_store_row *row, uint8_t id[16])
{
	sqlite3_bind_int64(r->message, 1, minute);
	sqlite3_bind_int64(r->message, 2, p->series);
	sqlite3_bind_int64(r->message, 3, p->micros);
	if (store_step(r->message) != 1) {
		return;
	}
	if (sqlite3_column_bytes(r->message, 0) == 16) {
		memcpy(id, sqlite3_column_blob(r->message, 0), 16);
		row->message_id = id;
	}
	if (sqlite3_column_type(r->message, 1) == SQLITE_INTEGER) {
		row->mono_ns = sqlite3_column_int64(r->message, 1);
	}
	sqlite3_reset(r->message);
}

/* Hands one point to the caller, unless its version is not one that the query selects. */
static int give(struct reader *r, const struct point *p, int64_t minute)
{
	const struct series *series = find_series(r, p->series);
	int64_t micros = store_minute_start(minute) + p->micros;
	const struct run *run = find_run(series, micros);
	const struct version *version;
	const struct form *form;
	struct vmt_store_row row;
	uint8_t id[16];

	if (!run || !series->name || !query_has(r->plan.version, run->version)) {
		return 0;
	}
	version = find_version(r, run->version);
	form = g_hash_table_lookup(r->form_known, GUINT_TO_POINTER(run->form));
	if (!version || !form) {
		return 0;
	}
	row = (struct vmt_store_row){
		.name = series->name,
		.unit = form->unit,
		.type = form->type,
		.kind = p->kind,
		.value = p->value,
		.resource = &version->resource,
		.time_ns = micros * 1000,
		.mono_ns = INT64_MIN,
		.first_ns = micros * 1000,
		.last_ns = micros * 1000,
		.series = p->series,
	};
	if (!r->plan.query->bare) {
		take_message(r, p, minute, &row, id);
	}
	r->given++;
	return r->row(r->context, &row);
}

/* ------------------------------------------------------------------ all of them */

static bool enough(const struct reader *r)
{
	return r->plan.query->limit && r->given >= r->plan.query->limit;
}

static int read_minutes(struct reader *r)
{
	int64_t minute = store_minute(r->plan.last), first = store_minute(r->plan.first);
	int code = 0;

	while (code == 0 && !enough(r)) {
		sqlite3_bind_int64(r->newest, 1, minute);
		switch (store_step(r->newest)) {
		case 0:
			return 0;
		case 1:
			minute = sqlite3_column_int64(r->newest, 0);
			sqlite3_reset(r->newest);
			break;
		default:
			return store_failed(r->store, r->error);
		}
		if (minute < first) {
			return 0;
		}
		if (take_minute(r, minute) < 0) {
			return store_failed(r->store, r->error);
		}
		if (r->points->len) {
			qsort(r->points->data, r->points->len, sizeof(struct point), newest_first);
		}
		for (guint i = 0; i < r->points->len && code == 0 && !enough(r); i++) {
			code = give(r, &g_array_index(r->points, struct point, i), minute);
		}
		minute--;
	}
	return code;
}

static int prepare(struct reader *r)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} all[] = {
		{ &r->newest,
		  "SELECT minute FROM point WHERE minute <= ? ORDER BY minute DESC LIMIT 1" },
		{ &r->scan, "SELECT series, micros, value FROM point WHERE minute = ?" },
		{ &r->seek,
		  "SELECT series, micros, value FROM point WHERE minute = ? AND series = ?" },
		{ &r->series, "SELECT meter FROM series WHERE id = ?" },
		{ &r->runs,
		  "SELECT since, version, form FROM run WHERE series = ? ORDER BY since" },
		{ &r->version, "SELECT " QUERY_RESOURCE_COLUMNS " FROM version v JOIN resource r"
			       " ON r.id = v.resource WHERE v.id = ?" },
		{ &r->message, "SELECT id, mono FROM message WHERE minute = ? AND series = ?"
			       " AND micros = ?" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		if (sqlite3_prepare_v2(r->store->db, all[i].sql, -1, all[i].statement, NULL) !=
		    SQLITE_OK) {
			return store_failed(r->store, r->error);
		}
	}
	return load_forms(r);
}

static void reader_fini(struct reader *r)
{
	sqlite3_stmt *all[] = { r->newest, r->scan,    r->seek,   r->series,
				r->runs,   r->version, r->message };

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		sqlite3_finalize(all[i]);
	}
	g_hash_table_destroy(r->series_known);
	g_hash_table_destroy(r->version_known);
	g_hash_table_destroy(r->form_known);
	g_array_free(r->points, TRUE);
	query_plan_fini(&r->plan);
}

int query_samples(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		  struct vmt_error *error)
{
	struct store *s = self;
	struct reader r = { .store = s, .row = row, .context = context, .error = error };
	int code = store_read_begin(s, error);

	if (code) {
		store_call_end(s);
		return code;
	}
	r.series_known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	r.version_known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	r.form_known = g_hash_table_new_full(NULL, NULL, NULL, form_free);
	r.points = g_array_new(FALSE, FALSE, sizeof(struct point));
	code = query_plan(&r.plan, s, query, error);
	if (code == 0 && !r.plan.none) {
		code = prepare(&r);
	}
	if (code == 0 && !r.plan.none) {
		code = read_minutes(&r);
	}
	reader_fini(&r);
	return store_read_end(s, code, error);
}
