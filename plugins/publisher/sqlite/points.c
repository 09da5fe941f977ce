/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame into the tables, in one transaction: rows get their series, are sorted as the table is
 * clustered, and go in one after the other; what is there already is absorbed.  On the publisher's thread;
 * blocks on the disk until the deadline of the call.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "ids.h"
#include "store.h"

enum {
	ROWS_MOST = 1 << 16, /* that are sorted together; more go in several turns */
	CHECK_ROWS = 1024, /* between two looks at the clock */
	EXPIRE_LEAST = 10000, /* points deleted in one publish, if so many are too old */
};

struct row {
	uint64_t
		key; /* minute, with an offset that makes it positive, and series: the sort order */
	uint32_t micros;
	uint32_t batch, row; /* where it comes from */
	uint8_t kind;
	bool late; /* not past the newest point of its series */
	union vmt_num value;
};

#define MINUTE_OFFSET INT64_C(0x40000000)
#define DIGEST_CUT_NS INT64_C(60000000000)

struct points {
	struct row *row, *spare;
	uint32_t count, cap;
};

struct points *points_new(void)
{
	return g_new0(struct points, 1);
}

void points_free(struct points *p)
{
	if (p) {
		g_free(p->row);
		g_free(p->spare);
		g_free(p);
	}
}

/* ------------------------------------------------------------------ order */

static bool before(const struct row *a, const struct row *b)
{
	return a->key != b->key ? a->key < b->key : a->micros < b->micros;
}

/* Where the ascending run that begins at `from` ends. */
static uint32_t run_end(const struct row *row, uint32_t from, uint32_t count)
{
	uint32_t i = from + 1;

	while (i < count && !before(&row[i], &row[i - 1])) {
		i++;
	}
	return i < count ? i : count;
}

static void merge(const struct row *a, const struct row *a_end, const struct row *b,
		  const struct row *b_end, struct row *out)
{
	while (a < a_end && b < b_end) {
		*out++ = before(b, a) ? *b++ : *a++;
	}
	memcpy(out, a, (size_t)(a_end - a) * sizeof *a);
	memcpy(out + (a_end - a), b, (size_t)(b_end - b) * sizeof *b);
}

/* Stable merge sort of the runs that are there: a batch of one meter usually is one. */
static void sort(struct points *p)
{
	while (run_end(p->row, 0, p->count) < p->count) {
		struct row *swap = p->row;

		for (uint32_t from = 0; from < p->count;) {
			uint32_t middle = run_end(p->row, from, p->count);
			uint32_t end = middle < p->count ? run_end(p->row, middle, p->count)
							 : middle;

			merge(p->row + from, p->row + middle, p->row + middle, p->row + end,
			      p->spare + from);
			from = end;
		}
		p->row = p->spare;
		p->spare = swap;
	}
}

/* ------------------------------------------------------------------ one row */

static void bind_value(sqlite3_stmt *statement, int column, uint8_t kind, union vmt_num value,
		       char digits[24])
{
	switch (kind) {
	case VMT_DOUBLE:
		sqlite3_bind_double(statement, column, value.d);
		break;
	case VMT_UINT64:
		if (value.u > INT64_MAX) {
			int length = g_snprintf(digits, 24, "%" G_GUINT64_FORMAT, (guint64)value.u);

			sqlite3_bind_text(statement, column, digits, length, SQLITE_STATIC);
			break;
		}
		/* fall through */
	default:
		sqlite3_bind_int64(statement, column, value.i);
	}
}

static void bind_key(sqlite3_stmt *statement, const struct row *row)
{
	sqlite3_bind_int64(statement, 1, (int64_t)(row->key >> 32) - MINUTE_OFFSET);
	sqlite3_bind_int64(statement, 2, (int64_t)(row->key & UINT32_MAX));
	sqlite3_bind_int64(statement, 3, row->micros);
}

