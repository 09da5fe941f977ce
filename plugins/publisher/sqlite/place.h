/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the sqlite store: a fresh folder, a store in it, its rows as text.  Nothing here is
 * built into the program.
 */
#ifndef PUBLISHER_SQLITE_PLACE_H
#define PUBLISHER_SQLITE_PLACE_H

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "base/clock.h"
#include "store.h"

extern const struct vmt_plugin vmt_plugin_publisher_sqlite;

#define OPS (vmt_plugin_publisher_sqlite.ops.publisher)

struct place {
	char *folder, *path, *text;
	struct store_conf conf;
	struct vmt_error error;
};

static inline void place_init(struct place *p)
{
	memset(p, 0, sizeof *p);
	p->folder = fixture_folder();
	p->path = g_build_filename(p->folder, "samples.db", NULL);
	p->text = g_strconcat("sqlite://", p->path, NULL);
	p->conf =
		(struct store_conf){ .synchronous = "off", .time_to_live = -1, .page_cache = 1024 };
}

static inline void place_fini(struct place *p)
{
	fixture_remove(p->folder);
	g_free(p->path);
	g_free(p->text);
}

static inline int try_open(struct place *p, bool read_only, void **ret_self)
{
	struct vmt_url url = { .text = p->text, .scheme = "sqlite", .host = "", .path = p->path };

	return OPS->open(&p->conf, &url, read_only, ret_self, &p->error);
}

static inline void *open_store(struct place *p, bool read_only)
{
	void *self = NULL;
	int code = try_open(p, read_only, &self);

	g_assert_cmpstr(code ? p->error.text : "", ==, "");
	g_assert_nonnull(self);
	return self;
}

static inline int publish(struct place *p, void *self, const struct fixture *f)
{
	struct vmt_call call = fixture_call(60);

	p->error.text[0] = '\0';
	return OPS->publish(self, &f->frame, 1, &call, &p->error);
}

static inline void must_publish(struct place *p, void *self, const struct fixture *f)
{
	int code = publish(p, self, f);

	g_assert_cmpstr(p->error.text, ==, "");
	g_assert_cmpint(code, ==, 0);
}

/* Rows as text, a line each. */
static inline int as_text(void *context, const struct vmt_store_row *row)
{
	GString *out = context;
	const struct vmt_resource *r = row->resource;
	char number[64];

	switch (row->kind) {
	case VMT_DOUBLE:
		g_snprintf(number, sizeof number, "%.17g", row->value.d);
		break;
	case VMT_UINT64:
		g_snprintf(number, sizeof number, "%" G_GUINT64_FORMAT "u", (guint64)row->value.u);
		break;
	default:
		g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, (gint64)row->value.i);
	}
	g_string_append_printf(out, "%s %d %s %s %s %s @%" G_GINT64_FORMAT " %.*s%.*s\n",
			       row->name ? row->name : "-", row->type, row->unit ? row->unit : "-",
			       number, r->id + strlen(r->id) - 1,
			       r->project_id ? r->project_id : "null",
			       (gint64)((row->time_ns - FIXTURE_TIME) / 1000),
			       (int)r->meta_head_len, r->meta_head, (int)r->meta_tail_len,
			       r->meta_tail);
	return 0;
}

static inline int count_row(void *context, const struct vmt_store_row *row)
{
	g_assert_nonnull(row->resource);
	++*(unsigned *)context;
	return 0;
}

static inline unsigned count(struct place *p, void *self, const struct vmt_query *query)
{
	unsigned n = 0;
	int code = OPS->store->samples(self, query, count_row, &n, &p->error);

	g_assert_cmpint(code, ==, 0);
	return n;
}

static inline char *samples(struct place *p, void *self, const struct vmt_query *query)
{
	GString *out = g_string_new(NULL);
	int code = OPS->store->samples(self, query, as_text, out, &p->error);

	g_assert_cmpint(code, ==, 0);
	return g_string_free(out, FALSE);
}

#define ASSERT_SAMPLES(p, self, query, expected)                                                   \
	do {                                                                                       \
		char *text_ = samples(p, self, query);                                             \
		g_assert_cmpstr(text_, ==, expected);                                              \
		g_free(text_);                                                                     \
	} while (0)

/* The number that `sql` answers on the file itself. */
static inline int64_t ask(struct place *p, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	int64_t answer;

	g_assert_cmpint(sqlite3_open(p->path, &db), ==, SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
	answer = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return answer;
}

static inline void execute(const char *path, const char *sql)
{
	sqlite3 *db;
	char *reason = NULL;

	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	sqlite3_exec(db, sql, NULL, NULL, &reason);
	g_assert_cmpstr(reason, ==, NULL);
	sqlite3_close(db);
}

static const struct store_counts *counts(void *self)
{
	return &((struct store *)self)->counts;
}

#endif
