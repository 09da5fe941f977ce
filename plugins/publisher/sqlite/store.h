/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the sqlite store share: the open database with its prepared statements, and what is
 * remembered between two publishes.  One thread at a time (the publisher's own, or the one of a command
 * that reads).  Blocks on the disk and on locks of other processes, until the deadline of the call.
 *
 *   db.c        opening, reasons of failures, deadlines        (store_)
 *   schema.c    tables and their migrations                    (schema_)
 *   ids.c       row numbers of meters, resources and series    (ids_)
 *   points.c    a frame into the tables                        (points_)
 *   expire.c    time_to_live                                   (expire_)
 *   query.c     how the statements of ../select.h are run      (query_)
 *   sqlite.c    the plugin
 *
 * Layout (doc/formats.md): a point is (minute, series, micros) → value, clustered in that order, so that
 * a cycle is written to neighbouring pages, old minutes are cut off at one end, and the newest samples
 * are found from the other.
 */
#ifndef PUBLISHER_SQLITE_STORE_H
#define PUBLISHER_SQLITE_STORE_H

#include <sqlite3.h>
#include <sys/types.h>
#include <virtmeter/plugin.h>

#include "../digests.h"
#include "../select.h"

enum {
	STORE_SERIES_BLOCK =
		16, /* row numbers set aside at a time for the series of one resource */
};

/* Options, decoded by the host. */
struct store_conf {
	const char *synchronous; /* "full", "normal", "off" */
	bool store_message_ids;
	int64_t time_to_live; /* seconds; <= 0: for ever */
	int64_t page_cache; /* KiB */
};

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_DATA_VERSION,
	STORE_POINT_ADD,
	STORE_POINT_GET,
	STORE_MESSAGE_ADD,
	STORE_METER_GET,
	STORE_METER_ADD,
	STORE_FORM_GET,
	STORE_FORM_ADD,
	STORE_RESOURCE_GET,
	STORE_RESOURCE_ADD,
	STORE_VERSION_GET,
	STORE_VERSION_ADD,
	STORE_SEEN_PUT,
	STORE_SEEN_LAST,
	STORE_SERIES_GET,
	STORE_SERIES_MAX,
	STORE_SERIES_END,
	STORE_SERIES_ADD,
	STORE_RUN_LAST,
	STORE_RUN_AT,
	STORE_RUN_NEXT,
	STORE_RUN_MOVE,
	STORE_RUN_PUT,
	STORE_RUN_KEEP,
	STORE_COUNTER_ADD,
	STORE_DIGEST_GET,
	STORE_DIGEST_ADD,
	STORE_DIGEST_CUT,
	STORE_STATEMENTS
};

/* What became of samples since the store was opened. */
struct store_counts {
	uint64_t stored; /* new points */
	uint64_t repeats; /* same key, same value: absorbed */
	uint64_t conflicts; /* same key, another value: the first was kept */
	uint64_t rejected; /* not a number, or a time outside of years 1 to 9999 */
	uint64_t expired; /* deleted, older than time_to_live */
};

struct ids;
struct points;

struct store {
	struct select_db select;
	struct store_conf conf;
	char *path, *text; /* text: the URL, for messages */
	bool read_only;
	bool immutable; /* read_only, and nobody had the database open */

	sqlite3 *db; /* NULL: not connected */
	sqlite3_stmt *statement[STORE_STATEMENTS];
	dev_t device; /* of the open file, to notice that it was moved away */
	ino_t inode;

	const struct vmt_call *call; /* the running one; NULL: no deadline */
	int64_t busy_ns; /* how long the running call waited for locks */

	int64_t data_version;
	struct ids *ids;
	struct points *points;
	struct digests digests; /* of the frame in hand */
	struct store_counts counts; /* committed */
	struct store_counts delta; /* of the transaction under way */
	int64_t digest_ns; /* when old digests were last deleted */
	int64_t sweep_ns; /* when resources without points were last looked for */
};

/* db.c */

/* Connects if it is not connected, or if the file was moved away; with `read_only` it must exist. */
int store_connect(struct store *s, struct vmt_error *error);
void store_disconnect(struct store *s);

/* Begins a call that ends at its deadline (NULL: none); store_call_end() before returning. */
void store_call_begin(struct store *s, const struct vmt_call *call);
void store_call_end(struct store *s);
/* 0, -ETIMEDOUT or -ECANCELED. */
int store_call_check(const struct store *s);

/* The errno for the last failure of SQLite, with the reason in *error. */
int store_failed(struct store *s, struct vmt_error *error);

/* The reason when store_call_check() said no. */
int store_late(struct store *s, struct vmt_error *error);

/* A query: begins a call without deadline and one view of the data; ends both.  `code` is handed on,
 * unless somebody began to write to what was read without locks. */
int store_read_begin(struct store *s, struct vmt_error *error);
int store_read_end(struct store *s, int code, struct vmt_error *error);

/* The prepared statement, reset, without bindings kept from before; NULL with store_failed(). */
sqlite3_stmt *store_statement(struct store *s, enum store_statement which);
/* Steps and resets.  SQLITE_DONE is 0, SQLITE_ROW 1 (not reset: columns can be read), else -1. */
int store_step(sqlite3_stmt *statement);

/* points.c */
struct points *points_new(void);
void points_free(struct points *p); /* NULL is fine */
int points_publish(struct store *s, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error);

/* expire.c: deletes up to `limit` points older than time_to_live, inside the transaction. */
int expire_step(struct store *s, uint64_t limit, struct vmt_error *error);

/* query.c */
extern const struct select_ops query_ops;

#endif
