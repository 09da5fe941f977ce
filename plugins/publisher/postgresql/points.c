/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame into the tables, in one transaction.  Messages whose digest is known are absorbed whole.  What is new goes
 * by COPY straight into its partition; where a point of it is there already, that is taken back, and it goes by COPY
 * into a temporary table and from there by one INSERT that leaves out what is there.  On the publisher's thread; blocks
 * on the server.
 */
#include "points.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "ids.h"

enum { TRIES = 5 }; /* of a transaction that met another one */

#define AGAIN 1 /* under the lock */

struct pgrows *pgrows_new(void)
{
	struct pgrows *points = g_new0(struct pgrows, 1);

	points->rows = g_array_new(FALSE, FALSE, sizeof(struct pgrow));
	points->runs = g_array_new(FALSE, FALSE, sizeof(struct pgrun));
	points->late = g_array_new(FALSE, FALSE, sizeof(struct pgrun));
	points->touched = g_ptr_array_new();
	buf_init(&points->bytes);
	return points;
}

void pgrows_free(struct pgrows *points)
{
	if (points) {
		g_array_free(points->rows, TRUE);
		g_array_free(points->runs, TRUE);
		g_array_free(points->late, TRUE);
		g_ptr_array_free(points->touched, TRUE);
		buf_fini(&points->bytes);
		digests_fini(&points->digests);
		g_free(points);
	}
}

/* ------------------------------------------------------------------ rows */

/* A row whose version or form is not that of the newest run: there is a new one, or it comes late. */
static int place(struct pg *p, struct pgids_series *s, const struct pgids_version *v, uint32_t form,
		 int64_t time, bool locked)
{
	struct pgrun run = { s->id, v->id, form, time };

	if (s->version == v->id && s->form == form && time >= s->since) {
		return 0;
	}
	if (!locked) {
		return AGAIN;
	}
	p->points->overtaken |= s->version != 0;
	if (time > s->last) {
		g_array_append_val(p->points->runs, run);
		s->version = v->id;
		s->form = form;
		s->since = time;
	} else {
		g_array_append_val(p->points->late, run);
	}
	return 0;
}

static int gather_row(struct pg *p, const struct vmt_batch *b, uint32_t number, uint32_t i,
		      uint32_t meter, uint32_t form, bool locked)
{
	struct pgrows *points = p->points;
	struct pgrow row = { .kind = b->kinds ? b->kinds[i] : b->kind,
			     .value = b->value[i],
			     .batch = number,
			     .row = i };
	int64_t time = select_micros(b->times ? b->times[i] : b->time_ns);
	struct pgids_version *v = pgids_version(p->ids, b->resource[i]->digest);
	struct pgids_series *s = v ? pgids_series(p->ids, v->resource, meter) : NULL;
	int code;

	if (row.kind == VMT_DOUBLE && !isfinite(row.value.d)) {
		p->delta.rejected++;
		return 0;
	}
	if (!v || !s) {
		return AGAIN;
	}
	if (v->stamp != points->stamp) {
		v->stamp = points->stamp;
		v->first = v->last = time;
		g_ptr_array_add(points->touched, v);
	}
	v->first = MIN(v->first, time);
	v->last = MAX(v->last, time);
	code = place(p, s, v, form, time, locked);
	if (locked) {
		s->last = MAX(s->last, time);
	}
	row.minute = (int32_t)select_slot(select_minute(time), PG_SLOT_MINUTES);
	row.micros = (int32_t)(time - select_minute_start(row.minute));
	row.series = s->id;
	g_array_append_val(points->rows, row);
	return code;
}

static void forget_rows(struct pg *p)
{
	struct pgrows *points = p->points;

	points->stamp++;
	g_ptr_array_set_size(points->touched, 0);
	g_array_set_size(points->rows, 0);
	g_array_set_size(points->runs, 0);
	g_array_set_size(points->late, 0);
	points->overtaken = false;
	memset(&p->delta, 0, sizeof p->delta);
}

