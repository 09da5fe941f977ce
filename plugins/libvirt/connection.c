/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns callers and their threads.  A seat is one such thread with its connection; a caller sits on one
 * until it has to be written off.  Callers' users block in job_wait() until a deadline; seats block in
 * libvirt, without limit.
 */
#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>

#define LOOK_NS (500 * NS_PER_MS) /* how soon a cancel is seen */
#define SILENCE_NS                                                                                 \
	(1 * NS_PER_S) /* a light call that is out for so long says that nobody answers */
#define GOODBYE_NS (1 * NS_PER_S) /* for a connection to close in good order */

enum job_state { JOB_READY, JOB_RUNNING, JOB_DONE };

struct job {
	atomic_uint refs;
	struct seat *seat; /* counted */
	job_fn fn;
	void *arg;
	void (*free_arg)(void *);
	/* guarded by the seat's lock */
	enum job_state state;
	int result;
	uint64_t calls;
	struct vmt_error error;
	struct bell *bell; /* counted; NULL: none */
	struct flight *flight; /* counted */
};

struct seat {
	atomic_uint refs; /* of its thread, its caller, its jobs */
	struct hub *hub; /* counted */
	enum caller_kind kind;
	bool events; /* see caller_want_events(); and for a host that is not this one */
	pthread_t thread;
	struct session session; /* the thread's own */
	struct wait wait; /* guards all below and the state of the job */
	struct job *job;
	bool quit;
	bool left; /* written off: counted by the hub, its thread detached */
	bool over; /* the thread is about to end */
};

struct caller {
	struct hub *hub;
	enum caller_kind kind;
	bool events; /* wanted */
	struct seat *seat; /* NULL: none yet */
	struct flight *last; /* of a light one: the call that it left behind; counted */
	int64_t left_ns; /* when that was begun */
	char name[16];
};

/* ------------------------------------------------------------------ seat: the thread */

static bool seat_is_left(struct seat *seat)
{
	bool left;

	wait_lock(&seat->wait);
	left = seat->left;
	wait_unlock(&seat->wait);
	return left;
}

static int seat_run(struct seat *seat, const struct job *j, struct vmt_error *error)
{
	struct session *s = &seat->session;
	int err = session_open(s, seat->hub, seat->events, error);

	if (err < 0) {
		return err;
	}
	virResetLastError();
	err = j->fn(s, j->arg, error);
	if (err >= 0 || !session_is_lost(s)) {
		return err;
	}
	if (seat_is_left(seat)) {
		return err; /* nobody wants to know any more */
	}
	session_close(s);
	err = session_open(s, seat->hub, seat->events, error);
	if (err < 0) {
		return err;
	}
	virResetLastError();
	err = j->fn(s, j->arg, error);
	if (err < 0 && session_is_lost(s)) {
		session_close(s);
	}
	return err;
}

static void seat_unref(struct seat *seat)
{
	if (atomic_fetch_sub(&seat->refs, 1) == 1) {
		wait_fini(&seat->wait);
		hub_unref(seat->hub);
		g_free(seat);
	}
}

/* Left behind (1), or back after all (-1): the hub is told of those that may hold a worker of libvirtd. */
static void seat_count(struct seat *seat, int change)
{
	if (seat->kind == CALLER_HEAVY) {
		hub_count(seat->hub, change);
	}
}

/* Runs the job that is there and lets go of it.  Called and left with the seat's lock. */
static void seat_work(struct seat *seat)
{
	struct job *j = seat->job;
	struct vmt_error error = { "" };
	struct bell *bell;
	int result;

	j->state = JOB_RUNNING;
	wait_unlock(&seat->wait);
	thread_block_begin();
	seat->session.calls = 0;
	result = seat_run(seat, j, &error);
	thread_block_end();
	wait_lock(&seat->wait);
	j->result = result;
	j->error = error;
	j->calls = seat->session.calls;
	j->state = JOB_DONE;
	flight_land(j->flight, result);
	bell = j->bell;
	j->bell = NULL;
	seat->job = NULL;
	wait_unlock(&seat->wait);
	wait_wake(&seat->wait);
	bell_ring(bell);
	job_unref(j);
	wait_lock(&seat->wait);
}

