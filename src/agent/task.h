/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polling task: all that is polled at one interval, by one thread.  The main thread triggers it when
 * it is due; a trigger that comes while the last job still runs is skipped and counted.
 */
#ifndef AGENT_TASK_H
#define AGENT_TASK_H

#include "agent/poll_cycle.h"
#include "agent/schedule.h"
#include "base/clock.h"

struct frame;
struct pipeline_runner;
struct task;
/* When the next cycle is that far away, memory that only a cycle needs is given back: not sooner, for getting it anew
 * costs time. */
#define TASK_PAUSE_NS (5 * NS_PER_S)

struct work;

/* Called on the task's thread after each cycle; all of it may be looked at until it returns.  `frame` is
 * the first part's, NULL when there was no sample. */
typedef void (*task_look_fn)(void *context, const struct poll_cycle *cycle,
			     const struct frame *frame, const struct poll_cycle_result *result);

struct task_parts {
	struct poll_cycle_parts cycle;
	struct pipeline_runner *runner;
	const char *name; /* for messages, copied */
	int64_t first_budget_ns; /* at least this much for the first cycle */
	task_look_fn look; /* before the samples go on; or NULL */
	void (*done)(void *context); /* when all is done */
	void *context; /* of both */
};

struct task_status {
	int64_t interval_ns;
	uint64_t cycles, overruns, lost_frames;
	bool busy;
	struct poll_cycle_result last;
};

/* Starts the thread.  Takes over `work`. */
int task_new(const struct task_parts *parts, struct work *work, struct task **ret_task);
/* Due since `due_ns`.  False when the last job still runs: skipped and counted. */
bool task_trigger(struct task *task, int64_t due_ns);
/* An instance was started or ended: its first or last samples are made before anything else. */
void task_life(struct task *task, const char *instance_id, enum vmt_life what);
/* Slots that passed unused. */
void task_missed(struct task *task, uint64_t slots);
/* From the next cycle on; takes over `work`. */
void task_replace(struct task *task, struct work *work);
void task_status(struct task *task, struct task_status *ret_status);
/* The job under way, if any, is told to stop soon. */
void task_cancel(struct task *task);
/* Waits for the job under way, ends the thread. */
void task_free(struct task *task);

#endif
