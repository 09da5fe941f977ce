/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a polling task has to do, until a reload gives it something else: which meters of which instances, and
 * the pipelines for their samples.  Sources of one interval that look at the same instances (the same
 * discovery and resources) are one scope; instances in the same scopes are polled for the same meters, which is
 * a part.  Made on the main thread, then the task's; parts beside the first are made when they are first
 * needed.
 */
#ifndef AGENT_WORK_H
#define AGENT_WORK_H

#include <glib.h>

#include "agent/basis.h"
#include "agent/gather.h"
#include "agent/plan.h"
#include "agent/poll_cycle.h"

struct pipeline_set;

struct work_part {
	struct poll_part poll; /* first */
	struct pipeline_set *set;
	uint64_t scopes;
	size_t pollsters; /* entries of poll.pollster */
};

struct work {
	struct poll_work poll; /* first */
	struct plan *plan;
	const struct basis *basis; /* the task's */
	struct sharing *sharing; /* a reference; NULL: nothing is shared */
	GPtrArray *pipelines; /* struct pipeline *, one per pair of the plan */
	int64_t interval_ns; /* below zero: the task of fast_interval, for the sources of all intervals */
	struct instances **lists;
	uint8_t *scope_of; /* per source of plan->polling */
	GPtrArray *parts; /* struct work_part *; the first has all scopes */
	uint64_t peopled; /* scopes with instances in the cycle under way */
	bool host; /* which polls the host, too */
};

/* `basis` must outlive it; `sharing` may be NULL. */
struct work *work_new(struct plan *plan, const struct basis *basis, struct sharing *sharing,
		      GPtrArray *pipelines, int64_t interval_ns);
void work_free(struct work *work); /* NULL is fine */

/* Each meter of each source that is polled here; the same meter may come for several sources. */
typedef void (*work_meter_fn)(void *context, const char *meter,
			      const struct polling_source *source);
void work_each(const struct work *work, work_meter_fn fn, void *context);
/* Likewise of all tasks that this plan makes on `basis`. */
void work_each_of_all(const struct plan *plan, const struct basis *basis, work_meter_fn fn,
		      void *context);

/* Logs the end of a cycle.  This and its begin, which the cycle itself tells, are in the words that Ceilometer's operators
 * look for: a line for each meter of each source, at info with log_format = oslo, else at debug; at debug for a meter
 * that nobody is there for. */
void work_tell_finished(const struct work *work);

/* -EINVAL, added to `problems`, when there are more scopes than GATHER_SCOPES at an interval. */
int work_check(const struct polling *polling, struct problems *problems);

#endif
