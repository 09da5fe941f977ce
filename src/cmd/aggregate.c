/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells (a group in a period) in a hash table, and one state per series that remembers its cell, so that a row
 * that goes on where the last one of its series was needs one look-up.  One thread; blocks on nothing.
 */
#include "cmd/aggregate.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "wire/json_path.h"

__extension__ typedef __int128 wide;

/* A sum that is exact as long as all parts are integers. */
struct sum {
	wide whole;
	double real;
	bool inexact; /* a part was no integer */
};

struct group {
	char *name, *unit;
	char *value[AGGREGATE_GROUPS_MOST];
};

struct cell {
	const struct group *group;
	int64_t period;
	uint64_t count;
	int64_t first_ns, last_ns;
	struct aggregate_number min, max, first, last;
	struct sum sum, increase;
	double mean, squares; /* Welford's running mean and sum of squared distances */
	double rate;
	bool increased;
};

/* The newest rows of a series so far: the one at hand, and the distances since its cell was entered. */
struct series {
	uint64_t digest; /* of the resource that its group was worked out from */
	const struct group *group;
	struct cell *cell;
	struct aggregate_number value;
	int64_t time_ns, span_ns;
	struct sum increase;
	enum vmt_meter_type type;
};

struct aggregate {
	const char *const *groupby;
	size_t groups;
	int64_t period_ns, origin_ns;
	GHashTable *group, *cell, *series;
};

static const struct {
	const char *name;
	size_t offset;
} members[] = {
	{ "resource_id", offsetof(struct vmt_resource, id) },
	{ "project_id", offsetof(struct vmt_resource, project_id) },
	{ "user_id", offsetof(struct vmt_resource, user_id) },
	{ "source", offsetof(struct vmt_resource, source) },
	{ "project_name", offsetof(struct vmt_resource, project_name) },
	{ "user_name", offsetof(struct vmt_resource, user_name) },
};

static const char metadata_prefix[] = "metadata.";

/* ------------------------------------------------------------------ numbers */

static double as_double(struct aggregate_number n)
{
	return n.kind == VMT_DOUBLE   ? n.value.d
	       : n.kind == VMT_UINT64 ? (double)n.value.u
				      : (double)n.value.i;
}

static wide as_wide(struct aggregate_number n)
{
	return n.kind == VMT_UINT64 ? (wide)n.value.u : (wide)n.value.i;
}

static bool less(struct aggregate_number a, struct aggregate_number b)
{
	if (a.kind == VMT_DOUBLE || b.kind == VMT_DOUBLE) {
		return as_double(a) < as_double(b);
	}
	return as_wide(a) < as_wide(b);
}

static void sum_add(struct sum *s, struct aggregate_number n)
{
	if (n.kind == VMT_DOUBLE) {
		s->real += n.value.d;
		s->inexact = true;
	} else {
		s->whole += as_wide(n);
	}
}

static void sum_join(struct sum *s, const struct sum *other)
{
	s->whole += other->whole;
	s->real += other->real;
	s->inexact = s->inexact || other->inexact;
}

/* What a counter grew by from `older` to `newer`. */
static void sum_growth(struct sum *s, struct aggregate_number older, struct aggregate_number newer)
{
	sum_add(s, newer);
	if (less(newer, older)) {
		return; /* it began anew */
	}
	if (older.kind == VMT_DOUBLE) {
		s->real -= older.value.d;
		s->inexact = true;
	} else {
		s->whole -= as_wide(older);
	}
}

static double sum_double(const struct sum *s)
{
	return (double)s->whole + s->real;
}

static struct aggregate_number sum_number(const struct sum *s)
{
	struct aggregate_number n = { .kind = VMT_DOUBLE };

	if (!s->inexact && s->whole >= INT64_MIN && s->whole <= INT64_MAX) {
		n.kind = VMT_INT64;
		n.value.i = (int64_t)s->whole;
	} else if (!s->inexact && s->whole > 0 && s->whole <= UINT64_MAX) {
		n.kind = VMT_UINT64;
		n.value.u = (uint64_t)s->whole;
	} else {
		n.value.d = sum_double(s);
	}
	return n;
}

/* ------------------------------------------------------------------ groups */

bool aggregate_groups(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		if (strcmp(name, members[i].name) == 0) {
			return true;
		}
	}
	return strncmp(name, metadata_prefix, sizeof metadata_prefix - 1) == 0 &&
	       name[sizeof metadata_prefix - 1];
}