static gint by_key(gconstpointer a, gconstpointer b)
{
	const struct pgrow *x = a, *y = b;

	if (x->minute != y->minute) {
		return x->minute < y->minute ? -1 : 1;
	}
	if (x->series != y->series) {
		return x->series < y->series ? -1 : 1;
	}
	if (x->micros != y->micros) {
		return x->micros < y->micros ? -1 : 1;
	}
	return (x->batch > y->batch) - (x->batch < y->batch); /* the first comes first */
}

/* The rows of the frame in the order of the key.  AGAIN: something is not known, and the lock is not held. */
static int gather(struct pg *p, const struct vmt_frame *frame, uint64_t bit, bool locked)
{
	int code = 0;

	forget_rows(p);
	for (size_t i = 0; i < frame->count && code == 0; i++) {
		const struct vmt_batch *b = &frame->batch[i];
		uint32_t meter, form;

		if (!(b->publishers & bit)) {
			continue;
		}
		meter = pgids_meter(p->ids, b->name);
		form = pgids_form(p->ids, b);
		if (!meter || !form) {
			return AGAIN;
		}
		for (uint32_t r = 0; r < b->count && code == 0; r++) {
			code = gather_row(p, b, (uint32_t)i, r, meter, form, locked);
		}
	}
	g_array_sort(p->points->rows, by_key);
	return code;
}

/* Series whose newest run is not that of a row: what another process did to them is read again. */
static void refresh(struct pg *p, const struct vmt_frame *frame, uint64_t bit)
{
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];
		uint32_t meter = pgids_meter(p->ids, b->name), form = pgids_form(p->ids, b);

		for (uint32_t r = 0; (b->publishers & bit) && r < b->count; r++) {
			const struct pgids_version *v =
				pgids_version(p->ids, b->resource[r]->digest);
			const struct pgids_series *s = v ? pgids_series(p->ids, v->resource, meter)
							 : NULL;
			int64_t time = select_micros(b->times ? b->times[r] : b->time_ns);

			if (s && (s->version != v->id || s->form != form || time < s->since)) {
				pgids_series_forget(p->ids, v->resource, meter);
			}
		}
	}
}

static enum partition partition_of(const struct pg *p, const struct pgrow *row)
{
	return partition_known(p, partition_start(row->minute));
}

static bool has_partitions(const struct pg *p)
{
	const GArray *rows = p->points->rows;
	const struct pgrow *last = NULL;

	for (guint i = 0; i < rows->len; i++) {
		const struct pgrow *row = &g_array_index(rows, struct pgrow, i);

		if (!(last && last->minute == row->minute) &&
		    partition_of(p, row) == PARTITION_NONE) {
			return false;
		}
		last = row;
	}
	return true;
}

static int make_partitions(struct pg *p, struct vmt_error *error)
{
	const GArray *rows = p->points->rows;
	int code = 0;

	for (guint i = 0; i < rows->len && code == 0; i++) {
		const struct pgrow *row = &g_array_index(rows, struct pgrow, i);

		if (partition_of(p, row) == PARTITION_NONE) {
			code = partition_make(p, partition_start(row->minute), error);
		}
	}
	return code;
}

/* ------------------------------------------------------------------ runs, times seen */

/* Runs, as arrays for `FROM unnest($1, $2, $3, $4)`: series, since, version, form. */
struct run_arrays {
	struct buf array[4];
	const char *values[4];
};

#define RUN_ARRAYS "unnest($1::integer[], $2::bigint[], $3::integer[], $4::integer[])"

static void run_arrays_init(struct run_arrays *a, const GArray *runs)
{
	memset(a, 0, sizeof *a);
	for (guint i = 0; i < runs->len; i++) {
		const struct pgrun *run = &g_array_index(runs, struct pgrun, i);

		pgids_put_number(&a->array[0], run->series);
		pgids_put_number(&a->array[1], run->since);
		pgids_put_number(&a->array[2], run->version);
		pgids_put_number(&a->array[3], run->form);
	}
	for (int i = 0; i < 4; i++) {
		pgids_end(&a->array[i]);
		a->values[i] = a->array[i].data;
	}
}

