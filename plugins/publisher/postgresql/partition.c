/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions of a day, made when the first sample of that day comes and dropped when all of it is older than
 * time_to_live.  Times far away, and days of which samples lie there already, go to the rest, so that wrong clocks
 * make no partitions.  On the publisher's thread; blocks on the server.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "ids.h"
#include "pg.h"

enum {
	AHEAD_MINUTES = 2 * PG_PARTITION_MINUTES,
	BACK_MINUTES = 400 * PG_PARTITION_MINUTES,
	DIGEST_MINUTES = 7 * PG_PARTITION_MINUTES, /* how long a frame is known by its digest */
};

#define EXPIRE_EVERY_NS INT64_C(600000000000)
#define EXPIRE_SOON_NS INT64_C(5000000000) /* when a step was not the last */
#define US_PER_S INT64_C(1000000)

int64_t partition_start(int64_t minute)
{
	int64_t rest = minute % PG_PARTITION_MINUTES;

	return minute - rest - (rest < 0 ? PG_PARTITION_MINUTES : 0);
}

enum partition partition_known(const struct pg *p, int64_t start)
{
	return (enum partition)GPOINTER_TO_INT(
		g_hash_table_lookup(p->partitions, GINT_TO_POINTER((int)start)));
}

static void know(struct pg *p, int64_t start, enum partition what)
{
	g_hash_table_insert(p->partitions, GINT_TO_POINTER((int)start), GINT_TO_POINTER(what));
}

/* A table beside, that is then attached: so readers and writers of the others go on. */
static int attach(struct pg *p, const char *table, int64_t start, struct vmt_error *error)
{
	char *sql = g_strdup_printf(
		"CREATE TABLE %s_%d (LIKE %s INCLUDING ALL);"
		" ALTER TABLE %s ATTACH PARTITION %s_%d FOR VALUES FROM (%d) TO (%d)",
		table, (int)start, table, table, table, (int)start, (int)start,
		(int)start + PG_PARTITION_MINUTES);
	int code = pg_run(p, sql, NULL, error);

	g_free(sql);
	return code;
}

static int is_there(struct pg *p, int64_t start, struct vmt_error *error)
{
	char *sql = g_strdup_printf("SELECT to_regclass('point_%d') IS NOT NULL", (int)start);
	PGresult *result = NULL;
	int code = pg_run(p, sql, &result, error);

	if (code == 0) {
		code = PQgetvalue(result, 0, 0)[0] == 't';
	}
	PQclear(result);
	g_free(sql);
	return code;
}

int partition_make(struct pg *p, int64_t start, struct vmt_error *error)
{
	int64_t now = select_minute(select_micros(clock_real()));
	int64_t back = MAX(BACK_MINUTES, p->conf.time_to_live / 60 + PG_PARTITION_MINUTES);
	int code;

	if (start > now + AHEAD_MINUTES || start < now - back) {
		know(p, start, PARTITION_REST);
		return 0;
	}
	code = is_there(p, start, error);
	if (code == 1) {
		know(p, start, PARTITION_OWN);
		return 0;
	}
	if (code == 0) {
		code = pg_run(p, "SAVEPOINT made", NULL, error);
	}
	if (code == 0) {
		code = attach(p, "point", start, error);
		code = code ? code : attach(p, "message", start, error);
		if (code == 0) {
			know(p, start, PARTITION_OWN);
		} else if (strcmp(p->state, "23514") == 0) { /* the rest has rows of that day */
			know(p, start, PARTITION_REST);
			code = pg_run(p, "ROLLBACK TO made", NULL, error);
		}
	}
	return code;
}

/* ------------------------------------------------------------------ time_to_live */

/* Runs each statement, with the number put in for its %lld, under the lock. */
static int under_lock(struct pg *p, const char *const *sql, size_t count, int64_t number,
		      struct vmt_error *error)
{
	char *text = g_strdup_printf("BEGIN; SET LOCAL lock_timeout = 2000;"
				     " SELECT pg_advisory_xact_lock(%" G_GINT64_FORMAT ")",
				     p->lock);
	int code = pg_run(p, text, NULL, error);

	g_free(text);
	for (size_t i = 0; i < count && code == 0; i++) {
		GString *one = g_string_new(sql[i]);
		char digits[24];

		g_snprintf(digits, sizeof digits, "%" G_GINT64_FORMAT, number);
		g_string_replace(one, "%lld", digits, 0);
		code = pg_run(p, one->str, NULL, error);
		g_string_free(one, TRUE);
	}
	return code ? code : pg_run(p, "COMMIT", NULL, error);
}

