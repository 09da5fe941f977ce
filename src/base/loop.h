/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread's loop: timers, and work posted by other threads.  On the system's clock it is a
 * source of GLib's default main context, so that libvirt's event loop, sockets and signals of GLib run
 * beside it; on the simulated clock it waits on base/wait.h.  Idle, it never wakes.
 *
 * One loop per process.  All functions belong to the main thread, except loop_post() and loop_quit().
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

struct loop;
struct loop_timer;

typedef void (*loop_fn)(void *data);

struct loop *loop_new(void);
/* Timers left are freed too; what was posted and has not run is dropped.  NULL is fine. */
void loop_free(struct loop *loop);

/* Calls fn(data) once, when clock_monotonic() has reached `due_mono_ns` (the past: at the next turn;
 * INT64_MAX: not before loop_timer_set()).  Timers due together run in the order of their due times,
 * then of their arming.  Owned by the caller, until loop_timer_free() or loop_free(). */
struct loop_timer *loop_timer_add(struct loop *loop, int64_t due_mono_ns, loop_fn fn, void *data);

/* Arms it (again) or, with INT64_MAX, disarms it; from within its own call too. */
void loop_timer_set(struct loop_timer *timer, int64_t due_mono_ns);

/* From within its own call too.  NULL is fine. */
void loop_timer_free(struct loop_timer *timer);

/* Calls fn(data) on the main thread, soon, in the order of posting.  Any thread. */
void loop_post(struct loop *loop, loop_fn fn, void *data);

/* Runs until loop_quit().  A quit before the run counts. */
void loop_run(struct loop *loop);

/* loop_run() returns after the call that is running now.  Any thread. */
void loop_quit(struct loop *loop);

#endif
