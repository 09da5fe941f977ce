/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The polling agent's main thread: starting the tasks, and leaving in good order.  It never blocks but in the main loop;
 * the tasks, the pipelines and the publishers have threads of their own.
 */
#include "agent/agent.h"

#include <errno.h>
#include <glib.h>

#define LOG_NAME agent_logger
#include "agent/heartbeat.h"
#include "agent/outlets.h"
#include "agent/parts.h"
#include "agent/receivers.h"
#include "agent/sharing.h"
#include "agent/work.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "model/frame.h"
#include "pipeline/outlet.h"
#include "pipeline/pipeline.h"
#include "spool/spool.h"

#define LEAVE_POLL_NS (NS_PER_S / 20) /* how often leaving looks whether all is flushed */

/* Some task has come to the end of a cycle, where cycles are counted; on the main thread. */
static void cycle_ended(void *data)
{
	struct agent *a = ((struct agent_task *)data)->agent;
	struct task_status status;
	bool all = true;

	for (guint i = 0; i < a->tasks->len && all; i++) {
		struct agent_task *other = g_ptr_array_index(a->tasks, i);

		task_status(other->task, &status);
		all = status.cycles >= a->options.cycles;
	}
	if (all && !a->stopping) {
		agent_stop(a);
	}
}

static void task_done(void *context)
{
	struct agent_task *at = context;

	if (at->agent->options.cycles > 0) {
		loop_post(at->agent->loop, cycle_ended, at);
	}
}

static void task_look(void *context, const struct poll_cycle *cycle, const struct frame *frame,
		      const struct poll_cycle_result *result)
{
	struct agent *a = ((struct agent_task *)context)->agent;

	if (a->options.on_cycle) {
		wait_lock(&a->looking);
		a->options.on_cycle(a->options.context, cycle, frame, result);
		wait_unlock(&a->looking);
	}
}

struct beating {
	struct heartbeat *heartbeat;
	int64_t time_ns;
};

static void beat(void *context, const char *meter, const struct polling_source *source)
{
	const struct beating *b = context;

	(void)source;
	heartbeat_beat(b->heartbeat, meter, b->time_ns);
}

static void task_polled(void *context, const struct work *work, int64_t time_ns)
{
	struct heartbeat *heartbeat = ((struct agent_task *)context)->agent->heartbeat;
	struct beating b = { heartbeat, time_ns };

	if (heartbeat_on(heartbeat)) {
		work_each(work, beat, &b);
	}
}

void agent_task_parts(struct agent_task *at, struct task_parts *parts)
{
	parts->look = task_look;
	parts->polled = task_polled;
	parts->done = task_done;
	parts->cycles = at->agent->options.cycles;
	parts->context = at;
}

/* All first cycles are late by the same time, another one after each start. */
static int64_t shuffle(struct agent *a)
{
	int64_t most = a->plan->settings.shuffle_ns, now = clock_real();

	if (most > 0 && a->shuffle_ns == 0) {
		a->shuffle_ns = 1 + (int64_t)(hash64(&now, sizeof(now), 0) % (uint64_t)most);
	}
	return a->shuffle_ns;
}

/* An instance was started or ended. */
static void task_lives(void *context, const char *instance_id, enum vmt_life what)
{
	struct agent_task *at = context;

	if (at->wanted && !at->agent->stopping && at->agent->options.cycles == 0) {
		task_life(at->task, instance_id, what);
	}
}

void agent_task_watch(struct agent_task *at, bool on)
{
	const struct vmt_inspector_ops *ops = at->inspector->plugin->ops.inspector;

	if (ops->watch) {
		ops->watch(at->inspector->self, on ? task_lives : NULL, at);
	}
}

void agent_task_start(struct agent_task *at, const struct agent_task *before)
{
	struct agent *a = at->agent;

	if (a->stopping) {
		return;
	}
	if (before) {
		task_continue(at->task, before->task);
	} else {
		/* whoever waits for so many cycles has them in step with its start */
		task_start(at->task, a->options.cycles ? NULL : a->plan->settings.host, shuffle(a),
			   a->sharing != NULL);
	}
}

