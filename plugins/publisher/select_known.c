/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does not change while points are read: forms, series with their runs, resource versions.  Read in lists
 * when they are first met, and forgotten when there are too many.  One thread; blocks on the store.
 */
#include <string.h>

#include "select_plan.h"

enum { VERSIONS_KEPT = 8192, SERIES_KEPT = 1 << 17 };

static void form_free(void *data)
{
	struct select_form *f = data;

	g_free(f->unit);
	g_free(f);
}

static int on_form(void *context, const struct select_ops *ops, void *rows)
{
	struct select_known *k = context;
	struct select_form *f = g_new0(struct select_form, 1);
	int type = select_type(ops->text(rows, 1, NULL));

	f->type = type < 0 ? VMT_GAUGE : (enum vmt_meter_type)type;
	f->unit = g_strdup(ops->text(rows, 2, NULL));
	g_hash_table_insert(k->form, GUINT_TO_POINTER((guint)ops->number(rows, 0)), f);
	return 0;
}

int select_known_init(struct select_known *k, struct select_plan *plan)
{
	k->plan = plan;
	k->series = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	k->version = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	k->form = g_hash_table_new_full(NULL, NULL, NULL, form_free);
	return select_run(plan, "SELECT id, type, unit FROM form", NULL, 0, true, on_form, k);
}

void select_known_fini(struct select_known *k)
{
	g_hash_table_destroy(k->series);
	g_hash_table_destroy(k->version);
	g_hash_table_destroy(k->form);
}

/* Those of `ids` that are not in the table, once each.  It is emptied first if it would hold too many. */
static GArray *unknown(GHashTable *table, const GArray *ids, guint most)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(uint32_t));

	if (g_hash_table_size(table) + ids->len > most) {
		g_hash_table_remove_all(table);
	}
	for (guint i = 0; i < ids->len; i++) {
		uint32_t id = g_array_index(ids, uint32_t, i);

		if (!g_hash_table_contains(table, GUINT_TO_POINTER(id))) {
			g_array_append_val(list, id);
		}
	}
	select_make_set(list);
	return list;
}

/* ------------------------------------------------------------------ series */

/* The runs of one series after the other, and which meters they are of. */
struct gather {
	struct select_known *known;
	GHashTable *name; /* of a series that is being read */
	GArray *run;
	uint32_t series; /* 0: none yet */
};

static void put_series(struct gather *g)
{
	struct select_series *s;

	if (g->series) {
		s = g_malloc(sizeof *s + g->run->len * sizeof(struct select_run));
		s->name = g_hash_table_lookup(g->name, GUINT_TO_POINTER(g->series));
		s->count = g->run->len;
		memcpy(s->run, g->run->data, g->run->len * sizeof(struct select_run));
		g_hash_table_insert(g->known->series, GUINT_TO_POINTER(g->series), s);
	}
	g_array_set_size(g->run, 0);
}

static int on_name(void *context, const struct select_ops *ops, void *rows)
{
	struct gather *g = context;

	g_hash_table_insert(g->name, GUINT_TO_POINTER((guint)ops->number(rows, 0)),
			    g_hash_table_lookup(g->known->plan->meter,
						GUINT_TO_POINTER((guint)ops->number(rows, 1))));
	return 0;
}

static int on_run(void *context, const struct select_ops *ops, void *rows)
{
	struct gather *g = context;
	uint32_t series = (uint32_t)ops->number(rows, 0);
	struct select_run run = { ops->number(rows, 1), (uint32_t)ops->number(rows, 2),
				  (uint32_t)ops->number(rows, 3) };

	if (series != g->series) {
		put_series(g);
		g->series = series;
	}
	g_array_append_val(g->run, run);
	return 0;
}

int select_known_series(struct select_known *k, const GArray *ids)
{
	GArray *list = unknown(k->series, ids, SERIES_KEPT);
	struct gather g = {
		.known = k,
		.name = g_hash_table_new(NULL, NULL),
		.run = g_array_new(FALSE, FALSE, sizeof(struct select_run)),
	};
	const uint32_t *id = (const uint32_t *)(void *)list->data;
	int code = select_run_list(k->plan, "SELECT id, meter FROM series WHERE id IN (%s)", id,
				   list->len, true, on_name, &g);

	if (code == 0) {
		code = select_run_list(k->plan,
				       "SELECT series, since, version, form FROM run"
				       " WHERE series IN (%s) ORDER BY series, since",
				       id, list->len, true, on_run, &g);
	}
	put_series(&g);
	g_hash_table_destroy(g.name);
	g_array_free(g.run, TRUE);
	g_array_free(list, TRUE);
	return code;
}

const struct select_run *select_run_at(const struct select_series *series, int64_t micros)
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

/* ------------------------------------------------------------------ versions */

/* resource_id, source, project_id, user_id, project_name, user_name, metadata */
enum { TEXTS = 7, METADATA = 6 };

/* A resource and its texts in one piece of memory. */
static struct vmt_resource *make_resource(const char *const text[TEXTS], const size_t len[TEXTS],
					  uint64_t digest)
{
	const char *copy[TEXTS] = { NULL };
	size_t size = 0;
	struct vmt_resource *r;
	char *at;

	for (int i = 0; i < TEXTS; i++) {
		size += text[i] ? len[i] + 1 : 0;
	}
	r = g_malloc(sizeof *r + size);
	at = (char *)(r + 1);
	for (int i = 0; i < TEXTS; i++) {
		if (text[i]) {
			memcpy(at, text[i], len[i]);
			at[len[i]] = '\0';
			copy[i] = at;
			at += len[i] + 1;
		}
	}
	*r = (struct vmt_resource){
		.id = copy[0] ? copy[0] : "",
		.source = copy[1] ? copy[1] : "",
		.project_id = copy[2],
		.user_id = copy[3],
		.project_name = copy[4],
		.user_name = copy[5],
		.meta_head = copy[METADATA],
		.meta_head_len = (uint32_t)len[METADATA] - 1,
		.meta_tail = copy[METADATA] + len[METADATA] - 1,
		.meta_tail_len = 1,
		.digest = digest,
	};
	return r;
}

static int on_resource(void *context, const struct select_ops *ops, void *rows)
{
	struct select_known *k = context;
	const char *text[TEXTS];
	size_t len[TEXTS] = { 0 };

	for (int i = 0; i < TEXTS; i++) {
		text[i] = ops->text(rows, i + 2, &len[i]);
	}
	if (!text[METADATA] || len[METADATA] < 2 || text[METADATA][len[METADATA] - 1] != '}') {
		text[METADATA] = "{}"; /* not of our making */
		len[METADATA] = 2;
	}
	g_hash_table_insert(k->version, GUINT_TO_POINTER((guint)ops->number(rows, 0)),
			    make_resource(text, len, (uint64_t)ops->number(rows, 1)));
	return 0;
}

int select_known_versions(struct select_known *k, const GArray *ids)
{
	GArray *list = unknown(k->version, ids, VERSIONS_KEPT);
	int code = select_run_list(k->plan,
				   "SELECT v.id, v.digest, r.resource_id, r.source, v.project_id,"
				   " v.user_id, v.project_name, v.user_name, v.metadata"
				   " FROM version v JOIN resource r ON r.id = v.resource"
				   " WHERE v.id IN (%s)",
				   (const uint32_t *)(void *)list->data, list->len, false,
				   on_resource, k);

	g_array_free(list, TRUE);
	return code;
}
