/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples, newest first: from the end of the table in steps of some minutes; of each the points of the series
 * that the query selects, looked up in each minute when they are few, or by reading the minutes when they are many.
 * One thread; blocks on the store.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "select_plan.h"

enum {
	GAP = 16, /* numbers that are read over rather than looked up past */
	SEEK_SHARE = 8, /* ranges fewer than 1/8 of all series: look each of them up */
	SEEKS_MOST = 1 << 16, /* minutes × ranges that are looked up in one step */
	DAY = 1440, /* minutes; no step goes across the end of one, for a store may lie in parts of a day */
	STEP_POINTS = 20000, /* a step that found fewer is followed by a longer one */
	BLOCK = 2048, /* points whose series and versions are found out together */
};

struct point {
	int64_t time; /* microseconds */
	uint32_t series;
	struct select_value value;
};

struct message {
	int64_t time, mono;
	uint32_t series;
	bool has_id;
	uint8_t id[16];
};

/* Series with neighbouring numbers, which lie beside each other in each minute. */
struct range {
	uint32_t first, last;
};

struct reader {
	struct select_plan plan;
	struct select_known known;
	GArray *ranges; /* struct range; empty: read the minutes */
	GArray *points, *messages; /* of the step; messages by time and series */
	int64_t first, last; /* of the step, microseconds, both included */
	GArray *ids; /* scratch */
	uint64_t given;
	vmt_row_fn row;
	void *context;
};

/* ------------------------------------------------------------------ one step */

static int on_point(void *context, const struct select_ops *ops, void *rows)
{
	struct reader *r = context;
	struct point p = {
		.time = select_minute_start(ops->number(rows, 0)) + ops->number(rows, 2),
		.series = (uint32_t)ops->number(rows, 1),
	};

	if (p.time < r->first || p.time > r->last || !select_has(r->plan.series, p.series)) {
		return 0;
	}
	p.value = ops->value(rows, 3);
	g_array_append_val(r->points, p);
	return 0;
}

static int on_message(void *context, const struct select_ops *ops, void *rows)
{
	struct reader *r = context;
	struct message m = {
		.time = select_minute_start(ops->number(rows, 0)) + ops->number(rows, 2),
		.series = (uint32_t)ops->number(rows, 1),
		.mono = ops->number(rows, 4),
	};
	size_t len = 0;
	const char *id = ops->text(rows, 3, &len);

	if (id && len == sizeof m.id) {
		memcpy(m.id, id, sizeof m.id);
		m.has_id = true;
	}
	g_array_append_val(r->messages, m);
	return 0;
}

/* The minutes and the ranges as tables. */
static void put_tables(const struct reader *r, struct buf *sql, int64_t from, int64_t to)
{
	int slot = r->plan.db->ops->slot;

	from = select_slot(from, slot);
	to = select_slot(to, slot);
	buf_puts(sql, "WITH minutes(minute) AS (VALUES ");
	for (int64_t minute = to; minute >= from; minute -= slot) {
		buf_printf(sql, "%s(%lld)", minute == to ? "" : ",", (long long)minute);
	}
	buf_puts(sql, "), ranges(first, last) AS (VALUES ");
	for (guint i = 0; i < r->ranges->len; i++) {
		const struct range *range = &g_array_index(r->ranges, struct range, i);

		buf_printf(sql, "%s(%u,%u)", i ? "," : "", range->first, range->last);
	}
	buf_puts(sql, ") ");
}

/* A SELECT from `point` or `message`, of the minutes `from` to `to`, both included, and what lies together with them. */
static void put_select(const struct reader *r, struct buf *sql, const char *table,
		       const char *columns, int64_t from, int64_t to)
{
	const struct select_ops *ops = r->plan.db->ops;
	int64_t slot = select_slot(from, ops->slot);
	bool each = r->ranges->len;

	buf_reset(sql);
	if (each) {
		put_tables(r, sql, from, to);
	}
	buf_printf(sql, "SELECT p.minute, p.series, p.micros, %s FROM %s%s p WHERE ", columns,
		   each ? ops->each_begin : "", table);
	if (each) {
		buf_puts(sql, "p.minute = minutes.minute AND p.series >="
			      " ranges.first AND p.series <= ranges.last AND ");
	}
	/* with an index that has the minute already it is for the choice of partitions */
	buf_printf(sql, "p.minute >= %lld AND p.minute <= %lld", (long long)slot, (long long)to);
	if (ops->slot > 1 &&
	    to < slot + ops->slot) { /* a part of one, of which the index knows more */
		buf_printf(sql, " AND p.micros >= %lld AND p.micros < %lld",
			   (long long)(from - slot) * SELECT_MINUTE_US,
			   (long long)(to + 1 - slot) * SELECT_MINUTE_US);
	}
	buf_puts(sql, each ? ops->each_end : "");
}

static int message_order(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	if (x->time != y->time) {
		return x->time < y->time ? -1 : 1;
	}
	return (x->series > y->series) - (x->series < y->series);
}

