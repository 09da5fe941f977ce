/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable log: cycles of 30 000 samples (1000 instances, metadata and all) appended and committed, one
 * publisher away and one that keeps up, beside a bare SQLite loop that commits the same bytes under the
 * same pragmas; and opening a backlog.  Exit status 1 when a target is missed.
 * Usage: spool-bench [CYCLES [BACKLOG_MIB]]
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/batch.h"
#include "spool/spool.h"

enum { INSTANCES = 1000, METERS = 30, ROWS = INSTANCES * METERS, TARGET_OPEN_MS = 100 };
#define TARGET_RATE 1e6

static struct frame_pool *pool;
static struct resource *resource[INSTANCES];

/* An instance's metadata as Nova has it, some 700 bytes. */
static void make_resources(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		char *id = g_strdup_printf("bd940000-0000-4000-8000-%012d", i);
		char *head = g_strdup_printf(
			"{\"display_name\": \"web-%d\", \"name\": \"instance-%08x\", \"host\": \"%056d\", "
			"\"flavor\": {\"id\": \"2\", \"name\": \"m1.small\", \"vcpus\": 1, \"ram\": 2048, "
			"\"disk\": 20, \"ephemeral\": 0, \"swap\": 0}, \"image\": {\"id\": \"%s\"}, "
			"\"image_ref\": \"%s\", \"status\": \"active\", \"state\": \"running\", "
			"\"task_state\": \"\", \"vcpus\": 1, \"memory_mb\": 2048, \"disk_gb\": 20, "
			"\"ephemeral_gb\": 0, \"root_gb\": 20, \"architecture\": \"x86_64\", "
			"\"OS-EXT-AZ:availability_zone\": \"nova\"",
			i, i, i, id, id);
		struct resource_owner owner = { .project_id = "0c2f5b9c4e0d4f0f8f4a9a1d3c5b7e91",
						.user_id = "5f5c3a7d9b1e4c2f8a6d0e3b7c9f1a25",
						.project_name = "demo",
						.user_name = "alice",
						.source = "openstack" };
		struct resource_head *h = resource_head_new(&owner, head, strlen(head));

		resource[i] = resource_new(h, id, "}", 1);
		resource_head_unref(h);
		g_free(head);
		g_free(id);
	}
}

static struct frame *make_frame(void)
{
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, clock_real(), 2);
	for (int m = 0; m < METERS; m++) {
		struct batch_spec spec = { .unit = "B", .kind = VMT_UINT64, .publishers = 3 };
		char name[32];

		g_snprintf(name, sizeof(name), "disk.device.meter.%d", m);
		spec.name = batch_text(&builder, name);
		batch_begin(&builder, &spec, INSTANCES);
		for (int i = 0; i < INSTANCES; i++) {
			batch_add(&builder, resource[i], (union vmt_num){ .u = (uint64_t)i }, 1, 2);
		}
		batch_end(&builder);
	}
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

static void remove_all(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(d))) {
		char *path = g_build_filename(dir, name, NULL);

		g_unlink(path);
		g_free(path);
	}
	g_dir_close(d);
}

static struct spool *open_log(const char *dir, uint64_t bytes, unsigned cursors)
{
	static const struct spool_publisher publishers[2] = { { .name = "s/a/0", .url = "a://" },
							      { .name = "s/b/0", .url = "b://" } };
	const struct spool_limits limits = {
		.frames = 1000000, .bytes = bytes, .memory_bytes = 16 << 20, .dead_bytes = 1 << 20
	};
	struct vmt_error error = { "" };
	struct spool *spool = NULL;

	if (spool_open(dir, &limits, pool, &spool, &error) < 0) {
		g_error("%s", error.text);
	}
	for (unsigned i = 0; i < cursors; i++) {
		spool_cursor_add(spool, &publishers[i]);
	}
	return spool;
}

static void close_log(struct spool *spool, unsigned cursors)
{
	for (unsigned c = 0; c < cursors; c++) {
		spool_cursor_finish(spool, c);
		spool_cursor_settle(spool, c, SPOOL_SHUTDOWN);
		spool_cursor_remove(spool, c);
	}
	spool_free(spool);
}

