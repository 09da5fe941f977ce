/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a store, in SQL that SQLite and PostgreSQL both understand, over the tables that both have
 * (doc/formats.md).  A store brings a handful of functions that run a statement; plans, order and rows are made
 * here, so that all stores answer alike.  One thread; blocks where those functions do.
 *
 *   select.c          the operations of a store, each in one view of the data
 *   select_plan.c     which series, which versions, between which times
 *   select_known.c    names, resource versions, runs: read once, kept
 *   select_samples.c  points, newest first
 *   select_lists.c    resources, meters
 */
#ifndef PUBLISHER_SELECT_H
#define PUBLISHER_SELECT_H

#include <virtmeter/plugin.h>

#define SELECT_EPOCH_US INT64_C(1577836800000000) /* 2020-01-01T00:00:00Z: minute 0 */

enum { SELECT_MINUTE_US = 60000000 };

struct select_value {
	enum vmt_kind kind;
	union vmt_num number;
};

/* How a store runs SQL.  All that can fail give -errno, with the reason in *error. */
struct select_ops {
	/* How many minutes lie together: `minute` of a point is the first of them. */
	int slot;
	/* Columns of `point` that make up a value, as they stand in a list of columns. */
	const char *value_columns;
	/* Around "TABLE p WHERE …", behind FROM: look-ups of p for each row of `minutes` and each of `ranges`, in
	 * this order. */
	const char *each_begin, *each_end;
	/* Opens a view of the data that does not change until it is closed.  What failed is not closed. */
	int (*open)(void *db, struct vmt_error *error);
	/* Hands `code` on, unless what was read may be wrong. */
	int (*close)(void *db, int code, struct vmt_error *error);
	/* Begins a statement with `texts` bound to $1, $2….  `bulk`: many short rows, which the caller
	 * bounded; they may be held in memory. */
	int (*begin)(void *db, const char *sql, const char *const *texts, size_t count, bool bulk,
		     void **ret_rows, struct vmt_error *error);
	/* 1: a row, whose columns hold until the next step; 0: no more. */
	int (*step)(void *rows, struct vmt_error *error);
	int64_t (*number)(void *rows, int column); /* INT64_MIN: null */
	const char *(*text)(void *rows, int column,
			    size_t *ret_len); /* NULL: null; zero-terminated */
	struct select_value (*value)(void *rows, int column); /* from value_columns on */
	void (*end)(void *rows); /* NULL is fine */
};

/* What a store begins with: the `self` of select_store is a pointer to it, and the `db` of its functions. */
struct select_db {
	const struct select_ops *ops;
};

/* The queries of every store. */
extern const struct vmt_store_ops select_store;

/* "cumulative", "gauge", "delta", and back (-1 for anything else). */
const char *select_type_name(unsigned type);
int select_type(const char *name);

/* Whole microseconds at or before `ns`. */
static inline int64_t select_micros(int64_t ns)
{
	return ns / 1000 - (ns % 1000 < 0);
}

/* The minute that a time lies in, and when a minute begins: minutes since 2020, microseconds. */
static inline int64_t select_minute(int64_t micros)
{
	micros -= SELECT_EPOCH_US;
	return micros / SELECT_MINUTE_US - (micros % SELECT_MINUTE_US < 0);
}

/* The first of the `slot` minutes that lie together with this one. */
static inline int64_t select_slot(int64_t minute, int slot)
{
	return minute - (minute % slot + slot) % slot;
}

static inline int64_t select_minute_start(int64_t minute)
{
	return minute * SELECT_MINUTE_US + SELECT_EPOCH_US;
}

#endif
