/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_to_live: in each publish a bounded number of the oldest points is deleted, from one end of the
 * table; now and then the versions, series and resources that have no point left.  On the publisher's thread,
 * inside its transaction.
 */
#include "ids.h"
#include "store.h"

enum { SWEEP_VERSIONS = 200 }; /* at most, in one publish */

#define SWEEP_EVERY_NS INT64_C(600000000000)
#define US_PER_S INT64_C(1000000)

/* Steps `sql` with up to four numbers; columns of its first row, if any, into ret_row.
 * 0 none, 1 a row, -1 failed. */
static int ask(struct store *s, const char *sql, const int64_t number[4], int64_t ret_row[4])
{
	sqlite3_stmt *statement;
	int count, found;

	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK) {
		return -1;
	}
	count = sqlite3_bind_parameter_count(statement);
	for (int i = 0; i < count && i < 4; i++) {
		sqlite3_bind_int64(statement, i + 1, number[i]);
	}
	found = store_step(statement);
	for (int i = 0; found == 1 && ret_row && i < sqlite3_column_count(statement) && i < 4;
	     i++) {
		ret_row[i] = sqlite3_column_int64(statement, i);
	}
	sqlite3_finalize(statement);
	return found;
}

/* Deletes all of one table up to the key, which is the last to go. */
static int cut(struct store *s, const char *sql, const int64_t key[4])
{
	return ask(s, sql, key, NULL) < 0 ? -1 : sqlite3_changes(s->db);
}

static int sweep_version(struct store *s, int64_t version, int64_t resource)
{
	static const char *const steps[] = {
		"DELETE FROM run WHERE series IN (SELECT id FROM series WHERE resource = ?2)"
		" AND version = ?1",
		"DELETE FROM version WHERE id = ?1",
		"DELETE FROM seen WHERE version = ?1",
		"DELETE FROM series WHERE resource = ?2"
		" AND NOT EXISTS (SELECT 1 FROM version WHERE resource = ?2)",
		"DELETE FROM resource WHERE id = ?2"
		" AND NOT EXISTS (SELECT 1 FROM version WHERE resource = ?2)",
	};
	const int64_t number[4] = { version, resource };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (ask(s, steps[i], number, NULL) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Versions last seen before `micros`; their points are gone already.  Their count, or -1. */
static int sweep(struct store *s, int64_t micros)
{
	const int64_t number[4] = { micros };
	int64_t row[4];
	int done = 0, found = 0;

	while (done < SWEEP_VERSIONS) {
		found = ask(
			s,
			"SELECT s.version, v.resource FROM seen s JOIN version v ON v.id = s.version"
			" WHERE s.last < ? LIMIT 1",
			number, row);
		if (found != 1) {
			break;
		}
		if (sweep_version(s, row[0], row[1])) {
			return -1;
		}
		done++;
	}
	if (done) {
		ids_clear(s->ids);
	}
	return found < 0 ? -1 : done;
}

int expire_step(struct store *s, uint64_t limit, struct vmt_error *error)
{
	int64_t now = vmt_clock_real(), mono = vmt_clock_monotonic();
	int64_t minute, key[4] = { 0 }, bound[4] = { 0 };
	int found, deleted;

	if (s->conf.time_to_live <= 0) {
		return 0;
	}
	minute = select_minute(select_micros(now) - s->conf.time_to_live * US_PER_S);
	bound[0] = minute;
	bound[1] = (int64_t)limit;
	/* The last of `limit` points before that minute, or else the last of all of them. */
	found = ask(s,
		    "SELECT minute, series, micros FROM point WHERE minute < ?"
		    " ORDER BY minute, series, micros LIMIT 1 OFFSET ?",
		    bound, key);
	if (found == 0) {
		key[0] = minute;
		key[1] = key[2] = INT64_MIN;
	}
	deleted = found < 0 ? -1
			    : cut(s, "DELETE FROM point WHERE (minute, series, micros) < (?, ?, ?)",
				  key);
	if (deleted < 0 ||
	    cut(s, "DELETE FROM message WHERE (minute, series, micros) < (?, ?, ?)", key) < 0) {
		return store_failed(s, error);
	}
	s->delta.expired += (uint64_t)deleted;
	if (found == 0 && (s->sweep_ns == 0 || mono - s->sweep_ns >= SWEEP_EVERY_NS)) {
		found = sweep(s, select_minute_start(minute));
		if (found < 0) {
			return store_failed(s, error);
		}
		s->sweep_ns = found < SWEEP_VERSIONS ? mono : 0;
	}
	return 0;
}
