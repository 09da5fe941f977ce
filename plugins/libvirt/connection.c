/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns hubs, callers and their threads.  A seat is one such thread with its connection; a caller sits on one
 * until it has to be written off.  Callers' users block in job_wait() until a deadline; seats block in
 * libvirt, without limit.
 */
#define LOG_NAME "libvirt"

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/event_loop.h"
#include "plugins/libvirt/process.h"
#include "plugins/libvirt/suspects.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <libxml/parser.h>
#include <unistd.h>

#define BACKOFF_FIRST (1 * NS_PER_S)
#define BACKOFF_LOCAL (8 * NS_PER_S) /* asking a local socket costs nothing, a missed cycle does */
#define BACKOFF_REMOTE (60 * NS_PER_S)
#define LOOK_NS (500 * NS_PER_MS) /* how soon a cancel is seen */
#define SILENCE_NS                                                                                 \
	(1 * NS_PER_S) /* a light call that is out for so long says that nobody answers */
#define GOODBYE_NS (1 * NS_PER_S) /* for a connection to close in good order */

enum { KEEPALIVE_S = 10, KEEPALIVE_COUNT = 3 }; /* a frozen daemon is seen after 40 s */

struct hub {
	char *uri;
	bool read_write;
	unsigned refs; /* guarded by hubs_lock */
	struct hub *next;
	struct suspects *suspects;
	struct processes *processes; /* NULL: on another host */
	struct wait lock; /* guards all below; who waits on it waits for the turn */
	int64_t retry_ns, backoff_ns; /* when the next attempt to connect may be made; 0: now */
	uint64_t attempts;
	int err; /* of the last attempt, with its text */
	char text[400];
	unsigned left[CALLER_KINDS];
	unsigned cap; /* of heavy ones */
	bool turn; /* somebody has it */
};

struct bell {
	atomic_uint refs;
	struct wait wait; /* guards `rung` */
	bool rung;
};

struct flight {
	atomic_uint refs;
	atomic_bool done;
	int result; /* once done */
};

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
	bool left; /* written off: counted in hub->left, its thread detached */
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

static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hub *hubs;
static _Atomic uint64_t serials;

/* ------------------------------------------------------------------ libvirt itself */

static void ignore_error(void *data, virErrorPtr error)
{
	/* libvirt would write it to stderr; whoever made the call has it from virGetLastError(). */
}

void libvirt_prepare(void)
{
	static bool done;
	int err;

	if (done) {
		return;
	}
	done = true;
	xmlInitParser();
	virSetErrorFunc(NULL, ignore_error);
	err = event_loop_register();
	if (err < 0) {
		log_warn("libvirt: event loop: %s; events will not be seen", g_strerror(-err));
	}
	if (virInitialize() < 0) {
		log_warn("libvirt: %s", virGetLastErrorMessage());
	}
}

/* libvirt's messages can have several lines. */
static void one_line(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c == '\n' || *c == '\r') {
			*c = ' ';
		}
	}
	g_strchomp(text);
}

