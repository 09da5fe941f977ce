/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the sqlite store and the way from one version of them to the next.  Called while the
 * database is opened; blocks on its disk and locks.
 */
#ifndef PUBLISHER_SQLITE_SCHEMA_H
#define PUBLISHER_SQLITE_SCHEMA_H

#include <sqlite3.h>
#include <stddef.h>

enum { SCHEMA_APPLICATION = 0x766d7472 }; /* "vmtr", in the header of the file */

/* One step: the SQL that leads from version (row number) to the next. */
extern const char *const schema_steps[];
extern const size_t schema_version; /* number of steps: the version that this program writes */

enum schema_result {
	SCHEMA_OK,
	SCHEMA_FAILED, /* *ret_code is SQLite's extended code */
	SCHEMA_FOREIGN, /* the database of another program */
	SCHEMA_NEWER, /* written by a newer virtmeter */
	SCHEMA_OLDER, /* read-only, and of an older version (or empty) */
};

/* Brings the database to version `count` by running the steps it lacks, all in one transaction;
 * with `read_only` only looks.  *ret_found is the version that was found. */
enum schema_result schema_apply(sqlite3 *db, const char *const *steps, size_t count, int read_only,
				int *ret_found, int *ret_code);

#endif