bool agent_task_busy(const struct agent_task *at)
{
	struct task_status status;

	task_status(at->task, &status);
	return status.busy;
}

static bool tasks_quiet(struct agent *a)
{
	GPtrArray *const lists[] = { a->tasks, a->old_tasks };

	for (size_t l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			if (agent_task_busy(g_ptr_array_index(lists[l], i))) {
				return false;
			}
		}
	}
	return agent_receivers_quiet(a) && pipeline_runner_idle(a->runner);
}

static void cancel_tasks(GPtrArray *tasks)
{
	for (guint i = 0; i < tasks->len; i++) {
		task_cancel(((struct agent_task *)g_ptr_array_index(tasks, i))->task);
	}
}

/* Looks, every so often while leaving, how far things are. */
static void leave_step(void *data)
{
	struct agent *a = data;
	bool late = clock_monotonic() >= a->leave_ns;

	if (late && !a->cancelled) {
		a->cancelled = true;
		cancel_tasks(a->tasks);
		cancel_tasks(a->old_tasks);
	}
	if (!a->flushing && (late || tasks_quiet(a))) {
		a->flushing = true;
		if (a->sharing) { /* beside the flush */
			sharing_leave(a->sharing);
		}
		agent_outlets_leave(a, a->leave_ns);
	}
	if (a->flushing && ((agent_outlets_done(a) && agent_receivers_done(a)) ||
			    clock_monotonic() >= a->leave_ns + NS_PER_S)) {
		a->clean = tasks_quiet(a) && agent_outlets_done(a) && agent_receivers_done(a);
		loop_quit(a->loop);
		return;
	}
	loop_timer_set(a->leave_timer, clock_monotonic() + LEAVE_POLL_NS);
}

void agent_stop(struct agent *a)
{
	if (a->stopping) {
		a->leave_ns = clock_monotonic();
		a->hurried = true;
	} else {
		a->stopping = true;
		for (guint i = 0; i < a->tasks->len; i++) {
			task_rest(((struct agent_task *)g_ptr_array_index(a->tasks, i))->task);
		}
		a->leave_ns = clock_monotonic() + a->plan->settings.graceful_shutdown_timeout_ns;
		a->leave_timer = loop_timer_add(a->loop, INT64_MAX, leave_step, a);
		agent_receivers_leave(a);
	}
	loop_timer_set(a->leave_timer, clock_monotonic());
}

/* What a durable log still has is not given up. */
static uint64_t given_up_of(const struct agent *a, const struct spool_ledger *l)
{
	return spool_is_durable(a->spool) ? 0 : l->dropped[SPOOL_SHUTDOWN] + l->queued;
}

/* What was given up at the end, over all publishers. */
static uint64_t given_up(struct agent *a)
{
	uint64_t n = 0;

	GPtrArray *const lists[] = { a->outlets, a->old_outlets };

	for (size_t l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			struct agent_outlet *ao = g_ptr_array_index(lists[l], i);
			struct outlet_status status;

			outlet_status(ao->outlet, &status);
			n += given_up_of(a, &status.ledger);
		}
	}
	return n;
}

int agent_run(struct agent *a)
{
	uint64_t lost;

	a->started_ns = clock_monotonic();
	for (guint i = 0; i < a->tasks->len; i++) {
		agent_task_start(g_ptr_array_index(a->tasks, i), NULL);
	}
	agent_receivers_start(a);
	loop_run(a->loop);
	lost = given_up(a);
	if (lost > 0) {
		log_error("leaving: %" G_GUINT64_FORMAT
			  " samples could not be delivered and are dropped",
			  lost);
	}
	return lost > 0 ? 1 : 0;
}

bool agent_clean(const struct agent *agent)
{
	return agent->clean;
}

const struct settings *agent_settings(const struct agent *agent)
{
	return &agent->plan->settings;
}
