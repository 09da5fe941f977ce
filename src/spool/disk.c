/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connection to the database of a durable log: its statements, and what a failure of SQLite
 * means.  Any thread, one at a time; blocks on the disk.  disk_open.c opens and closes it.
 */
#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "spool/disk_private.h"

#define SHRINK_BYTES (INT64_C(64) << 20) /* this much may lie free in the file */
#define SHRINK_STEP_BYTES (INT64_C(16) << 20) /* given back at a time */

static const char *const sql[DISK_STATEMENTS] = {
	[DISK_BEGIN] = "BEGIN IMMEDIATE",
	[DISK_COMMIT] = "COMMIT",
	[DISK_ADD_ENTRY] =
		"INSERT OR REPLACE INTO entry (sequence, time, bytes, audience, pending, shares)"
		" VALUES (?, ?, ?, ?, ?, ?)",
	[DISK_ADD_BODY] = "INSERT OR REPLACE INTO body (sequence, frame) VALUES (?, ?)",
	[DISK_SET_PENDING] = "UPDATE entry SET pending = ?2 WHERE sequence = ?1",
	[DISK_REMOVE_ENTRY] = "DELETE FROM entry WHERE sequence = ?",
	[DISK_REMOVE_BODY] = "DELETE FROM body WHERE sequence = ?",
	[DISK_GET_BODY] = "SELECT frame FROM body WHERE sequence = ?",
	[DISK_SET_LEDGER] = "INSERT INTO ledger (cursor, name, samples) VALUES (?, ?, ?)"
			    " ON CONFLICT DO UPDATE SET samples = excluded.samples",
	[DISK_SET_CURSOR] = "INSERT INTO cursor (id, name, url) VALUES (?, ?, ?)"
			    " ON CONFLICT DO UPDATE SET name = excluded.name, url = excluded.url",
	[DISK_ADD_LETTER] = "INSERT INTO dead (time, cursor, samples, reason, frame, message)"
			    " VALUES (?, ?, ?, ?, ?, ?)",
};

/* Statements that are made for one use. */
#define GET_CURSORS "SELECT id, name, url FROM cursor WHERE id < 64 ORDER BY id"
#define GET_SOURCES "SELECT id, name, url FROM cursor WHERE id >= 64 ORDER BY id"
#define GET_LEDGERS "SELECT cursor, name, samples FROM ledger WHERE cursor >= 0"
#define GET_ENTRIES                                                                                \
	"SELECT sequence, time, bytes, audience, pending, shares FROM entry ORDER BY sequence"
#define GET_LETTERS "SELECT id, time, cursor, samples, reason, frame, message FROM dead ORDER BY id"
#define GET_SEQUENCE "SELECT samples FROM ledger WHERE cursor = -1 AND name = 'sequence'"
#define COUNT_LETTERS "SELECT count(*), ifnull(sum(samples), 0) FROM dead WHERE cursor = ?"
#define OLD_LETTERS                                                                                \
	"SELECT id, samples, sum(ifnull(length(frame), 0) + ifnull(length(message), 0) + 256)"     \
	" OVER (ORDER BY id DESC) AS size FROM dead"

/* ---- failures */

int disk_error(struct disk *d, const char *doing, struct vmt_error *error)
{
	int code = sqlite3_extended_errcode(d->db), system = sqlite3_system_errno(d->db);

	switch (code & 0xff) {
	case SQLITE_FULL:
		return vmt_error_set(error, -ENOSPC, "queue %s: %s: the disk is full; make room",
				     d->dir, doing);
	case SQLITE_IOERR:
		if (system == ENOSPC || system == EDQUOT || system == EFBIG) {
			return vmt_error_set(error, -ENOSPC, "queue %s: %s: %s; make room", d->dir,
					     doing, g_strerror(system));
		}
		return vmt_error_set(error, -EIO, "queue %s: %s: %s%s%s; look at the disk", d->dir,
				     doing, sqlite3_errstr(code), system ? ": " : "",
				     system ? g_strerror(system) : "");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return vmt_error_set(error, -EBADMSG, "queue %s: %s: %s", d->dir, doing,
				     sqlite3_errmsg(d->db));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return vmt_error_set(error, -EBUSY, "queue %s: %s: another process has it open",
				     d->dir, doing);
	case SQLITE_READONLY:
		return vmt_error_set(error, -EROFS, "queue %s: %s: it cannot be written to", d->dir,
				     doing);
	default:
		return vmt_error_set(error, -EIO, "queue %s: %s: %s", d->dir, doing,
				     sqlite3_errmsg(d->db));
	}
}

