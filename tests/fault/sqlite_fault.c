/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite store on a disk that fails, or in a process that dies, at the Nth write, for every N of a
 * short run.  A layer below SQLite (its VFS) counts what changes the disk and lets one operation fail.
 * Whatever N was: when all frames are confirmed each sample is there once, and the database is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "publisher/fixture.h"
#include "publisher/sqlite/store.h"

extern const struct vmt_plugin vmt_plugin_publisher_sqlite;

#define OPS (vmt_plugin_publisher_sqlite.ops.publisher)

enum { RESOURCES = 8, METERS = 6, FRAMES = 4, DIED = 7, PASSED = 8 };

/* ------------------------------------------------------------------ the layer below */

enum fault { NONE, FAIL, FULL, DIE, DIE_TORN };

static struct {
	enum fault fault;
	long at; /* which operation it strikes; 0: none */
	long count; /* operations so far */
} disk;

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* lies behind this structure */
};

#define REAL(f) (((struct fault_file *)(f))->real)

/* Counts; the code to answer instead of doing it, or SQLITE_OK. */
static int strike(int failure)
{
	if (++disk.count != disk.at) {
		return SQLITE_OK;
	}
	switch (disk.fault) {
	case FAIL:
		return failure;
	case FULL:
		return SQLITE_FULL;
	case DIE:
		_exit(DIED);
	default:
		return SQLITE_OK;
	}
}

static int f_close(sqlite3_file *f)
{
	return REAL(f)->pMethods->xClose(REAL(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int code;

	if (disk.fault == DIE_TORN && disk.count + 1 == disk.at) {
		REAL(f)->pMethods->xWrite(REAL(f), p, n / 2, at);
		_exit(DIED);
	}
	code = strike(SQLITE_IOERR_WRITE);
	return code ? code : REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int code = strike(SQLITE_IOERR_TRUNCATE);

	return code ? code : REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	/* Not passed on: the death of a process does not lose what the kernel has. */
	(void)f;
	(void)flags;
	return strike(SQLITE_IOERR_FSYNC);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return REAL(f)->pMethods->xFileSize(REAL(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
	return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
	return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int f_device(sqlite3_file *f)
{
	return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, p);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return REAL(f)->pMethods->xShmLock(REAL(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int f_shm_unmap(sqlite3_file *f, int gone)
{
	return REAL(f)->pMethods->xShmUnmap(REAL(f), gone);
}

static const sqlite3_io_methods methods = {
	2,          f_close,       f_read,      f_write,   f_truncate, f_sync,   f_size,
	f_lock,     f_unlock,      f_reserved,  f_control, f_sector,   f_device, f_shm_map,
	f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,      NULL,
};

static sqlite3_vfs *system_vfs, vfs;

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct fault_file *f = (struct fault_file *)file;
	int code;

	(void)v;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	code = system_vfs->xOpen(system_vfs, name, f->real, flags, out);
	if (f->real->pMethods) {
		f->base.pMethods = &methods;
	}
	return code;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int code = strike(SQLITE_IOERR_DELETE);

	(void)v;
	return code ? code : system_vfs->xDelete(system_vfs, name, sync);
}

static void put_layer(void)
{
	system_vfs = sqlite3_vfs_find(NULL);
	vfs = *system_vfs;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + system_vfs->szOsFile;
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	g_assert_cmpint(sqlite3_vfs_register(&vfs, 1), ==, SQLITE_OK);
}

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
static void fail_everywhere(enum fault fault, long step)
{
	char *folder = fixture_folder();
	unsigned struck = 0;

	disk.fault = fault;
	for (disk.at = 1;; disk.at += g_test_slow() ? 1 : step) {
		char *path = fresh(folder);

		disk.count = 0;
		struck += publish_all(path, 0, -1);
		assert_whole(path);
		g_free(path);
		if (disk.count < disk.at) {
			break;
		}
	}
	g_test_message("up to place %ld, %u publishes failed", disk.at - 1, struck);
	g_assert_cmpint(disk.at, >, 40);
	g_assert_cmpuint(struck, >, 20);
	disk.at = 0;
	fixture_remove(folder);
}

static void test_fail(void)
{
	fail_everywhere(FAIL, 1);
}

static void test_full(void)
{
	fail_everywhere(FULL, 3);
}

/* Frames that the child had confirmed before it ended; *ret_end: 0 when there was no such place, DIED, or
 * PASSED when that place was none to die at (a sync cannot be torn). */
static unsigned run_child(char *path, int *ret_end)
{
	int ends[2], status;
	unsigned confirmed = 0;
	pid_t child;
	char c;

	g_assert_cmpint(pipe(ends), ==, 0);
	child = fork();
	g_assert_cmpint(child, >=, 0);
	if (child == 0) {
		close(ends[0]);
		disk.count = 0;
		publish_all(path, 0, ends[1]);
		_exit(disk.count < disk.at ? 0 : PASSED);
	}
	close(ends[1]);
	while (read(ends[0], &c, 1) == 1) {
		confirmed++;
	}
	close(ends[0]);
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_true(WIFEXITED(status));
	*ret_end = WEXITSTATUS(status);
	g_assert_true(*ret_end == 0 || *ret_end == DIED || *ret_end == PASSED);
	return confirmed;
}

static void die_everywhere(enum fault fault, long step)
{
	char *folder = fixture_folder();
	int end = DIED;
	long places = 0;

	disk.fault = fault;
	for (disk.at = 1; end; disk.at += g_test_slow() ? 1 : step) {
		char *path = fresh(folder);
		unsigned confirmed = run_child(path, &end);
		long at = disk.at;

		places += end == DIED;
		disk.at = 0; /* the disk is well again */
		publish_all(path, confirmed, -1);
		assert_whole(path);
		disk.at = at;
		g_free(path);
	}
	g_test_message("%ld places", places);
	g_assert_cmpint(places, >, 40);
	disk.at = 0;
	fixture_remove(folder);
}

static void test_die(void)
{
	die_everywhere(DIE, 3);
}

static void test_die_torn(void)
{
	die_everywhere(DIE_TORN, 1);
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
	put_layer();
	g_test_add_func("/fault/sqlite/fail", test_fail);
	g_test_add_func("/fault/sqlite/full", test_full);
	g_test_add_func("/fault/sqlite/die", test_die);
	g_test_add_func("/fault/sqlite/die-torn", test_die_torn);
	g_test_add_func("/fault/sqlite/no-room", test_no_room);
	return g_test_run();
}
