/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources, the one seen last first, and meters by name and resource: what needs no points.  Numbers are put in
 * order first, then the texts of some at a time are read.  One thread; blocks on the store.
 */
#include <string.h>

#include "select_plan.h"

enum { BLOCK = 512 };

/* A row to be: of a resource, or of one of its series. */
struct item {
	uint32_t resource, version, series, form;
	int64_t first, last; /* microseconds */
	const char *name; /* of the meter, the plan's */
	const char *id; /* of the resource, in `texts` */
};

struct lister {
	struct select_plan plan;
	struct select_known known;
	GArray *items;
	GHashTable *texts; /* resource → its id */
	GHashTable *at; /* resource → place in items + 1 */
	vmt_row_fn row;
	void *context;
};

static int on_text(void *context, const struct select_ops *ops, void *rows)
{
	g_hash_table_insert(context, GUINT_TO_POINTER((guint)ops->number(rows, 0)),
			    g_strdup(ops->text(rows, 1, NULL)));
	return 0;
}

/* The ids of all resources, for the order. */
static int read_texts(struct lister *l)
{
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	int code;

	for (guint i = 0; i < l->items->len; i++) {
		g_array_append_val(ids, g_array_index(l->items, struct item, i).resource);
	}
	code = select_run_list(&l->plan, "SELECT id, resource_id FROM resource WHERE id IN (%s)",
			       (const uint32_t *)(void *)ids->data, ids->len, true, on_text,
			       l->texts);
	for (guint i = 0; i < l->items->len; i++) {
		struct item *item = &g_array_index(l->items, struct item, i);

		item->id = g_hash_table_lookup(l->texts, GUINT_TO_POINTER(item->resource));
		item->id = item->id ? item->id : "";
	}
	g_array_free(ids, TRUE);
	return code;
}

static int give(struct lister *l, const struct item *item)
{
	const struct vmt_resource *resource =
		g_hash_table_lookup(l->known.version, GUINT_TO_POINTER(item->version));
	const struct select_form *form =
		item->form ? g_hash_table_lookup(l->known.form, GUINT_TO_POINTER(item->form))
			   : NULL;
	struct vmt_store_row row = {
		.resource = resource,
		.name = item->name,
		.mono_ns = INT64_MIN,
		.time_ns = item->last * 1000,
		.first_ns = item->first * 1000,
		.last_ns = item->last * 1000,
	};

	if (!resource || (item->name && !form)) {
		return 0;
	}
	if (form) {
		row.unit = form->unit;
		row.type = form->type;
	}
	return l->row(l->context, &row);
}

static int give_all(struct lister *l)
{
	uint64_t limit = l->plan.query->limit;
	guint count = limit && limit < l->items->len ? (guint)limit : l->items->len;
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	int code = 0;

	for (guint from = 0; from < count && code == 0; from += BLOCK) {
		guint to = MIN(count, from + BLOCK);

		g_array_set_size(ids, 0);
		for (guint i = from; i < to; i++) {
			g_array_append_val(ids, g_array_index(l->items, struct item, i).version);
		}
		code = select_known_versions(&l->known, ids);
		for (guint i = from; i < to && code == 0; i++) {
			code = give(l, &g_array_index(l->items, struct item, i));
		}
	}
	g_array_free(ids, TRUE);
	return code;
}

static int run(struct select_db *db, const struct vmt_query *query, vmt_row_fn row, void *context,
	       struct vmt_error *error, int (*gather)(struct lister *l), GCompareFunc order)
{
	struct lister l = { .row = row, .context = context };
	int code = select_plan_init(&l.plan, db, query, true, error);

	if (code == 0 && !l.plan.none) {
		l.items = g_array_new(FALSE, FALSE, sizeof(struct item));
		l.texts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
		l.at = g_hash_table_new(NULL, NULL);
		code = select_known_init(&l.known, &l.plan);
		if (code == 0) {
			code = gather(&l);
		}
		if (code == 0) {
			code = read_texts(&l);
		}
		if (code == 0) {
			g_array_sort(l.items, order);
			code = give_all(&l);
		}
		select_known_fini(&l.known);
		g_hash_table_destroy(l.at);
		g_hash_table_destroy(l.texts);
		g_array_free(l.items, TRUE);
	}
	select_plan_fini(&l.plan);
	return code;
}

/* ------------------------------------------------------------------ resources */

static int on_resource_number(void *context, const struct select_ops *ops, void *rows)
{
	g_hash_table_add(context, GUINT_TO_POINTER((guint)ops->number(rows, 0)));
	return 0;
}

