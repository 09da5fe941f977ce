/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The postgresql store beside its limits, on a server of its own with fsync: the same rows into the same table by a bare
 * COPY, and by what is safe against repeats: COPY into a temporary table, INSERT … ON CONFLICT DO NOTHING from
 * there.  One transaction a cycle.  Arguments: resources, meters, cycles; the first cycles, in which resources and
 * series are new, are not timed.  The three take turns, and the best of each counts, for others use the machine too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "publisher/fixture.h"
#include "publisher/postgresql/points.h"
#include "publisher/postgresql/server.h"

#define START INT64_C(1784642160123456000) /* 2026-07-21T13:56:00.123456 */
#define NS_PER_S INT64_C(1000000000)

enum { WARM = 2, TURNS = 3 };

extern const struct vmt_plugin vmt_plugin;

struct size {
	uint32_t resources, meters, cycles;
};

static struct server server;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static PGconn *connect_bare(void)
{
	char *info = server_conninfo(&server);
	PGconn *c = PQconnectdb(info);

	PQclear(PQexec(c, "SET client_min_messages = warning"));
	if (PQstatus(c) != CONNECTION_OK) {
		g_error("%s", PQerrorMessage(c));
	}
	g_free(info);
	return c;
}

static int64_t run(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	int64_t answer = 0;

	if (*PQresultErrorMessage(r)) {
		g_error("%s: %s", sql, PQresultErrorMessage(r));
	}
	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r)) {
		answer = g_ascii_strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	}
	PQclear(r);
	return answer;
}

/* ------------------------------------------------------------------ bare */

static void put_number(struct buf *out, uint64_t v, unsigned bytes)
{
	v = GUINT64_TO_BE(v << (64 - 8 * bytes));
	buf_add(out, &v, bytes);
}

static void put_int(struct buf *out, int64_t v)
{
	put_number(out, 4, 4);
	put_number(out, (uint32_t)v, 4);
}

/* The columns of the store's table, in the order of its key. */
static void encode(struct buf *out, const struct fixture *f, int64_t micros)
{
	int64_t minute = select_slot(select_minute(micros), PG_SLOT_MINUTES);

	buf_reset(out);
	buf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", 19);
	for (uint32_t r = 0; r < f->resources; r++) {
		for (uint32_t m = 0; m < f->meters; m++) {
			bool real = f->batch[m].kind == VMT_DOUBLE;

			put_number(out, 6, 2);
			for (int column = 0; column < 3; column++) {
				if (column == (real ? 1 : 0)) {
					put_number(out, 8, 4);
					put_number(out, f->batch[m].value[r].u, 8);
				} else {
					put_number(out, UINT32_MAX, 4);
				}
			}
			put_int(out, minute);
			put_int(out, (int64_t)r * 32 + m + 1);
			put_int(out, micros - select_minute_start(minute));
		}
	}
	put_number(out, UINT16_MAX, 2);
}

static void copy(PGconn *c, const char *sql, const struct buf *bytes)
{
	PGresult *r = PQexec(c, sql);

	if (PQresultStatus(r) != PGRES_COPY_IN ||
	    PQputCopyData(c, bytes->data, (int)bytes->len) < 0 || PQputCopyEnd(c, NULL) < 0) {
		g_error("COPY: %s", PQerrorMessage(c));
	}
	PQclear(r);
	while ((r = PQgetResult(c)) != NULL) {
		if (PQresultStatus(r) != PGRES_COMMAND_OK) {
			g_error("COPY: %s", PQresultErrorMessage(r));
		}
		PQclear(r);
	}
}

static double bare(const struct size *z, struct fixture *f, bool staged)
{
	static const char columns[] = "(whole bigint, real double precision, huge bigint, minute"
				      " integer NOT NULL, series integer NOT NULL, micros integer"
				      " NOT NULL";
	PGconn *c = connect_bare();
	struct buf bytes = BUF_INIT;
	double start = 0;
	char *sql;

	run(c, "DROP TABLE IF EXISTS bare");
	sql = g_strdup_printf("CREATE TABLE bare %s, PRIMARY KEY (minute, series, micros))",
			      columns);
	run(c, sql);
	g_free(sql);
	sql = g_strdup_printf("CREATE TEMP TABLE staging %s) ON COMMIT DELETE ROWS", columns);
	run(c, sql);
	g_free(sql);
	for (uint32_t cycle = 0; cycle < z->cycles; cycle++) {
		int64_t time = START + cycle * 10 * NS_PER_S;

		start = cycle == WARM ? now() : start;
		fixture_cycle(f, cycle, time);
		encode(&bytes, f, select_micros(time));
		run(c, "BEGIN");
		copy(c,
		     staged ? "COPY staging FROM STDIN (FORMAT binary)"
			    : "COPY bare FROM STDIN (FORMAT binary)",
		     &bytes);
		if (staged) {
			run(c,
			    "INSERT INTO bare SELECT * FROM staging ORDER BY minute, series, micros"
			    " ON CONFLICT DO NOTHING");
		}
		run(c, "COMMIT");
	}
	start = now() - start;
	PQfinish(c);
	buf_fini(&bytes);
	return (double)z->resources * z->meters * (z->cycles - WARM) / start;
}