/* ---- statements */

/* The prepared statement, ready to be bound; NULL with the reason. */
static sqlite3_stmt *get(struct disk *d, enum disk_statement which, struct vmt_error *error)
{
	if (!d->statement[which] &&
	    sqlite3_prepare_v3(d->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
			       &d->statement[which], NULL) != SQLITE_OK) {
		disk_error(d, "prepare", error);
		return NULL;
	}
	return d->statement[which];
}

/* Runs a statement that answers no rows. */
static int run(struct disk *d, enum disk_statement which, const char *doing,
	       struct vmt_error *error)
{
	sqlite3_stmt *st = d->statement[which];
	int ret = 0;

	if (sqlite3_step(st) != SQLITE_DONE) {
		ret = disk_error(d, doing, error);
	}
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return ret;
}

static int run_for(struct disk *d, enum disk_statement which, uint64_t sequence, const char *doing,
		   struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, which, error);

	if (!st) {
		return -EIO;
	}
	sqlite3_bind_int64(st, 1, (sqlite3_int64)sequence);
	return run(d, which, doing, error);
}

/* ---- reading */

typedef int (*row_fn)(void *fn, void *context, sqlite3_stmt *row);

/* Runs `text`, with `id` bound when it has a place for it, and calls `row` per row. */
static int each(struct disk *d, const char *text, int64_t id, row_fn row, void *fn, void *context,
		struct vmt_error *error)
{
	sqlite3_stmt *st;
	int code, ret = 0;

	if (sqlite3_prepare_v2(d->db, text, -1, &st, NULL) != SQLITE_OK) {
		return disk_error(d, "read", error);
	}
	if (sqlite3_bind_parameter_count(st) > 0) {
		sqlite3_bind_int64(st, 1, id);
	}
	while (ret == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
		ret = row(fn, context, st);
	}
	if (ret == 0 && code != SQLITE_DONE) {
		ret = disk_error(d, "read", error);
	}
	sqlite3_finalize(st);
	return ret;
}

static const char *column_text(sqlite3_stmt *row, int i)
{
	const char *text = (const char *)sqlite3_column_text(row, i);

	return text ? text : "";
}

/* A function pointer travels behind a pointer to it, as C will have it. */
static int cursor_row(void *fn, void *context, sqlite3_stmt *row)
{
	int64_t id = sqlite3_column_int64(row, 0);
	const struct disk_cursor c = { .id = (unsigned)id,
				       .name = column_text(row, 1),
				       .url = column_text(row, 2) };

	return id >= 0 && id <= INT32_MAX ? (*(disk_cursor_fn *)fn)(context, &c) : 0;
}

int disk_cursors(struct disk *d, disk_cursor_fn fn, void *context, struct vmt_error *error)
{
	return each(d, GET_CURSORS, 0, cursor_row, &fn, context, error);
}

int disk_sources(struct disk *d, disk_cursor_fn fn, void *context, struct vmt_error *error)
{
	return each(d, GET_SOURCES, 0, cursor_row, &fn, context, error);
}

static int ledger_row(void *fn, void *context, sqlite3_stmt *row)
{
	int64_t cursor = sqlite3_column_int64(row, 0);

	return cursor < 64 ? (*(disk_ledger_fn *)fn)(context, (unsigned)cursor, column_text(row, 1),
						     (uint64_t)sqlite3_column_int64(row, 2))
			   : 0;
}

