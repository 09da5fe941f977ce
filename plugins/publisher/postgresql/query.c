/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the postgresql store runs the statements of select.h, in one transaction that sees the data as they were at
 * its beginning.  On the thread of the command; blocks on the server.
 */
#include <errno.h>
#include <string.h>

#include "pg.h"

enum { COLUMNS_MOST = 16 };

/* Rows of one result after the other; many short ones are copied, for then they are read while the server goes on. */
struct rows {
	struct pg *pg;
	PGresult *result;
	int at, count;
	bool copying, headed; /* headed: the head of the copy is behind us */
	char *bytes; /* a message of the copy: a row */
	int columns;
	struct {
		const char *bytes; /* NULL: null */
		int len;
	} column[COLUMNS_MOST];
};

static int begin(void *db, const char *sql, const char *const *texts, size_t count, bool bulk,
		 void **ret_rows, struct vmt_error *error)
{
	struct pg *p = db;
	bool copying = bulk && count == 0;
	struct rows *r;
	int code;

	pg_call_begin(p, NULL);
	if (copying) {
		char *copy = g_strdup_printf("COPY (%s) TO STDOUT (FORMAT binary)", sql);

		code = pg_begin_copy(p, copy, error);
		g_free(copy);
	} else {
		code = pg_send(p, sql, texts, (int)count, !bulk, error);
	}
	if (code) {
		return code;
	}
	r = g_new0(struct rows, 1);
	r->pg = p;
	r->at = -1;
	r->copying = copying;
	*ret_rows = r;
	return 0;
}

static int step_result(struct rows *r, struct vmt_error *error)
{
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
	r->columns = MIN(PQnfields(r->result), COLUMNS_MOST);
	for (int i = 0; i < r->columns; i++) {
		bool null = PQgetisnull(r->result, r->at, i);

		r->column[i].bytes = null ? NULL : PQgetvalue(r->result, r->at, i);
		r->column[i].len = PQgetlength(r->result, r->at, i);
	}
	return 1;
}

/* The columns of a message, which the server makes one of each row; 0: the end of the copy, or -EPROTO. */
static int split(struct rows *r, int len)
{
	int at = 0;

	if (!r->headed) { /* comes before the first row, or before the end */
		int64_t more = len >= 19 ? pg_integer(r->bytes + 15, 4) : -1;

		if (more < 0 || more > len - 19) {
			return -EPROTO;
		}
		at = 19 + (int)more;
		r->headed = true;
	}
	r->columns = len - at >= 2 ? (int)pg_integer(r->bytes + at, 2) : 0;
	at += 2;
	if (r->columns == -1) {
		return 0;
	}
	if (r->columns <= 0 || r->columns > COLUMNS_MOST) {
		return -EPROTO;
	}
	for (int i = 0; i < r->columns; i++) {
		int64_t size = len - at >= 4 ? pg_integer(r->bytes + at, 4) : INT32_MAX;

		if (size > len - at - 4) {
			return -EPROTO;
		}
		r->bytes[at] = '\0'; /* ends the text before it; libpq ends the last one */
		at += 4;
		r->column[i].bytes = size < 0 ? NULL : r->bytes + at;
		r->column[i].len = (int)MAX(size, 0);
		at += r->column[i].len;
	}
	return 1;
}

static int step_copy(struct rows *r, struct vmt_error *error)
{
	int len, code;

	do {
		PQfreemem(r->bytes);
		r->bytes = NULL;
		code = pg_read_copy(r->pg, &r->bytes, &len, error);
		if (code != 1) {
			r->copying = false; /* nothing is left */
			return code;
		}
		code = split(r, len);
	} while (code == 0);
	return code < 0 ? vmt_error_set(error, code, "%s: a row of an unknown form", r->pg->text)
			: 1;
}

static int step(void *rows, struct vmt_error *error)
{
	struct rows *r = rows;

	return r->copying ? step_copy(r, error) : r->headed ? 0 : step_result(r, error);
}

static int64_t number(void *rows, int column)
{
	const struct rows *r = rows;

	return r->column[column].bytes ? pg_integer(r->column[column].bytes, r->column[column].len)
				       : INT64_MIN;
}

static const char *text(void *rows, int column, size_t *ret_len)
{
	struct rows *r = rows;

	if (r->column[column].bytes && ret_len) {
		*ret_len = (size_t)r->column[column].len;
	}
	return r->column[column].bytes;
}

static struct select_value value(void *rows, int column)
{
	const struct rows *r = rows;
	struct select_value v = { VMT_INT64, { .i = 0 } };
	int at = r->column[column].bytes ? 0 : r->column[column + 1].bytes ? 1 : 2;

	v.kind = at == 0 ? VMT_INT64 : at == 1 ? VMT_DOUBLE : VMT_UINT64;
	v.number.i = number(rows, column + at); /* of a double its bits */
	return v;
}

static void end(void *rows)
{
	struct rows *r = rows;
	struct vmt_error error;
	int len;

	if (!r) {
		return;
	}
	while (r->copying && pg_is_alive(r->pg)) { /* what nobody wants any more */
		PQfreemem(r->bytes);
		r->bytes = NULL;
		r->copying = pg_read_copy(r->pg, &r->bytes, &len, &error) == 1;
	}
	PQfreemem(r->bytes);
	do {
		PQclear(r->result);
		r->result = NULL;
	} while (!r->headed && pg_is_alive(r->pg) && pg_next(r->pg, &r->result, &error) == 0 &&
		 r->result);
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
	.slot = PG_SLOT_MINUTES,
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
