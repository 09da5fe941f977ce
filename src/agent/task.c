/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a polling task.  It may block on the hypervisor and on discovery, until the cycle's
 * deadline.  The struct wait guards the state shared with the main thread.
 */
#include "agent/task.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>

#define LOG_NAME "polling"
#include "agent/work.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/frame.h"
#include "pipeline/pipeline.h"

#define BUDGET_MIN_NS INT64_C(1000000000) /* of a cycle */
#define LIFE_BUDGET_NS                                                                             \
	INT64_C(10000000000) /* of first samples: the first call after a start is slow */

struct task {
	struct task_parts parts;
	char *name;
	struct poll_cycle *cycle;
	pthread_t thread;
	atomic_bool cancel;
	struct work *work; /* the thread's own */
	struct poll_punctuality punctuality; /* likewise */
	GArray *produce; /* likewise: struct produce */
	struct wait wait;
	/* below: under `wait` */
	bool due, ending, replaced;
	int64_t due_ns;
	GPtrArray *started,
		*ended; /* ids of instances whose first or last samples are to be made */
	struct work *next;
	struct task_status status;
};

/* Takes the list if there is something in it; a new one is in its place. */
static GPtrArray *take_list(GPtrArray **at)
{
	GPtrArray *list = *at;

	if (!list->len) {
		return NULL;
	}
	*at = g_ptr_array_new_with_free_func(g_free);
	return list;
}

static void run_life(struct task *t, GPtrArray *ids, enum vmt_life what);

/* First and last samples that are waiting to be made.  Locked on entry and exit. */
static void live(struct task *t)
{
	while (!t->ending && (t->started->len || t->ended->len)) {
		GPtrArray *ended = take_list(&t->ended), *started = take_list(&t->started);

		wait_unlock(&t->wait);
		if (ended) {
			run_life(t, ended, VMT_ENDED);
		}
		if (started) {
			run_life(t, started, VMT_STARTED);
		}
		wait_lock(&t->wait);
	}
}

/* Waits until the task is due; false when it is to end. */
static bool next_job(struct task *t)
{
	struct work *old = NULL;
	bool go;

	wait_lock(&t->wait);
	t->status.busy = false;
	live(t);
	while (!t->due && !t->ending) {
		wait_until(&t->wait, INT64_MAX);
		live(t);
	}
	go = t->due && !t->ending;
	t->due = false;
	t->status.busy = go;
	t->punctuality =
		(struct poll_punctuality){ .due_ns = t->due_ns, .overruns = t->status.overruns };
	if (t->replaced) {
		old = t->work;
		t->work = t->next;
		t->next = NULL;
		t->replaced = false;
	}
	wait_unlock(&t->wait);
	work_free(old);
	return go;
}

/* A frame of the cycle under way, and the pipelines for it. */
struct produce {
	struct frame *frame;
	struct pipeline_set *set; /* the work's */
};

static void keep(void *context, const struct poll_part *part, struct frame *frame)
{
	struct task *t = context;
	struct produce p = { .frame = frame, .set = ((const struct work_part *)part)->set };

	g_array_append_val(t->produce, p);
}

/* Hands the frames to the pipelines.  Number of those dropped: the pipelines are so far behind. */
static uint64_t hand_over(struct task *t)
{
	uint64_t lost = 0;

	for (guint i = 0; i < t->produce->len; i++) {
		struct produce *p = &g_array_index(t->produce, struct produce, i);

		if (pipeline_runner_submit(t->parts.runner, p->frame, p->set) < 0) {
			frame_unref(p->frame);
			lost++;
		}
	}
	if (lost > 0) {
		log_error("%s: the pipelines are not keeping up; one cycle's samples are dropped",
			  t->name);
	}
	g_array_set_size(t->produce, 0);
	return lost;
}

static void run_life(struct task *t, GPtrArray *ids, enum vmt_life what)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + LIFE_BUDGET_NS,
				 .cancel = &t->cancel };

	poll_cycle_life(t->cycle, &t->work->poll, ids, what, &call, keep, t);
	hand_over(t);
	g_ptr_array_free(ids, TRUE);
}

/* After their last samples: what transformers keep of instances that are gone. */
static void forget_gone(struct task *t)
{
	size_t count;
	const uint64_t *gone = poll_cycle_gone(t->cycle, &count);

	for (guint i = 0; count > 0 && i < t->work->parts->len; i++) {
		const struct work_part *part = g_ptr_array_index(t->work->parts, i);

		pipeline_runner_forget(t->parts.runner, part->set, gone, count);
	}
}

