/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the durable log: what outlives the process, whose it is, the bounds, dead letters, damage and
 * other versions.  A process that ended is played by spool_free, one that was killed by leaving the log
 * in a child; tests/fault/ kills at each write.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/batch.h"
#include "spool/disk.h"
#include "spool/spool.h"

static struct frame_pool *pool;
static struct resource *resource;

struct place {
	char *dir;
	struct spool *spool;
	struct spool_limits limits;
};

static const struct spool_publisher first = { .name = "sink/rpc/0", .url = "rpc://one" },
				    second = { .name = "sink/udp/0", .url = "udp://two" };

/* `rows` samples with values from `from` on, for the publishers in `bits`. */
static struct frame *make_frame(uint64_t bits, unsigned rows, unsigned from)
{
	struct batch_spec spec = {
		.name = "cpu", .unit = "ns", .kind = VMT_UINT64, .publishers = bits
	};
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, clock_real(), 2);
	batch_begin(&builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(&builder, resource, (union vmt_num){ .u = from + r }, 1, 2);
	}
	batch_end(&builder);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

static void place_open(struct place *p)
{
	struct vmt_error error = { "" };
	int ret = spool_open(p->dir, &p->limits, pool, &p->spool, &error);

	g_test_message("%s", error.text);
	g_assert_cmpint(ret, ==, 0);
}

static void place_init(struct place *p)
{
	p->dir = g_dir_make_tmp("virtmeter-queue-XXXXXX", NULL);
	p->limits = (struct spool_limits){
		.frames = 1000, .bytes = 1 << 30, .memory_bytes = 1 << 20, .dead_bytes = 1 << 20
	};
	place_open(p);
}

static void place_close(struct place *p)
{
	spool_free(p->spool);
	p->spool = NULL;
}

static void place_fini(struct place *p)
{
	GDir *dir = g_dir_open(p->dir, 0, NULL);
	const char *name;

	place_close(p);
	while ((name = g_dir_read_name(dir))) {
		char *path = g_build_filename(p->dir, name, NULL);

		g_unlink(path);
		g_free(path);
	}
	g_dir_close(dir);
	g_rmdir(p->dir);
	g_free(p->dir);
}

static void end(struct spool *s, unsigned cursor)
{
	spool_cursor_finish(s, cursor);
	spool_cursor_settle(s, cursor, SPOOL_SHUTDOWN);
	spool_cursor_remove(s, cursor);
}

static struct spool_ledger check(struct spool *s, unsigned cursor, uint64_t produced,
				 uint64_t confirmed, uint64_t dropped)
{
	struct spool_ledger l;
	uint64_t sum = 0;

	spool_ledger(s, cursor, &l);
	for (unsigned i = 0; i < SPOOL_REASONS; i++) {
		sum += l.dropped[i];
	}
	g_assert_cmpuint(l.produced, ==, produced);
	g_assert_cmpuint(l.confirmed, ==, confirmed);
	g_assert_cmpuint(sum, ==, dropped);
	g_assert_cmpuint(l.queued, ==, produced - confirmed - dropped);
	return l;
}

/* The next frame's first value; the frame is confirmed. */
static unsigned take(struct spool *s, unsigned cursor)
{
	const struct frame *f = spool_next(s, cursor, 0);
	unsigned value;

	g_assert_nonnull(f);
	value = (unsigned)f->value[0].u;
	spool_confirm(s, cursor);
	return value;
}

/* ---- what outlives the process */

