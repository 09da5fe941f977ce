/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parts of select.h: what a query selects, worked out before any point is read, and what is known of
 * series and versions.  One thread; blocks on the store.
 */
#ifndef PUBLISHER_SELECT_PLAN_H
#define PUBLISHER_SELECT_PLAN_H

#include <glib.h>

#include "select.h"

enum { SELECT_LIST_MOST = 4096 }; /* numbers in a list of SQL */

/* A resource version with the time of its first and last sample. */
struct select_version {
	uint32_t id, resource;
	int64_t first, last; /* microseconds */
};

struct select_plan {
	struct select_db *db;
	const struct vmt_query *query;
	struct vmt_error *error;
	bool none; /* nothing can match */
	bool by_meter, by_version; /* is there such a restriction? */
	GHashTable *meter; /* id → name, all of them */
	GArray *meters; /* uint32_t: what the patterns select */
	GArray *version; /* struct select_version by id; NULL: not read */
	GArray *series; /* uint32_t ascending; NULL: all */
	int64_t first, last; /* microseconds, both included */
	uint32_t series_end; /* no series has a greater number */
};

/* `versions`: they are wanted even where nothing restricts them. */
int select_plan_init(struct select_plan *p, struct select_db *db, const struct vmt_query *query,
		     bool versions, struct vmt_error *error);
void select_plan_fini(struct select_plan *p);

/* Sorts an array of uint32_t, and leaves one of each. */
void select_make_set(GArray *ids);
/* Is `id` in the ascending array of uint32_t?  NULL has all. */
bool select_has(const GArray *ids, uint32_t id);
/* NULL: it is none of them. */
const struct select_version *select_version(const struct select_plan *p, uint32_t id);

/* Runs the SQL and hands each row to `row`, until it does not answer 0. */
typedef int (*select_row_fn)(void *context, const struct select_ops *ops, void *rows);
int select_run(struct select_plan *p, const char *sql, const char *const *texts, size_t count,
	       bool bulk, select_row_fn row, void *context);
/* The same for `ids` in lists of SELECT_LIST_MOST, put in for the one %s of `sql`. */
int select_run_list(struct select_plan *p, const char *sql, const uint32_t *ids, size_t count,
		    bool bulk, select_row_fn row, void *context);

/* select_samples.c, select_lists.c: in a view that is open. */
int select_samples(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		   void *context, struct vmt_error *error);
int select_resources(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		     void *context, struct vmt_error *error);
int select_meters(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
		  void *context, struct vmt_error *error);

/* select_known.c */

struct select_run {
	int64_t since;
	uint32_t version, form;
};

struct select_series {
	const char *name; /* the plan's; NULL: of an unknown meter */
	uint32_t count;
	struct select_run run[]; /* ascending */
};

struct select_form {
	enum vmt_meter_type type;
	char *unit;
};

struct select_known {
	struct select_plan *plan;
	GHashTable *series, *version, *form; /* id → struct of above, struct vmt_resource, form */
};

int select_known_init(struct select_known *k, struct select_plan *plan);
void select_known_fini(struct select_known *k);
/* Reads those of `ids` that are not known yet.  What was given out before may be gone afterwards. */
int select_known_series(struct select_known *k, const GArray *ids);
int select_known_versions(struct select_known *k, const GArray *ids);
const struct select_run *select_run_at(const struct select_series *series, int64_t micros);

#endif