static bool same_value(sqlite3_stmt *statement, uint8_t kind, union vmt_num value)
{
	bool huge = kind == VMT_UINT64 && value.u > INT64_MAX;

	switch (sqlite3_column_type(statement, 0)) {
	case SQLITE_INTEGER:
		if (kind == VMT_DOUBLE) {
			return (double)sqlite3_column_int64(statement, 0) == value.d;
		}
		return !huge && sqlite3_column_int64(statement, 0) == value.i;
	case SQLITE_FLOAT:
		return sqlite3_column_double(statement, 0) == (kind == VMT_DOUBLE ? value.d
							       : kind == VMT_INT64
								       ? (double)value.i
								       : (double)value.u);
	default:
		return huge && g_ascii_strtoull((const char *)sqlite3_column_text(statement, 0),
						NULL, 10) == value.u;
	}
}

/* The key is taken: by the same value or by another. */
static int absorbed(struct store *s, const struct vmt_batch *batch, const struct row *row,
		    struct vmt_error *error)
{
	sqlite3_stmt *get = store_statement(s, STORE_POINT_GET);

	if (!get) {
		return store_failed(s, error);
	}
	bind_key(get, row);
	if (store_step(get) < 0) {
		return store_failed(s, error);
	}
	if (same_value(get, row->kind, row->value)) {
		s->delta.repeats++;
	} else {
		s->delta.conflicts++;
		digests_of(&s->digests, batch, row->row)->spoiled = true;
	}
	sqlite3_reset(get);
	return 0;
}

static int put_run(struct store *s, enum store_statement which, uint32_t series, int64_t since,
		   uint32_t version, uint32_t form, struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, which);

	if (!statement) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(statement, 1, series);
	sqlite3_bind_int64(statement, 2, since);
	sqlite3_bind_int64(statement, 3, version);
	sqlite3_bind_int64(statement, 4, form);
	return store_step(statement) < 0 ? store_failed(s, error) : 0;
}

/* What a late point comes with, and what holds at its time. */
struct late {
	uint32_t series, version, form;
	int64_t time;
	uint32_t old_version, old_form; /* 0: the point is before all runs */
};

/* Version and form of the row of `which`; *ret_since where it is asked for.  0 none, 1 found, -1. */
static int get_run(sqlite3_stmt *statement, uint32_t series, int64_t time, uint32_t *ret_version,
		   uint32_t *ret_form, int64_t *ret_since)
{
	int found;

	sqlite3_bind_int64(statement, 1, series);
	sqlite3_bind_int64(statement, 2, time);
	found = store_step(statement);
	if (found == 1) {
		*ret_version = (uint32_t)sqlite3_column_int64(statement, 0);
		*ret_form = (uint32_t)sqlite3_column_int64(statement, 1);
		*ret_since = sqlite3_column_int64(statement, 2);
		sqlite3_reset(statement);
	}
	return found;
}

/* Before all runs: the first one begins earlier if it is the same, else there is one more. */
static int early_run(struct store *s, const struct late *late, struct vmt_error *error)
{
	sqlite3_stmt *next = store_statement(s, STORE_RUN_NEXT);
	sqlite3_stmt *move = store_statement(s, STORE_RUN_MOVE);
	uint32_t version = 0, form = 0;
	int64_t since = 0;

	if (!next || !move ||
	    get_run(next, late->series, late->time, &version, &form, &since) < 0) {
		return store_failed(s, error);
	}
	if (version != late->version || form != late->form) {
		return put_run(s, STORE_RUN_PUT, late->series, late->time, late->version,
			       late->form, error);
	}
	sqlite3_bind_int64(move, 1, late->time);
	sqlite3_bind_int64(move, 2, late->series);
	sqlite3_bind_int64(move, 3, since);
	return store_step(move) < 0 ? store_failed(s, error) : 0;
}

/* A point between others: where another version holds at its time, a run of its own for it alone. */
static int late_run(struct store *s, const struct vmt_frame *frame, const struct row *row,
		    struct vmt_error *error)
{
	const struct vmt_batch *batch = &frame->batch[row->batch];
	struct late late = {
		.series = (uint32_t)row->key,
		.time = select_minute_start((int64_t)(row->key >> 32) - MINUTE_OFFSET) +
			row->micros,
	};
	sqlite3_stmt *at = store_statement(s, STORE_RUN_AT);
	struct ids_version *version;
	int64_t since;
	int code = ids_version(s, batch->resource[row->row], &version, error);