/* ------------------------------------------------------------------ the store */

static double store(const struct size *z, struct fixture *f, double *ret_bytes)
{
	static unsigned turn;
	struct pg_conf *conf = fixture_conf(&vmt_plugin);
	char *schema = g_strdup_printf("turn%u", turn++), *sql;
	struct vmt_url url = { .text = "postgresql",
			       .scheme = "postgresql",
			       .host = "",
			       .authority = "tester@",
			       .path = "/postgres" };
	struct vmt_error error;
	PGconn *c = connect_bare();
	double start = 0;
	void *self;

	conf->host = server.folder;
	conf->schema = schema;
	if (vmt_plugin.ops.publisher->open(conf, &url, false, &self, &error)) {
		g_error("%s", error.text);
	}
	for (uint32_t cycle = 0; cycle < z->cycles; cycle++) {
		struct vmt_call call = fixture_call(3600);

		start = cycle == WARM ? now() : start;
		fixture_cycle(f, cycle, START + cycle * 10 * NS_PER_S);
		if (vmt_plugin.ops.publisher->publish(self, &f->frame, 1, &call, &error)) {
			g_error("%s", error.text);
		}
	}
	start = now() - start;
	g_assert_cmpuint(((struct pg *)self)->counts.direct, ==, z->cycles);
	vmt_plugin.ops.publisher->close(self);
	sql = g_strdup_printf("SELECT sum(pg_table_size(inhrelid) + pg_indexes_size(inhrelid)) FROM"
			      " pg_inherits WHERE inhparent = '%s.point'::regclass",
			      schema);
	*ret_bytes = (double)run(c, sql) / ((double)z->resources * z->meters * z->cycles);
	g_free(sql);
	sql = g_strdup_printf("DROP SCHEMA %s CASCADE", schema);
	run(c, sql);
	PQfinish(c);
	g_free(sql);
	g_free(schema);
	g_free(conf);
	return (double)z->resources * z->meters * (z->cycles - WARM) / start;
}

/* ------------------------------------------------------------------ */

static int verdict(const char *what, double value, const char *than, double limit, bool met)
{
	printf("%-52s %7.2f (%s %.2f) %s\n", what, value, than, limit, met ? "met" : "MISSED");
	return !met;
}

int main(int argc, char **argv)
{
	struct size z = { 1000, 30, 42 };
	double best[3] = { 0 }, rate, bytes = 0;
	const char *missing = server_missing();
	struct fixture f;
	int missed;

	if (missing) {
		printf("postgresql: left out: %s\n", missing);
		return 0;
	}
	if (argc > 3) { /* at least three cycles */
		z = (struct size){ (uint32_t)strtoul(argv[1], NULL, 10),
				   (uint32_t)strtoul(argv[2], NULL, 10),
				   (uint32_t)strtoul(argv[3], NULL, 10) };
	}
	server_init(&server, "-c fsync=on -c max_wal_size=4GB -c autovacuum=off");
	fixture_init(&f, z.resources, z.meters);
	printf("postgresql: %u resources x %u meters, %u cycles, one transaction each\n",
	       z.resources, z.meters, z.cycles);
	for (int turn = 0; turn < TURNS; turn++) {
		for (int what = 0; what < 3; what++) {
			rate = what == 2 ? store(&z, &f, &bytes) : bare(&z, &f, what == 1);
			best[what] = MAX(best[what], rate);
		}
	}
	printf("bare COPY                                  %9.0f samples/s\n", best[0]);
	printf("COPY, temporary table, INSERT ON CONFLICT  %9.0f samples/s\n", best[1]);
	printf("postgresql store                           %9.0f samples/s\n", best[2]);
	missed = verdict("store / COPY, temporary table, INSERT ON CONFLICT", best[2] / best[1],
			 "at least", 0.8, best[2] >= 0.8 * best[1]);
	missed |= verdict("store / bare COPY", best[2] / best[0], "at least", 0.6,
			  best[2] >= 0.6 * best[0]);
	missed |= verdict("bytes a point, with the index of its key", bytes, "at most", 100,
			  bytes <= 100);
	fixture_fini(&f);
	server_fini(&server);
	return missed;
}
