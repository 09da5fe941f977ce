/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A durable log whose file is hostile, opened as the agent does and read as `virtmeter spool` does.  It
 * is begun from a log as this program writes it, which the input changes.  Its first byte says how:
 *
 *	F  the rest is the file
 *	J  the rest is the journal beside it, as a crash leaves one
 *	P  changes of bytes: offset (3 bytes, little-endian, modulo the size), length, bytes
 *	R  rows: table, then a value per column (see put_value), inserted or replaced
 *
 * Whatever is read, each ledger must add up, what the log hands out must have its rows, and none
 * of it may stop the process.  Nothing is synced: SQLite's files are real, their sync does nothing.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/batch.h"
#include "spool/disk.h"
#include "spool/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spool_limits limits = { .frames = 100,
					    .bytes = 1 << 20,
					    .age_ns = 3600 * NS_PER_S,
					    .memory_bytes = 200,
					    .dead_bytes = 1 << 16 };
static const struct spool_publisher publishers[] = {
	{ .name = "sink/rpc/0", .url = "rpc://one", .max_messages = 50, .shape = { .samples = 1 } },
	{ .name = "sink/udp/0", .url = "udp://two" },
};

static struct {
	char *dir, *file, *journal;
	char *bytes; /* the file to begin from */
	gsize size;
	struct frame_pool *pool;
	struct resource *resource;
	struct buf frame; /* byte form of one that fits */
} base;

