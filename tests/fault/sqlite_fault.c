/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite store on a disk that fails, or in a process that dies, at the Nth write, for every N of a
 * short run (fault_vfs.h).
 * Whatever N was: when all frames are confirmed each sample is there once, and the database is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "fault_vfs.h"
#include "publisher/fixture.h"
#include "publisher/sqlite/store.h"

extern const struct vmt_plugin vmt_plugin_publisher_sqlite;

#define OPS (vmt_plugin_publisher_sqlite.ops.publisher)

enum { RESOURCES = 8, METERS = 6, FRAMES = 4 };

/* ------------------------------------------------------------------ a run */

static void *open_store(char *path)
{
	/* A small cache, so that pages are written before the commit too. */
	const struct store_conf conf = { .synchronous = "full",
					 .time_to_live = -1,
					 .page_cache = 16 };
	struct vmt_url url = { .text = path, .scheme = "sqlite", .host = "", .path = path };
	struct vmt_error error;
	void *self;

	g_assert_cmpint(OPS->open(&conf, &url, false, &self, &error), ==, 0);
	return self;
}

/* Publishes the frames from `first` on, each until it is confirmed, and tells `tell` (-1: nobody) about
 * it.  How often it had to try again. */
static unsigned publish_all(char *path, unsigned first, int tell)
{
	void *self = open_store(path);
	unsigned failures = 0;
	struct fixture f;

	fixture_init(&f, RESOURCES, METERS);
	for (unsigned frame = first; frame < FRAMES; frame++) {
		struct vmt_error error = { "" };
		struct vmt_call call = fixture_call(60);

		fixture_cycle(&f, frame, FIXTURE_TIME + frame * INT64_C(10000000000));
		if (frame >= 2) { /* something new besides points */
			fixture_metadata(&f.resource[0], "{\"status\": \"paused\"}");
		}
		while (OPS->publish(self, &f.frame, 1, &call, &error)) {
			g_assert_cmpstr(error.text, !=, "");
			g_assert_cmpuint(++failures, <, 10);
		}
		if (tell >= 0) {
			g_assert_cmpint(write(tell, "+", 1), ==, 1);
		}
	}
	OPS->close(self);
	fixture_fini(&f);
	return failures;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	int64_t answer;

	g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &s, NULL), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_step(s), ==, SQLITE_ROW);
	answer = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return answer;
}

static void assert_whole(const char *path)
{
	sqlite3 *db;

	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	g_assert_cmpint(ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), ==,
			1);
	g_assert_cmpint(ask(db, "SELECT count(*) FROM sample"), ==, RESOURCES * METERS * FRAMES);
	g_assert_cmpint(ask(db,
			    "SELECT count(DISTINCT name || resource_id || timestamp) FROM sample"),
			==, RESOURCES * METERS * FRAMES);
	g_assert_cmpint(ask(db,
			    "SELECT count(*) FROM sample WHERE resource_metadata LIKE '%paused%'"),
			==, METERS * (FRAMES - 2));
	g_assert_cmpint(ask(db, "SELECT count(*) FROM counter WHERE name = 'conflicts'"), ==, 0);
	sqlite3_close(db);
}

static char *fresh(char *folder)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char *path = g_build_filename(folder, "samples.db", NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		char *name = g_strconcat(path, ends[i], NULL);

		unlink(name);
		g_free(name);
	}
	return path;
}

/* ------------------------------------------------------------------ tests */

/* `step`: 1, every place; more (unless the run may be slow), so many further each time. */
static void fail_everywhere(enum fault_kind fault, long step)
{
	char *folder = fixture_folder();
	unsigned struck = 0;

	fault_disk.fault = fault;
	for (fault_disk.at = 1;; fault_disk.at += g_test_slow() ? 1 : step) {
		char *path = fresh(folder);

		fault_disk.count = 0;
		struck += publish_all(path, 0, -1);
		assert_whole(path);
		g_free(path);
		if (fault_disk.count < fault_disk.at) {
			break;
		}
	}
	g_test_message("up to place %ld, %u publishes failed", fault_disk.at - 1, struck);
	g_assert_cmpint(fault_disk.at, >, 40);
	g_assert_cmpuint(struck, >, 20);
	fault_disk.at = 0;
	fixture_remove(folder);
}

