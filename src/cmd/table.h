/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people and lines of JSON for scripts, from the same rows.  One thread; writes to a stream.
 */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_format { TABLE_TEXT, TABLE_JSON };

struct table_column {
	const char *key; /* of the JSON object */
	const char *title; /* NULL: the key in capitals */
	bool right; /* align to the right */
	bool wide; /* shortened first when the terminal is too narrow */
	bool json_only;
};

struct table;

/* `columns` stays the caller's.  `width`: columns of the terminal; 0: of `out` if it is one, else without
 * limit. */
struct table *table_new(FILE *out, enum table_format format, const struct table_column *columns,
			size_t count, unsigned width);

/* A cell of the current row, in the order of the columns; NULL is an empty cell or null. */
void table_text(struct table *table, const char *text);
/* Text that is a JSON value itself (a number, true, a list) and is shown as `shown` to people; NULL:
 * the same. */
void table_raw(struct table *table, const char *json, const char *shown);
void table_printf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_number(struct table *table, long long number);
/* JSON lines are written here, a table at the end. */
void table_row(struct table *table);
/* Writes what is left.  0, or -errno of the stream. */
int table_close(struct table *table);

#endif
