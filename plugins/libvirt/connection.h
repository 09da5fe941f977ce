/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to a hypervisor with a deadline.
 *
 * No call of libvirt can be given a time limit, and one that waits for a stuck QEMU never returns.  So
 * every call is made by a *caller*: a thread with a connection of its own.  Whoever wants something of the
 * hypervisor submits a *job* and waits for it until a deadline.  Past it, thread and connection are written
 * off: they are left behind (nothing can end them but the hypervisor), counted, and end by themselves
 * should the call ever return; the caller goes on with a new thread and connection.  A hub stands for one
 * hypervisor: it caps what is left behind and spaces out attempts to connect.
 *
 * Two kinds of callers.  The jobs of a *heavy* one may wait for a QEMU's monitor: each that hangs holds one of
 * libvirtd's workers (20, for everybody on the host), so that they are capped.  Those of a *light* one ask
 * only what libvirt answers by itself; one that hangs says that libvirt is away, and holds up no other.
 *
 * Locking: a hub and its callers may be used by any thread; one caller by one thread at a time.
 */
#ifndef LIBVIRT_CONNECTION_H
#define LIBVIRT_CONNECTION_H

#include "plugins/libvirt/flight.h"
#include "plugins/libvirt/hub.h"
#include "plugins/libvirt/session.h"

enum caller_kind { CALLER_HEAVY, CALLER_LIGHT };

struct caller;
struct job;

/* Runs in the caller's thread.  A job that fails because the connection broke is run once more on a new one:
 * it begins from the beginning then.  0 or more, or -errno with the reason. */
typedef int (*job_fn)(struct session *s, void *arg, struct vmt_error *error);

/* Thread and connection come with the first job.  Takes a reference on the hub. */
struct caller *caller_new(struct hub *h, const char *name, enum caller_kind kind);
/* Before the first job: its connection tells of events, and keep-alives show that the other side lives.  Without,
 * a connection to this machine has neither (its jobs turn no event loop); one to another has keep-alives all the same. */
void caller_want_events(struct caller *c);
/* Ends the thread; does not wait for a call that hangs.  NULL is fine. */
void caller_free(struct caller *c);

/* Hands a job over; one at a time per caller.  `arg` belongs to the job from now on: `free_arg` is called
 * with it when both sides are done, in either thread.
 * 0; -EBUSY: too much left behind already, or no thread: with the reason, `arg` freed.  Too much is for a heavy
 * caller one more than the cap (who begins calls sees to the cap: one above it is for instances that do
 * answer), for a light one a single call that has been out for a second. */
int caller_submit(struct caller *c, job_fn fn, void *arg, void (*free_arg)(void *),
		  struct job **ret_job, struct vmt_error *error);

/* Waits for the end of it, and answers what it answered; or -ETIMEDOUT, -ECANCELED: written off.
 * `arg` stays valid until job_unref(), but while a written-off job runs it belongs to that thread.
 * -ENOTCONN: no connection.  Adds the questions asked to *calls. */
int job_wait(struct job *j, const struct vmt_call *call, uint64_t *calls, struct vmt_error *error);
void job_unref(struct job *j); /* NULL is fine */

/* For who waits for several jobs: each rings the bell when it has come back (at once, when it has already). */
void job_bell(struct job *j, struct bell *b);
bool job_done(struct job *j);
/* Writes it off; nothing happens when it has come back. */
void job_leave(struct job *j);

/* What outlives a job: whether it has come back. */
struct flight *job_flight(struct job *j); /* with a reference */

/* Submit and wait. */
int caller_run(struct caller *c, job_fn fn, void *arg, void (*free_arg)(void *),
	       const struct vmt_call *call, uint64_t *calls, struct vmt_error *error);

#endif