	if (code == 0) {
		code = ids_form(s, batch->type, batch->unit ? batch->unit : "", &late.form, error);
	}
	if (code) {
		return code;
	}
	late.version = version->id;
	if (!at ||
	    get_run(at, late.series, late.time, &late.old_version, &late.old_form, &since) < 0) {
		return store_failed(s, error);
	}
	if (!late.old_version) {
		return early_run(s, &late, error);
	}
	if (late.old_version == late.version && late.old_form == late.form) {
		return 0;
	}
	code = put_run(s, STORE_RUN_PUT, late.series, late.time, late.version, late.form, error);
	return code ? code
		    : put_run(s, STORE_RUN_KEEP, late.series, late.time + 1, late.old_version,
			      late.old_form, error);
}

static int put_message(struct store *s, const struct vmt_frame *frame, const struct row *row,
		       struct vmt_error *error)
{
	const struct vmt_batch *batch = &frame->batch[row->batch];
	sqlite3_stmt *add = store_statement(s, STORE_MESSAGE_ADD);
	int64_t mono = batch->monos ? batch->monos[row->row] : batch->mono_ns;
	uint8_t id[16];

	if (!add) {
		return store_failed(s, error);
	}
	vmt_batch_id(batch, row->row, id);
	bind_key(add, row);
	sqlite3_bind_blob(add, 4, id, sizeof id, SQLITE_STATIC);
	if (mono == INT64_MIN) {
		sqlite3_bind_null(add, 5);
	} else {
		sqlite3_bind_int64(add, 5, mono);
	}
	return store_step(add) < 0 ? store_failed(s, error) : 0;
}

static int put_row(struct store *s, sqlite3_stmt *add, const struct vmt_frame *frame,
		   const struct row *row, struct vmt_error *error)
{
	char digits[24];
	int code;

	bind_key(add, row);
	bind_value(add, 4, row->kind, row->value, digits);
	if (store_step(add) < 0) {
		return store_failed(s, error);
	}
	if (sqlite3_changes(s->db) == 0) {
		return absorbed(s, &frame->batch[row->batch], row, error);
	}
	s->delta.stored++;
	code = row->late ? late_run(s, frame, row, error) : 0;
	if (code == 0 && s->conf.store_message_ids) {
		code = put_message(s, frame, row, error);
	}
	return code;
}

/* ------------------------------------------------------------------ a frame */

/* Sorts and writes the rows gathered so far. */
static int put_rows(struct store *s, const struct vmt_frame *frame, struct vmt_error *error)
{
	struct points *p = s->points;
	sqlite3_stmt *add = store_statement(s, STORE_POINT_ADD);
	int code = 0;

	if (!add) {
		return store_failed(s, error);
	}
	sort(p);
	for (uint32_t i = 0; i < p->count && code == 0; i++) {
		code = put_row(s, add, frame, &p->row[i], error);
		if (code == 0 && i % CHECK_ROWS == 0 && store_call_check(s)) {
			code = store_late(s, error);
		}
	}
	p->count = 0;
	return code;
}

static void make_room(struct points *p)
{
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		p->row = g_renew(struct row, p->row, p->cap);
		g_free(p->spare);
		p->spare = g_new(struct row, p->cap);
	}
}

/* Widens the span of the version, and begins a run where the series goes on with another one. */
static int place(struct store *s, struct ids_version *version, struct ids_series *series,
		 uint32_t form, int64_t time, bool *ret_late, struct vmt_error *error)
{
	int code = 0;

	if (time < version->first) {
		version->first = time;
	}
	if (time > version->last) {
		version->last = time;
	}
	*ret_late = time <= series->last;
	if (*ret_late) {
		return 0;
	}
	if (series->version != version->id || series->form != form) {
		code = put_run(s, STORE_RUN_PUT, series->id, time, version->id, form, error);
		series->version = version->id;
		series->form = form;
	}
	series->last = time;
	return code;
}