static void run_arrays_fini(struct run_arrays *a)
{
	for (int i = 0; i < 4; i++) {
		buf_fini(&a->array[i]);
	}
}

static int put_runs(struct pg *p, struct vmt_error *error)
{
	struct run_arrays a;
	int code;

	if (p->points->runs->len == 0) {
		return 0;
	}
	run_arrays_init(&a, p->points->runs);
	code = pg_ask(p,
		      "INSERT INTO run SELECT * FROM " RUN_ARRAYS
		      " ON CONFLICT (series, since) DO UPDATE"
		      " SET version = excluded.version, form = excluded.form",
		      a.values, 4, NULL, error);
	run_arrays_fini(&a);
	return code;
}

/* A point between others.  Where another version holds at its time it gets a run of its own, a microsecond long;
 * before all runs the first one begins earlier if it is the same: a day earlier than need be, since nothing lies there, and
 * more may come in the wrong order. */
static int put_late_run(struct pg *p, const struct pgrun *late, struct vmt_error *error)
{
	static const char *const steps[] = {
		"UPDATE run SET since = $2 - 86400000000 WHERE series = $1 AND version = $3 AND form = $4 AND"
		" since = (SELECT min(since) FROM run WHERE series = $1) AND since > $2",
		"INSERT INTO run SELECT $1, $2 + 1, u.version, u.form FROM (SELECT version, form"
		" FROM run WHERE series = $1 AND since <= $2 ORDER BY since DESC LIMIT 1) u WHERE"
		" (u.version, u.form) <> ($3, $4) ON CONFLICT DO NOTHING",
		"INSERT INTO run SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM (SELECT"
		" version, form FROM run WHERE series = $1 AND since <= $2 ORDER BY since DESC LIMIT"
		" 1) u WHERE (u.version, u.form) = ($3, $4)) ON CONFLICT (series, since) DO UPDATE"
		" SET version = excluded.version, form = excluded.form",
	};
	char number[4][24];
	const char *values[4] = { number[0], number[1], number[2], number[3] };
	int code = 0;

	g_snprintf(number[0], sizeof number[0], "%u", late->series);
	g_snprintf(number[1], sizeof number[1], "%" G_GINT64_FORMAT, late->since);
	g_snprintf(number[2], sizeof number[2], "%u", late->version);
	g_snprintf(number[3], sizeof number[3], "%u", late->form);
	for (size_t i = 0; i < G_N_ELEMENTS(steps) && code == 0; i++) {
		GString *sql = g_string_new(steps[i]);

		g_string_replace(sql, "$1", "$1::integer", 0);
		g_string_replace(sql, "$2", "$2::bigint", 0);
		g_string_replace(sql, "$3", "$3::integer", 0);
		g_string_replace(sql, "$4", "$4::integer", 0);
		code = pg_ask(p, sql->str, values, 4, NULL, error);
		g_string_free(sql, TRUE);
	}
	return code;
}

/* First runs of series begin before the points of theirs that are late, as in put_late_run(). */
static const char extend_runs[] =
	"UPDATE run r SET since = l.since - 86400000000 FROM (SELECT series, version, form, min(since)"
	" AS since FROM " RUN_ARRAYS
	" AS u (series, since, version, form) GROUP BY series, version,"
	" form) l WHERE r.series = l.series AND r.version = l.version AND r.form = l.form AND"
	" r.since > l.since AND r.since = (SELECT min(m.since) FROM run m WHERE m.series = l.series)";

