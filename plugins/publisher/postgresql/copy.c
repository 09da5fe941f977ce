/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in the binary form of COPY, and the two ways into the table.  On the publisher's thread; blocks on the server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "points.h"

static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

enum { ROW_ROOM = 160, PART = 1 << 16 };

static char *put_u16(char *at, uint16_t v)
{
	v = GUINT16_TO_BE(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static char *put_u32(char *at, uint32_t v)
{
	v = GUINT32_TO_BE(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static char *put_int(char *at, int32_t v)
{
	return put_u32(put_u32(at, 4), (uint32_t)v);
}

static char *put_long(char *at, uint64_t v)
{
	at = put_u32(at, 8);
	v = GUINT64_TO_BE(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static char *put_null(char *at)
{
	return put_u32(at, UINT32_MAX);
}

/* whole, real, huge */
static char *put_value(char *at, const struct pgrow *row)
{
	bool real = row->kind == VMT_DOUBLE;
	bool huge = row->kind == VMT_UINT64 && row->value.u > INT64_MAX;

	at = real || huge ? put_null(at) : put_long(at, row->value.u);
	at = real ? put_long(at, row->value.u) : put_null(at); /* its bits */
	return huge ? put_long(at, row->value.u) : put_null(at);
}

static char *put_key(char *at, const struct pgrow *row)
{
	at = put_int(at, row->minute);
	at = put_int(at, (int32_t)row->series);
	return put_int(at, row->micros);
}

/* id, mono */
static char *put_message(char *at, const struct vmt_frame *frame, const struct pgrow *row)
{
	const struct vmt_batch *b = &frame->batch[row->batch];
	int64_t mono = b->monos ? b->monos[row->row] : b->mono_ns;
	uint8_t id[16];

	vmt_batch_id(b, row->row, id);
	at = put_u32(at, sizeof id);
	memcpy(at, id, sizeof id);
	at += sizeof id;
	return mono == INT64_MIN ? put_null(at) : put_long(at, (uint64_t)mono);
}

enum what { POINTS, MESSAGES, STAGING };

static char *put_row(char *at, const struct pg *p, enum what what, guint number)
{
	const struct pgrow *row = &g_array_index(p->points->rows, struct pgrow, number);

	at = put_u16(at, what == POINTS ? 6 : what == MESSAGES ? 5 : 9);
	if (what == MESSAGES) {
		return put_key(put_message(at, p->points->frame, row), row);
	}
	at = put_key(put_value(at, row), row);
	if (what == STAGING) {
		at = put_int(at, (int32_t)number);
		at = put_message(at, p->points->frame, row);
	}
	return at;
}

/* The rows, in parts. */
static int copy_rows(struct pg *p, const char *sql, enum what what, struct vmt_error *error)
{
	guint count = p->points->rows->len;
	struct buf *out = &p->points->bytes;
	int code = pg_copy_in(p, sql, error);

	buf_reset(out);
	buf_add(out, head, 19);
	for (guint i = 0; i < count && code == 0; i++) {
		char *start = buf_reserve(out, ROW_ROOM);

		out->len += (size_t)(put_row(start, p, what, i) - start);
		if (out->len >= PART) {
			code = pg_copy_part(p, out, error);
			buf_reset(out);
		}
	}
	put_u16(buf_reserve(out, 2), UINT16_MAX);
	out->len += 2;
	if (code == 0) {
		code = pg_copy_part(p, out, error);
	}
	return code ? code : pg_copy_end(p, error);
}

/* ------------------------------------------------------------------ straight */

/* The partition that all rows lie in, or the table that leads each to its own. */
static char *target(const struct pg *p, const char *table)
{
	const GArray *rows = p->points->rows;
	const struct pgrow *first = &g_array_index(rows, struct pgrow, 0);
	const struct pgrow *last = &g_array_index(rows, struct pgrow, rows->len - 1);
	int64_t start = partition_start(first->minute);

	if (start != partition_start(last->minute) || partition_known(p, start) != PARTITION_OWN) {
		return g_strdup(table);
	}
	return g_strdup_printf("%s_%d", table, (int)start);
}

static int copy_into(struct pg *p, const char *table, enum what what, struct vmt_error *error)
{
	char *into = target(p, table);
	char *sql = g_strdup_printf("COPY %s FROM STDIN (FORMAT binary)", into);
	int code;

	code = copy_rows(p, sql, what, error);
	g_free(sql);
	g_free(into);
	return code;
}

static int straight(struct pg *p, struct vmt_error *error)
{
	int code = pg_run(p, "SAVEPOINT straight", NULL, error);

	if (code == 0) {
		code = copy_into(p, "point", POINTS, error);
	}
	if (code == 0 && p->conf.store_message_ids) {
		code = copy_into(p, "message", MESSAGES, error);
	}
	if (code == 0) {
		p->delta.stored += p->points->rows->len;
		p->delta.direct++;
	}
	return code;
}

/* ------------------------------------------------------------------ by the temporary table */

static int count_of(struct pg *p, const char *sql, uint64_t *ret_count, struct vmt_error *error)
{
	PGresult *result = NULL;
	int code = pg_run(p, sql, &result, error);

	if (code == 0) {
		*ret_count = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	}
	PQclear(result);
	return code;
}

/* What is there already is left out; of equal keys in the frame the first counts. */
static int insert(struct pg *p, struct vmt_error *error)
{
	static const char points[] =
		"WITH added AS (INSERT INTO point SELECT whole, real, huge, minute, series, micros"
		" FROM staging ORDER BY minute, series, micros, n ON CONFLICT DO NOTHING"
		" RETURNING minute, series, micros) SELECT count(*) FROM added";
	static const char both[] =
		"WITH added AS (INSERT INTO point SELECT whole, real, huge, minute, series, micros"
		" FROM staging ORDER BY minute, series, micros, n ON CONFLICT DO NOTHING"
		" RETURNING minute, series, micros), known AS (INSERT INTO message SELECT s.id,"
		" s.mono, s.minute, s.series, s.micros FROM staging s JOIN added USING (minute,"
		" series, micros) ORDER BY s.minute, s.series, s.micros, s.n ON CONFLICT DO NOTHING)"
		" SELECT count(*) FROM added";
	/* 2 and 2.0 are the same value, as in the sqlite store */
	static const char conflicts[] =
		"SELECT count(*) FROM staging s JOIN point p USING (minute, series, micros) WHERE"
		" coalesce(s.whole::numeric, s.real::numeric, s.huge + 18446744073709551616) <>"
		" coalesce(p.whole::numeric, p.real::numeric, p.huge + 18446744073709551616)";
	uint64_t stored = 0, differ = 0;
	int code = count_of(p, p->conf.store_message_ids ? both : points, &stored, error);

	if (code == 0) {
		code = count_of(p, conflicts, &differ, error);
	}
	if (code == 0) {
		p->delta.stored += stored;
		p->delta.conflicts += differ;
		p->delta.repeats += p->points->rows->len - stored - differ;
		p->delta.staged++;
	}
	return code;
}

static int staged(struct pg *p, struct vmt_error *error)
{
	int code = 0;

	if (!p->staging) {
		code = pg_run(p,
			      "CREATE TEMP TABLE IF NOT EXISTS staging (whole bigint, real double"
			      " precision, huge bigint, minute integer, series integer, micros"
			      " integer, n integer, id bytea, mono bigint) ON COMMIT DELETE ROWS",
			      NULL, error);
		p->staging = code == 0;
	}
	if (code == 0) {
		code = copy_rows(p, "COPY staging FROM STDIN (FORMAT binary)", STAGING, error);
	}
	return code ? code : insert(p, error);
}

int copy_points(struct pg *p, struct vmt_error *error)
{
	int code = p->points->rows->len ? straight(p, error) : 0;

	if (code != -EEXIST) {
		return code;
	}
	code = pg_run(p, "ROLLBACK TO straight", NULL, error);
	return code ? code : staged(p, error);
}