static void test_restart(void)
{
	uint8_t id[16], again[16];
	const struct frame *f;
	struct place p;

	place_init(&p);
	g_assert_true(spool_is_durable(p.spool));
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	for (unsigned i = 0; i < 5; i++) {
		spool_append(p.spool, make_frame(3, 2, 10 * i));
	}
	g_assert_cmpuint(take(p.spool, 0), ==, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 10);
	f = spool_next(p.spool, 0, 0); /* under way when the process ends: comes again */
	vmt_batch_id(&f->public.batch[0], 1, id);
	g_assert_cmpuint(take(p.spool, 1), ==, 0);
	spool_drop(p.spool, 0, SPOOL_FAILED);
	g_assert_nonnull(spool_next(p.spool, 0, 0));
	end(p.spool, 0);
	end(p.spool, 1);
	check(p.spool, 0, 10, 4, 2);
	place_close(&p);

	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	check(p.spool, 0, 10, 4, 2);
	check(p.spool, 1, 10, 2, 0);
	spool_append(p.spool, make_frame(3, 1, 1000)); /* the backlog goes first */
	g_assert_cmpuint(take(p.spool, 0), ==, 30);
	g_assert_cmpuint(take(p.spool, 0), ==, 40);
	g_assert_cmpuint(take(p.spool, 0), ==, 1000);
	g_assert_null(spool_next(p.spool, 0, 0));
	g_assert_cmpuint(take(p.spool, 1), ==, 10);
	f = spool_next(p.spool, 1, 0);
	g_assert_cmpuint(f->public.sequence, ==, 3);
	vmt_batch_id(&f->public.batch[0], 1, again);
	g_assert_cmpmem(id, 16, again, 16);
	check(p.spool, 0, 11, 9, 2);
	end(p.spool, 0);
	end(p.spool, 1);
	place_fini(&p);
}

/* The process dies without a word: what was appended is there, confirmations of the last moment may be
 * forgotten, the ledger adds up. */
static void test_killed(void)
{
	struct place p;
	int status;
	pid_t child;

	place_init(&p);
	place_close(&p);
	child = fork();
	if (child == 0) {
		place_open(&p);
		spool_cursor_add(p.spool, &first);
		for (unsigned i = 0; i < 20; i++) {
			spool_append(p.spool, make_frame(1, 3, i));
		}
		for (unsigned i = 0; i < 7; i++) {
			take(p.spool, 0);
		}
		_exit(0);
	}
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_cmpint(status, ==, 0);
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	{
		struct spool_ledger l;
		unsigned next;

		spool_ledger(p.spool, 0, &l);
		g_assert_cmpuint(l.produced, ==, 60);
		g_assert_cmpuint(l.confirmed + l.queued, ==, 60);
		g_assert_cmpuint(l.confirmed, <=, 21);
		next = (unsigned)l.confirmed / 3;
		for (; next < 20; next++) {
			g_assert_cmpuint(take(p.spool, 0), ==, next);
		}
	}
	check(p.spool, 0, 60, 60, 0);
	end(p.spool, 0);
	place_fini(&p);
}

/* Only the youngest frames are held in memory; all come back, in order, whole. */
static void test_paged(void)
{
	struct place p;

	place_init(&p);
	p.spool = (spool_free(p.spool), NULL);
	p.limits.memory_bytes = 1;
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	for (unsigned i = 0; i < 50; i++) {
		spool_append(p.spool, make_frame(1, 100, i * 100));
	}
	for (unsigned i = 0; i < 50; i++) {
		const struct frame *f = spool_next(p.spool, 0, 0);

		for (unsigned r = 0; r < 100; r++) {
			g_assert_cmpuint(f->value[r].u, ==, i * 100 + r);
		}
		spool_confirm(p.spool, 0);
	}
	check(p.spool, 0, 5000, 5000, 0);
	end(p.spool, 0);
	place_fini(&p);
}

/* ---- whose it is */

static int reopened(struct place *p, const char *reserve, const char *name, const char *url)
{
	place_close(p);
	place_open(p);
	if (reserve) {
		spool_reserve(p->spool, reserve);
	}
	return spool_cursor_add(p->spool, &(struct spool_publisher){ .name = name, .url = url });
}