/* Which of the late points have another run at their time. */
static const char select_late[] =
	"SELECT l.number::integer - 1 FROM " RUN_ARRAYS
	" WITH ORDINALITY AS l (series, since, version,"
	" form, number) WHERE NOT coalesce((l.version, l.form) = (SELECT u.version, u.form FROM run u"
	" WHERE u.series = l.series AND u.since <= l.since ORDER BY u.since DESC LIMIT 1), false)"
	" ORDER BY 1";

/* All that are late: two statements for those, however many, whose run only begins too late, and some for each other one. */
static int put_late(struct pg *p, struct vmt_error *error)
{
	const GArray *late = p->points->late;
	PGresult *others = NULL;
	struct run_arrays a;
	int code;

	if (late->len == 0) {
		return 0;
	}
	run_arrays_init(&a, late);
	code = pg_ask(p, extend_runs, a.values, 4, NULL, error);
	code = code ? code : pg_ask(p, select_late, a.values, 4, &others, error);
	run_arrays_fini(&a);
	for (int i = 0; code == 0 && i < PQntuples(others); i++) {
		uint32_t number;

		memcpy(&number, PQgetvalue(others, i, 0), sizeof number);
		code = put_late_run(p, &g_array_index(late, struct pgrun, GUINT32_FROM_BE(number)),
				    error);
	}
	PQclear(others);
	return code;
}

static gint by_id(gconstpointer a, gconstpointer b)
{
	const struct pgids_version *x = *(const struct pgids_version *const *)a,
				   *y = *(const struct pgids_version *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

/* In the order of the ids, so that two writers do not wait for each other. */
static int put_seen(struct pg *p, struct vmt_error *error)
{
	struct buf array[3] = { BUF_INIT, BUF_INIT, BUF_INIT };
	const char *values[3];
	GPtrArray *touched = p->points->touched;
	int code = 0;

	g_ptr_array_sort(touched, by_id);
	for (guint i = 0; i < touched->len; i++) {
		const struct pgids_version *v = g_ptr_array_index(touched, i);

		pgids_put_number(&array[0], v->id);
		pgids_put_number(&array[1], v->first);
		pgids_put_number(&array[2], v->last);
	}
	for (int i = 0; i < 3; i++) {
		pgids_end(&array[i]);
		values[i] = array[i].data;
	}
	if (touched->len) {
		code = pg_ask(p,
			      "INSERT INTO seen AS s SELECT * FROM unnest($1::integer[],"
			      " $2::bigint[], $3::bigint[]) ON CONFLICT (version) DO UPDATE SET"
			      " first = least(s.first, excluded.first),"
			      " last = greatest(s.last, excluded.last)",
			      values, 3, NULL, error);
	}
	for (int i = 0; i < 3; i++) {
		buf_fini(&array[i]);
	}
	return code;
}

/* ------------------------------------------------------------------ one transaction */

/* Begins; the lock is held, shared unless `locked`.  What is remembered is forgotten if others changed something. */
static int begin(struct pg *p, bool locked, struct vmt_error *error)
{
	int64_t left = (p->deadline_ns - clock_monotonic()) / NS_PER_MS;
	PGresult *result = NULL;
	char *sql;
	int64_t generation;
	int code;

	if (left <= 0) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no time left", p->text);
	}
	sql = g_strdup_printf("BEGIN; SET LOCAL statement_timeout = %" G_GINT64_FORMAT
			      "; SELECT pg_advisory_xact_lock%s(%" G_GINT64_FORMAT
			      "); SELECT generation FROM state",
			      MIN(left, 3600000), locked ? "" : "_shared", p->lock);
	code = pg_run(p, sql, &result, error);
	g_free(sql);
	if (code) {
		return code;
	}
	generation = PQntuples(result) == 1 ? g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10)
					    : -1;
	PQclear(result);
	if (generation != p->ids->generation) {
		pgids_clear(p->ids);
		g_hash_table_remove_all(p->partitions);
		p->ids->generation = generation;
	}
	return 0;
}