/* To be freed; NULL for null. */
static char *group_value(const struct vmt_resource *r, const char *name)
{
	struct buf metadata = BUF_INIT, text = BUF_INIT;
	char *value = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		if (strcmp(name, members[i].name) == 0) {
			return g_strdup(*(const char *const *)(const void *)((const char *)r +
									     members[i].offset));
		}
	}
	buf_add(&metadata, r->meta_head, r->meta_head_len);
	buf_add(&metadata, r->meta_tail, r->meta_tail_len);
	if (json_path_text(metadata.data, metadata.len, name + sizeof metadata_prefix - 1, &text)) {
		value = g_strndup(text.data, text.len);
	}
	buf_fini(&metadata);
	buf_fini(&text);
	return value;
}

static void group_free(void *data)
{
	struct group *g = data;

	for (size_t i = 0; i < AGGREGATE_GROUPS_MOST; i++) {
		g_free(g->value[i]);
	}
	g_free(g->name);
	g_free(g->unit);
	g_free(g);
}

static guint group_hash(gconstpointer key)
{
	const struct group *g = key;
	guint hash = g_str_hash(g->name) * 31 + g_str_hash(g->unit);

	for (size_t i = 0; i < AGGREGATE_GROUPS_MOST; i++) {
		hash = hash * 31 + (g->value[i] ? g_str_hash(g->value[i]) : 1);
	}
	return hash;
}

static int group_compare(const struct group *a, const struct group *b)
{
	int order = strcmp(a->name, b->name);

	order = order ? order : strcmp(a->unit, b->unit);
	for (size_t i = 0; i < AGGREGATE_GROUPS_MOST && order == 0; i++) {
		order = g_strcmp0(a->value[i], b->value[i]);
	}
	return order;
}

static gboolean group_equal(gconstpointer a, gconstpointer b)
{
	return group_compare(a, b) == 0;
}

static const struct group *find_group(struct aggregate *a, const struct vmt_store_row *row)
{
	struct group *g = g_new0(struct group, 1), *known;

	g->name = g_strdup(row->name);
	g->unit = g_strdup(row->unit ? row->unit : "");
	for (size_t i = 0; i < a->groups; i++) {
		g->value[i] = group_value(row->resource, a->groupby[i]);
	}
	known = g_hash_table_lookup(a->group, g);
	if (known) {
		group_free(g);
		return known;
	}
	g_hash_table_add(a->group, g);
	return g;
}

/* ------------------------------------------------------------------ cells */

static guint cell_hash(gconstpointer key)
{
	const struct cell *c = key;

	return g_direct_hash(c->group) * 31 + g_int64_hash(&c->period);
}

static gboolean cell_equal(gconstpointer a, gconstpointer b)
{
	const struct cell *x = a, *y = b;

	return x->group == y->group && x->period == y->period;
}

static int64_t period_of(const struct aggregate *a, int64_t time_ns)
{
	int64_t distance;

	if (!a->period_ns) {
		return 0;
	}
	if (__builtin_sub_overflow(time_ns, a->origin_ns, &distance)) {
		distance = time_ns;
	}
	return distance / a->period_ns - (distance % a->period_ns < 0);
}

/* NULL: there are too many. */
static struct cell *find_cell(struct aggregate *a, const struct group *group, int64_t period)
{
	struct cell key = { .group = group, .period = period };
	struct cell *c = g_hash_table_lookup(a->cell, &key);

	if (!c && g_hash_table_size(a->cell) < AGGREGATE_CELLS_MOST) {
		c = g_new(struct cell, 1);
		*c = key;
		g_hash_table_add(a->cell, c);
	}
	return c;
}

static void cell_add(struct cell *c, struct aggregate_number n, int64_t time_ns)
{
	double value = as_double(n), distance = value - c->mean;

	if (c->count++ == 0) {
		c->min = c->max = c->first = c->last = n;
		c->first_ns = c->last_ns = time_ns;
	}
	if (less(n, c->min)) {
		c->min = n;
	}
	if (less(c->max, n)) {
		c->max = n;
	}
	if (time_ns < c->first_ns) {
		c->first_ns = time_ns;
		c->first = n;
	}
	if (time_ns > c->last_ns) {
		c->last_ns = time_ns;
		c->last = n;
	}
	sum_add(&c->sum, n);
	c->mean += distance / (double)c->count;
	c->squares += distance * (value - c->mean);
}

/* ------------------------------------------------------------------ series */

/* What the series gathered in the cell that it leaves. */
static void leave_cell(struct series *s)
{
	if (s->span_ns > 0) {
		sum_join(&s->cell->increase, &s->increase);
		s->cell->rate += sum_double(&s->increase) / ((double)s->span_ns / 1e9);
		s->cell->increased = true;
	}
	s->span_ns = 0;
	s->increase = (struct sum){ 0 };
}