/* Seconds for so many cycles.  `dead`: a second publisher never takes anything. */
static double append(const char *dir, int cycles, bool dead, bool live)
{
	struct spool *spool = open_log(dir, UINT64_C(1) << 40, dead ? 2 : 1);
	int64_t begin, spent = 0;

	for (int i = 0; i < cycles; i++) {
		struct frame *frame = make_frame();

		begin = clock_monotonic();
		spool_append(spool, frame);
		spent += clock_monotonic() - begin;
		if (live && spool_next(spool, 0, 0)) {
			spool_confirm(spool, 0); /* on its own thread in the agent */
		}
	}
	close_log(spool, dead ? 2 : 1);
	return (double)spent / 1e9;
}

/* The same bytes by a bare loop. */
static double bare(const char *dir, int cycles)
{
	char *path = g_build_filename(dir, "bare.db", NULL);
	struct frame *frame = make_frame();
	struct buf bytes = BUF_INIT;
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t begin, spent;

	frame_encode(frame, &bytes);
	frame_unref(frame);
	g_assert(sqlite3_open(path, &db) == SQLITE_OK);
	sqlite3_exec(
		db,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 32768; PRAGMA journal_mode = "
		"PERSIST; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
		"CREATE TABLE body (sequence INTEGER PRIMARY KEY, frame BLOB)",
		NULL, NULL, NULL);
	g_assert(sqlite3_prepare_v2(db, "INSERT INTO body VALUES (?, ?)", -1, &st, NULL) ==
		 SQLITE_OK);
	begin = clock_monotonic();
	for (int i = 0; i < cycles; i++) {
		sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
		sqlite3_bind_int(st, 1, i);
		sqlite3_bind_blob64(st, 2, bytes.data, bytes.len, SQLITE_STATIC);
		g_assert(sqlite3_step(st) == SQLITE_DONE);
		sqlite3_reset(st);
		g_assert(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
	}
	spent = clock_monotonic() - begin;
	sqlite3_finalize(st);
	sqlite3_close(db);
	buf_fini(&bytes);
	g_free(path);
	return (double)spent / 1e9;
}

static double open_ms(const char *dir)
{
	int64_t begin = clock_monotonic(), spent;
	struct spool *spool = open_log(dir, UINT64_C(1) << 40, 1);

	spent = clock_monotonic() - begin;
	close_log(spool, 1);
	return (double)spent / 1e6;
}

/* The best of three, with the file as the kernel has it. */
static double backlog(const char *dir, uint64_t bytes, double *ret_mib)
{
	struct spool *spool = open_log(dir, UINT64_C(1) << 40, 1);
	struct spool_ledger l = { 0 };
	double best = 0;

	for (int i = 0; l.queue_bytes < bytes; i++) {
		spool_append(spool, make_frame());
		spool_ledger(spool, 0, &l);
	}
	*ret_mib = (double)l.queue_bytes / (1 << 20);
	close_log(spool, 1);
	for (int i = 0; i < 3; i++) {
		double ms = open_ms(dir);

		best = i == 0 || ms < best ? ms : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	int cycles = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 40;
	uint64_t backlog_bytes = (uint64_t)(argc > 2 ? strtol(argv[2], NULL, 10) : 1024) << 20;
	char *dir = g_dir_make_tmp("virtmeter-bench-XXXXXX", NULL);
	double limit, ours, dead, rate, ms, mib = 0;

	pool = frame_pool_new(4);
	make_resources();
	limit = bare(dir, cycles);
	remove_all(dir);
	ours = append(dir, cycles, false, true);
	remove_all(dir);
	dead = append(dir, cycles, true, true);
	remove_all(dir);
	rate = (double)ROWS * cycles / ours;
	ms = backlog(dir, backlog_bytes, &mib);
	remove_all(dir);
	g_rmdir(dir);
	printf("spool append      %.2f M samples/s committed in cycles of %d k (target %.1f): %.2f of a bare "
	       "SQLite loop (%.2f M/s)\n",
	       rate / 1e6, ROWS / 1000, TARGET_RATE / 1e6, limit / ours,
	       (double)ROWS * cycles / limit / 1e6);
	printf("spool append      %.2f of that with a second publisher that is dead\n",
	       ours / dead);
	printf("spool open        %.1f ms for a backlog of %.0f MiB (target %d)\n", ms, mib,
	       TARGET_OPEN_MS);
	for (int i = 0; i < INSTANCES; i++) {
		resource_unref(resource[i]);
	}
	frame_pool_free(pool);
	g_free(dir);
	return rate < TARGET_RATE || ms > TARGET_OPEN_MS ? 1 : 0;
}
