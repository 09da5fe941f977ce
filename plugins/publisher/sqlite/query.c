/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the sqlite store runs the statements of select.h.  On the thread of the command; blocks on the database.
 */
#include <errno.h>
#include <glib.h>

#include "store.h"

struct rows {
	struct store *store;
	sqlite3_stmt *statement;
};

static int begin(void *db, const char *sql, const char *const *texts, size_t count, bool bulk,
		 void **ret_rows, struct vmt_error *error)
{
	struct store *s = db;
	sqlite3_stmt *statement;
	struct rows *rows;

	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK) {
		return store_failed(s, error);
	}
	for (size_t i = 0; i < count; i++) {
		/* parameters are numbered as they come: $1 is the first */
		sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
	}
	rows = g_new(struct rows, 1);
	*rows = (struct rows){ s, statement };
	*ret_rows = rows;
	return 0;
}

static int step(void *rows, struct vmt_error *error)
{
	struct rows *r = rows;
	int found = store_step(r->statement);

	return found < 0 ? store_failed(r->store, error) : found;
}

static int64_t number(void *rows, int column)
{
	sqlite3_stmt *statement = ((struct rows *)rows)->statement;

	return sqlite3_column_type(statement, column) == SQLITE_NULL
		       ? INT64_MIN
		       : sqlite3_column_int64(statement, column);
}

static const char *text(void *rows, int column, size_t *ret_len)
{
	sqlite3_stmt *statement = ((struct rows *)rows)->statement;
	const void *bytes = sqlite3_column_type(statement, column) == SQLITE_BLOB
				    ? sqlite3_column_blob(statement, column)
				    : sqlite3_column_text(statement, column);

	if (ret_len) {
		*ret_len = (size_t)sqlite3_column_bytes(statement, column);
	}
	return bytes;
}

static struct select_value value(void *rows, int column)
{
	sqlite3_stmt *statement = ((struct rows *)rows)->statement;

	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_FLOAT:
		return (struct select_value){ VMT_DOUBLE,
					      { .d = sqlite3_column_double(statement, column) } };
	case SQLITE_INTEGER:
		return (struct select_value){ VMT_INT64,
					      { .i = sqlite3_column_int64(statement, column) } };
	default:
		return (struct select_value){
			VMT_UINT64,
			{ .u = g_ascii_strtoull(
				  (const char *)sqlite3_column_text(statement, column), NULL, 10) }
		};
	}
}

static void end(void *rows)
{
	if (rows) {
		sqlite3_finalize(((struct rows *)rows)->statement);
		g_free(rows);
	}
}

static int open_view(void *db, struct vmt_error *error)
{
	struct store *s = db;
	int code = store_read_begin(s, error);

	if (code) {
		store_call_end(s);
	}
	return code;
}

static int close_view(void *db, int code, struct vmt_error *error)
{
	return store_read_end(db, code, error);
}

const struct select_ops query_ops = {
	.slot = 1,
	.value_columns = "value",
	.each_begin = "minutes CROSS JOIN ranges CROSS JOIN ",
	.each_end = "",
	.open = open_view,
	.close = close_view,
	.begin = begin,
	.step = step,
	.number = number,
	.text = text,
	.value = value,
	.end = end,
};