int disk_ledgers(struct disk *d, disk_ledger_fn fn, void *context, struct vmt_error *error)
{
	return each(d, GET_LEDGERS, 0, ledger_row, &fn, context, error);
}

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int entry_row(void *fn, void *context, sqlite3_stmt *row)
{
	struct spool_share shares[64];
	struct disk_entry e = {
		.sequence = (uint64_t)sqlite3_column_int64(row, 0),
		.time_ns = sqlite3_column_int64(row, 1),
		.bytes = (uint64_t)MAX(sqlite3_column_int64(row, 2), 0),
		.audience = (uint64_t)sqlite3_column_int64(row, 3),
		.pending = (uint64_t)sqlite3_column_int64(row, 4),
		.shares = shares,
	};
	const unsigned char *p = sqlite3_column_blob(row, 5);
	int len = sqlite3_column_bytes(row, 5), count = __builtin_popcountll(e.audience);

	e.pending &= e.audience;
	memset(shares, 0, sizeof(shares));
	for (int i = 0; i < count && 8 * i + 8 <= len; i++) {
		shares[i] = (struct spool_share){ get_u32(p + 8 * i), get_u32(p + 8 * i + 4) };
	}
	return (*(disk_entry_fn *)fn)(context, &e);
}

int disk_entries(struct disk *d, disk_entry_fn fn, void *context, struct vmt_error *error)
{
	return each(d, GET_ENTRIES, 0, entry_row, &fn, context, error);
}

static int letter_row(void *fn, void *context, sqlite3_stmt *row)
{
	const struct disk_letter l = {
		.id = (uint64_t)sqlite3_column_int64(row, 0),
		.time_ns = sqlite3_column_int64(row, 1),
		.cursor = (unsigned)sqlite3_column_int(row, 2),
		.samples = (uint64_t)sqlite3_column_int64(row, 3),
		.reason = column_text(row, 4),
		.frame = sqlite3_column_blob(row, 5),
		.frame_len = (size_t)sqlite3_column_bytes(row, 5),
		.message = sqlite3_column_blob(row, 6),
		.message_len = (size_t)sqlite3_column_bytes(row, 6),
	};

	return (*(disk_letter_fn *)fn)(context, &l);
}

int disk_letters(struct disk *d, disk_letter_fn fn, void *context, struct vmt_error *error)
{
	return each(d, GET_LETTERS, 0, letter_row, &fn, context, error);
}

static int number_row(void *fn, void *context, sqlite3_stmt *row)
{
	uint64_t *numbers = context;

	for (int i = 0; i < sqlite3_column_count(row); i++) {
		numbers[i] = (uint64_t)sqlite3_column_int64(row, i);
	}
	return 0;
}

int disk_sequence(struct disk *d, uint64_t *ret_sequence, struct vmt_error *error)
{
	uint64_t sequence = 0;
	int ret = each(d, GET_SEQUENCE, 0, number_row, NULL, &sequence, error);

	if (ret == 0) {
		*ret_sequence = sequence;
	}
	return ret;
}

int disk_letters_count(struct disk *d, unsigned cursor, uint64_t *ret_letters,
		       uint64_t *ret_samples, struct vmt_error *error)
{
	uint64_t numbers[2] = { 0 };
	int ret = each(d, COUNT_LETTERS, cursor, number_row, NULL, numbers, error);

	if (ret == 0) {
		*ret_letters = numbers[0];
		*ret_samples = numbers[1];
	}
	return ret;
}

