/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polling task: all that is polled at one interval, by one thread, which waits by itself until the next cycle is
 * due.  A time that comes while the last cycle still runs is skipped and counted.
 */
#ifndef AGENT_TASK_H
#define AGENT_TASK_H

#include "agent/poll_cycle.h"
#include "agent/schedule.h"
#include "base/clock.h"

struct frame;
struct pipeline_runner;
struct task;
struct work;

/* Called on the task's thread after each cycle; all of it may be looked at until it returns.  `frame` is
 * the first part's, NULL when there was no sample. */
typedef void (*task_look_fn)(void *context, const struct poll_cycle *cycle,
			     const struct frame *frame, const struct poll_cycle_result *result);

struct task_parts {
	struct poll_cycle_parts cycle;
	struct schedule schedule; /* interval, jitter and align */
	uint64_t cycles; /* it runs no more than so many; 0: no limit */
	struct pipeline_runner *runner;
	const char *name; /* for messages, copied */
	int64_t first_budget_ns; /* at least this much for the first cycle */
	task_look_fn look; /* before the samples go on; or NULL */
	/* The instances there are were asked for, at that time, and the hypervisor answered; on the task's thread. */
	void (*polled)(void *context, const struct work *work, int64_t time_ns);
	void (*done)(void *context); /* when all is done */
	void *context; /* of all three */
};

struct task_status {
	int64_t interval_ns;
	uint64_t cycles, overruns, lost_frames;
	bool busy;
	struct poll_cycle_result last;
};

/* Starts the thread, which waits for task_start() or task_continue().  Takes over `work`. */
int task_new(const struct task_parts *parts, struct work *work, struct task **ret_task);
/* Its first cycle is due in `delay_ns`; the name of the host spreads the following ones (NULL: whole intervals
 * after it).  With `aligned` it waits for the next whole multiple of the interval instead. */
void task_start(struct task *task, const char *host, int64_t delay_ns, bool aligned);
/* Its first cycle is when that one's next would have been, which begins no more. */
void task_continue(struct task *task, struct task *before);
/* From the time after the next one on. */
void task_tune(struct task *task, bool align, int64_t jitter_ns);
/* Begins no more cycles. */
void task_rest(struct task *task);
/* An instance was started or ended: its first or last samples are made before anything else. */
void task_life(struct task *task, const char *instance_id, enum vmt_life what);
/* From the next cycle on; takes over `work`. */
void task_replace(struct task *task, struct work *work);
void task_status(struct task *task, struct task_status *ret_status);
/* The job under way, if any, is told to stop soon. */
void task_cancel(struct task *task);
/* Waits for the job under way, ends the thread. */
void task_free(struct task *task);

#endif