static int gather_row(struct store *s, const struct vmt_batch *batch, uint32_t batch_number,
		      uint32_t i, uint32_t meter, uint32_t form, struct vmt_error *error)
{
	uint8_t kind = batch->kinds ? batch->kinds[i] : batch->kind;
	int64_t time = select_micros(batch->times ? batch->times[i] : batch->time_ns);
	int64_t minute = select_minute(time);
	struct digest *digest = digests_of(&s->digests, batch, i);
	struct points *p = s->points;
	struct ids_version *version;
	struct ids_series *series;
	bool late;
	int code;

	if (digest->known) {
		s->delta.repeats++;
		return 0;
	}
	if (kind == VMT_DOUBLE && !isfinite(batch->value[i].d)) {
		s->delta.rejected++;
		digest->spoiled = true;
		return 0;
	}
	code = ids_version(s, batch->resource[i], &version, error);
	if (code == 0) {
		code = ids_series(s, version->resource, meter, &series, error);
	}
	if (code == 0) {
		code = place(s, version, series, form, time, &late, error);
	}
	if (code) {
		return code;
	}
	make_room(p);
	p->row[p->count++] = (struct row){
		.key = (uint64_t)(minute + MINUTE_OFFSET) << 32 | series->id,
		.micros = (uint32_t)(time - select_minute_start(minute)),
		.batch = batch_number,
		.row = i,
		.kind = kind,
		.late = late,
		.value = batch->value[i],
	};
	return 0;
}

static int gather(struct store *s, const struct vmt_frame *frame, uint32_t number,
		  struct vmt_error *error)
{
	const struct vmt_batch *batch = &frame->batch[number];
	uint32_t meter, form;
	int code = ids_meter(s, batch->name, &meter, error);

	if (code == 0) {
		code = ids_form(s, batch->type, batch->unit ? batch->unit : "", &form, error);
	}
	for (uint32_t i = 0; i < batch->count && code == 0; i++) {
		code = gather_row(s, batch, number, i, meter, form, error);
		if (code == 0 && s->points->count >= ROWS_MOST) {
			code = put_rows(s, frame, error);
		}
	}
	return code;
}

