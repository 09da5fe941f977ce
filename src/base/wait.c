/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns waiting, and with it the scheduler of the simulation: a baton that one thread at a time holds.
 * Any thread; blocks where it says.
 *
 * In simulation a thread is runnable (in `queue`, or `current` itself), waiting (in `waiters`), or
 * blocked outside.  Who gives up the baton picks the next: waiters whose deadline has come become
 * runnable, then the head of the queue runs; is the queue empty and nobody blocked outside, time jumps
 * to the earliest deadline.  Both lists are short (tens of threads), so they are walked.
 */
#include "base/wait.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <time.h>

struct sim_thread {
	struct sim_thread *next; /* in `queue` or `waiters` */
	pthread_cond_t run; /* with sim.lock: it holds the baton, or has left */
	const void *on; /* what it waits for: a struct wait, or a struct sim_thread to join */
	int64_t deadline_ns;
	bool woken, left;
};

struct sim_list {
	struct sim_thread *head, **tail;
};

static struct {
	pthread_mutex_t lock;
	struct sim_thread *current; /* holds the baton; NULL: nobody can run now */
	struct sim_list queue, waiters; /* in the order of their coming */
	unsigned blocked; /* threads between block_begin and block_end */
} sim = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct sim_thread *self;

static void list_init(struct sim_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_add(struct sim_list *l, struct sim_thread *t)
{
	t->next = NULL;
	*l->tail = t;
	l->tail = &t->next;
}

/* Takes *at out of the list; `at` then points to the one behind it. */
static struct sim_thread *list_take(struct sim_list *l, struct sim_thread **at)
{
	struct sim_thread *t = *at;

	*at = t->next;
	if (l->tail == &t->next) {
		l->tail = at;
	}
	t->next = NULL;
	return t;
}

static void make_runnable(struct sim_thread **at, bool woken)
{
	struct sim_thread *t = list_take(&sim.waiters, at);

	t->woken = woken;
	t->on = NULL;
	list_add(&sim.queue, t);
}

/* Waiters whose time has come, first come first. */
static void expire(int64_t now)
{
	struct sim_thread **at = &sim.waiters.head;

	while (*at) {
		if ((*at)->deadline_ns <= now && (*at)->deadline_ns != WAIT_FOREVER) {
			make_runnable(at, false);
		} else {
			at = &(*at)->next;
		}
	}
}

/* The baton is free: gives it to the next.  Locked. */
static void hand_over(void)
{
	int64_t earliest = WAIT_FOREVER;

	expire(clock_monotonic());
	if (!sim.queue.head && !sim.blocked) {
		for (struct sim_thread *t = sim.waiters.head; t; t = t->next) {
			earliest = MIN(earliest, t->deadline_ns);
		}
		if (earliest != WAIT_FOREVER) {
			clock_simulate_advance(earliest);
			expire(earliest);
		}
	}
	sim.current = NULL;
	if (sim.queue.head) {
		sim.current = list_take(&sim.queue, &sim.queue.head);
		pthread_cond_signal(&sim.current->run);
	}
}

static void await_baton(struct sim_thread *t)
{
	while (sim.current != t) {
		pthread_cond_wait(&t->run, &sim.lock);
	}
}

/* Wakes whoever waits on that thing.  Locked. */
static void wake_on(const void *on)
{
	struct sim_thread **at = &sim.waiters.head;

	while (*at) {
		if ((*at)->on == on) {
			make_runnable(at, true);
		} else {
			at = &(*at)->next;
		}
	}
	if (!sim.current && sim.queue.head) {
		hand_over();
	}
}

/* Gives the baton away and gets it back when `on` is woken or the deadline is there.  Locked. */
static bool sim_wait(const void *on, int64_t deadline_ns)
{
	self->on = on;
	self->deadline_ns = deadline_ns;
	list_add(&sim.waiters, self);
	hand_over();
	await_baton(self);
	return self->woken;
}

static struct sim_thread *sim_thread_new(void)
{
	struct sim_thread *t = g_new0(struct sim_thread, 1);

	pthread_cond_init(&t->run, NULL);
	return t;
}

void wait_simulate(void)
{
	static struct sim_thread first = { .run = PTHREAD_COND_INITIALIZER };

	list_init(&sim.queue);
	list_init(&sim.waiters);
	sim.current = self = &first;
}

struct sim_thread *wait_thread_new(void)
{
	struct sim_thread *t;

	if (!clock_is_simulated()) {
		return NULL;
	}
	t = sim_thread_new();
	pthread_mutex_lock(&sim.lock);
	list_add(&sim.queue, t);
	if (!sim.current) {
		hand_over();
	}
	pthread_mutex_unlock(&sim.lock);
	return t;
}

void wait_thread_enter(struct sim_thread *t)
{
	if (!t) {
		return;
	}
	self = t;
	pthread_mutex_lock(&sim.lock);
	await_baton(t);
	pthread_mutex_unlock(&sim.lock);
}

void wait_thread_leave(void)
{
	if (!self) {
		return;
	}
	pthread_mutex_lock(&sim.lock);
	self->left = true;
	wake_on(self);
	hand_over();
	pthread_mutex_unlock(&sim.lock);
}

void wait_thread_join(struct sim_thread *t)
{
	if (!t) {
		return;
	}
	assert(self);
	pthread_mutex_lock(&sim.lock);
	while (!t->left) {
		sim_wait(t, WAIT_FOREVER);
	}
	pthread_mutex_unlock(&sim.lock);
	pthread_cond_destroy(&t->run);
	g_free(t);
}

void wait_block_begin(void)
{
	if (!self) {
		return;
	}
	pthread_mutex_lock(&sim.lock);
	sim.blocked++;
	hand_over();
	pthread_mutex_unlock(&sim.lock);
}

void wait_block_end(void)
{
	if (!self) {
		return;
	}
	pthread_mutex_lock(&sim.lock);
	sim.blocked--;
	list_add(&sim.queue, self);
	if (!sim.current) {
		hand_over();
	}
	await_baton(self);
	pthread_mutex_unlock(&sim.lock);
}

void wait_init(struct wait *w)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void wait_fini(struct wait *w)
{
	if (w) {
		pthread_cond_destroy(&w->cond);
		pthread_mutex_destroy(&w->mutex);
	}
}

void wait_lock(struct wait *w)
{
	pthread_mutex_lock(&w->mutex);
}

void wait_unlock(struct wait *w)
{
	pthread_mutex_unlock(&w->mutex);
}

static int real_until(struct wait *w, int64_t deadline_ns)
{
	struct timespec ts;

	if (deadline_ns == WAIT_FOREVER) {
		return -pthread_cond_wait(&w->cond, &w->mutex);
	}
	if (deadline_ns < 0) {
		deadline_ns = 0;
	}
	ts.tv_sec = (time_t)(deadline_ns / NS_PER_S);
	ts.tv_nsec = (long)(deadline_ns % NS_PER_S);
	return -pthread_cond_timedwait(&w->cond, &w->mutex, &ts);
}

int wait_until(struct wait *w, int64_t deadline_ns)
{
	bool woken;

	if (!clock_is_simulated()) {
		return real_until(w, deadline_ns);
	}
	assert(self); /* a thread of thread_start(), or the first */
	pthread_mutex_lock(&sim.lock);
	pthread_mutex_unlock(&w->mutex);
	woken = sim_wait(w, deadline_ns);
	pthread_mutex_unlock(&sim.lock);
	pthread_mutex_lock(&w->mutex);
	return woken ? 0 : -ETIMEDOUT;
}

void wait_wake(struct wait *w)
{
	if (!clock_is_simulated()) {
		pthread_cond_broadcast(&w->cond);
		return;
	}
	pthread_mutex_lock(&sim.lock);
	wake_on(w);
	pthread_mutex_unlock(&sim.lock);
}

void wait_sleep(int64_t ns)
{
	int64_t deadline = clock_monotonic() + ns;
	struct wait w;

	wait_init(&w);
	wait_lock(&w);
	while (wait_until(&w, deadline) != -ETIMEDOUT) {
	}
	wait_unlock(&w);
	wait_fini(&w);
}