static int newest_first(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->time != y->time) {
		return x->time < y->time ? 1 : -1;
	}
	return (x->series > y->series) - (x->series < y->series);
}

static void sort(GArray *array, size_t size, int (*order)(const void *, const void *))
{
	if (array->len) {
		qsort(array->data, array->len, size, order);
	}
}

static int on_number(void *context, const struct select_ops *ops, void *rows)
{
	*(int64_t *)context = ops->number(rows, 0);
	return 0;
}

/* The last minute from `from` to `to` that the table may have something of; INT64_MIN: none. */
static int last_minute(struct reader *r, const char *table, int64_t from, int64_t to,
		       int64_t *ret_minute)
{
	int slot = r->plan.db->ops->slot;
	struct buf sql = BUF_INIT;
	int code;

	*ret_minute = INT64_MIN;
	buf_printf(&sql,
		   "SELECT minute FROM %s WHERE minute >= %lld AND minute <= %lld"
		   " ORDER BY minute DESC LIMIT 1",
		   table, (long long)select_slot(from, slot), (long long)to);
	code = select_run(&r->plan, sql.data, NULL, 0, true, on_number, ret_minute);
	if (*ret_minute != INT64_MIN) {
		*ret_minute = MIN(to, *ret_minute + slot - 1);
	}
	buf_fini(&sql);
	return code;
}

/* Whether there are any, in most stores there are none. */
static int has_messages(struct reader *r, int64_t from, int64_t to)
{
	int64_t minute;
	int code = last_minute(r, "message", from, to, &minute);

	return code ? code : minute != INT64_MIN;
}

static int read_step(struct reader *r, int64_t from, int64_t to)
{
	struct buf sql = BUF_INIT;
	int code;

	r->first = MAX(r->plan.first, select_minute_start(from));
	r->last = MIN(r->plan.last, select_minute_start(to + 1) - 1);
	g_array_set_size(r->points, 0);
	g_array_set_size(r->messages, 0);
	put_select(r, &sql, "point", r->plan.db->ops->value_columns, from, to);
	code = select_run(&r->plan, sql.data, NULL, 0, true, on_point, r);
	if (code == 0 && !r->plan.query->bare && r->points->len) {
		code = has_messages(r, from, to);
	}
	if (code == 1) {
		put_select(r, &sql, "message", "id, mono", from, to);
		code = select_run(&r->plan, sql.data, NULL, 0, true, on_message, r);
	}
	buf_fini(&sql);
	sort(r->points, sizeof(struct point), newest_first);
	sort(r->messages, sizeof(struct message), message_order);
	return code;
}

/* ------------------------------------------------------------------ rows */

static void take_message(const struct reader *r, const struct point *p, struct vmt_store_row *row)
{
	const struct message key = { .time = p->time, .series = p->series }, *m = NULL;

	if (r->messages->len) {
		m = bsearch(&key, r->messages->data, r->messages->len, sizeof key, message_order);
	}
	if (m) {
		row->mono_ns = m->mono;
		row->message_id = m->has_id ? m->id : NULL;
	}
}

/* Hands one point to the caller, unless its version is not one that the query selects. */
static int give(struct reader *r, const struct point *p)
{
	const struct select_series *series =
		g_hash_table_lookup(r->known.series, GUINT_TO_POINTER(p->series));
	const struct select_run *run = series ? select_run_at(series, p->time) : NULL;
	const struct vmt_resource *resource;
	const struct select_form *form;
	struct vmt_store_row row;

	if (!run || !series->name || (r->plan.version && !select_version(&r->plan, run->version))) {
		return 0;
	}
	resource = g_hash_table_lookup(r->known.version, GUINT_TO_POINTER(run->version));
	form = g_hash_table_lookup(r->known.form, GUINT_TO_POINTER(run->form));
	if (!resource || !form) {
		return 0;
	}
	row = (struct vmt_store_row){
		.name = series->name,
		.unit = form->unit,
		.type = form->type,
		.kind = p->value.kind,
		.value = p->value.number,
		.resource = resource,
		.time_ns = p->time * 1000,
		.mono_ns = INT64_MIN,
		.first_ns = p->time * 1000,
		.last_ns = p->time * 1000,
		.series = p->series,
	};
	take_message(r, p, &row);
	r->given++;
	return r->row(r->context, &row);
}

/* Finds out what the points from `from` to before `to` belong to. */
static int know(struct reader *r, guint from, guint to)
{
	int code;

	g_array_set_size(r->ids, 0);
	for (guint i = from; i < to; i++) {
		g_array_append_val(r->ids, g_array_index(r->points, struct point, i).series);
	}
	code = select_known_series(&r->known, r->ids);
	g_array_set_size(r->ids, 0);
	for (guint i = from; i < to && code == 0; i++) {
		const struct point *p = &g_array_index(r->points, struct point, i);
		const struct select_series *series =
			g_hash_table_lookup(r->known.series, GUINT_TO_POINTER(p->series));
		const struct select_run *run = series ? select_run_at(series, p->time) : NULL;

		if (run && (!r->plan.version || select_version(&r->plan, run->version))) {
			g_array_append_val(r->ids, run->version);
		}
	}
	return code ? code : select_known_versions(&r->known, r->ids);
}