static void test_identity(void)
{
	struct place p;

	place_init(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	spool_append(p.spool, make_frame(1, 4, 7));
	end(p.spool, 0);
	end(p.spool, 1);
	/* the same URL in another place */
	g_assert_cmpint(reopened(&p, NULL, "other/rpc/3", "rpc://one"), ==, 0);
	check(p.spool, 0, 4, 0, 0);
	end(p.spool, 0);
	/* another URL in the same place: the backlog is for it now */
	g_assert_cmpint(reopened(&p, NULL, "other/rpc/3", "rpc://new"), ==, 0);
	end(p.spool, 0);
	/* the same sink and scheme */
	g_assert_cmpint(reopened(&p, NULL, "other/rpc/0", "rpc://newer"), ==, 0);
	end(p.spool, 0);
	/* not if somebody of that very URL is still to come */
	g_assert_cmpint(reopened(&p, "rpc://newer", "other/rpc/0", "rpc://x"), ==, 1);
	end(p.spool, 1);
	/* nor for another scheme; what is nobody's is kept */
	g_assert_cmpint(reopened(&p, NULL, "other/file/0", "file:///x"), !=, 0);
	g_assert_cmpint(spool_cursor_add(p.spool,
					 &(struct spool_publisher){ .name = "a/b/0",
								    .url = "rpc://newer" }),
			==, 0);
	check(p.spool, 0, 4, 0, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 7);
	place_fini(&p);
}

/* ---- bounds */

static void test_bounds(void)
{
	static const struct spool_publisher few = {
		.name = "s/t/0", .url = "t://", .max_messages = 10, .shape = { .samples = 1 }
	};
	struct spool_ledger l;
	struct place p;

	place_init(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &few), ==, 0);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	for (unsigned i = 0; i < 6; i++) {
		spool_append(p.spool, make_frame(3, 3, i));
	}
	l = check(p.spool, 0, 18, 0, 9); /* 3 messages each: three frames fit */
	g_assert_cmpuint(l.dropped[SPOOL_OVERFLOW], ==, 9);
	g_assert_cmpuint(l.queue_messages, ==, 9);
	check(p.spool, 1, 18, 0, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 3);
	end(p.spool, 0);
	end(p.spool, 1);
	place_close(&p);

	p.limits.bytes = 3000; /* a frame here is some 200 bytes */
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	for (unsigned i = 0; i < 100; i++) {
		spool_append(p.spool, make_frame(2, 1, 100 + i));
		spool_ledger(p.spool, 1, &l);
		g_assert_cmpuint(l.queue_bytes, <=, 3000);
	}
	g_assert_cmpuint(l.dropped[SPOOL_OVERFLOW], >, 50);
	g_assert_cmpuint(l.produced, ==, 118);
	end(p.spool, 1);
	place_close(&p);

	p.limits.bytes = 1 << 30;
	p.limits.age_ns = 3600 * NS_PER_S;
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	spool_append(p.spool, make_frame(2, 1, 500));
	clock_simulate_step(7200 * NS_PER_S);
	spool_append(p.spool, make_frame(2, 1, 501));
	spool_ledger(p.spool, 1, &l);
	g_assert_cmpuint(l.queued, ==, 1);
	g_assert_cmpuint(l.dropped[SPOOL_EXPIRED], >, 0);
	g_assert_cmpuint(take(p.spool, 1), ==, 501);
	place_fini(&p);
}

/* ---- dead letters */

static int look_at_letter(void *context, const struct disk_letter *letter)
{
	struct vmt_error error;
	struct frame *f;

	++*(unsigned *)context;
	g_assert_cmpuint(letter->samples, ==, 2);
	g_assert_cmpuint(letter->cursor, ==, 0);
	g_assert_cmpstr(letter->reason, ==, "too large");
	g_assert_cmpmem(letter->message, letter->message_len, "{}", 2);
	g_assert_cmpint(frame_decode(pool, letter->frame, letter->frame_len, &f, &error), ==, 0);
	g_assert_cmpuint(f->rows, ==, 2);
	g_assert_cmpuint(f->value[0].u, ==, 11);
	g_assert_cmpuint(f->value[1].u, ==, 12);
	frame_unref(f);
	return 0;
}

