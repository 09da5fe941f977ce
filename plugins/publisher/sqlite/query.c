/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the restrictions of a query to row numbers, and the two queries that need no points: resources and
 * meters.  On the thread of the command; blocks on the database.
 */
#include <fnmatch.h>
#include <string.h>

#include "ids.h"
#include "query.h"

/* The restrictions on resource versions, for a WHERE over `version v JOIN resource r`; the texts to be
 * bound, in order, in *texts. */
static void version_where(const struct vmt_query *q, GString *sql, GPtrArray *texts)
{
	const struct {
		const char *column, *value;
	} equal[] = {
		{ "r.resource_id", q->resource },
		{ "v.project_id", q->project },
		{ "v.user_id", q->user },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(equal); i++) {
		if (equal[i].value) {
			g_string_append_printf(sql, " AND %s = ?", equal[i].column);
			g_ptr_array_add(texts, (void *)equal[i].value);
		}
	}
	for (const struct vmt_pair *pair = q->metadata; pair && pair->key; pair++) {
		/* fullkey is $.a."b.c"[0]; without $. and quotes it is a.b.c[0] */
		g_string_append(sql,
				" AND EXISTS (SELECT 1 FROM json_tree(CASE WHEN"
				" json_valid(v.metadata) THEN v.metadata ELSE '{}' END) j"
				" WHERE replace(substr(j.fullkey, 3), '\"', '') = ? AND CASE j.type"
				" WHEN 'true' THEN lower(?) = 'true' WHEN 'false' THEN"
				" lower(?) = 'false' WHEN 'null' THEN lower(?) IN ('null', 'none')"
				" ELSE CAST(j.atom AS TEXT) = ? END)");
		g_ptr_array_add(texts, (void *)pair->key);
		for (int i = 0; i < 4; i++) {
			g_ptr_array_add(texts, (void *)(pair->value ? pair->value : "null"));
		}
	}
}

/* Prepares `sql` and binds the texts; NULL with store_failed() to be asked. */
static sqlite3_stmt *prepare(struct store *s, const char *sql, const GPtrArray *texts)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK) {
		return NULL;
	}
	for (guint i = 0; texts && i < texts->len; i++) {
		sqlite3_bind_text(statement, (int)i + 1, g_ptr_array_index(texts, i), -1,
				  SQLITE_TRANSIENT);
	}
	return statement;
}

/* All meters, and the list of those that a pattern selects. */
static int plan_meters(struct query_plan *p, struct vmt_error *error)
{
	sqlite3_stmt *statement = prepare(p->store, "SELECT id, name FROM meter ORDER BY id", NULL);
	GString *list = g_string_new(NULL);
	int found = -1;

	while (statement && (found = store_step(statement)) == 1) {
		uint32_t id = (uint32_t)sqlite3_column_int64(statement, 0);
		char *name = g_strdup((const char *)sqlite3_column_text(statement, 1));
		bool taken = !p->by_meter;

		for (const char *const *m = p->query->meters; p->by_meter && *m && !taken; m++) {
			taken = fnmatch(*m, name, 0) == 0;
		}
		if (taken) {
			g_string_append_printf(list, "%s%u", list->len ? "," : "", id);
		}
		g_hash_table_insert(p->meter, GUINT_TO_POINTER(id), name);
	}
	p->none = list->len == 0;
	p->meter_list = g_string_free(list, FALSE);
	if (found < 0) {
		int code = store_failed(p->store, error);

		sqlite3_finalize(statement);
		return code;
	}
	sqlite3_finalize(statement);
	return 0;
}

/* Runs `sql` with the restrictions put in for the one %s; numbers of column 0 into an ascending array. */
static int numbers(struct query_plan *p, const char *head, const char *tail, GArray **ret_array,
		   struct vmt_error *error)
{
	GPtrArray *texts = g_ptr_array_new();
	GString *sql = g_string_new(head);
	GArray *array = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	sqlite3_stmt *statement;
	int found = -1, code = 0;

	version_where(p->query, sql, texts);
	g_string_append(sql, tail);
	statement = prepare(p->store, sql->str, texts);
	while (statement && (found = store_step(statement)) == 1) {
		uint32_t id = (uint32_t)sqlite3_column_int64(statement, 0);

		g_array_append_val(array, id);
	}
	if (found < 0) {
		code = store_failed(p->store, error);
		g_array_free(array, TRUE);
	} else {
		*ret_array = array;
	}
	sqlite3_finalize(statement);
	g_string_free(sql, TRUE);
	g_ptr_array_free(texts, TRUE);
	return code;
}

static int plan_versions(struct query_plan *p, struct vmt_error *error)
{
	int code = numbers(
		p, "SELECT v.id FROM version v JOIN resource r ON r.id = v.resource WHERE 1",
		" ORDER BY v.id", &p->version, error);

	p->none = p->none || (code == 0 && p->version->len == 0);
	return code;
}