static void test_fail(void)
{
	fail_everywhere(FAULT_FAIL, 1);
}

static void test_full(void)
{
	fail_everywhere(FAULT_FULL, 3);
}

/* Frames that the child had confirmed before it ended; *ret_end: 0 when there was no such place, CHILD_DIED, or
 * CHILD_PASSED when that place was none to die at (a sync cannot be torn). */
static unsigned run_child(char *path, int *ret_end)
{
	unsigned confirmed = 0;
	int fd;
	pid_t child = child_start(&fd);
	char c;

	if (child == 0) {
		fault_disk.count = 0;
		publish_all(path, 0, fd);
		_exit(fault_disk.count < fault_disk.at ? CHILD_DONE : CHILD_PASSED);
	}
	while (read(fd, &c, 1) == 1) {
		confirmed++;
	}
	*ret_end = child_end(child, fd);
	return confirmed;
}

static void die_everywhere(enum fault_kind fault, long step)
{
	char *folder = fixture_folder();
	int end = CHILD_DIED;
	long places = 0;

	fault_disk.fault = fault;
	for (fault_disk.at = 1; end; fault_disk.at += g_test_slow() ? 1 : step) {
		char *path = fresh(folder);
		unsigned confirmed = run_child(path, &end);
		long at = fault_disk.at;

		places += end == CHILD_DIED;
		fault_disk.at = 0; /* the disk is well again */
		publish_all(path, confirmed, -1);
		assert_whole(path);
		fault_disk.at = at;
		g_free(path);
	}
	g_test_message("%ld places", places);
	g_assert_cmpint(places, >, 40);
	fault_disk.at = 0;
	fixture_remove(folder);
}

static void test_die(void)
{
	die_everywhere(FAULT_DIE, 3);
}

static void test_die_torn(void)
{
	die_everywhere(FAULT_DIE_TORN, 1);
}

/* No file may grow past some size, as on a small disk; later it may. */
static void test_no_room(void)
{
	struct rlimit old, small = { 160 << 10, RLIM_INFINITY };
	char *folder = fixture_folder(), *path = fresh(folder);
	void *self = open_store(path);
	unsigned confirmed = 0, refused = 0;
	struct vmt_error error;
	struct fixture f;

	signal(SIGXFSZ, SIG_IGN);
	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
	small.rlim_max = old.rlim_max;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
	fixture_init(&f, 100, 30);
	for (unsigned frame = 0; frame < 6; frame++) {
		struct vmt_call call = fixture_call(60);

		fixture_cycle(&f, frame, FIXTURE_TIME + frame * INT64_C(60000000000));
		while (OPS->publish(self, &f.frame, 1, &call, &error)) {
			g_assert_nonnull(strstr(error.text, "make room"));
			if (++refused == 3) {
				g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
			}
			g_assert_cmpuint(refused, <=, 3);
		}
		confirmed++;
	}
	g_assert_cmpuint(refused, ==, 3);
	g_assert_cmpuint(confirmed, ==, 6);
	g_assert_cmpuint(((struct store *)self)->counts.stored, ==, 6 * 3000);
	g_assert_cmpuint(((struct store *)self)->counts.repeats, ==, 0);
	OPS->close(self);
	fixture_fini(&f);
	g_free(path);
	fixture_remove(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fault_vfs_put();
	g_test_add_func("/fault/sqlite/fail", test_fail);
	g_test_add_func("/fault/sqlite/full", test_full);
	g_test_add_func("/fault/sqlite/die", test_die);
	g_test_add_func("/fault/sqlite/die-torn", test_die_torn);
	g_test_add_func("/fault/sqlite/no-room", test_no_room);
	return g_test_run();
}