int disk_body(struct disk *d, uint64_t sequence, struct buf *out, struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_GET_BODY, error);
	int ret = 0, code;

	if (!st) {
		return -EIO;
	}
	buf_reset(out);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)sequence);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		const void *bytes = sqlite3_column_blob(st, 0);
		size_t len = (size_t)sqlite3_column_bytes(st, 0);

		if (!bytes && len > 0) {
			ret = disk_error(d, "read", error);
		} else if (bytes) {
			buf_add(out, bytes, len);
		}
	} else if (code == SQLITE_DONE) {
		ret = vmt_error_set(error, -ENOENT, "queue %s: frame %" PRIu64 ": is not there",
				    d->dir, sequence);
	} else {
		ret = disk_error(d, "read", error);
	}
	sqlite3_reset(st);
	return ret;
}

static int check_row(void *fn, void *context, sqlite3_stmt *row)
{
	const char *text = column_text(row, 0);

	if (strcmp(text, "ok") == 0) {
		return 0;
	}
	return vmt_error_set(context, -EBADMSG, "queue %s: %s", (const char *)fn, text);
}

int disk_check(struct disk *d, struct vmt_error *error)
{
	return each(d, "PRAGMA integrity_check(1)", 0, check_row, d->dir, error, error);
}

/* ---- writing */

int disk_begin(struct disk *d, struct vmt_error *error)
{
	return get(d, DISK_BEGIN, error) ? run(d, DISK_BEGIN, "begin", error) : -EIO;
}

int disk_add(struct disk *d, const struct disk_entry *e, const void *bytes, size_t len,
	     struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_ADD_ENTRY, error), *body = get(d, DISK_ADD_BODY, error);
	unsigned char shares[64 * 8];
	int count = __builtin_popcountll(e->audience), ret;

	if (!st || !body) {
		return -EIO;
	}
	for (int i = 0; i < count; i++) {
		const uint32_t pair[2] = { e->shares[i].samples, e->shares[i].messages };

		for (int b = 0; b < 8; b++) {
			shares[i * 8 + b] = (unsigned char)(pair[b / 4] >> (b % 4 * 8));
		}
	}
	sqlite3_bind_int64(st, 1, (sqlite3_int64)e->sequence);
	sqlite3_bind_int64(st, 2, e->time_ns);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)len);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)e->audience);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)e->pending);
	sqlite3_bind_blob(st, 6, shares, count * 8, SQLITE_STATIC);
	ret = run(d, DISK_ADD_ENTRY, "append", error);
	if (ret == 0) {
		sqlite3_bind_int64(body, 1, (sqlite3_int64)e->sequence);
		sqlite3_bind_blob64(body, 2, bytes, len, SQLITE_STATIC);
		ret = run(d, DISK_ADD_BODY, "append", error);
	}
	return ret;
}

int disk_set_pending(struct disk *d, uint64_t sequence, uint64_t pending, struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_SET_PENDING, error);

	if (!st) {
		return -EIO;
	}
	sqlite3_bind_int64(st, 2, (sqlite3_int64)pending);
	return run_for(d, DISK_SET_PENDING, sequence, "confirm", error);
}

int disk_remove(struct disk *d, uint64_t sequence, struct vmt_error *error)
{
	int ret = run_for(d, DISK_REMOVE_ENTRY, sequence, "remove", error);

	return ret < 0 ? ret : run_for(d, DISK_REMOVE_BODY, sequence, "remove", error);
}

static int set_ledger(struct disk *d, int64_t cursor, const char *name, uint64_t samples,
		      struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_SET_LEDGER, error);

	if (!st) {
		return -EIO;
	}
	sqlite3_bind_int64(st, 1, cursor);
	sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)samples);
	return run(d, DISK_SET_LEDGER, "count", error);
}

int disk_set_sequence(struct disk *d, uint64_t sequence, struct vmt_error *error)
{
	return set_ledger(d, -1, "sequence", sequence, error);
}

int disk_set_ledger(struct disk *d, unsigned cursor, const char *name, uint64_t samples,
		    struct vmt_error *error)
{
	return set_ledger(d, cursor, name, samples, error);
}

int disk_set_cursor(struct disk *d, const struct disk_cursor *c, struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_SET_CURSOR, error);

	if (!st) {
		return -EIO;
	}
	sqlite3_bind_int64(st, 1, c->id);
	sqlite3_bind_text(st, 2, c->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, c->url, -1, SQLITE_STATIC);
	return run(d, DISK_SET_CURSOR, "publisher", error);
}