static void *seat_main(void *data)
{
	struct seat *seat = data;
	struct job *unwanted;
	bool left;

	wait_lock(&seat->wait);
	while (!seat->quit) {
		if (seat->job) {
			seat_work(seat);
		} else {
			wait_until(&seat->wait, WAIT_FOREVER);
		}
	}
	unwanted = seat->job;
	seat->job = NULL;
	if (unwanted) { /* written off before it was begun */
		flight_land(unwanted->flight, -ECANCELED);
	}
	wait_unlock(&seat->wait);
	job_unref(unwanted);
	thread_block_begin();
	session_close(&seat->session);
	thread_block_end();
	wait_lock(&seat->wait);
	seat->over = true;
	left = seat->left;
	wait_wake(&seat->wait);
	wait_unlock(&seat->wait);
	if (left) {
		seat_count(seat, -1);
	}
	seat_unref(seat);
	return NULL;
}

static struct seat *seat_new(struct hub *h, const char *name, enum caller_kind kind, bool events)
{
	struct seat *seat = g_new0(struct seat, 1);

	atomic_init(&seat->refs, 2);
	seat->hub = hub_keep(h);
	seat->kind = kind;
	seat->events = events || !uri_is_local(hub_uri(h));
	wait_init(&seat->wait);
	if (thread_start(&seat->thread, name, seat_main, seat) < 0) {
		atomic_store(&seat->refs, 1);
		seat_unref(seat);
		return NULL;
	}
	return seat;
}

/* Ends it, now or whenever its call returns. */
static void seat_leave(struct seat *seat)
{
	int64_t until = clock_monotonic() + GOODBYE_NS;
	bool over;

	wait_lock(&seat->wait);
	seat->quit = true;
	wait_wake(&seat->wait);
	while (!seat->over && wait_until(&seat->wait, until) == 0) {
	}
	over = seat->over;
	if (!over) {
		seat->left = true;
		seat_count(seat, 1);
		pthread_detach(seat->thread);
	}
	wait_unlock(&seat->wait);
	if (over) {
		thread_join(seat->thread);
	}
	seat_unref(seat);
}

/* ------------------------------------------------------------------ caller and job */

struct caller *caller_new(struct hub *h, const char *name, enum caller_kind kind)
{
	struct caller *c = g_new0(struct caller, 1);

	c->hub = hub_keep(h);
	c->kind = kind;
	g_strlcpy(c->name, name, sizeof(c->name));
	return c;
}

void caller_want_events(struct caller *c)
{
	c->events = true;
}

void caller_free(struct caller *c)
{
	if (!c) {
		return;
	}
	if (c->seat && c->seat->left) {
		seat_unref(c->seat);
	} else if (c->seat) {
		seat_leave(c->seat);
	}
	flight_unref(c->last);
	hub_unref(c->hub);
	g_free(c);
}

void job_unref(struct job *j)
{
	if (j && atomic_fetch_sub(&j->refs, 1) == 1) {
		if (j->free_arg) {
			j->free_arg(j->arg);
		}
		bell_unref(j->bell);
		flight_unref(j->flight);
		seat_unref(j->seat);
		g_free(j);
	}
}

/* Whether too much hangs already for another one of this caller's kind.  0, or -EBUSY with the reason. */
static int caller_may_sit(struct caller *c, struct vmt_error *error)
{
	unsigned left = hub_left(c->hub);
	int result;

	if (c->kind == CALLER_HEAVY && left > hub_cap(c->hub)) {
		return vmt_error_set(
			error, -EBUSY,
			"libvirt %s: %u calls hang; not asking more before one returns",
			hub_uri(c->hub), left);
	}
	if (c->last && !flight_done(c->last, &result) &&
	    clock_monotonic() - c->left_ns >= SILENCE_NS) {
		return vmt_error_set(error, -EBUSY,
				     "libvirt %s: has not answered a simple question for %d s",
				     hub_uri(c->hub),
				     (int)((clock_monotonic() - c->left_ns) / NS_PER_S));
	}
	flight_unref(c->last);
	c->last = NULL;
	return 0;
}

