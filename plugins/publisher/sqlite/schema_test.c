/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of the tables: an empty file, a step further, a step that fails, another program's file.
 */
#include <glib.h>

#include "schema.h"

static int number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int answer;

	g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
	answer = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return answer;
}

static sqlite3 *open_empty(void)
{
	sqlite3 *db;

	g_assert_cmpint(sqlite3_open(":memory:", &db), ==, SQLITE_OK);
	return db;
}

static void test_new(void)
{
	sqlite3 *db = open_empty();
	int found = -1, code = -1;

	g_assert_cmpint(schema_apply(db, schema_steps, schema_version, 1, &found, &code), ==,
			SCHEMA_OLDER);
	g_assert_cmpint(number(db, "SELECT count(*) FROM sqlite_master"), ==, 0);
	g_assert_cmpint(schema_apply(db, schema_steps, schema_version, 0, &found, &code), ==,
			SCHEMA_OK);
	g_assert_cmpint(found, ==, 0);
	g_assert_cmpint(number(db, "PRAGMA user_version"), ==, (int)schema_version);
	g_assert_cmpint(number(db, "PRAGMA application_id"), ==, SCHEMA_APPLICATION);
	g_assert_cmpint(schema_apply(db, schema_steps, schema_version, 1, &found, &code), ==,
			SCHEMA_OK);
	g_assert_cmpint(found, ==, (int)schema_version);
	sqlite3_close(db);
}

/* From version 1, filled, by one more step: what was there stays. */
static void test_step(void)
{
	const char *const steps[] = { schema_steps[0],
				      "ALTER TABLE meter ADD COLUMN note TEXT DEFAULT 'n'" };
	sqlite3 *db = open_empty();
	int found, code;

	g_assert_cmpint(schema_apply(db, steps, 1, 0, &found, &code), ==, SCHEMA_OK);
	g_assert_cmpint(sqlite3_exec(db, "INSERT INTO meter (name) VALUES ('cpu')", NULL, NULL,
				     NULL),
			==, SQLITE_OK);
	g_assert_cmpint(schema_apply(db, steps, 2, 0, &found, &code), ==, SCHEMA_OK);
	g_assert_cmpint(found, ==, 1);
	g_assert_cmpint(number(db, "SELECT count(*) FROM meter WHERE name = 'cpu' AND note = 'n'"),
			==, 1);
	g_assert_cmpint(number(db, "PRAGMA user_version"), ==, 2);
	g_assert_cmpint(schema_apply(db, steps, 1, 0, &found, &code), ==, SCHEMA_NEWER);
	g_assert_cmpint(found, ==, 2);
	sqlite3_close(db);
}

static void test_failing_step(void)
{
	const char *const steps[] = { schema_steps[0],
				      "CREATE TABLE later (a); CREATE TABLE meter (b)" };
	sqlite3 *db = open_empty();
	int found, code;

	g_assert_cmpint(schema_apply(db, steps, 1, 0, &found, &code), ==, SCHEMA_OK);
	g_assert_cmpint(schema_apply(db, steps, 2, 0, &found, &code), ==, SCHEMA_FAILED);
	g_assert_cmpint(code, ==, SQLITE_ERROR);
	g_assert_cmpint(number(db, "PRAGMA user_version"), ==, 1);
	g_assert_cmpint(number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'later'"), ==,
			0);
	g_assert_true(sqlite3_get_autocommit(db));
	sqlite3_close(db);
}

static void test_foreign(void)
{
	sqlite3 *db = open_empty();
	int found, code;

	sqlite3_exec(db, "CREATE TABLE theirs (a)", NULL, NULL, NULL);
	g_assert_cmpint(schema_apply(db, schema_steps, schema_version, 0, &found, &code), ==,
			SCHEMA_FOREIGN);
	sqlite3_exec(db, "DROP TABLE theirs; PRAGMA application_id = 7", NULL, NULL, NULL);
	g_assert_cmpint(schema_apply(db, schema_steps, schema_version, 0, &found, &code), ==,
			SCHEMA_FOREIGN);
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sqlite/schema/new", test_new);
	g_test_add_func("/sqlite/schema/step", test_step);
	g_test_add_func("/sqlite/schema/failing-step", test_failing_step);
	g_test_add_func("/sqlite/schema/foreign", test_foreign);
	return g_test_run();
}
