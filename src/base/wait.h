/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mutex with a condition whose timed wait runs on base/clock: the one way in which threads of
 * virtmeter wait for each other or for a time.
 *
 * In simulation the threads run one at a time, in the order in which they became runnable, and hand
 * over only in wait_until(), thread_join(), thread_block_begin() and at their end; so a run is
 * repeatable.  When all wait, time jumps to the earliest deadline, and that waiter runs.  Do not hold
 * a lock over the wait_until() of another one.
 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct wait {
	pthread_mutex_t mutex;
	pthread_cond_t cond; /* CLOCK_MONOTONIC; unused in simulation */
};

#define WAIT_FOREVER INT64_MAX

void wait_init(struct wait *w);
void wait_fini(struct wait *w); /* nobody waits any more; NULL is fine */
void wait_lock(struct wait *w);
void wait_unlock(struct wait *w);

/* Call it locked, it returns locked.  0: woken (look at your condition again: others may have been
 * faster), -ETIMEDOUT: clock_monotonic() has reached `deadline_ns`.  In simulation only the first
 * thread (clock_simulate()) and those of thread_start() may call it. */
int wait_until(struct wait *w, int64_t deadline_ns);

/* Wakes all waiters; locked or not, from any thread. */
void wait_wake(struct wait *w);

/* Sleeps for so long; for tests and for threads that nobody needs to wake. */
void wait_sleep(int64_t ns);

/* ---- simulation, for clock.c and thread.c ---- */

struct sim_thread; /* what the simulation knows of a thread */

/* The caller becomes the first thread. */
void wait_simulate(void);
/* A thread is about to be created: it counts as runnable from now on. */
struct sim_thread *wait_thread_new(void);
/* First and last act of the new thread.  After the latter, whoever joins it goes on. */
void wait_thread_enter(struct sim_thread *t);
void wait_thread_leave(void);
/* Waits until `t` has left, then frees it. */
void wait_thread_join(struct sim_thread *t);
/* The thread does something outside that may take a while (I/O): others may run, but time stands. */
void wait_block_begin(void);
void wait_block_end(void);

#endif
