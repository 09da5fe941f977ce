/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the postgresql store runs the statements of select.h, in one transaction that sees the data as they were at
 * its beginning.  On the thread of the command; blocks on the server.
 */
#include <errno.h>
#include <string.h>

#include "pg.h"

/* Rows of one result after the other. */
struct rows {
	struct pg *pg;
	PGresult *result;
	int at, count;
};

static int begin(void *db, const char *sql, const char *const *texts, size_t count, bool bulk,
		 void **ret_rows, struct vmt_error *error)
{
	struct pg *p = db;
	struct rows *r;
	int code;

	pg_call_begin(p, NULL);
	code = pg_send(p, sql, texts, (int)count, !bulk, error);
	if (code) {
		return code;
	}
	r = g_new0(struct rows, 1);
	r->pg = p;
	r->at = -1;
	*ret_rows = r;
	return 0;
}

static int step(void *rows, struct vmt_error *error)
{
	struct rows *r = rows;

	while (++r->at >= r->count) {
		ExecStatusType status;
		int code;

		PQclear(r->result);
		r->result = NULL;
		r->pg->deadline_ns = vmt_clock_monotonic() + r->pg->conf.timeout_ns;
		code = pg_next(r->pg, &r->result, error);
		if (code || !r->result) {
			return code;
		}
		status = PQresultStatus(r->result);
		if (status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE) {
			const char *why = PQresultErrorField(r->result, PG_DIAG_MESSAGE_PRIMARY);

			return vmt_error_set(error, -EIO, "%s: %s", r->pg->text,
					     why ? why : "the connection was lost");
		}
		r->count = PQntuples(r->result);
		r->at = -1;
	}
	return 1;
}

static int64_t number(void *rows, int column)
{
	const struct rows *r = rows;

	return pg_number(r->result, r->at, column);
}

static const char *text(void *rows, int column, size_t *ret_len)
{
	const struct rows *r = rows;

	if (PQgetisnull(r->result, r->at, column)) {
		return NULL;
	}
	if (ret_len) {
		*ret_len = (size_t)PQgetlength(r->result, r->at, column);
	}
	return PQgetvalue(r->result, r->at, column);
}

static struct select_value value(void *rows, int column)
{
	const struct rows *r = rows;
	struct select_value v = { VMT_INT64, { .i = 0 } };

	if (!PQgetisnull(r->result, r->at, column)) {
		v.number.i = pg_number(r->result, r->at, column);
	} else if (!PQgetisnull(r->result, r->at, column + 1)) {
		v.kind = VMT_DOUBLE;
		v.number.i = pg_number(r->result, r->at, column + 1); /* its bits */
	} else {
		v.kind = VMT_UINT64;
		v.number.i = pg_number(r->result, r->at, column + 2);
	}
	return v;
}

static void end(void *rows)
{
	struct rows *r = rows;
	struct vmt_error error;

	if (!r) {
		return;
	}
	do { /* what nobody wants any more */
		PQclear(r->result);
		r->result = NULL;
	} while (pg_is_alive(r->pg) && pg_next(r->pg, &r->result, &error) == 0 && r->result);
	g_free(r);
}

static int close_view(void *db, int code, struct vmt_error *error)
{
	struct pg *p = db;
	struct vmt_error ignored;

	if (pg_is_alive(p)) {
		pg_call_begin(p, NULL);
		pg_run(p, "ROLLBACK", NULL, &ignored);
	}
	return code;
}

static int open_view(void *db, struct vmt_error *error)
{
	struct pg *p = db;
	int code;

	pg_call_begin(p, NULL);
	code = pg_connect(p, error);
	if (code == 0) {
		code = pg_run(p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, error);
	}
	return code ? close_view(p, code, error) : 0;
}

const struct select_ops pgquery_ops = {
	.value_columns = "whole, real, huge",
	/* OFFSET keeps the planner from joining in another order */
	.each_begin = "minutes CROSS JOIN ranges CROSS JOIN LATERAL (SELECT * FROM ",
	.each_end = " OFFSET 0) p",
	.open = open_view,
	.close = close_view,
	.begin = begin,
	.step = step,
	.number = number,
	.text = text,
	.value = value,
	.end = end,
};