static void test_dead_letters(void)
{
	const struct vmt_rows rows = { 0, 1, 2 };
	struct spool_ledger l;
	unsigned seen = 0;
	struct place p;
	struct disk *disk;

	place_init(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	spool_append(p.spool, make_frame(1, 5, 10));
	g_assert_nonnull(spool_next(p.spool, 0, 0));
	spool_dead_letter(p.spool, 0, &rows, 1, "too large", "{}", 2);
	spool_settle_frame(p.spool, 0, &(struct spool_result){ .confirmed = 3, .refused = 2 });
	l = check(p.spool, 0, 5, 3, 2);
	g_assert_cmpuint(l.dead_letters, ==, 2);
	end(p.spool, 0);
	place_close(&p);
	g_assert_cmpint(disk_open(p.dir, DISK_READ, &disk, NULL), ==, 0);
	g_assert_cmpint(disk_letters(disk, look_at_letter, &seen, NULL), ==, 0);
	g_assert_cmpuint(seen, ==, 1);
	disk_close(disk);

	p.limits.dead_bytes = 4000; /* of some 500 each */
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	l = check(p.spool, 0, 5, 3, 2);
	g_assert_cmpuint(l.dead_letters, ==, 2);
	for (unsigned i = 0; i < 50; i++) {
		spool_append(p.spool, make_frame(1, 5, 10));
		g_assert_nonnull(spool_next(p.spool, 0, 0));
		spool_dead_letter(p.spool, 0, &rows, 1, "too large", NULL, 0);
		spool_settle_frame(p.spool, 0,
				   &(struct spool_result){ .confirmed = 3, .refused = 2 });
	}
	l = check(p.spool, 0, 255, 153, 102); /* the bound takes letters, not the count */
	g_assert_cmpuint(l.dead_letters, <, 40);
	g_assert_cmpuint(l.dead_letters, >, 4);
	end(p.spool, 0);
	place_fini(&p);
}

static int look_at_rejected(void *context, const struct disk_letter *letter)
{
	unsigned *seen = context;

	g_assert_cmpuint(letter->cursor, ==, DISK_SOURCES + (*seen > 0));
	g_assert_cmpuint(letter->samples, ==, 3 + *seen);
	g_assert_cmpstr(letter->reason, ==, "shape, type");
	g_assert_null(letter->frame);
	if (*seen == 0) {
		g_assert_cmpmem(letter->message, letter->message_len, "\0x", 2);
	} else {
		g_assert_null(letter->message);
	}
	++*seen;
	return 0;
}

static int look_at_source(void *context, const struct disk_cursor *cursor)
{
	unsigned *seen = context;

	g_assert_cmpuint(cursor->id, ==, DISK_SOURCES + *seen);
	g_assert_cmpstr(cursor->url, ==, *seen ? "tcp://b" : "udp://a");
	++*seen;
	return 0;
}

/* Messages that receivers rejected are dead letters, too, and keep the receiver's number over a restart. */
static void test_rejected(void)
{
	unsigned letters = 0, sources = 0;
	struct disk *disk;
	struct place p;

	place_init(&p);
	g_assert_cmpint(spool_source_add(p.spool, "udp://a"), ==, DISK_SOURCES);
	g_assert_cmpint(spool_reject(p.spool, DISK_SOURCES, 3, "shape, type", "\0x", 2), ==, 0);
	g_assert_cmpint(spool_commit(p.spool), ==, 0);
	place_close(&p);
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpint(spool_source_add(p.spool, "tcp://b"), ==, DISK_SOURCES + 1);
	g_assert_cmpint(spool_source_add(p.spool, "udp://a"), ==, DISK_SOURCES);
	g_assert_cmpint(spool_reject(p.spool, DISK_SOURCES + 1, 4, "shape, type", NULL, 0), ==, 0);
	end(p.spool, 0);
	place_close(&p);
	g_assert_cmpint(disk_open(p.dir, DISK_READ, &disk, NULL), ==, 0);
	g_assert_cmpint(disk_letters(disk, look_at_rejected, &letters, NULL), ==, 0);
	g_assert_cmpint(disk_sources(disk, look_at_source, &sources, NULL), ==, 0);
	g_assert_cmpuint(letters, ==, 2);
	g_assert_cmpuint(sources, ==, 2);
	disk_close(disk);
	place_fini(&p);
}

static int add_bytes(void *context, const struct disk_letter *letter)
{
	*(size_t *)context += letter->message_len;
	return 0;
}

/* Bounded in memory until the disk has them, and on the disk. */
static void test_rejected_bounds(void)
{
	char *big = g_malloc0(1 << 20);
	size_t bytes = 0;
	struct disk *disk;
	struct place p;
	unsigned n = 0;

	place_init(&p);
	place_close(&p);
	p.limits.dead_bytes = 8 << 20;
	place_open(&p);
	g_assert_cmpint(spool_source_add(p.spool, "udp://a"), ==, DISK_SOURCES);
	for (unsigned turn = 0; turn < 5; turn++) {
		for (n = 0; spool_reject(p.spool, DISK_SOURCES, 1, "format", big, 1 << 20) == 0;) {
			g_assert_cmpuint(++n, <, 10);
		}
		g_assert_cmpuint(n, >=, 2);
		g_assert_cmpint(spool_commit(p.spool), ==, 0);
	}
	place_close(&p);
	g_assert_cmpint(disk_open(p.dir, DISK_READ, &disk, NULL), ==, 0);
	g_assert_cmpint(disk_letters(disk, add_bytes, &bytes, NULL), ==, 0);
	g_assert_cmpuint(bytes, <, 8 << 20);
	g_assert_cmpuint(bytes, >=, 4 << 20);
	disk_close(disk);
	g_free(big);
	place_fini(&p);
}

/* ---- damage, versions, others */

static void change(const struct place *p, const char *sql)
{
	char *path = g_build_filename(p->dir, "spool.db", NULL);
	sqlite3 *db;

	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
	sqlite3_close(db);
	g_free(path);
}

/* A frame that cannot be read back is dropped by its count; the others are not held up. */
static void test_damaged_frame(void)
{
	struct spool_ledger l;
	struct place p;

	place_init(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	for (unsigned i = 0; i < 4; i++) {
		spool_append(p.spool, make_frame(1, 3, i));
	}
	end(p.spool, 0);
	place_close(&p);
	change(&p, "UPDATE body SET frame = CAST(substr(frame, 1, length(frame) - 8) || 'xxxxxxxx'"
		   " AS BLOB) WHERE sequence = 2; DELETE FROM body WHERE sequence = 3");
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 3);
	l = check(p.spool, 0, 12, 6, 6);
	g_assert_cmpuint(l.dropped[SPOOL_DAMAGED], ==, 6);
	place_fini(&p);
}

static void test_damaged_file(void)
{
	char *path, garbage[8192];
	struct place p;

	place_init(&p);
	place_close(&p);
	memset(garbage, 'x', sizeof(garbage));
	path = g_build_filename(p.dir, "spool.db", NULL);
	g_assert_true(g_file_set_contents(path, garbage, sizeof(garbage), NULL));
	place_open(&p); /* put aside, and goes on */
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	spool_append(p.spool, make_frame(1, 3, 5));
	g_assert_cmpuint(take(p.spool, 0), ==, 5);
	g_free(path);
	place_fini(&p);
}

static void refused(const struct place *p, int code, const char *part)
{
	struct vmt_error error = { "" };
	struct spool *spool = NULL;

	g_assert_cmpint(spool_open(p->dir, &p->limits, pool, &spool, &error), ==, code);
	g_test_message("%s", error.text);
	g_assert_nonnull(strstr(error.text, part));
	g_assert_true(g_str_has_prefix(error.text, "queue "));
}

/* A log as the first version wrote it, made without any code of this one: a cursor with a ledger, two
 * frames of two samples (10 and 11) of which one was confirmed by one publisher, a dead letter. */
#define FRAME_1                                                                                    \
	"564d4652010000009d0000000200000088d4cc7dd7efd3590000000000000000020000000100"             \
	"00000100000001000000000000000000000000000000000000000a0000006f70656e73746163"             \
	"6b020000007b000000000200000072020000007d04000000637075030000006e730001000002"             \
	"00000001000000000000000200000000000000030000000000000034122400850911f18413fb"             \
	"cfef2f7f9b00000000000000000a000000000000000b00000000000000"

static void test_version_1(void)
{
	static const char *const tables =
		"PRAGMA application_id = 1986884464; PRAGMA user_version = 1;"
		"CREATE TABLE cursor (id INTEGER PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL);"
		"CREATE TABLE ledger (cursor INTEGER NOT NULL, name TEXT NOT NULL,"
		" samples INTEGER NOT NULL, PRIMARY KEY (cursor, name)) WITHOUT ROWID;"
		"CREATE TABLE entry (sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
		" bytes INTEGER NOT NULL, audience INTEGER NOT NULL, pending INTEGER NOT NULL,"
		" shares BLOB NOT NULL);"
		"CREATE TABLE body (sequence INTEGER PRIMARY KEY, frame BLOB NOT NULL);"
		"CREATE TABLE dead (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,"
		" cursor INTEGER NOT NULL, samples INTEGER NOT NULL, reason TEXT NOT NULL,"
		" frame BLOB, message BLOB);";
	static const char *const rows =
		"INSERT INTO cursor VALUES (0, 'sink/rpc/0', 'rpc://one'), (1, 'sink/udp/0', 'udp://two');"
		"INSERT INTO ledger VALUES (-1, 'sequence', 2), (0, 'produced', 7), (0, 'confirmed', 3),"
		" (0, 'refused', 2), (1, 'produced', 2);"
		"INSERT INTO entry VALUES"
		" (1, 1784641000000000000, 181, 3, 2, x'02000000010000000200000001000000'),"
		" (2, 1784641000000000000, 181, 1, 1, x'0200000001000000');"
		"INSERT INTO body VALUES (1, x'" FRAME_1 "'), (2, x'" FRAME_1 "');"
		"INSERT INTO dead VALUES (1, 1784641000000000000, 0, 2, 'too large', x'" FRAME_1
		"', x'7b7d')";
	struct spool_ledger l;
	struct place p;
	char *path;

	place_init(&p);
	place_close(&p);
	path = g_build_filename(p.dir, "spool.db", NULL);
	g_assert_cmpint(g_unlink(path), ==, 0);
	change(&p, tables);
	change(&p, rows);
	place_open(&p);
	g_assert_cmpint(spool_cursor_add(p.spool, &first), ==, 0);
	g_assert_cmpint(spool_cursor_add(p.spool, &second), ==, 1);
	l = check(p.spool, 0, 7, 3, 2);
	g_assert_cmpuint(l.dropped[SPOOL_REFUSED], ==, 2);
	g_assert_cmpuint(l.dead_letters, ==, 2);
	check(p.spool, 1, 2, 0, 0);
	g_assert_cmpuint(take(p.spool, 0), ==, 10);
	g_assert_cmpuint(take(p.spool, 1), ==, 10);
	spool_append(p.spool, make_frame(1, 1, 30));
	g_assert_cmpuint(take(p.spool, 0), ==, 30);
	g_free(path);
	place_fini(&p);
}

static void test_others(void)
{
	struct place p;

	place_init(&p);
	refused(&p, -EBUSY, "in use by process");
	place_close(&p);
	change(&p, "PRAGMA user_version = 99");
	refused(&p, -EPROTO, "written by a newer virtmeter (version 99");
	change(&p, "PRAGMA user_version = 1");
	place_open(&p);
	place_fini(&p);
}

int main(int argc, char **argv)
{
	struct resource_head *head;
	int ret;

	g_test_init(&argc, &argv, NULL);
	clock_simulate(INT64_C(1784641000) * NS_PER_S, 1000 * NS_PER_S);
	pool = frame_pool_new(4);
	head = resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	resource = resource_new(head, "r", "}", 1);
	resource_head_unref(head);
	g_test_add_func("/durable/restart", test_restart);
	g_test_add_func("/durable/killed", test_killed);
	g_test_add_func("/durable/paged", test_paged);
	g_test_add_func("/durable/identity", test_identity);
	g_test_add_func("/durable/bounds", test_bounds);
	g_test_add_func("/durable/dead-letters", test_dead_letters);
	g_test_add_func("/durable/rejected", test_rejected);
	g_test_add_func("/durable/rejected-bounds", test_rejected_bounds);
	g_test_add_func("/durable/damaged-frame", test_damaged_frame);
	g_test_add_func("/durable/damaged-file", test_damaged_file);
	g_test_add_func("/durable/version-1", test_version_1);
	g_test_add_func("/durable/others", test_others);
	ret = g_test_run();
	resource_unref(resource);
	frame_pool_free(pool);
	return ret;
}