static int errno_of(const virError *e)
{
	switch (e ? e->code : VIR_ERR_OK) {
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		return -ENOTSUP;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_OPERATION_DENIED:
	case VIR_ERR_ACCESS_DENIED:
		return -EACCES;
	case VIR_ERR_OPERATION_TIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static const char *uri_of(const struct session *s)
{
	const struct seat *seat =
		(const struct seat *)((const char *)s - offsetof(struct seat, session));

	return seat->hub->uri;
}

int libvirt_error(const struct session *s, const char *what, struct vmt_error *error)
{
	const virError *e = virGetLastError();
	int err = vmt_error_set(error, errno_of(e), "libvirt %s: %s: %s", uri_of(s), what,
				e && e->message ? e->message : "failed without a reason");

	one_line(error->text);
	return err;
}

bool libvirt_unsupported(void)
{
	const virError *e = virGetLastError();

	return errno_of(e) == -ENOTSUP;
}

/* Whether the connection is of no use any more: what remains of it, and the classes of errors that mean a
 * lost peer. */
static bool is_lost(const struct session *s)
{
	const virError *e = virGetLastError();

	if (e && (e->domain == VIR_FROM_REMOTE || e->domain == VIR_FROM_RPC) &&
	    (e->code == VIR_ERR_SYSTEM_ERROR || e->code == VIR_ERR_INTERNAL_ERROR)) {
		return true;
	}
	return virConnectIsAlive(s->conn) == 0;
}

/* ------------------------------------------------------------------ hub */

struct hub *hub_ref(const char *uri, bool read_write)
{
	struct hub *h;

	pthread_mutex_lock(&hubs_lock);
	for (h = hubs; h; h = h->next) {
		if (strcmp(h->uri, uri) == 0 && h->read_write == read_write) {
			break;
		}
	}
	if (!h) {
		h = g_new0(struct hub, 1);
		h->uri = g_strdup(uri);
		h->read_write = read_write;
		h->cap = HUB_CAP;
		h->suspects = suspects_new();
		h->processes = uri_is_local(uri) ? processes_new(NULL) : NULL;
		wait_init(&h->lock);
		h->next = hubs;
		hubs = h;
	}
	h->refs++;
	pthread_mutex_unlock(&hubs_lock);
	return h;
}

static void hub_keep(struct hub *h)
{
	pthread_mutex_lock(&hubs_lock);
	h->refs++;
	pthread_mutex_unlock(&hubs_lock);
}

void hub_unref(struct hub *h)
{
	if (!h) {
		return;
	}
	pthread_mutex_lock(&hubs_lock);
	if (--h->refs > 0) {
		pthread_mutex_unlock(&hubs_lock);
		return;
	}
	for (struct hub **at = &hubs; *at; at = &(*at)->next) {
		if (*at == h) {
			*at = h->next;
			break;
		}
	}
	pthread_mutex_unlock(&hubs_lock);
	suspects_free(h->suspects);
	processes_free(h->processes);
	wait_fini(&h->lock);
	g_free(h->uri);
	g_free(h);
}

const char *hub_uri(const struct hub *h)
{
	return h->uri;
}

unsigned hub_left(struct hub *h)
{
	unsigned n;

	wait_lock(&h->lock);
	n = h->left[CALLER_HEAVY];
	wait_unlock(&h->lock);
	return n;
}

void hub_set_cap(struct hub *h, unsigned cap)
{
	wait_lock(&h->lock);
	h->cap = MIN(h->cap, cap);
	wait_unlock(&h->lock);
}

unsigned hub_cap(struct hub *h)
{
	unsigned cap;

	wait_lock(&h->lock);
	cap = h->cap;
	wait_unlock(&h->lock);
	return cap;
}

bool hub_turn_begin(struct hub *h, int64_t until_ns)
{
	bool mine;

	wait_lock(&h->lock);
	while (h->turn && wait_until(&h->lock, until_ns) == 0) {
	}
	mine = !h->turn;
	h->turn = true;
	wait_unlock(&h->lock);
	return mine;
}

void hub_turn_end(struct hub *h)
{
	wait_lock(&h->lock);
	h->turn = false;
	wait_unlock(&h->lock);
	wait_wake(&h->lock);
}

struct suspects *hub_suspects(struct hub *h)
{
	return h->suspects;
}

struct processes *hub_processes(struct hub *h)
{
	return h->processes;
}

static void hub_count(struct hub *h, enum caller_kind kind, int change)
{
	wait_lock(&h->lock);
	h->left[kind] += (unsigned)change;
	wait_unlock(&h->lock);
}

/* Between 3/4 and 5/4 of it, differently on every host and at every attempt. */
static int64_t jitter(const struct hub *h, int64_t ns)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return ns - ns / 4 +
	       (int64_t)(hash64(host, strlen(host), h->attempts) % (uint64_t)(ns / 2));
}

/* May an attempt be made?  0, or the last error with when the next comes. */
static int hub_may_connect(struct hub *h, struct vmt_error *error)
{
	int64_t wait_ns;
	int err = 0;

	wait_lock(&h->lock);
	wait_ns = h->retry_ns - clock_monotonic();
	if (wait_ns > 0) {
		err = vmt_error_set(error, h->err, "%s; next try in %d s", h->text,
				    (int)((wait_ns + NS_PER_S - 1) / NS_PER_S));
	}
	wait_unlock(&h->lock);
	return err;
}

static void hub_connected(struct hub *h)
{
	wait_lock(&h->lock);
	h->retry_ns = h->backoff_ns = 0;
	wait_unlock(&h->lock);
}

static int hub_refused(struct hub *h, struct vmt_error *error)
{
	const virError *e = virGetLastError();
	const char *message = e && e->message ? e->message : "failed without a reason";
	int64_t most = uri_is_local(h->uri) ? BACKOFF_LOCAL : BACKOFF_REMOTE;
	int err;

	wait_lock(&h->lock);
	h->attempts++;
	h->backoff_ns = h->backoff_ns ? MIN(h->backoff_ns * 2, most) : BACKOFF_FIRST;
	h->retry_ns = clock_monotonic() + MIN(jitter(h, h->backoff_ns), BACKOFF_REMOTE);
	h->err = errno_of(e) == -EACCES || strstr(message, "Permission denied") ? -EACCES
										: -ENOTCONN;
	g_snprintf(h->text, sizeof(h->text), "libvirt %s: connect: %s%s", h->uri, message,
		   uri_advice(h->uri, message));
	one_line(h->text);
	err = vmt_error_set(error, h->err, "%s; next try in %d s", h->text,
			    (int)((h->retry_ns - clock_monotonic() + NS_PER_S - 1) / NS_PER_S));
	wait_unlock(&h->lock);
	return err;
}

/* ------------------------------------------------------------------ bell and flight */

struct bell *bell_new(void)
{
	struct bell *b = g_new0(struct bell, 1);

	atomic_init(&b->refs, 1);
	wait_init(&b->wait);
	return b;
}

void bell_unref(struct bell *b)
{
	if (b && atomic_fetch_sub(&b->refs, 1) == 1) {
		wait_fini(&b->wait);
		g_free(b);
	}
}

void bell_wait(struct bell *b, int64_t deadline_ns)
{
	wait_lock(&b->wait);
	while (!b->rung && wait_until(&b->wait, deadline_ns) == 0) {
	}
	b->rung = false;
	wait_unlock(&b->wait);
}

/* Takes the reference over. */
static void bell_ring(struct bell *b)
{
	if (b) {
		wait_lock(&b->wait);
		b->rung = true;
		wait_unlock(&b->wait);
		wait_wake(
			&b->wait); /* unlocked: whom it wakes has not to wait again for the lock */
		bell_unref(b);
	}
}

static struct flight *flight_new(void)
{
	struct flight *f = g_new0(struct flight, 1);

	atomic_init(&f->refs, 1);
	return f;
}

struct flight *flight_ref(struct flight *f)
{
	atomic_fetch_add(&f->refs, 1);
	return f;
}

void flight_unref(struct flight *f)
{
	if (f && atomic_fetch_sub(&f->refs, 1) == 1) {
		g_free(f);
	}
}

bool flight_done(const struct flight *f, int *ret_result)
{
	bool done = atomic_load(&f->done);

	if (done) {
		*ret_result = f->result;
	}
	return done;
}

/* ------------------------------------------------------------------ seat: the thread */

static void session_close(struct session *s)
{
	if (!s->conn) {
		return;
	}
	if (s->on_close) {
		s->on_close(s, s->data);
	}
	s->on_close = NULL;
	s->data = NULL;
	virConnectClose(s->conn);
	s->conn = NULL;
}

static void session_connect(struct hub *h, struct session *s, bool events)
{
	event_loop_refuse(!events);
	s->conn = RPC(s, h->read_write ? virConnectOpen(h->uri) : virConnectOpenReadOnly(h->uri));
	event_loop_refuse(false);
	if (s->conn && events) {
		virConnectSetKeepAlive(s->conn, KEEPALIVE_S,
				       KEEPALIVE_COUNT); /* not every driver can */
	}
}

static int session_open(struct seat *seat, struct vmt_error *error)
{
	struct hub *h = seat->hub;
	struct session *s = &seat->session;
	int err;

	if (s->conn && virConnectIsAlive(s->conn) == 0) {
		session_close(s);
	}
	if (s->conn) {
		return 0;
	}
	err = hub_may_connect(h, error);
	if (err < 0) {
		return err;
	}
	session_connect(h, s, seat->events);
	if (!s->conn) {
		return hub_refused(h, error);
	}
	s->serial = ++serials;
	hub_connected(h);
	return 0;
}

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
	int err = session_open(seat, error);

	if (err < 0) {
		return err;
	}
	virResetLastError();
	err = j->fn(s, j->arg, error);
	if (err >= 0 || !is_lost(s)) {
		return err;
	}
	if (seat_is_left(seat)) {
		return err; /* nobody wants to know any more */
	}
	session_close(s);
	err = session_open(seat, error);
	if (err < 0) {
		return err;
	}
	virResetLastError();
	err = j->fn(s, j->arg, error);
	if (err < 0 && is_lost(s)) {
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
	j->flight->result = result;
	atomic_store(&j->flight->done, true);
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
		unwanted->flight->result = -ECANCELED;
		atomic_store(&unwanted->flight->done, true);
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
		hub_count(seat->hub, seat->kind, -1);
	}
	seat_unref(seat);
	return NULL;
}

static struct seat *seat_new(struct hub *h, const char *name, enum caller_kind kind, bool events)
{
	struct seat *seat = g_new0(struct seat, 1);

	atomic_init(&seat->refs, 2);
	seat->hub = h;
	seat->kind = kind;
	seat->events = events || !uri_is_local(h->uri);
	hub_keep(h);
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
		hub_count(seat->hub, seat->kind, 1);
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

	hub_keep(h);
	c->hub = h;
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
			c->hub->uri, left);
	}
	if (c->last && !flight_done(c->last, &result) &&
	    clock_monotonic() - c->left_ns >= SILENCE_NS) {
		return vmt_error_set(error, -EBUSY,
				     "libvirt %s: has not answered a simple question for %d s",
				     c->hub->uri,
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
		vmt_error_set(error, -EBUSY, "libvirt %s: no thread: %s", c->hub->uri,
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
	hub_count(seat->hub, seat->kind, 1);
	pthread_detach(seat->thread);
	wait_wake(&seat->wait);
}

static int tell_left(const struct seat *seat, int err, struct vmt_error *error)
{
	return vmt_error_set(error, err, "libvirt %s: %s", seat->hub->uri,
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
	atomic_fetch_add(&b->refs, 1);
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