static void expect(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* ------------------------------------------------------------------ files without syncs */

static sqlite3_vfs *system_vfs, vfs;
static struct {
	const sqlite3_io_methods *real;
	sqlite3_io_methods own;
} methods[8]; /* the system's VFS has a few tables, by how a file is locked */

static int no_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int open_unsynced(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
	int code = system_vfs->xOpen(system_vfs, name, file, flags, out);

	(void)v;
	for (size_t i = 0; file->pMethods && i < G_N_ELEMENTS(methods); i++) {
		if (!methods[i].real) {
			methods[i].real = file->pMethods;
			methods[i].own = *file->pMethods;
			methods[i].own.xSync = no_sync;
		}
		if (methods[i].real == file->pMethods) {
			file->pMethods = &methods[i].own;
			break;
		}
	}
	return code;
}

static void put_vfs(void)
{
	system_vfs = sqlite3_vfs_find(NULL);
	vfs = *system_vfs;
	vfs.zName = "unsynced";
	vfs.xOpen = open_unsynced;
	expect(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

/* ------------------------------------------------------------------ the log to begin from */

static struct frame *make_frame(uint64_t bits, unsigned rows)
{
	struct batch_spec spec = {
		.name = "cpu", .unit = "ns", .kind = VMT_UINT64, .publishers = bits
	};
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, base.pool);
	frame_begin(&builder, VMT_PROFILE_26, clock_real(), 2);
	batch_begin(&builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(&builder, base.resource, (union vmt_num){ .u = r }, 1, 2);
	}
	batch_end(&builder);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

static void fill(struct spool *s)
{
	const struct vmt_rows rows = { 0, 1, 2 };

	for (size_t i = 0; i < G_N_ELEMENTS(publishers); i++) {
		expect(spool_cursor_add(s, &publishers[i]) == (int)i);
	}
	for (unsigned i = 0; i < 4; i++) {
		spool_append(s, make_frame(1 + i % 3, 3));
	}
	expect(spool_next(s, 0, 0) != NULL);
	spool_dead_letter(s, 0, &rows, 1, "too large", "{}", 2);
	spool_settle_frame(s, 0, &(struct spool_result){ .confirmed = 1, .refused = 2 });
}

/* Small pages: an input reaches more of the file, and each run is ten times as fast. */
static void make_small(void)
{
	sqlite3 *db;

	expect(sqlite3_open(base.file, &db) == SQLITE_OK);
	expect(sqlite3_exec(db, "PRAGMA page_size = 512; VACUUM", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

static void remove_all(void)
{
	static const char *const names[] = { "lock", "reserve", "spool.db", "spool.db-journal" };
	GDir *dir = g_dir_open(base.dir, 0, NULL);
	const char *name;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = g_build_filename(base.dir, names[i], NULL);

		g_unlink(path);
		g_free(path);
	}
	while (dir && (name = g_dir_read_name(dir))) {
		char *path = g_build_filename(base.dir, name, NULL);

		g_unlink(path); /* put aside as damaged */
		g_free(path);
	}
	g_dir_close(dir);
	g_rmdir(base.dir);
	g_free(base.dir);
	g_free(base.file);
	g_free(base.journal);
	g_free(base.bytes);
	buf_fini(&base.frame);
	resource_unref(base.resource);
	frame_pool_free(base.pool);
}

static void begin(void)
{
	const struct log_settings quiet = { .level = VMT_LOG_ERROR, .file = "/dev/null" };
	struct resource_head *head;
	struct vmt_error error;
	struct frame *frame;
	struct spool *s;

	put_vfs();
	expect(log_init(&quiet, &error) == 0);
	clock_simulate(INT64_C(1784641000) * NS_PER_S, 1000 * NS_PER_S);
	base.dir = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR)
			   ? g_mkdtemp(g_strdup("/dev/shm/virtmeter-fuzz-XXXXXX"))
			   : g_dir_make_tmp("virtmeter-fuzz-XXXXXX", NULL);
	expect(base.dir != NULL);
	base.file = g_build_filename(base.dir, "spool.db", NULL);
	base.journal = g_build_filename(base.dir, "spool.db-journal", NULL);
	base.pool = frame_pool_new(2);
	head = resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	base.resource = resource_new(head, "r", "}", 1);
	resource_head_unref(head);
	frame = make_frame(3, 3);
	expect(frame_encode(frame, &base.frame) == 0);
	frame_unref(frame);
	expect(spool_open(base.dir, &limits, base.pool, &s, &error) == 0);
	fill(s);
	spool_free(s);
	make_small();
	expect(g_file_get_contents(base.file, &base.bytes, &base.size, NULL));
	atexit(remove_all);
}

/* ------------------------------------------------------------------ what the input makes of it */

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && in->at < in->end; i++) {
		v |= (uint64_t)*in->at++ << (8 * i);
	}
	return v;
}

/* So many bytes, or what is left of them. */
static size_t take_bytes(struct input *in, const uint8_t **ret_bytes)
{
	size_t len = (size_t)take(in, 1);

	*ret_bytes = in->at;
	len = MIN(len, (size_t)(in->end - in->at));
	in->at += len;
	return len;
}

static void patch(struct input *in)
{
	while (in->at < in->end) {
		size_t at = (size_t)take(in, 3) % base.size, len;
		const uint8_t *bytes;
		FILE *f = g_fopen(base.file, "r+");

		expect(f && fseek(f, (long)at, SEEK_SET) == 0);
		len = take_bytes(in, &bytes);
		expect(fwrite(bytes, 1, len, f) == len);
		fclose(f);
	}
}

/* A value: its kind, and what that needs. */
static void put_value(struct input *in, sqlite3_stmt *st, int column)
{
	const uint8_t *bytes;
	size_t len;

	switch (take(in, 1)) {
	case 'i': /* a small number, signed */
		sqlite3_bind_int(st, column, (int8_t)take(in, 1));
		break;
	case 'q': /* 8 bytes, little-endian */
		sqlite3_bind_int64(st, column, (sqlite3_int64)take(in, 8));
		break;
	case 't': /* length, text */
		len = take_bytes(in, &bytes);
		sqlite3_bind_text(st, column, (const char *)bytes, (int)len, SQLITE_TRANSIENT);
		break;
	case 'b': /* length, bytes */
		len = take_bytes(in, &bytes);
		sqlite3_bind_blob(st, column, bytes, (int)len, SQLITE_TRANSIENT);
		break;
	case 'f': /* the bytes of a frame: 3 samples for both publishers */
		sqlite3_bind_blob(st, column, base.frame.data, (int)base.frame.len, SQLITE_STATIC);
		break;
	case 'r':
		sqlite3_bind_double(st, column, (double)take(in, 8) * 1e11);
		break;
	default:
		sqlite3_bind_null(st, column);
	}
}

static void put_rows(struct input *in)
{
	static const struct {
		char name;
		const char *insert;
	} tables[] = {
		{ 'c', "REPLACE INTO cursor VALUES (?, ?, ?)" },
		{ 'l', "REPLACE INTO ledger VALUES (?, ?, ?)" },
		{ 'e', "REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)" },
		{ 'b', "REPLACE INTO body VALUES (?, ?)" },
		{ 'd', "REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?)" },
	};
	sqlite3 *db;

	expect(sqlite3_open(base.file, &db) == SQLITE_OK);
	sqlite3_exec(db, "PRAGMA journal_mode = OFF; BEGIN", NULL, NULL, NULL);
	while (in->at < in->end) {
		char name = (char)take(in, 1);
		sqlite3_stmt *st = NULL;

		for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
			if (tables[i].name == name) {
				expect(sqlite3_prepare_v2(db, tables[i].insert, -1, &st, NULL) ==
				       SQLITE_OK);
			}
		}
		for (int i = 1; st && i <= sqlite3_bind_parameter_count(st); i++) {
			put_value(in, st, i);
		}
		if (st) {
			sqlite3_step(st); /* what the tables refuse is not there */
		}
		sqlite3_finalize(st);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *f = g_fopen(name, "w");

	expect(f && fwrite(bytes, 1, size, f) == size);
	fclose(f);
}

static void change(const uint8_t *data, size_t size)
{
	struct input in = { data + 1, data + size };

	g_unlink(base.journal);
	if (data[0] == 'F') {
		write_file(base.file, in.at, size - 1);
		return;
	}
	write_file(base.file, base.bytes, base.size);
	if (data[0] == 'J') {
		write_file(base.journal, in.at, size - 1);
	} else if (data[0] == 'P') {
		patch(&in);
	} else if (data[0] == 'R') {
		put_rows(&in);
	}
}

/* ------------------------------------------------------------------ what reads it */

static int see_cursor(void *context, const struct disk_cursor *cursor)
{
	*(size_t *)context += strlen(cursor->name) + strlen(cursor->url);
	return 0;
}

static int see_ledger(void *context, unsigned cursor, const char *name, uint64_t samples)
{
	expect(cursor < SPOOL_CURSORS);
	*(size_t *)context += strlen(name) + samples % 2;
	return 0;
}

static int see_entry(void *context, const struct disk_entry *entry)
{
	struct buf bytes = BUF_INIT;
	struct vmt_error error;
	struct frame *frame;

	(void)context;
	expect((entry->pending & ~entry->audience) == 0);
	if (disk_body(((struct disk **)context)[0], entry->sequence, &bytes, &error) == 0 &&
	    frame_decode(base.pool, bytes.data, bytes.len, &frame, &error) == 0) {
		frame_unref(frame);
	}
	buf_fini(&bytes);
	return 0;
}

static int see_letter(void *context, const struct disk_letter *letter)
{
	struct vmt_error error;
	struct frame *frame;

	(void)context;
	if (letter->frame &&
	    frame_decode(base.pool, letter->frame, letter->frame_len, &frame, &error) == 0) {
		frame_unref(frame);
	}
	return 0;
}

/* As the command does. */
static void look(void)
{
	struct vmt_error error;
	struct disk *disk;
	size_t seen = 0;

	if (disk_open(base.dir, DISK_READ, &disk, &error) < 0) {
		return;
	}
	disk_cursors(disk, see_cursor, &seen, &error);
	disk_ledgers(disk, see_ledger, &seen, &error);
	disk_entries(disk, see_entry, &disk, &error);
	disk_letters(disk, see_letter, NULL, &error);
	disk_check(disk, &error);
	disk_close(disk);
}

static void check_ledger(struct spool *s, unsigned cursor)
{
	struct spool_ledger l;
	uint64_t sum;

	spool_ledger(s, cursor, &l);
	sum = l.confirmed + l.queued;
	for (unsigned r = 0; r < SPOOL_REASONS; r++) {
		sum += l.dropped[r];
	}
	expect(l.produced == sum);
}

static void drain(struct spool *s, unsigned cursor)
{
	const struct frame *f;

	while ((f = spool_next(s, cursor, 0)) != NULL) {
		expect(f->rows > 0 && f->public.count > 0);
		spool_confirm(s, cursor);
		check_ledger(s, cursor);
	}
}

/* As the agent does: what was left goes first, then what is new. */
static void run(void)
{
	struct vmt_error error;
	struct spool *s;

	if (spool_open(base.dir, &limits, base.pool, &s, &error) < 0) {
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(publishers); i++) {
		if (spool_cursor_add(s, &publishers[i]) == (int)i) {
			check_ledger(s, (unsigned)i);
		}
	}
	spool_append(s, make_frame(3, 2));
	for (unsigned c = 0; c < G_N_ELEMENTS(publishers); c++) {
		drain(s, c);
	}
	spool_free(s);
	/* and what that made of the file */
	if (spool_open(base.dir, &limits, base.pool, &s, &error) == 0) {
		check_ledger(s, 0);
		spool_free(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!base.dir) {
		begin();
	}
	if (size == 0) {
		return 0;
	}
	change(data, size);
	look();
	run();
	return 0;
}
