/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a polling task.  It waits until a cycle is due; it may block on the hypervisor and on discovery, until
 * the cycle's deadline.  The struct wait guards the state shared with the main thread.
 */
#include "agent/task.h"

#include <errno.h>
#include <glib.h>
#include <malloc.h>
#include <pthread.h>

#define LOG_NAME "polling"
#include "agent/trim.h"
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
	struct trim trim; /* likewise */
	/* below: under `wait` */
	bool ending, replaced;
	bool living; /* first or last samples are being made */
	struct schedule schedule;
	int64_t next_ns; /* when the next cycle is due; INT64_MAX: never */
	uint64_t begun; /* cycles */
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

		t->living = true;
		wait_unlock(&t->wait);
		if (ended) {
			run_life(t, ended, VMT_ENDED);
		}
		if (started) {
			run_life(t, started, VMT_STARTED);
		}
		wait_lock(&t->wait);
		t->living = false;
	}
}

static size_t free_bytes(void)
{
	return mallinfo2().fordblks;
}

/* Gives back what a cycle took for a moment, if it is time to and worth it.  Locked on entry and exit. */
static void trim(struct task *t)
{
	int64_t now_ns = clock_monotonic();

	if (now_ns < t->trim.look_ns || !trim_look(&t->trim, now_ns, t->next_ns, free_bytes())) {
		return;
	}
	wait_unlock(&t->wait);
	frame_pool_trim(t->parts.cycle.pool);
	malloc_trim(0);
	t->trim.kept = free_bytes();
	wait_lock(&t->wait);
}

/* `mono_ns`, just now or before: the time that is over.  Locked. */
static void set_next(struct task *t, int64_t mono_ns)
{
	int64_t real_ns = clock_real() - (clock_monotonic() - mono_ns);
	uint64_t missed = 0;

	t->next_ns = schedule_next(&t->schedule, mono_ns, real_ns, &missed);
	t->status.overruns += missed;
}

/* Times that came while a cycle was running are over.  Locked. */
static void catch_up(struct task *t)
{
	while (t->next_ns <= clock_monotonic()) {
		t->status.overruns++;
		set_next(t, t->next_ns);
	}
}

/* Until a cycle is due, or the task is to end.  Locked on entry and exit. */
static void wait_for_next(struct task *t)
{
	while (!t->ending && clock_monotonic() < t->next_ns) {
		wait_until(&t->wait, MIN(t->next_ns, t->trim.look_ns));
		trim(t);
		live(t);
	}
}

/* The cycle that is due begins.  Locked. */
static void begin(struct task *t)
{
	t->punctuality.due_ns = t->schedule.slot_ns;
	set_next(t, clock_monotonic());
	t->punctuality.overruns = t->status.overruns;
	if (++t->begun == t->parts.cycles) {
		t->next_ns = INT64_MAX;
	}
}

/* Waits until the task is due; false when it is to end. */
static bool next_job(struct task *t, bool first)
{
	struct work *old = NULL;
	bool go;

	wait_lock(&t->wait);
	if (!first) {
		catch_up(t);
		if (!clock_is_simulated()) {
			trim_begin(&t->trim, clock_monotonic(), t->next_ns);
		}
	}
	t->status.busy = false;
	live(t);
	wait_for_next(t);
	go = !t->ending;
	if (go) {
		begin(t);
	}
	t->status.busy = go;
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

/* Whether the hypervisor was asked for instances, and answered. */
static bool has_polled(const struct poll_cycle_result *result)
{
	size_t count = 0;

	for (int o = VMT_OK; o < VMT_OUTCOMES; o++) {
		count += result->outcome[o];
	}
	return count > 0 && result->error.text[0] == '\0';
}

static void run_job(struct task *t, bool first)
{
	int64_t interval = t->parts.cycle.interval_ns, began = clock_monotonic(),
		time = clock_real();
	int64_t budget = MAX(interval, BUDGET_MIN_NS);
	struct poll_cycle_result result;
	struct vmt_call call;
	uint64_t lost;

	if (first) {
		budget = MAX(budget, t->parts.first_budget_ns);
	}
	call = (struct vmt_call){ .deadline_ns = began + budget, .cancel = &t->cancel };
	poll_cycle_run(t->cycle, &t->work->poll, &t->punctuality, &call, keep, t, &result);
	if (t->parts.look) {
		t->parts.look(t->parts.context, t->cycle,
			      t->produce->len ? g_array_index(t->produce, struct produce, 0).frame
					      : NULL,
			      &result);
	}
	lost = hand_over(t);
	work_tell_finished(t->work);
	if (has_polled(&result)) {
		t->parts.polled(t->parts.context, t->work, time);
	}
	forget_gone(t);
	if (interval > TRIM_CLOSE_NS && !clock_is_simulated()) {
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

	for (bool first = true; next_job(t, first); first = false) {
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
	t->schedule = parts->schedule;
	t->next_ns = t->trim.look_ns = INT64_MAX;
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

void task_start(struct task *task, const char *host, int64_t delay_ns, bool aligned)
{
	wait_lock(&task->wait);
	if (aligned) {
		task->next_ns = schedule_start_aligned(&task->schedule, host, clock_monotonic(),
						       clock_real());
	} else {
		schedule_start(&task->schedule, host, clock_monotonic(), clock_real());
		task->next_ns = task->schedule.start_ns + delay_ns;
	}
	wait_unlock(&task->wait);
	wait_wake(&task->wait);
}

void task_continue(struct task *task, struct task *before)
{
	struct schedule schedule;
	int64_t next_ns;

	wait_lock(&before->wait);
	if (before->status.busy) {
		catch_up(before);
	}
	schedule = before->schedule;
	next_ns = before->next_ns;
	before->next_ns = INT64_MAX;
	wait_unlock(&before->wait);
	wait_lock(&task->wait);
	schedule_continue(&task->schedule, &schedule);
	task->next_ns = next_ns;
	wait_unlock(&task->wait);
	wait_wake(&task->wait);
}

void task_tune(struct task *task, bool align, int64_t jitter_ns)
{
	wait_lock(&task->wait);
	task->schedule.align = align;
	task->schedule.jitter_ns = jitter_ns;
	wait_unlock(&task->wait);
}

void task_rest(struct task *task)
{
	wait_lock(&task->wait);
	task->next_ns = INT64_MAX;
	wait_unlock(&task->wait);
}

void task_life(struct task *task, const char *instance_id, enum vmt_life what)
{
	wait_lock(&task->wait);
	g_ptr_array_add(what == VMT_STARTED ? task->started : task->ended, g_strdup(instance_id));
	wait_unlock(&task->wait);
	wait_wake(&task->wait);
}

void task_replace(struct task *task, struct work *work)
{
	struct work *old = NULL, *waiting;

	wait_lock(&task->wait);
	waiting = task->next;
	task->replaced = task->status.busy || task->living;
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
	if (task->status.busy) {
		catch_up(task);
	}
	*ret_status = task->status;
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
