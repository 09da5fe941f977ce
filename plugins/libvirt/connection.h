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

#include <virtmeter/plugin.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

enum { HUB_CAP = 6 }; /* heavy calls that hang, where nothing else is said by hub_set_cap() */

enum caller_kind { CALLER_HEAVY, CALLER_LIGHT, CALLER_KINDS };

struct bell;
struct caller;
struct flight;
struct hub;
struct job;
struct processes;
struct suspects;

/* A connection, as a job sees it. */
struct session {
	virConnectPtr conn;
	uint64_t serial; /* another one after every connect, in the process */
	uint64_t calls; /* questions put to the hypervisor by it: see RPC() */
	/* Set by a job: called before the connection is closed, to let go of what refers to it. */
	void (*on_close)(struct session *s, void *data);
	void *data;
};

/* Counts the call.  Every call of libvirt that asks the hypervisor stands in one of these. */
#define RPC(session, call) ((session)->calls++, (call))

/* Runs in the caller's thread.  A job that fails because the connection broke is run once more on a new one:
 * it begins from the beginning then.  0 or more, or -errno with the reason. */
typedef int (*job_fn)(struct session *s, void *arg, struct vmt_error *error);

/* Once, before all else: libvirt's event loop on GLib's default main context, no chatter on stderr.
 * Main thread. */
void libvirt_prepare(void);

/* The hub of a URI; the same one for the same arguments, counted. */
struct hub *hub_ref(const char *uri, bool read_write);
void hub_unref(struct hub *h); /* NULL is fine */
const char *hub_uri(const struct hub *h);
unsigned hub_left(struct hub *h); /* heavy calls left behind that still hang */
/* The cap for all users of the hub: the least that was asked for. */
void hub_set_cap(struct hub *h, unsigned cap);
unsigned hub_cap(struct hub *h);
/* Those who ask many monitors at once take turns: where two go through the same domains, libvirt answers the second
 * without what the first is just asking for.  Waits for the turn until then; false: it is still another's, and nothing
 * is to be ended.  Any thread. */
bool hub_turn_begin(struct hub *h, int64_t until_ns);
void hub_turn_end(struct hub *h);
/* What is known of instances that do not answer, for all users of the hub; lives as long as it. */
struct suspects *hub_suspects(struct hub *h);
/* Processes of this hypervisor's domains; NULL when it is on another host. */
struct processes *hub_processes(struct hub *h);

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
struct bell *bell_new(void);
void bell_unref(struct bell *b); /* NULL is fine */
/* Until it rings, or has rung since the last wait, or the deadline. */
void bell_wait(struct bell *b, int64_t deadline_ns);
void job_bell(struct job *j, struct bell *b);
bool job_done(struct job *j);
/* Writes it off; nothing happens when it has come back. */
void job_leave(struct job *j);

/* What outlives a job: whether it has come back. */
struct flight *job_flight(struct job *j); /* with a reference */
struct flight *flight_ref(struct flight *f);
void flight_unref(struct flight *f); /* NULL is fine */
/* False: still on its way.  *ret_result: what the job answered. */
bool flight_done(const struct flight *f, int *ret_result);

/* Submit and wait. */
int caller_run(struct caller *c, job_fn fn, void *arg, void (*free_arg)(void *),
	       const struct vmt_call *call, uint64_t *calls, struct vmt_error *error);

/* Writes libvirt's last error of this thread, with the URI before it; answers an errno like it. */
int libvirt_error(const struct session *s, const char *what, struct vmt_error *error);

/* Whether the last error of this thread says that the driver lacks the function. */
bool libvirt_unsupported(void);

#endif
