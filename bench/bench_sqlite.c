/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite store beside its limit: the same rows into the same table by nothing but a prepared insert,
 * sorted beforehand, with the same journal and the same syncs; and beside the table as one would first
 * write it, by (series, time).  Arguments: folder, resources, meters, cycles, seconds between them;
 * the first cycles, in which resources and series are new, are not timed.  They take turns, and the best of each
 * counts, for others use the machine too.
 */
#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "publisher/fixture.h"
#include "publisher/sqlite/store.h"

#define START INT64_C(1784642160123456000) /* 2026-07-21T13:56:00.123456 */

enum { WARM = 2, TURNS = 3 }; /* WARM: cycles before the clock is started */

extern const struct vmt_plugin vmt_plugin_publisher_sqlite;

struct size {
	uint32_t resources, meters, cycles;
	int64_t interval_ns;
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		g_error("%s: %s", sql, sqlite3_errmsg(db));
	}
}

static int64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

struct figure {
	double rate, bytes; /* samples a second; bytes a sample */
};

static struct figure report(const char *what, const struct size *z, double wall, double cpu,
			    const char *path)
{
	double rows = (double)z->resources * z->meters * (z->cycles - WARM);
	struct figure f = { rows / wall,
			    (double)file_size(path) / rows * (z->cycles - WARM) / z->cycles };

	printf("%-28s %8.0f samples/s  %6.2f us/sample  cpu %6.2f us  %5.1f bytes/sample\n", what,
	       f.rate, wall / rows * 1e6, cpu / rows * 1e6, f.bytes);
	return f;
}

static void bind_row(sqlite3_stmt *s, const struct vmt_batch *b, uint32_t i, int column)
{
	if (b->kind == VMT_DOUBLE) {
		sqlite3_bind_double(s, column, b->value[i].d);
	} else {
		sqlite3_bind_int64(s, column, b->value[i].i);
	}
}

/* `by_minute`: the store's own table, else (series, time). */
static struct figure bare(const char *path, const struct size *z, struct fixture *f, bool by_minute)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	double wall = 0, cpu = 0;

	unlink(path);
	if (sqlite3_open(path, &db) != SQLITE_OK) {
		g_error("%s: %s", path, sqlite3_errmsg(db));
	}
	run(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -1024");
	run(db, by_minute ? "CREATE TABLE point (minute INTEGER NOT NULL, series INTEGER NOT NULL,"
			    " micros INTEGER NOT NULL, value NOT NULL,"
			    " PRIMARY KEY (minute, series, micros)) WITHOUT ROWID"
			  : "CREATE TABLE point (series INTEGER NOT NULL, time INTEGER NOT NULL,"
			    " value NOT NULL, PRIMARY KEY (series, time)) WITHOUT ROWID");
	sqlite3_prepare_v2(db,
			   by_minute ? "INSERT INTO point VALUES (?, ?, ?, ?)"
				     : "INSERT INTO point VALUES (?, ?, ?)",
			   -1, &s, NULL);
	for (uint32_t cycle = 0; cycle < z->cycles; cycle++) {
		int64_t time = START + cycle * z->interval_ns, micros = select_micros(time);

		if (cycle == WARM) {
			wall = now(CLOCK_MONOTONIC);
			cpu = now(CLOCK_PROCESS_CPUTIME_ID);
		}
		fixture_cycle(f, cycle, time);
		run(db, "BEGIN IMMEDIATE");
		for (uint32_t r = 0; r < z->resources; r++) {
			for (uint32_t m = 0; m < z->meters; m++) {
				int column = 1;

				if (by_minute) {
					sqlite3_bind_int64(s, column++, select_minute(micros));
				}
				sqlite3_bind_int64(s, column++, (int64_t)r * 32 + m + 1);
				sqlite3_bind_int64(s, column++,
						   by_minute ? micros % SELECT_MINUTE_US : time);
				bind_row(s, &f->batch[m], r, column);
				if (sqlite3_step(s) != SQLITE_DONE) {
					g_error("insert: %s", sqlite3_errmsg(db));
				}
				sqlite3_reset(s);
			}
		}
		run(db, "COMMIT");
	}
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	sqlite3_finalize(s);
	sqlite3_close(db);
	return report(by_minute ? "bare insert, same table" : "bare insert, (series, time)", z,
		      wall, cpu, path);
}

static struct figure store(char *path, const struct size *z, struct fixture *f)
{
	const struct vmt_publisher_ops *ops = vmt_plugin_publisher_sqlite.ops.publisher;
	struct store_conf conf = { .synchronous = "full", .time_to_live = -1, .page_cache = 1024 };
	struct vmt_url url = { .text = path, .scheme = "sqlite", .host = "", .path = path };
	struct vmt_error error;
	double wall = 0, cpu = 0;
	void *self;

	unlink(path);
	if (ops->open(&conf, &url, false, &self, &error)) {
		g_error("%s", error.text);
	}
	for (uint32_t cycle = 0; cycle < z->cycles; cycle++) {
		struct vmt_call call = fixture_call(3600);

		if (cycle == WARM) {
			wall = now(CLOCK_MONOTONIC);
			cpu = now(CLOCK_PROCESS_CPUTIME_ID);
		}
		fixture_cycle(f, cycle, START + cycle * z->interval_ns);
		if (ops->publish(self, &f->frame, 1, &call, &error)) {
			g_error("%s", error.text);
		}
	}
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	ops->close(self);
	return report("sqlite store", z, wall, cpu, path);
}

static int verdict(const char *what, double value, const char *than, double limit, bool met)
{
	printf("%-52s %7.2f (%s %.2f) %s\n", what, value, than, limit, met ? "met" : "MISSED");
	return !met;
}

int main(int argc, char **argv)
{
	struct size z = { 1000, 30, 62, INT64_C(10000000000) };
	char *folder = g_strdup(argc > 1 ? argv[1] : g_get_tmp_dir());
	char *path;
	struct figure limit = { 0 }, ours = { 0 };
	int missed;
	struct fixture f;

	if (argc > 5) { /* at least three cycles */
		z = (struct size){ (uint32_t)strtoul(argv[2], NULL, 10),
				   (uint32_t)strtoul(argv[3], NULL, 10),
				   (uint32_t)strtoul(argv[4], NULL, 10),
				   strtoll(argv[5], NULL, 10) * INT64_C(1000000000) };
	}
	path = g_build_filename(folder, "bench-sqlite.db", NULL);
	fixture_init(&f, z.resources, z.meters);
	printf("sqlite: %u resources x %u meters, %u cycles, one transaction each\n", z.resources,
	       z.meters, z.cycles);
	bare(path, &z, &f, false);
	for (int turn = 0; turn < TURNS; turn++) {
		struct figure one = bare(path, &z, &f, true), other = store(path, &z, &f);

		limit.rate = MAX(limit.rate, one.rate);
		ours.rate = MAX(ours.rate, other.rate);
		ours.bytes = other.bytes;
	}
	missed = verdict("sqlite store / bare insert", ours.rate / limit.rate, "at least", 0.6,
			 ours.rate >= 0.6 * limit.rate);
	missed |= verdict("bytes a point", ours.bytes, "at most", 26, ours.bytes <= 26);
	fixture_fini(&f);
	unlink(path);
	g_free(path);
	g_free(folder);
	return missed;
}