static int plan_series(struct query_plan *p, struct vmt_error *error)
{
	char *head, *tail;
	int code;

	if (p->by_version) {
		head = g_strdup("SELECT s.id FROM series s WHERE s.resource IN (SELECT v.resource"
				" FROM version v JOIN resource r ON r.id = v.resource WHERE 1");
		tail = g_strdup_printf(") AND s.meter IN (%s) ORDER BY s.id", p->meter_list);
	} else {
		head = g_strdup_printf("SELECT s.id FROM series s WHERE s.meter IN (%s)",
				       p->meter_list);
		tail = g_strdup(" ORDER BY s.id");
	}
	code = numbers(p, head, tail, &p->series, error);
	p->none = p->none || (code == 0 && p->series->len == 0);
	g_free(head);
	g_free(tail);
	return code;
}

/* Narrows the times to those in which a selected version was seen at all. */
static int plan_times(struct query_plan *p, struct vmt_error *error)
{
	sqlite3_stmt *statement =
		prepare(p->store, "SELECT first, last FROM seen WHERE version = ?", NULL);
	int64_t first = INT64_MAX, last = INT64_MIN;
	int found = statement ? 0 : -1;

	for (guint i = 0; i < p->version->len && found >= 0; i++) {
		sqlite3_bind_int64(statement, 1, g_array_index(p->version, uint32_t, i));
		found = store_step(statement);
		if (found == 1) {
			first = MIN(first, sqlite3_column_int64(statement, 0));
			last = MAX(last, sqlite3_column_int64(statement, 1));
			sqlite3_reset(statement);
		}
	}
	if (found < 0) {
		int code = store_failed(p->store, error);

		sqlite3_finalize(statement);
		return code;
	}
	sqlite3_finalize(statement);
	p->first = MAX(p->first, first);
	p->last = MIN(p->last, last);
	return 0;
}

static int plan_end(struct query_plan *p, struct vmt_error *error)
{
	sqlite3_stmt *end = store_statement(p->store, STORE_SERIES_END);

	if (!end || store_step(end) < 0) {
		return store_failed(p->store, error);
	}
	p->series_end = (uint32_t)sqlite3_column_int64(end, 0);
	sqlite3_reset(end);
	return 0;
}

int query_plan(struct query_plan *p, struct store *s, const struct vmt_query *query,
	       struct vmt_error *error)
{
	int code;

	*p = (struct query_plan){ .store = s, .query = query };
	p->by_meter = query->meters && *query->meters;
	p->by_version = query->resource || query->project || query->user ||
			(query->metadata && query->metadata->key);
	p->meter = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	/* start <= time < end; whole microseconds; 0 is no restriction, as INT64_MIN and MAX are */
	p->first = query->start_ns && query->start_ns != INT64_MIN
			   ? store_micros(query->start_ns - 1) + 1
			   : INT64_MIN / 1000;
	p->last = query->end_ns && query->end_ns != INT64_MAX ? store_micros(query->end_ns - 1)
							      : INT64_MAX / 1000;
	code = plan_end(p, error);
	if (code == 0) {
		code = plan_meters(p, error);
	}
	if (code == 0 && p->by_version && !p->none) {
		code = plan_versions(p, error);
	}
	if (code == 0 && (p->by_version || p->by_meter) && !p->none) {
		code = plan_series(p, error);
	}
	if (code == 0 && p->by_version && !p->none) {
		code = plan_times(p, error);
	}
	return code;
}

void query_plan_fini(struct query_plan *p)
{
	g_hash_table_destroy(p->meter);
	g_free(p->meter_list);
	if (p->series) {
		g_array_free(p->series, TRUE);
	}
	if (p->version) {
		g_array_free(p->version, TRUE);
	}
}