/* The resources that have one of the meters; NULL: all. */
static int with_meters(struct lister *l, GHashTable **ret_set)
{
	const GArray *series = l->plan.by_meter ? l->plan.series : NULL;

	*ret_set = series ? g_hash_table_new(NULL, NULL) : NULL;
	return series ? select_run_list(&l->plan,
					"SELECT DISTINCT resource FROM series WHERE id IN (%s)",
					(const uint32_t *)(void *)series->data, series->len, true,
					on_resource_number, *ret_set)
		      : 0;
}

/* Of each resource the version that was seen last, with the time in which any that matches was seen. */
static int gather_resources(struct lister *l)
{
	GHashTable *set;
	int code = with_meters(l, &set);

	for (guint i = 0; i < l->plan.version->len && code == 0; i++) {
		const struct select_version *v =
			&g_array_index(l->plan.version, struct select_version, i);
		gpointer key = GUINT_TO_POINTER(v->resource);
		guint at = GPOINTER_TO_UINT(g_hash_table_lookup(l->at, key));
		struct item new = { .resource = v->resource,
				    .version = v->id,
				    .first = v->first,
				    .last = v->last };
		struct item *item;

		if (v->last < l->plan.first || v->first > l->plan.last ||
		    (set && !g_hash_table_contains(set, key))) {
			continue;
		}
		if (!at) {
			g_array_append_val(l->items, new);
			g_hash_table_insert(l->at, key, GUINT_TO_POINTER(l->items->len));
			continue;
		}
		item = &g_array_index(l->items, struct item, at - 1);
		item->first = MIN(item->first, v->first);
		if (v->last >= item->last) {
			item->version = v->id;
			item->last = v->last;
		}
	}
	if (set) {
		g_hash_table_destroy(set);
	}
	return code;
}

static gint last_first(gconstpointer a, gconstpointer b)
{
	const struct item *x = a, *y = b;

	if (x->last != y->last) {
		return x->last < y->last ? 1 : -1;
	}
	return strcmp(x->id, y->id);
}

int select_resources(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		     void *context, struct vmt_error *error)
{
	return run(db, query, row, context, error, gather_resources, last_first);
}

/* ------------------------------------------------------------------ meters */

static int on_series(void *context, const struct select_ops *ops, void *rows)
{
	struct lister *l = context;
	struct item item = {
		.series = (uint32_t)ops->number(rows, 0),
		.resource = (uint32_t)ops->number(rows, 1),
		.name = g_hash_table_lookup(l->plan.meter,
					    GUINT_TO_POINTER((guint)ops->number(rows, 2))),
	};

	if (item.name) {
		g_array_append_val(l->items, item);
	}
	return 0;
}

/* The newest run of a series into the item; false: its version is none of those that match. */
static bool take_newest_run(struct lister *l, struct item *item)
{
	const struct select_series *series =
		g_hash_table_lookup(l->known.series, GUINT_TO_POINTER(item->series));
	const struct select_run *run = series && series->count ? &series->run[series->count - 1]
							       : NULL;
	const struct select_version *v = run ? select_version(&l->plan, run->version) : NULL;

	if (!v || v->last < l->plan.first || v->first > l->plan.last) {
		return false;
	}
	item->version = v->id;
	item->form = run->form;
	item->first = v->first;
	item->last = v->last;
	return true;
}

static int gather_meters(struct lister *l)
{
	bool chosen = l->plan.series;
	const GArray *from = chosen ? l->plan.series : l->plan.meters;
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	guint kept = 0;
	int code = select_run_list(
		&l->plan,
		chosen ? "SELECT id, resource, meter FROM series WHERE id IN (%s)"
		       : "SELECT id, resource, meter FROM series WHERE meter IN (%s)",
		(const uint32_t *)(void *)from->data, from->len, true, on_series, l);

	for (guint i = 0; i < l->items->len && code == 0; i++) {
		struct item *item = &g_array_index(l->items, struct item, i);

		if (i % BLOCK == 0) {
			g_array_set_size(ids, 0);
			for (guint j = i; j < MIN(l->items->len, i + BLOCK); j++) {
				g_array_append_val(ids,
						   g_array_index(l->items, struct item, j).series);
			}
			code = select_known_series(&l->known, ids);
		}
		if (code == 0 && take_newest_run(l, item)) {
			g_array_index(l->items, struct item, kept++) = *item;
		}
	}
	g_array_set_size(l->items, kept);
	g_array_free(ids, TRUE);
	return code;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	order = order ? order : strcmp(x->id, y->id);
	return order ? order : (x->series > y->series) - (x->series < y->series);
}

int select_meters(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		  void *context, struct vmt_error *error)
{
	return run(db, query, row, context, error, gather_meters, by_name);
}