/* A seat to work on: the one there is, unless it was written off.  NULL with the reason. */
static struct seat *caller_sit(struct caller *c, struct vmt_error *error)
{
	if (c->seat && !seat_is_left(c->seat)) {
		return c->seat;
	}
	if (c->seat) {
		seat_unref(c->seat);
		c->seat = NULL;
	}
	if (caller_may_sit(c, error) < 0) {
		return NULL;
	}
	c->seat = seat_new(c->hub, c->name, c->kind, c->events);
	if (!c->seat) {
		vmt_error_set(error, -EBUSY, "libvirt %s: no thread: %s", hub_uri(c->hub),
			      g_strerror(EAGAIN));
	}
	return c->seat;
}

int caller_submit(struct caller *c, job_fn fn, void *arg, void (*free_arg)(void *),
		  struct job **ret_job, struct vmt_error *error)
{
	struct seat *seat = caller_sit(c, error);
	struct job *j;

	if (!seat) {
		if (free_arg) {
			free_arg(arg);
		}
		return -EBUSY;
	}
	g_assert(c->seat);
	j = g_new0(struct job, 1);
	atomic_init(&j->refs, 2);
	atomic_fetch_add(&seat->refs, 1);
	j->seat = seat;
	j->flight = flight_new();
	j->fn = fn;
	j->arg = arg;
	j->free_arg = free_arg;
	wait_lock(&seat->wait);
	g_assert(!seat->job);
	seat->job = j;
	if (c->kind == CALLER_LIGHT) {
		flight_unref(c->last);
		c->last = job_flight(j);
		c->left_ns = clock_monotonic();
	}
	wait_unlock(&seat->wait);
	wait_wake(&seat->wait);
	*ret_job = j;
	return 0;
}

/* Called with the seat's lock: the job will not be waited for any more. */
static void write_off(struct seat *seat)
{
	seat->quit = true;
	seat->left = true;
	seat_count(seat, 1);
	pthread_detach(seat->thread);
	wait_wake(&seat->wait);
}

static int tell_left(const struct seat *seat, int err, struct vmt_error *error)
{
	return vmt_error_set(error, err, "libvirt %s: %s", hub_uri(seat->hub),
			     err == -ETIMEDOUT ? "no answer in time; its call is left behind"
					       : "cancelled while a call was on its way");
}

void job_leave(struct job *j)
{
	wait_lock(&j->seat->wait);
	if (j->state != JOB_DONE && !j->seat->left) {
		write_off(j->seat);
	}
	bell_unref(j->bell);
	j->bell = NULL;
	wait_unlock(&j->seat->wait);
}

bool job_done(struct job *j)
{
	int result;

	return flight_done(j->flight, &result);
}

void job_bell(struct job *j, struct bell *b)
{
	bool done;

	wait_lock(&j->seat->wait);
	done = j->state == JOB_DONE;
	bell_ref(b);
	if (!done) {
		bell_unref(j->bell);
		j->bell = b;
	}
	wait_unlock(&j->seat->wait);
	if (done) {
		bell_ring(b);
	}
}

struct flight *job_flight(struct job *j)
{
	return flight_ref(j->flight);
}

int job_wait(struct job *j, const struct vmt_call *call, uint64_t *calls, struct vmt_error *error)
{
	struct seat *seat = j->seat;
	int64_t now;
	int err;

	wait_lock(&seat->wait);
	while (j->state != JOB_DONE) {
		now = clock_monotonic();
		if (now >= call->deadline_ns || atomic_load(call->cancel)) {
			break;
		}
		wait_until(&seat->wait, MIN(call->deadline_ns, now + LOOK_NS));
	}
	if (j->state == JOB_DONE) {
		err = j->result;
		*calls += j->calls;
		if (err < 0) {
			*error = j->error;
		}
	} else {
		*calls += 1; /* at least */
		write_off(seat);
		err = tell_left(seat, atomic_load(call->cancel) ? -ECANCELED : -ETIMEDOUT, error);
	}
	wait_unlock(&seat->wait);
	return err;
}

int caller_run(struct caller *c, job_fn fn, void *arg, void (*free_arg)(void *),
	       const struct vmt_call *call, uint64_t *calls, struct vmt_error *error)
{
	struct job *j;
	int err = caller_submit(c, fn, arg, free_arg, &j, error);

	if (err == 0) {
		err = job_wait(j, call, calls, error);
		job_unref(j);
	}
	return err;
}
