/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables, and their versions in `user_version`.  Runs while the database is opened, on the thread that
 * opens it; blocks on its disk and locks.
 */
#include "schema.h"

/* Times are Unix time in whole microseconds; point and message split them into the minute since 2020,
 * which takes three bytes until 2035, and the rest. */
static const char step_1[] =
	/* One per name; type and unit lie in `form`, which may change in the life of a series. */
	"CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE form (id INTEGER PRIMARY KEY, type TEXT NOT NULL, unit TEXT NOT NULL,"
	" UNIQUE (type, unit));"
	"CREATE TABLE resource (id INTEGER PRIMARY KEY, resource_id TEXT NOT NULL, source TEXT NOT NULL,"
	" UNIQUE (resource_id, source));"
	/* What is known of a resource at a time; the same content is the same row. */
	"CREATE TABLE version (id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE,"
	" resource INTEGER NOT NULL, project_id TEXT, user_id TEXT, project_name TEXT, user_name TEXT,"
	" metadata TEXT NOT NULL);"
	"CREATE INDEX version_resource ON version (resource);"
	"CREATE INDEX version_project ON version (project_id);"
	"CREATE INDEX version_user ON version (user_id);"
	/* First and last sample with that version. */
	"CREATE TABLE seen (version INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);"
	"CREATE TABLE series (id INTEGER PRIMARY KEY, resource INTEGER NOT NULL, meter INTEGER NOT NULL,"
	" UNIQUE (resource, meter));"
	/* From `since` on, until the next run of that series, its samples have this version and form. */
	"CREATE TABLE run (series INTEGER NOT NULL, since INTEGER NOT NULL, version INTEGER NOT NULL,"
	" form INTEGER NOT NULL, PRIMARY KEY (series, since)) WITHOUT ROWID;"
	/* value: INTEGER, REAL, or the digits as TEXT for an integer of 2^63 and more. */
	"CREATE TABLE point (minute INTEGER NOT NULL, series INTEGER NOT NULL, micros INTEGER NOT NULL,"
	" value NOT NULL, PRIMARY KEY (minute, series, micros)) WITHOUT ROWID;"
	/* Only with store_message_ids.  mono: nanoseconds. */
	"CREATE TABLE message (minute INTEGER NOT NULL, series INTEGER NOT NULL, micros INTEGER NOT NULL,"
	" id BLOB NOT NULL, mono INTEGER, PRIMARY KEY (minute, series, micros)) WITHOUT ROWID;"
	"CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	/* For a person with the sqlite3 shell. */
	"CREATE VIEW sample AS SELECT m.name AS name, f.type AS type, f.unit AS unit, p.value AS volume,"
	" r.resource_id AS resource_id, v.project_id AS project_id, v.user_id AS user_id,"
	" strftime('%Y-%m-%dT%H:%M:', p.minute * 60 + 1577836800, 'unixepoch')"
	" || printf('%09.6f', p.micros / 1000000.0) AS timestamp,"
	" r.source AS source, v.metadata AS resource_metadata"
	" FROM point p JOIN series s ON s.id = p.series JOIN meter m ON m.id = s.meter"
	" JOIN resource r ON r.id = s.resource"
	" JOIN run u ON u.series = p.series AND u.since ="
	" (SELECT max(since) FROM run WHERE series = p.series AND since <= p.minute * 60000000 + 1577836800000000 + p.micros)"
	" JOIN version v ON v.id = u.version JOIN form f ON f.id = u.form;";

/* Which series a meter has. */
static const char step_2[] = "CREATE INDEX series_meter ON series (meter);";

/* Whole messages of the last days; minute: of the newest sample. */
static const char step_3[] =
	"CREATE TABLE digest (minute INTEGER NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL,"
	" PRIMARY KEY (minute, high, low)) WITHOUT ROWID;";

const char *const schema_steps[] = { step_1, step_2, step_3 };
const size_t schema_version = sizeof schema_steps / sizeof *schema_steps;

/* The first column of the first row of `sql`; -1 on a failure. */
static int ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int answer = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
		return -1;
	}
	if (sqlite3_step(statement) == SQLITE_ROW) {
		answer = sqlite3_column_int(statement, 0);
	}
	return sqlite3_finalize(statement) == SQLITE_OK ? answer : -1;
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* Looks at the header; SCHEMA_OK: a database of ours, or an empty one. */
static enum schema_result look(sqlite3 *db, size_t count, int *ret_found)
{
	int found = ask(db, "PRAGMA user_version");
	int application = found < 0 ? -1 : ask(db, "PRAGMA application_id");
	int tables = application < 0 ? -1 : ask(db, "SELECT count(*) FROM sqlite_master");

	if (found < 0 || application < 0 || tables < 0) {
		return SCHEMA_FAILED;
	}
	*ret_found = found;
	if (application != SCHEMA_APPLICATION && (application != 0 || found != 0 || tables != 0)) {
		return SCHEMA_FOREIGN;
	}
	return (size_t)found > count ? SCHEMA_NEWER : SCHEMA_OK;
}

static int upgrade(sqlite3 *db, const char *const *steps, size_t from, size_t count)
{
	char pragma[96];

	for (size_t i = from; i < count; i++) {
		if (run(db, steps[i])) {
			return -1;
		}
	}
	sqlite3_snprintf(sizeof pragma, pragma,
			 "PRAGMA application_id = %d; PRAGMA user_version = %d", SCHEMA_APPLICATION,
			 (int)count);
	return run(db, pragma);
}

enum schema_result schema_apply(sqlite3 *db, const char *const *steps, size_t count, int read_only,
				int *ret_found, int *ret_code)
{
	enum schema_result result = look(db, count, ret_found);

	*ret_code = sqlite3_extended_errcode(db);
	if (result != SCHEMA_OK || (size_t)*ret_found == count) {
		return result;
	}
	if (read_only) {
		return SCHEMA_OLDER;
	}
	/* Another process may be about to do the same: look again under the lock. */
	result = SCHEMA_FAILED;
	if (run(db, "BEGIN IMMEDIATE") == 0) {
		result = look(db, count, ret_found);
		if (result == SCHEMA_OK &&
		    (upgrade(db, steps, (size_t)*ret_found, count) || run(db, "COMMIT"))) {
			result = SCHEMA_FAILED;
		}
	}
	*ret_code = sqlite3_extended_errcode(db);
	if (!sqlite3_get_autocommit(db)) {
		run(db, "ROLLBACK");
	}
	return result;
}
