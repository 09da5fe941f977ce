/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the restrictions of a query to row numbers.  Patterns of meters and values in metadata are compared here
 * and not in SQL, whose dialects differ.  One thread; blocks on the store.
 */
#include "select_plan.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/json_path.h"

static const char *const type_names[] = {
	[VMT_CUMULATIVE] = "cumulative",
	[VMT_GAUGE] = "gauge",
	[VMT_DELTA] = "delta",
};

const char *select_type_name(unsigned type)
{
	return type < G_N_ELEMENTS(type_names) ? type_names[type] : "gauge";
}

int select_type(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(type_names); i++) {
		if (name && strcmp(name, type_names[i]) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* ------------------------------------------------------------------ statements */

int select_run(struct select_plan *p, const char *sql, const char *const *texts, size_t count,
	       bool bulk, select_row_fn row, void *context)
{
	const struct select_ops *ops = p->db->ops;
	void *rows = NULL;
	int code = ops->begin(p->db, sql, texts, count, bulk, &rows, p->error);

	while (code == 0 && (code = ops->step(rows, p->error)) == 1) {
		code = row(context, ops, rows);
	}
	ops->end(rows);
	return code;
}

int select_run_list(struct select_plan *p, const char *sql, const uint32_t *ids, size_t count,
		    bool bulk, select_row_fn row, void *context)
{
	const char *gap = strstr(sql, "%s");
	struct buf text = BUF_INIT;
	int code = 0;

	g_assert(gap);
	for (size_t from = 0; from < count && code == 0; from += SELECT_LIST_MOST) {
		size_t to = MIN(count, from + SELECT_LIST_MOST);

		buf_reset(&text);
		buf_add(&text, sql, (size_t)(gap - sql));
		for (size_t i = from; i < to; i++) {
			buf_printf(&text, "%s%u", i == from ? "" : ",", ids[i]);
		}
		buf_puts(&text, gap + 2);
		code = select_run(p, text.data, NULL, 0, bulk, row, context);
	}
	buf_fini(&text);
	return code;
}

/* ------------------------------------------------------------------ meters, versions, series */

static int on_meter(void *context, const struct select_ops *ops, void *rows)
{
	struct select_plan *p = context;
	uint32_t id = (uint32_t)ops->number(rows, 0);
	char *name = g_strdup(ops->text(rows, 1, NULL));
	bool taken = !p->by_meter;

	for (const char *const *m = p->query->meters; p->by_meter && *m && !taken; m++) {
		taken = fnmatch(*m, name, 0) == 0;
	}
	if (taken) {
		g_array_append_val(p->meters, id);
	}
	g_hash_table_insert(p->meter, GUINT_TO_POINTER(id), name);
	return 0;
}

static int on_version(void *context, const struct select_ops *ops, void *rows)
{
	struct select_plan *p = context;
	struct select_version v = {
		.id = (uint32_t)ops->number(rows, 0),
		.resource = (uint32_t)ops->number(rows, 1),
		.first = ops->number(rows, 2),
		.last = ops->number(rows, 3),
	};
	const struct vmt_pair *pair = p->query->metadata;
	size_t len = 0;
	const char *metadata = pair && pair->key ? ops->text(rows, 4, &len) : NULL;

	for (; pair && pair->key; pair++) {
		if (!metadata ||
		    !json_path_is(metadata, len, pair->key, pair->value ? pair->value : "null")) {
			return 0;
		}
	}
	g_array_append_val(p->version, v);
	return 0;
}

/* Of elements that begin with a uint32_t. */
static gint by_number(gconstpointer a, gconstpointer b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The versions that match, and the times in which one of them was seen at all. */
static int plan_versions(struct select_plan *p)
{
	const struct vmt_query *q = p->query;
	const struct {
		const char *column, *value;
	} equal[] = {
		{ "r.resource_id", q->resource },
		{ "v.project_id", q->project },
		{ "v.user_id", q->user },
	};
	GString *sql = g_string_new("SELECT v.id, v.resource, n.first, n.last");
	const char *texts[G_N_ELEMENTS(equal)];
	int64_t first = INT64_MAX, last = INT64_MIN;
	size_t count = 0;
	int code;

	g_string_append(sql, q->metadata && q->metadata->key ? ", v.metadata" : "");
	/* in the order in which they are to be looked up */
	g_string_append(sql, q->resource ? " FROM resource r JOIN version v ON v.resource = r.id"
					 : " FROM version v");
	g_string_append(sql, " JOIN seen n ON n.version = v.id");
	for (size_t i = 0; i < G_N_ELEMENTS(equal); i++) {
		if (equal[i].value) {
			texts[count++] = equal[i].value;
			g_string_append_printf(sql, "%s%s = $%zu", count > 1 ? " AND " : " WHERE ",
					       equal[i].column, count);
		}
	}
	p->version = g_array_new(FALSE, FALSE, sizeof(struct select_version));
	code = select_run(p, sql->str, texts, count, false, on_version, p);
	g_string_free(sql, TRUE);
	g_array_sort(p->version, by_number);
	for (guint i = 0; i < p->version->len; i++) {
		first = MIN(first, g_array_index(p->version, struct select_version, i).first);
		last = MAX(last, g_array_index(p->version, struct select_version, i).last);
	}
	p->first = MAX(p->first, first);
	p->last = MIN(p->last, last);
	p->none = p->version->len == 0 || p->first > p->last;
	return code;
}

static int on_series(void *context, const struct select_ops *ops, void *rows)
{
	uint32_t id = (uint32_t)ops->number(rows, 0);

	g_array_append_val((GArray *)context, id);
	return 0;
}

void select_make_set(GArray *ids)
{
	guint kept = 0;

	g_array_sort(ids, by_number);
	for (guint i = 0; i < ids->len; i++) {
		uint32_t id = g_array_index(ids, uint32_t, i);

		if (i == 0 || id != g_array_index(ids, uint32_t, kept - 1)) {
			g_array_index(ids, uint32_t, kept++) = id;
		}
	}
	g_array_set_size(ids, kept);
}

static int plan_series(struct select_plan *p)
{
	GArray *resources = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	GString *sql = g_string_new("SELECT id FROM series WHERE ");
	int code;

	if (p->by_meter) {
		g_string_append(sql, "meter IN (");
		for (guint i = 0; i < p->meters->len; i++) {
			g_string_append_printf(sql, "%s%u", i ? "," : "",
					       g_array_index(p->meters, uint32_t, i));
		}
		g_string_append(sql, p->by_version ? ") AND " : ")");
	}
	p->series = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	if (p->by_version) {
		for (guint i = 0; i < p->version->len; i++) {
			g_array_append_val(
				resources,
				g_array_index(p->version, struct select_version, i).resource);
		}
		select_make_set(resources);
		g_string_append(sql, "resource IN (%s)");
		code = select_run_list(p, sql->str, (const uint32_t *)(void *)resources->data,
				       resources->len, true, on_series, p->series);
	} else {
		code = select_run(p, sql->str, NULL, 0, true, on_series, p->series);
	}
	select_make_set(p->series);
	p->none = p->none || p->series->len == 0;
	g_array_free(resources, TRUE);
	g_string_free(sql, TRUE);
	return code;
}

static int on_end(void *context, const struct select_ops *ops, void *rows)
{
	struct select_plan *p = context;
	int64_t end = ops->number(rows, 0);

	p->series_end = end > 0 ? (uint32_t)end : 0;
	return 0;
}

/* ------------------------------------------------------------------ the plan */

int select_plan_init(struct select_plan *p, struct select_db *db, const struct vmt_query *query,
		     bool versions, struct vmt_error *error)
{
	int code;

	*p = (struct select_plan){ .db = db, .query = query, .error = error };
	p->by_meter = query->meters && *query->meters;
	p->by_version = query->resource || query->project || query->user ||
			(query->metadata && query->metadata->key);
	p->meter = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	p->meters = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	/* start <= time < end; whole microseconds; 0 is no restriction, as INT64_MIN and MAX are */
	p->first = query->start_ns && query->start_ns != INT64_MIN
			   ? select_micros(query->start_ns - 1) + 1
			   : INT64_MIN / 1000;
	p->last = query->end_ns && query->end_ns != INT64_MAX ? select_micros(query->end_ns - 1)
							      : INT64_MAX / 1000;
	code = select_run(p, "SELECT max(id) FROM series", NULL, 0, true, on_end, p);
	if (code == 0) {
		code = select_run(p, "SELECT id, name FROM meter ORDER BY id", NULL, 0, true,
				  on_meter, p);
		p->none = p->meters->len == 0;
	}
	if (code == 0 && (p->by_version || versions) && !p->none) {
		code = plan_versions(p);
	}
	if (code == 0 && (p->by_version || p->by_meter) && !p->none) {
		code = plan_series(p);
	}
	return code;
}

void select_plan_fini(struct select_plan *p)
{
	GArray *arrays[] = { p->meters, p->version, p->series };

	g_hash_table_destroy(p->meter);
	for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++) {
		if (arrays[i]) {
			g_array_free(arrays[i], TRUE);
		}
	}
}

bool select_has(const GArray *ids, uint32_t id)
{
	return !ids || (ids->len && bsearch(&id, ids->data, ids->len, sizeof(uint32_t), by_number));
}

const struct select_version *select_version(const struct select_plan *p, uint32_t id)
{
	return p->version->len ? bsearch(&id, p->version->data, p->version->len,
					 sizeof(struct select_version), by_number)
			       : NULL;
}