static void run_job(struct task *t, bool first)
{
	int64_t interval = t->parts.cycle.interval_ns, began = clock_monotonic();
	int64_t budget = MAX(interval, BUDGET_MIN_NS);
	struct poll_cycle_result result;
	struct vmt_call call;
	uint64_t lost;

	if (first) {
		budget = MAX(budget, t->parts.first_budget_ns);
	}
	call = (struct vmt_call){ .deadline_ns = began + budget, .cancel = &t->cancel };
	work_tell(t->work, false);
	poll_cycle_run(t->cycle, &t->work->poll, &t->punctuality, &call, keep, t, &result);
	if (t->parts.look) {
		t->parts.look(t->parts.context, t->cycle,
			      t->produce->len ? g_array_index(t->produce, struct produce, 0).frame
					      : NULL,
			      &result);
	}
	lost = hand_over(t);
	work_tell(t->work, true);
	forget_gone(t);
	if (interval > TASK_PAUSE_NS && !clock_is_simulated()) {
		poll_cycle_trim(t->cycle);
	}
	if (result.wall_ns > interval) {
		log_warn("task %s run outlasted interval by %.2f sec", t->name,
			 (double)(result.wall_ns - interval) / 1e9);
	}
	wait_lock(&t->wait);
	t->status.cycles++;
	t->status.lost_frames += lost;
	t->status.last = result;
	wait_unlock(&t->wait);
	t->parts.done(t->parts.context);
}

static void *task_main(void *arg)
{
	struct task *t = arg;

	for (bool first = true; next_job(t); first = false) {
		run_job(t, first);
	}
	return NULL;
}

int task_new(const struct task_parts *parts, struct work *work, struct task **ret_task)
{
	struct task *t = g_new0(struct task, 1);
	int ret;

	t->parts = *parts;
	t->name = g_strdup(parts->name);
	t->work = work;
	t->cycle = poll_cycle_new(&parts->cycle);
	t->produce = g_array_new(FALSE, FALSE, sizeof(struct produce));
	t->status.interval_ns = parts->cycle.interval_ns;
	t->started = g_ptr_array_new_with_free_func(g_free);
	t->ended = g_ptr_array_new_with_free_func(g_free);
	wait_init(&t->wait);
	ret = thread_start(&t->thread, t->name, task_main, t);
	if (ret < 0) {
		work_free(t->work);
		poll_cycle_free(t->cycle);
		g_array_unref(t->produce);
		wait_fini(&t->wait);
		g_ptr_array_free(t->started, TRUE);
		g_ptr_array_free(t->ended, TRUE);
		g_free(t->name);
		g_free(t);
		return ret;
	}
	*ret_task = t;
	return 0;
}

bool task_trigger(struct task *task, int64_t due_ns)
{
	bool taken;

	wait_lock(&task->wait);
	taken = !task->status.busy && !task->due;
	if (taken) {
		task->due = true;
		task->due_ns = due_ns;
	} else {
		task->status.overruns++;
	}
	wait_unlock(&task->wait);
	if (taken) {
		wait_wake(&task->wait);
	}
	return taken;
}

void task_life(struct task *task, const char *instance_id, enum vmt_life what)
{
	wait_lock(&task->wait);
	g_ptr_array_add(what == VMT_STARTED ? task->started : task->ended, g_strdup(instance_id));
	wait_unlock(&task->wait);
	wait_wake(&task->wait);
}

void task_missed(struct task *task, uint64_t slots)
{
	wait_lock(&task->wait);
	task->status.overruns += slots;
	wait_unlock(&task->wait);
}

void task_replace(struct task *task, struct work *work)
{
	struct work *old = NULL, *waiting;

	wait_lock(&task->wait);
	waiting = task->next;
	task->replaced = task->status.busy || task->due;
	if (task->replaced) {
		task->next = work;
	} else { /* the thread waits, and looks at none of it */
		old = task->work;
		task->work = work;
		task->next = NULL;
	}
	wait_unlock(&task->wait);
	work_free(old);
	work_free(waiting);
}

void task_status(struct task *task, struct task_status *ret_status)
{
	wait_lock(&task->wait);
	*ret_status = task->status;
	ret_status->busy = ret_status->busy || task->due;
	wait_unlock(&task->wait);
}

void task_cancel(struct task *task)
{
	atomic_store(&task->cancel, true);
}

void task_free(struct task *task)
{
	if (!task) {
		return;
	}
	wait_lock(&task->wait);
	task->ending = true;
	wait_unlock(&task->wait);
	wait_wake(&task->wait);
	thread_join(task->thread);
	poll_cycle_free(task->cycle);
	g_array_unref(task->produce);
	work_free(task->work);
	work_free(task->next);
	wait_fini(&task->wait);
	g_ptr_array_free(task->started, TRUE);
	g_ptr_array_free(task->ended, TRUE);
	g_free(task->name);
	g_free(task);
}