static int put_counts(struct store *s, struct vmt_error *error)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "repeats", s->delta.repeats },
		{ "conflicts", s->delta.conflicts },
		{ "rejected", s->delta.rejected },
		{ "expired", s->delta.expired },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
		sqlite3_stmt *add = counts[i].value ? store_statement(s, STORE_COUNTER_ADD) : NULL;

		if (!counts[i].value) {
			continue;
		}
		if (!add) {
			return store_failed(s, error);
		}
		sqlite3_bind_text(add, 1, counts[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(add, 2, (int64_t)counts[i].value);
		if (store_step(add) < 0) {
			return store_failed(s, error);
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ whole messages */

/* Runs `which` for a message: 1 a row, 0 none. */
static int ask_digest(struct store *s, enum store_statement which, const struct digest *d,
		      struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, which);
	int found;

	if (!statement) {
		return store_failed(s, error);
	}
	sqlite3_bind_int64(statement, 1, select_minute(select_micros(d->time_ns)));
	sqlite3_bind_int64(statement, 2, (int64_t)d->half[0]);
	sqlite3_bind_int64(statement, 3, (int64_t)d->half[1]);
	found = store_step(statement);
	sqlite3_reset(statement);
	return found < 0 ? store_failed(s, error) : found;
}

static int64_t oldest_digest_ns(void)
{
	return vmt_clock_real() - DIGEST_DAYS * INT64_C(86400000000000);
}

/* Which messages are there already. */
static int look_for_digests(struct store *s, struct vmt_error *error)
{
	int64_t oldest_ns = oldest_digest_ns();
	int found = 0;

	for (uint32_t i = 0; i < s->digests.count && found >= 0; i++) {
		struct digest *d = &s->digests.item[i];

		if (d->rows && d->time_ns >= oldest_ns) {
			found = ask_digest(s, STORE_DIGEST_GET, d, error);
			d->known = found == 1;
		}
	}
	return MIN(found, 0);
}

/* Those of which now all is there; now and then an hour of the oldest goes. */
static int put_digests(struct store *s, struct vmt_error *error)
{
	int64_t oldest_ns = oldest_digest_ns(), now_ns = vmt_clock_monotonic();
	int code = 0;

	for (uint32_t i = 0; i < s->digests.count && code >= 0; i++) {
		const struct digest *d = &s->digests.item[i];

		if (d->rows && !d->known && !d->spoiled && d->time_ns >= oldest_ns) {
			code = ask_digest(s, STORE_DIGEST_ADD, d, error);
		}
	}
	if (code >= 0 && (!s->digest_ns || now_ns - s->digest_ns >= DIGEST_CUT_NS)) {
		sqlite3_stmt *statement = store_statement(s, STORE_DIGEST_CUT);

		if (!statement) {
			return store_failed(s, error);
		}
		sqlite3_bind_int64(statement, 1, select_minute(select_micros(oldest_ns)));
		code = store_step(statement) < 0 ? store_failed(s, error) : 0;
		s->digest_ns = now_ns;
	}
	return MIN(code, 0);
}

static int put_frame(struct store *s, const struct vmt_frame *frame, uint64_t bit,
		     struct vmt_error *error)
{
	uint64_t limit;
	int code;

	s->points->count = 0;
	digests_make(&s->digests, frame, bit);
	code = look_for_digests(s, error);
	for (uint32_t i = 0; i < frame->count && code == 0; i++) {
		if (frame->batch[i].publishers & bit) {
			code = gather(s, frame, i, error);
		}
	}
	if (code == 0) {
		code = put_rows(s, frame, error);
	}
	if (code == 0) {
		code = put_digests(s, error);
	}
	if (code == 0) {
		code = ids_flush(s, error);
	}
	if (code == 0) {
		limit = MAX(2 * s->delta.stored, EXPIRE_LEAST);
		code = expire_step(s, limit, error);
	}
	return code ? code : put_counts(s, error);
}

static void take_counts(struct store *s)
{
	s->counts.stored += s->delta.stored;
	s->counts.repeats += s->delta.repeats;
	s->counts.conflicts += s->delta.conflicts;
	s->counts.rejected += s->delta.rejected;
	s->counts.expired += s->delta.expired;
	if (s->delta.conflicts) {
		vmt_log(VMT_LOG_WARNING,
			"%s: samples whose time is stored with another value: first one kept",
			s->text);
	}
	if (s->delta.rejected) {
		vmt_log(VMT_LOG_WARNING, "%s: samples whose volume is not a number: left out",
			s->text);
	}
}

/* Another process has written since the last publish: what we remember may be wrong. */
static int look_for_others(struct store *s, struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, STORE_DATA_VERSION);
	int64_t version;

	if (!statement || store_step(statement) < 0) {
		return store_failed(s, error);
	}
	version = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	if (version != s->data_version) {
		ids_clear(s->ids);
		s->data_version = version;
	}
	return 0;
}

static int run_statement(struct store *s, enum store_statement which, struct vmt_error *error)
{
	sqlite3_stmt *statement = store_statement(s, which);

	return !statement || store_step(statement) < 0 ? store_failed(s, error) : 0;
}

int points_publish(struct store *s, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error)
{
	int code = run_statement(s, STORE_BEGIN, error);

	if (code == 0) {
		code = look_for_others(s, error);
	}
	memset(&s->delta, 0, sizeof s->delta);
	ids_begin(s->ids);
	if (code == 0) {
		code = put_frame(s, frame, bit, error);
	}
	if (code == 0) {
		code = run_statement(s, STORE_COMMIT, error);
	}
	if (code) {
		ids_clear(s->ids); /* it may name rows that the rollback takes away */
		return code;
	}
	take_counts(s);
	vmt_delivery_absorbed(s->call ? s->call->delivery : NULL, s->delta.repeats,
			      s->delta.conflicts);
	return 0;
}
