/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics over the rows of a store: per meter, unit, group and period.  Rows come newest first, as a store
 * hands them out; what is kept is a cell per group and period and the last row of each series.  One thread;
 * blocks on nothing.
 *
 * `increase` is how much a cumulative meter has grown: the sum of the distances between neighbouring samples of
 * a series.  A smaller value is a counter that began anew, so what it shows is what was added since.  A distance
 * counts in the group and period of its later sample.  `rate` is the increase of a series by the seconds that
 * its distances span; that of a group is the sum over its series.
 */
#ifndef CMD_AGGREGATE_H
#define CMD_AGGREGATE_H

#include <virtmeter/plugin.h>

enum {
	AGGREGATE_CELLS_MOST = 1 << 20, /* groups × periods */
	AGGREGATE_GROUPS_MOST = 8, /* members of a group */
};

struct aggregate;

/* `groupby`: NULL-terminated, as many as AGGREGATE_GROUPS_MOST: resource_id, project_id, user_id, source,
 * project_name, user_name, or metadata.PATH; it stays the caller's.  `period_ns` 0: one period, all of the
 * time.  Periods begin at `origin_ns` and at multiples of the period from there. */
struct aggregate *aggregate_new(const char *const *groupby, int64_t period_ns, int64_t origin_ns);
void aggregate_free(struct aggregate *a); /* NULL is fine */

/* Whether `name` can stand in `groupby`. */
bool aggregate_groups(const char *name);

/* A row, not newer than the one before.  -E2BIG: there are too many cells. */
int aggregate_add(struct aggregate *a, const struct vmt_store_row *row);

struct aggregate_number {
	enum vmt_kind kind;
	union vmt_num value;
};

struct statistic {
	const char *name, *unit;
	const char *const *group; /* values of `groupby`; NULL: null */
	int64_t start_ns, end_ns; /* of the period; of the samples when there is but one */
	int64_t first_ns, last_ns; /* times of the first and last sample */
	uint64_t count;
	struct aggregate_number min, max, sum, first, last;
	double avg, stddev; /* of the whole population */
	bool increased; /* there are two samples of a series: increase and rate are known */
	struct aggregate_number increase;
	double rate; /* a second */
};

/* By name, unit, group (null first), period.  Anything but 0 from `fn` stops and is handed on. */
int aggregate_each(struct aggregate *a, int (*fn)(void *context, const struct statistic *statistic),
		   void *context);

#endif