static int no_row(void *fn, void *context, sqlite3_stmt *row)
{
	return 0;
}

int disk_remove_cursor(struct disk *d, unsigned id, struct vmt_error *error)
{
	static const char *const texts[] = { "DELETE FROM ledger WHERE cursor = ?",
					     "DELETE FROM dead WHERE cursor = ?",
					     "DELETE FROM cursor WHERE id = ?" };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < G_N_ELEMENTS(texts); i++) {
		ret = each(d, texts[i], id, no_row, NULL, NULL, error);
	}
	return ret;
}

int disk_add_letter(struct disk *d, const struct disk_letter *l, struct vmt_error *error)
{
	sqlite3_stmt *st = get(d, DISK_ADD_LETTER, error);

	if (!st) {
		return -EIO;
	}
	sqlite3_bind_int64(st, 1, l->time_ns);
	sqlite3_bind_int64(st, 2, l->cursor);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)l->samples);
	sqlite3_bind_text(st, 4, l->reason, -1, SQLITE_STATIC);
	if (l->frame) {
		sqlite3_bind_blob64(st, 5, l->frame, l->frame_len, SQLITE_STATIC);
	}
	if (l->message) {
		sqlite3_bind_blob64(st, 6, l->message, l->message_len, SQLITE_STATIC);
	}
	return run(d, DISK_ADD_LETTER, "dead letter", error);
}

struct trim {
	uint64_t bytes, samples;
	int64_t last; /* id of the newest that goes */
};

static int trim_row(void *fn, void *context, sqlite3_stmt *row)
{
	struct trim *t = context;

	if ((uint64_t)sqlite3_column_int64(row, 2) > t->bytes) {
		t->last = MAX(t->last, sqlite3_column_int64(row, 0));
		t->samples += (uint64_t)sqlite3_column_int64(row, 1);
	}
	return 0;
}

int disk_trim_letters(struct disk *d, uint64_t bytes, uint64_t *ret_samples,
		      struct vmt_error *error)
{
	struct trim t = { .bytes = bytes };
	int ret = each(d, OLD_LETTERS, 0, trim_row, NULL, &t, error);

	if (ret == 0 && t.last) {
		ret = each(d, "DELETE FROM dead WHERE id <= ?", t.last, no_row, NULL, NULL, error);
	}
	if (ret == 0) {
		*ret_samples = t.samples;
	}
	return ret;
}

int disk_remove_letters(struct disk *d, int cursor, struct vmt_error *error)
{
	return each(d, "DELETE FROM dead WHERE ?1 < 0 OR cursor = ?1", cursor, no_row, NULL, NULL,
		    error);
}

int disk_commit(struct disk *d, struct vmt_error *error)
{
	int ret = get(d, DISK_COMMIT, error) ? run(d, DISK_COMMIT, "commit", error) : -EIO;

	if (ret == 0) {
		disk_make_reserve(d);
		sqlite3_db_release_memory(d->db);
	}
	return ret;
}

void disk_abort(struct disk *d)
{
	if (!sqlite3_get_autocommit(d->db)) {
		sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	}
	sqlite3_db_release_memory(d->db);
}

int disk_shrink(struct disk *d, struct vmt_error *error)
{
	uint64_t pages = 0, size = 0;
	char text[64];
	int ret = each(d, "PRAGMA freelist_count", 0, number_row, NULL, &pages, error);

	if (ret == 0) {
		ret = each(d, "PRAGMA page_size", 0, number_row, NULL, &size, error);
	}
	if (ret < 0 || pages * size <= SHRINK_BYTES) {
		return ret;
	}
	g_snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%" PRId64 ")",
		   SHRINK_STEP_BYTES / (int64_t)size);
	return each(d, text, 0, no_row, NULL, NULL, error);
}