static int drop_partitions(struct pg *p, int64_t minute, struct vmt_error *error)
{
	static const char list[] =
		"SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE"
		" i.inhparent IN ('point'::regclass, 'message'::regclass) AND"
		" c.relname ~ '^(point|message)_-?[0-9]+$'";
	PGresult *result = NULL;
	int code = pg_run(p, list, &result, error);

	for (int i = 0; code == 0 && i < PQntuples(result); i++) {
		const char *name = PQgetvalue(result, i, 0);
		char *sql;

		if (g_ascii_strtoll(strchr(name, '_') + 1, NULL, 10) + PG_PARTITION_MINUTES >
		    minute) {
			continue;
		}
		sql = g_strdup_printf("DROP TABLE %s", name);
		code = under_lock(p, (const char *const[]){ sql }, 1, 0, error);
		if (code == 0) {
			vmt_log(VMT_LOG_INFO, "%s: %s dropped: older than time_to_live", p->text,
				name);
		}
		g_free(sql);
	}
	PQclear(result);
	return code;
}

/* What lies in the rest, in bounded steps; then versions that no point can have any more. */
static int sweep(struct pg *p, int64_t minute, struct vmt_error *error)
{
	static const char *const rest[] = {
		"DELETE FROM point_rest WHERE (minute, series, micros) IN (SELECT minute, series,"
		" micros FROM point_rest WHERE minute < %lld ORDER BY 1, 2, 3 LIMIT 10000)",
		"DELETE FROM message_rest WHERE (minute, series, micros) IN (SELECT minute, series,"
		" micros FROM message_rest WHERE minute < %lld ORDER BY 1, 2, 3 LIMIT 10000)",
	};
	static const char *const versions[] = {
		"CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT n.version, v.resource FROM seen n"
		" JOIN version v ON v.id = n.version WHERE n.last < %lld LIMIT 200",
		"DELETE FROM run WHERE version IN (SELECT version FROM gone) AND series IN"
		" (SELECT s.id FROM series s JOIN gone g ON g.resource = s.resource)",
		"DELETE FROM version WHERE id IN (SELECT version FROM gone)",
		"DELETE FROM seen WHERE version IN (SELECT version FROM gone)",
		"DELETE FROM series s USING gone g WHERE s.resource = g.resource AND NOT EXISTS"
		" (SELECT 1 FROM version v WHERE v.resource = s.resource)",
		"DELETE FROM resource r USING gone g WHERE r.id = g.resource AND NOT EXISTS"
		" (SELECT 1 FROM version v WHERE v.resource = r.id)",
		"UPDATE state SET generation = generation + 1",
	};
	/* the partition that the limit lies in is still there */
	int64_t micros = select_minute_start(partition_start(minute));
	int code = under_lock(p, rest, G_N_ELEMENTS(rest), minute, error);

	return code ? code : under_lock(p, versions, G_N_ELEMENTS(versions), micros, error);
}

/* 1: there is more to sweep; 0: that was all; -errno. */
static int is_left(struct pg *p, int64_t minute, struct vmt_error *error)
{
	PGresult *result = NULL;
	char *sql = g_strdup_printf(
		"SELECT EXISTS (SELECT 1 FROM point_rest WHERE minute < %" G_GINT64_FORMAT
		") OR EXISTS (SELECT 1 FROM message_rest WHERE minute < %" G_GINT64_FORMAT
		") OR EXISTS (SELECT 1 FROM seen WHERE last < %" G_GINT64_FORMAT ")",
		minute, minute, select_minute_start(partition_start(minute)));
	int code = pg_run(p, sql, &result, error);

	if (code == 0) {
		code = PQgetvalue(result, 0, 0)[0] == 't';
	}
	PQclear(result);
	g_free(sql);
	return code;
}

void partition_expire(struct pg *p)
{
	static const char *const digests[] = { "DELETE FROM digest WHERE minute < %lld" };
	int64_t mono = clock_monotonic(), micros = select_micros(clock_real());
	int64_t minute = select_minute(micros);
	struct vmt_error error;
	int code;

	if (mono < p->expire_ns) {
		return;
	}
	p->expire_ns = mono + EXPIRE_EVERY_NS;
	code = under_lock(p, digests, 1, minute - DIGEST_MINUTES, &error);
	if (code == 0 && p->conf.time_to_live > 0) {
		minute = select_minute(micros - p->conf.time_to_live * US_PER_S);
		code = drop_partitions(p, minute, &error);
		if (code == 0) {
			code = sweep(p, minute, &error);
		}
		code = code ? code : is_left(p, minute, &error);
		if (code == 1) {
			p->expire_ns = mono + EXPIRE_SOON_NS;
			code = 0;
		}
	}
	if (code) {
		vmt_log(VMT_LOG_WARNING, "%s; old samples go later", error.text);
		if (pg_is_alive(p)) {
			pg_run(p, "ROLLBACK", NULL, &error);
		}
	}
	pgids_clear(p->ids);
	g_hash_table_remove_all(p->partitions);
}