static int take_row(struct aggregate *a, struct series *s, const struct vmt_store_row *row,
		    bool known)
{
	struct aggregate_number n = { row->kind, row->value };
	int64_t period = period_of(a, row->time_ns);
	struct cell *cell = s->cell;

	if (!known || s->digest != row->resource->digest ||
	    strcmp(s->group->unit, row->unit ? row->unit : "") != 0) {
		s->group = find_group(a, row);
		s->digest = row->resource->digest;
	}
	if (!known || cell->group != s->group || cell->period != period) {
		cell = find_cell(a, s->group, period);
	}
	if (!cell) {
		return -E2BIG;
	}
	if (known && s->type == VMT_CUMULATIVE && row->type == VMT_CUMULATIVE &&
	    row->time_ns < s->time_ns) {
		sum_growth(&s->increase, n, s->value);
		s->span_ns += s->time_ns - row->time_ns;
	}
	if (known && cell != s->cell) {
		leave_cell(s);
	}
	s->cell = cell;
	s->value = n;
	s->time_ns = row->time_ns;
	s->type = row->type;
	cell_add(cell, n, row->time_ns);
	return 0;
}

int aggregate_add(struct aggregate *a, const struct vmt_store_row *row)
{
	struct series *s = g_hash_table_lookup(a->series, GUINT_TO_POINTER(row->series));
	int code;

	if (s) {
		return take_row(a, s, row, true);
	}
	s = g_new0(struct series, 1);
	code = take_row(a, s, row, false);
	if (code) {
		g_free(s);
		return code;
	}
	g_hash_table_insert(a->series, GUINT_TO_POINTER(row->series), s);
	return 0;
}

/* ------------------------------------------------------------------ life, results */

struct aggregate *aggregate_new(const char *const *groupby, int64_t period_ns, int64_t origin_ns)
{
	struct aggregate *a = g_new0(struct aggregate, 1);

	a->groupby = groupby;
	while (groupby && groupby[a->groups]) {
		a->groups++;
	}
	g_assert(a->groups <= AGGREGATE_GROUPS_MOST);
	a->period_ns = period_ns;
	a->origin_ns = origin_ns;
	a->group = g_hash_table_new_full(group_hash, group_equal, group_free, NULL);
	a->cell = g_hash_table_new_full(cell_hash, cell_equal, g_free, NULL);
	a->series = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	return a;
}

void aggregate_free(struct aggregate *a)
{
	if (a) {
		g_hash_table_destroy(a->series);
		g_hash_table_destroy(a->cell);
		g_hash_table_destroy(a->group);
		g_free(a);
	}
}

static gint cell_compare(gconstpointer a, gconstpointer b)
{
	const struct cell *x = *(const struct cell *const *)a, *y = *(const struct cell *const *)b;
	int order = group_compare(x->group, y->group);

	return order ? order : (x->period > y->period) - (x->period < y->period);
}

static struct statistic make(const struct aggregate *a, const struct cell *c)
{
	struct statistic s = {
		.name = c->group->name,
		.unit = c->group->unit,
		.group = (const char *const *)c->group->value,
		.start_ns = c->first_ns,
		.end_ns = c->last_ns,
		.first_ns = c->first_ns,
		.last_ns = c->last_ns,
		.count = c->count,
		.min = c->min,
		.max = c->max,
		.sum = sum_number(&c->sum),
		.first = c->first,
		.last = c->last,
		.avg = sum_double(&c->sum) / (double)c->count,
		.stddev = sqrt(c->squares > 0 ? c->squares / (double)c->count : 0),
		.increased = c->increased,
		.increase = sum_number(&c->increase),
		.rate = c->rate,
	};

	if (a->period_ns) {
		s.start_ns = a->origin_ns + c->period * a->period_ns;
		if (__builtin_add_overflow(s.start_ns, a->period_ns, &s.end_ns)) {
			s.end_ns = INT64_MAX; /* a period of centuries */
		}
	}
	return s;
}

int aggregate_each(struct aggregate *a, int (*fn)(void *context, const struct statistic *statistic),
		   void *context)
{
	GPtrArray *cells = g_ptr_array_new();
	GHashTableIter iter;
	gpointer item;
	int code = 0;

	g_hash_table_iter_init(&iter, a->series);
	while (g_hash_table_iter_next(&iter, NULL, &item)) {
		leave_cell(item);
	}
	g_hash_table_iter_init(&iter, a->cell);
	while (g_hash_table_iter_next(&iter, &item, NULL)) {
		g_ptr_array_add(cells, item);
	}
	g_ptr_array_sort(cells, cell_compare);
	for (guint i = 0; i < cells->len && code == 0; i++) {
		struct statistic s = make(a, g_ptr_array_index(cells, i));

		code = fn(context, &s);
	}
	g_ptr_array_free(cells, TRUE);
	return code;
}