/* Under the lock: all that is new but the points. */
static int prepare(struct pg *p, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error)
{
	int code;

	forget_rows(p);
	refresh(p, frame, bit);
	code = pgids_load(p, frame, bit, error);
	if (code == 0) {
		code = gather(p, frame, bit, true);
	}
	if (code == 0) {
		code = make_partitions(p, error);
	}
	if (code == 0) {
		code = put_runs(p, error);
	}
	if (code == 0) {
		code = put_late(p, error);
	}
	if (code == 0 && p->points->overtaken) {
		code = pg_run(p, "UPDATE state SET generation = generation + 1", NULL, error);
		p->ids->generation++;
	}
	if (p->points->late->len) {
		p->ids->generation = INT64_MIN; /* runs were changed behind what is remembered */
	}
	return code;
}

static int by_half(const struct digest *a, const struct digest *b)
{
	return a->half[0] != b->half[0]   ? (a->half[0] > b->half[0] ? 1 : -1)
	       : a->half[1] != b->half[1] ? (a->half[1] > b->half[1] ? 1 : -1)
					  : 0;
}

static gint by_digest(gconstpointer a, gconstpointer b)
{
	return by_half(*(const struct digest *const *)a, *(const struct digest *const *)b);
}

/* As PostgreSQL shows a UUID, without the dashes. */
static void digest_text(const struct digest *d, char ret_text[40])
{
	g_snprintf(ret_text, 40, "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
		   (guint64)d->half[0], (guint64)d->half[1]);
}

static void mark_known(const GPtrArray *list, const PGresult *added)
{
	int next = 0, count = PQntuples(added);

	for (guint i = 0; i < list->len; i++) {
		struct digest *d = g_ptr_array_index(list, i);
		uint8_t id[16];

		for (int b = 0; b < 16; b++) {
			id[b] = (uint8_t)(d->half[b / 8] >> (56 - b % 8 * 8));
		}
		/* of two equal ones in the frame the second is a repeat */
		d->known = next == count || memcmp(PQgetvalue(added, next, 0), id, 16) != 0;
		next += d->known ? 0 : 1;
	}
}

/* Says which messages of the frame are known; the others are from now on.  In the order of the digests, so that two
 * writers do not wait for each other. */
static int put_digests(struct pg *p, struct vmt_error *error)
{
	struct digests *digests = &p->points->digests;
	GPtrArray *list = g_ptr_array_new();
	struct buf ids = BUF_INIT;
	char text[40], minute[24];
	const char *values[2];
	PGresult *result = NULL;
	int code;

	for (uint32_t i = 0; i < digests->count; i++) {
		if (digests->item[i].rows) {
			g_ptr_array_add(list, &digests->item[i]);
		}
	}
	g_ptr_array_sort(list, by_digest);
	for (guint i = 0; i < list->len; i++) {
		digest_text(g_ptr_array_index(list, i), text);
		pgids_put_text(&ids, text, strlen(text));
	}
	pgids_end(&ids);
	g_snprintf(minute, sizeof minute, "%" G_GINT64_FORMAT,
		   select_minute(select_micros(clock_real())));
	values[0] = ids.data;
	values[1] = minute;
	code = pg_ask(p,
		      "WITH added AS (INSERT INTO digest SELECT d, $2::integer FROM"
		      " unnest($1::uuid[]) AS d ORDER BY d ON CONFLICT DO NOTHING RETURNING id)"
		      " SELECT id FROM added ORDER BY id",
		      values, 2, &result, error);
	if (code == 0) {
		mark_known(list, result);
	}
	PQclear(result);
	buf_fini(&ids);
	g_ptr_array_unref(list);
	return code;
}