static bool enough(const struct reader *r)
{
	return r->plan.query->limit && r->given >= r->plan.query->limit;
}

static int give_step(struct reader *r)
{
	int code = 0;

	for (guint from = 0; from < r->points->len && code == 0 && !enough(r); from += BLOCK) {
		guint to = MIN(r->points->len, from + BLOCK);

		code = know(r, from, to);
		for (guint i = from; i < to && code == 0 && !enough(r); i++) {
			code = give(r, &g_array_index(r->points, struct point, i));
		}
	}
	return code;
}

/* ------------------------------------------------------------------ all of them */

/* The last minute with points from `first` to `minute`, looked for in wider and wider parts, so that not each
 * partition that there is has to be opened.  INT64_MIN: none. */
static int find_newest(struct reader *r, int64_t first, int64_t minute, int64_t *ret_newest)
{
	int64_t ahead = select_minute(select_micros(vmt_clock_real())) + DAY, width = DAY;
	int code = 0;

	*ret_newest = INT64_MIN;
	while (code == 0 && *ret_newest == INT64_MIN && minute >= first) {
		int64_t from = minute > ahead ? MAX(first, ahead + 1)
					      : MAX(first, minute - width + 1);

		code = last_minute(r, "point", from, minute, ret_newest);
		minute = from - 1;
		width *= 8;
	}
	return code;
}

/* How many minutes to begin with. */
static int64_t first_span(const struct reader *r, int64_t most)
{
	uint64_t wanted = 4 * STEP_POINTS, width = 0;

	for (guint i = 0; i < r->ranges->len; i++) {
		const struct range *range = &g_array_index(r->ranges, struct range, i);

		width += range->last - range->first + 1;
	}
	width = width ? width : r->plan.series_end;
	if (r->plan.query->limit && r->plan.query->limit < wanted) {
		wanted = r->plan.query->limit;
	}
	return CLAMP((int64_t)(wanted / MAX(width, 1)), 1, most);
}

static void make_ranges(struct reader *r)
{
	const GArray *series = r->plan.series;
	struct range *last = NULL;

	for (guint i = 0; series && i < series->len; i++) {
		uint32_t id = g_array_index(series, uint32_t, i);
		struct range new = { id, id };

		if (last && id - last->last <= GAP) {
			last->last = id;
			continue;
		}
		g_array_append_val(r->ranges, new);
		last = &g_array_index(r->ranges, struct range, r->ranges->len - 1);
	}
	if (r->ranges->len > MIN(r->plan.series_end / SEEK_SHARE, SELECT_LIST_MOST)) {
		g_array_set_size(r->ranges, 0);
	}
}

static int read_all(struct reader *r)
{
	int64_t first = CLAMP(select_minute(r->plan.first), INT32_MIN, INT32_MAX);
	int64_t minute = CLAMP(select_minute(r->plan.last), INT32_MIN, INT32_MAX);
	int64_t most, span;
	int code = 0;

	make_ranges(r);
	most = CLAMP(SEEKS_MOST / (int64_t)MAX(r->ranges->len, 1), 1, DAY);
	span = first_span(r, most);
	while (code == 0 && !enough(r)) {
		int64_t from;

		if (r->points->len == 0) {
			code = find_newest(r, first, minute, &minute);
		}
		if (code || minute < first) {
			return code;
		}
		from = MAX(MAX(first, minute - span + 1), select_slot(minute, DAY));
		code = read_step(r, from, minute);
		if (code == 0) {
			code = give_step(r);
		}
		minute = from - 1;
		if (r->points->len < STEP_POINTS) {
			span = MIN(most, span * 2);
		} else if (r->points->len > 4 * STEP_POINTS) {
			span = MAX(1, span / 2);
		}
	}
	return code;
}

int select_samples(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		   void *context, struct vmt_error *error)
{
	struct reader r = { .row = row, .context = context };
	int code = select_plan_init(&r.plan, db, query, false, error);

	if (code == 0 && !r.plan.none) {
		r.ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
		r.points = g_array_new(FALSE, FALSE, sizeof(struct point));
		r.messages = g_array_new(FALSE, FALSE, sizeof(struct message));
		r.ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
		code = select_known_init(&r.known, &r.plan);
		if (code == 0) {
			code = read_all(&r);
		}
		select_known_fini(&r.known);
		g_array_free(r.ranges, TRUE);
		g_array_free(r.points, TRUE);
		g_array_free(r.messages, TRUE);
		g_array_free(r.ids, TRUE);
	}
	select_plan_fini(&r.plan);
	return code;
}