bool query_has(const GArray *ids, uint32_t id)
{
	guint low = 0, high = ids ? ids->len : 0;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		uint32_t at = g_array_index(ids, uint32_t, middle);

		if (at == id) {
			return true;
		}
		if (at < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return !ids;
}

void query_resource(sqlite3_stmt *statement, int first, struct vmt_resource *ret_resource)
{
	const char *column[7];
	uint32_t length = (uint32_t)sqlite3_column_bytes(statement, first + 6);

	for (int i = 0; i < 7; i++) {
		column[i] = (const char *)sqlite3_column_text(statement, first + i);
	}
	if (!column[6] || length < 2 || column[6][length - 1] != '}') {
		column[6] = "{}"; /* not of our making */
		length = 2;
	}
	*ret_resource = (struct vmt_resource){
		.id = column[0] ? column[0] : "",
		.source = column[1] ? column[1] : "",
		.project_id = column[2],
		.user_id = column[3],
		.project_name = column[4],
		.user_name = column[5],
		.meta_head = column[6],
		.meta_head_len = length - 1,
		.meta_tail = column[6] + length - 1,
		.meta_tail_len = 1,
		.digest = (uint64_t)sqlite3_column_int64(statement, first + 7),
	};
}

/* ------------------------------------------------------------------ resources, meters */

/* The newest version that matches, of each resource, with first and last time of all that match. */
static const char resources_head[] =
	"SELECT " QUERY_RESOURCE_COLUMNS
	", g.first, g.last FROM (SELECT v.resource, min(s.first) AS first,"
	" max(s.last) AS last FROM version v JOIN resource r ON r.id = v.resource"
	" JOIN seen s ON s.version = v.id WHERE 1";
static const char resources_tail[] =
	" AND v.resource IN (SELECT resource FROM series WHERE meter IN (%s)) AND s.last >= %lld"
	" AND s.first <= %lld GROUP BY v.resource) g JOIN resource r ON r.id = g.resource"
	" JOIN version v ON v.id = (SELECT v.id FROM version v JOIN seen s ON s.version = v.id"
	" WHERE v.resource = g.resource AND s.last <= g.last ORDER BY s.last DESC, v.id DESC LIMIT 1)"
	" ORDER BY g.last DESC, r.resource_id LIMIT %lld";

/* The newest run of each series whose version matches. */
static const char meters_head[] =
	"SELECT " QUERY_RESOURCE_COLUMNS ", n.first, n.last, m.name, f.unit, f.type FROM series s"
	" JOIN meter m ON m.id = s.meter JOIN resource r ON r.id = s.resource"
	" JOIN run u ON u.series = s.id AND u.since = (SELECT max(since) FROM run WHERE series = s.id)"
	" JOIN version v ON v.id = u.version JOIN seen n ON n.version = v.id JOIN form f ON f.id = u.form"
	" WHERE 1";
static const char meters_tail[] =
	" AND s.meter IN (%s) AND n.last >= %lld AND n.first <= %lld ORDER BY m.name, r.resource_id"
	" LIMIT %lld";

static int emit(sqlite3_stmt *statement, vmt_row_fn row, void *context)
{
	struct vmt_resource resource;
	struct vmt_store_row r = { .resource = &resource, .mono_ns = INT64_MIN };
	int type;

	query_resource(statement, 0, &resource);
	r.first_ns = sqlite3_column_int64(statement, 8) * 1000;
	r.last_ns = sqlite3_column_int64(statement, 9) * 1000;
	r.time_ns = r.last_ns;
	if (sqlite3_column_count(statement) > 10) {
		r.name = (const char *)sqlite3_column_text(statement, 10);
		r.unit = (const char *)sqlite3_column_text(statement, 11);
		type = ids_type((const char *)sqlite3_column_text(statement, 12));
		r.type = type < 0 ? VMT_GAUGE : (enum vmt_meter_type)type;
	}
	return row(context, &r);
}

static int list(struct query_plan *p, const char *head, const char *tail, vmt_row_fn row,
		void *context, struct vmt_error *error)
{
	GPtrArray *texts = g_ptr_array_new();
	GString *sql = g_string_new(head);
	sqlite3_stmt *statement;
	char *rest;
	int found = -1, code = 0;

	version_where(p->query, sql, texts);
	rest = sqlite3_mprintf(tail, p->meter_list, p->first, p->last,
			       p->query->limit && p->query->limit < INT64_MAX
				       ? (int64_t)p->query->limit
				       : (int64_t)-1);
	g_string_append(sql, rest);
	sqlite3_free(rest);
	statement = prepare(p->store, sql->str, texts);
	while (statement && code == 0 && (found = store_step(statement)) == 1) {
		code = emit(statement, row, context);
	}
	if (code == 0 && found < 0) {
		code = store_failed(p->store, error);
	}
	sqlite3_finalize(statement);
	g_string_free(sql, TRUE);
	g_ptr_array_free(texts, TRUE);
	return code;
}

static int run(struct store *s, const struct vmt_query *query, const char *head, const char *tail,
	       vmt_row_fn row, void *context, struct vmt_error *error)
{
	struct query_plan plan;
	int code = store_read_begin(s, error);

	if (code) {
		store_call_end(s);
		return code;
	}
	code = query_plan(&plan, s, query, error);
	if (code == 0 && !plan.none) {
		code = list(&plan, head, tail, row, context, error);
	}
	query_plan_fini(&plan);
	return store_read_end(s, code, error);
}

int query_resources(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		    struct vmt_error *error)
{
	return run(self, query, resources_head, resources_tail, row, context, error);
}

int query_meters(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		 struct vmt_error *error)
{
	return run(self, query, meters_head, meters_tail, row, context, error);
}