/* Rows of messages that are known are repeats. */
static void leave_out_known(struct pg *p, const struct vmt_frame *frame)
{
	GArray *rows = p->points->rows;
	guint kept = 0;

	for (guint i = 0; i < rows->len; i++) {
		const struct pgrow *row = &g_array_index(rows, struct pgrow, i);

		if (digests_of(&p->points->digests, &frame->batch[row->batch], row->row)->known) {
			p->delta.repeats++;
		} else {
			g_array_index(rows, struct pgrow, kept++) = *row;
		}
	}
	g_array_set_size(rows, kept);
}

static int put_counts(struct pg *p, struct vmt_error *error)
{
	char *sql;
	int code;

	if (!p->delta.repeats && !p->delta.conflicts && !p->delta.rejected) {
		return 0;
	}
	sql = g_strdup_printf("INSERT INTO counter AS c VALUES ('conflicts', %" G_GUINT64_FORMAT
			      "), ('rejected', %" G_GUINT64_FORMAT
			      "), ('repeats', %" G_GUINT64_FORMAT ") ON CONFLICT (name) DO UPDATE"
			      " SET value = c.value + excluded.value",
			      (guint64)p->delta.conflicts, (guint64)p->delta.rejected,
			      (guint64)p->delta.repeats);
	code = pg_run(p, sql, NULL, error);
	g_free(sql);
	return code;
}

/* The frame that was gathered. */
static int put_frame(struct pg *p, const struct vmt_frame *frame, struct vmt_error *error)
{
	int code = put_digests(p, error);

	if (code == 0) {
		leave_out_known(p, frame);
	}
	if (code == 0 && p->points->rows->len) {
		code = put_seen(p, error);
		if (code == 0) {
			code = copy_points(p, error);
		}
	}
	if (code == 0) {
		code = put_counts(p, error);
	}
	return code ? code : pg_run(p, "COMMIT", NULL, error);
}

static int attempt(struct pg *p, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error)
{
	int code = begin(p, false, error);

	if (code == 0) {
		code = gather(p, frame, bit, false);
		if (code == 0 && !has_partitions(p)) {
			code = AGAIN;
		}
	}
	if (code == AGAIN) {
		code = pg_run(p, "ROLLBACK", NULL, error);
		if (code == 0) {
			code = begin(p, true, error);
		}
		if (code == 0) {
			code = prepare(p, frame, bit, error);
		}
	}
	return code ? code : put_frame(p, frame, error);
}

static void take_counts(struct pg *p)
{
	p->counts.stored += p->delta.stored;
	p->counts.repeats += p->delta.repeats;
	p->counts.conflicts += p->delta.conflicts;
	p->counts.rejected += p->delta.rejected;
	p->counts.direct += p->delta.direct;
	p->counts.staged += p->delta.staged;
	if (p->delta.conflicts) {
		vmt_log(VMT_LOG_WARNING,
			"%s: samples whose time is stored with another value: first one kept",
			p->text);
	}
	if (p->delta.rejected) {
		vmt_log(VMT_LOG_WARNING, "%s: samples whose volume is not a number: left out",
			p->text);
	}
}

int pgrows_publish(struct pg *p, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error)
{
	struct vmt_error ignored;
	int code = -EAGAIN;

	digests_make(&p->points->digests, frame, bit);
	for (int i = 0; i < TRIES && (code == -EAGAIN || code == -ECONNRESET); i++) {
		code = pg_connect(p, error);
		if (code) {
			break;
		}
		code = attempt(p, frame, bit, error);
		if (code) {
			/* it may name rows that are taken back */
			p->ids->generation = INT64_MIN;
			if (pg_is_alive(p)) {
				pg_run(p, "ROLLBACK", NULL, &ignored);
			}
		}
	}
	if (code == 0) {
		error->text[0] = '\0'; /* of what was tried before */
		vmt_delivery_absorbed(p->call ? p->call->delivery : NULL, p->delta.repeats,
				      p->delta.conflicts);
		take_counts(p);
	}
	forget_rows(p);
	if (p->ids->generation == INT64_MIN) {
		pgids_clear(p->ids);
		g_hash_table_remove_all(p->partitions);
	}
	return code;
}
