/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the thread that asks Keystone, Nova and Glance, the session and the list of servers.  The thread blocks on the
 * network, until a duty's deadline; all others on nothing but each other, for a moment.
 */
#include "plugins/discovery/nova/asker.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#define DUTY_NS (120 * NS_PER_S) /* for all requests of a duty */
#define JITTER_MAX_NS (10 * NS_PER_S)

static const struct backoff_limits failed = { 2 * NS_PER_S, 60 * NS_PER_S };
/* Accounts are locked where they knock too often. */
static const struct backoff_limits denied = { 2 * NS_PER_S, 300 * NS_PER_S };

struct asker {
	unsigned refs; /* main thread's */
	char *host;
	int64_t update_ns, expiry_ns;
	struct session *session; /* the thread's */
	struct listing *listing; /* the same */
	struct wait wait;
	pthread_t thread;
	/* below: under `wait` */
	bool started, closing;
	GPtrArray *
		duties; /* struct duty *, in the order in which they are done; the first is `servers` */
	const struct duty *in_hand; /* NULL: none */
	struct duty servers;
	unsigned objects; /* those who want flavors and images, too */
	uint64_t objects_since; /* attempts at the list before they did */
	struct roster *roster;
	bool complete; /* the roster has them */
	uint64_t version; /* of the roster; 0: there is none */
};

static GPtrArray *askers; /* all of them; main thread's */

/* ------------------------------------------------------------------ the thread */

/* The list is there, and not with all that is wanted of it. */
static bool lacks_objects(const struct asker *a)
{
	return a->objects > 0 && a->roster && !a->complete;
}

/* Locked on entry and exit; not while Nova is asked. */
static int update(struct asker *a, const struct vmt_call *call, struct vmt_error *error)
{
	struct roster *old = a->roster, *fresh = NULL;
	bool lacks = lacks_objects(a), objects = a->objects > 0;
	int ret;

	wait_unlock(&a->wait);
	ret = lacks ? listing_complete(a->listing, old, call, &fresh, error)
		    : listing_update(a->listing, old, objects, call, &fresh, error);
	wait_lock(&a->wait);
	if (ret < 0) {
		return ret;
	}
	a->version += fresh != old;
	a->roster = fresh;
	a->complete = objects;
	wait_unlock(&a->wait);
	roster_unref(old);
	wait_lock(&a->wait);
	return 0;
}

static int ask_servers(void *self, const struct vmt_call *call, struct vmt_error *error)
{
	struct asker *a = self;
	int ret = update(a, call, error);

	/* somebody has come meanwhile */
	return ret == 0 && lacks_objects(a) ? update(a, call, error) : ret;
}

/* Up to a quarter more or less, so that hosts that were stopped together do not come together. */
static int64_t pause_after(const struct asker *a, const struct duty *d)
{
	bool refused = d->ret == -EACCES || d->ret == -EPERM;
	int64_t pause_ns = backoff_after(d->failures, refused ? &denied : &failed);
	uint64_t random = (uint64_t)g_random_int() << 32 | g_random_int();

	return MAX(backoff_spread(pause_ns, pause_ns / 4, pause_ns / 4, random),
		   session_retry_after(a->session));
}

/* Locked on entry and exit; not while somebody is asked. */
static void do_duty(struct asker *a, struct duty *d)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + DUTY_NS, .cancel = &d->cancel };
	struct vmt_error error = { .text = "" };

	a->in_hand = d;
	d->asked_ns = clock_monotonic();
	d->begun++;
	d->ret = d->ask(d->self, &call, &error);
	if (d->ret == 0) {
		error.text[0] = '\0';
		d->wanted = false;
		d->done = true;
		d->failures = 0;
	} else {
		d->due_ns = clock_monotonic() + pause_after(a, d);
		d->failures++;
	}
	d->error = error;
	d->ended++;
	a->in_hand = NULL;
	wait_wake(&a->wait);
}

/* The one to do now; NULL: *ret_next_ns is when to look again. */
static struct duty *next_duty(const struct asker *a, int64_t *ret_next_ns)
{
	int64_t now = clock_monotonic();

	*ret_next_ns = WAIT_FOREVER;
	for (guint i = 0; i < a->duties->len; i++) {
		struct duty *d = g_ptr_array_index(a->duties, i);

		if (d->wanted && d->due_ns <= now) {
			return d;
		}
		*ret_next_ns = d->wanted ? MIN(*ret_next_ns, d->due_ns) : *ret_next_ns;
	}
	return NULL;
}

static void *run(void *data)
{
	struct asker *a = data;

	wait_lock(&a->wait);
	while (!a->closing) {
		int64_t next_ns;
		struct duty *d = next_duty(a, &next_ns);

		if (d) {
			do_duty(a, d);
		} else {
			wait_until(&a->wait, next_ns);
		}
	}
	wait_unlock(&a->wait);
	return NULL;
}

/* ------------------------------------------------------------------ what is wanted */

void asker_lock(struct asker *a)
{
	wait_lock(&a->wait);
}

void asker_unlock(struct asker *a)
{
	wait_unlock(&a->wait);
}

int asker_start(struct asker *a, struct vmt_error *error)
{
	int ret = a->started ? 0 : thread_start(&a->thread, "nova", run, a);

	if (ret < 0) {
		return vmt_error_set(error, ret, "nova: thread: %s", g_strerror(-ret));
	}
	a->started = true;
	return 0;
}

int asker_wait(struct asker *a, int64_t deadline_ns)
{
	return wait_until(&a->wait, deadline_ns);
}

void asker_want(struct asker *a, struct duty *d)
{
	int64_t now = clock_monotonic();

	if (d->wanted) {
		return;
	}
	d->wanted = true;
	d->due_ns = now;
	if (d->asked_ns) {
		int64_t most_ns = MIN((now - d->asked_ns) / 4, JITTER_MAX_NS);

		d->due_ns += (int64_t)(g_random_double() * (double)most_ns);
	}
	wait_wake(&a->wait);
}

void asker_want_servers(struct asker *a, uint64_t *seen)
{
	struct duty *d = &a->servers;

	if (lacks_objects(a)) {
		asker_want(a, d);
	} else if (d->begun > *seen) {
		*seen = d->begun;
	} else if (!d->wanted &&
		   (!d->asked_ns || clock_monotonic() - d->asked_ns >= a->update_ns)) {
		*seen = d->begun + 1;
		asker_want(a, d);
	}
}

uint64_t asker_begun(const struct asker *a)
{
	return a->servers.begun;
}

const struct duty *asker_servers(const struct asker *a)
{
	return &a->servers;
}

void asker_want_objects(struct asker *a, bool on)
{
	if (on && a->objects++ == 0) {
		a->objects_since = a->complete ? a->objects_since : a->servers.ended;
	}
	a->objects -= !on;
}

struct roster *asker_roster(const struct asker *a, bool objects, uint64_t *ret_version)
{
	bool has = a->roster && (a->complete || !objects);

	*ret_version = has ? a->version : 0;
	return has ? a->roster : NULL;
}

bool asker_is_new(const struct asker *a)
{
	return a->servers.ended == a->objects_since;
}

/* ------------------------------------------------------------------ life */

struct session *asker_session(const struct asker *a)
{
	return a->session;
}

struct listing *asker_listing(const struct asker *a)
{
	return a->listing;
}

void asker_add(struct asker *a, struct duty *duty)
{
	wait_lock(&a->wait);
	g_ptr_array_add(a->duties, duty);
	wait_unlock(&a->wait);
}

void asker_remove(struct asker *a, struct duty *duty)
{
	atomic_store(&duty->cancel, true);
	wait_lock(&a->wait);
	g_ptr_array_remove(a->duties, duty);
	if (a->in_hand == duty) {
		session_wake(a->session);
	}
	while (a->in_hand == duty) {
		wait_until(&a->wait, WAIT_FOREVER);
	}
	wait_unlock(&a->wait);
}

/* Whether it asks the same of the same. */
static bool is_of(const struct asker *a, const struct nova_conf *conf)
{
	return session_is(a->session, &conf->openstack) && g_strcmp0(a->host, conf->host) == 0 &&
	       a->update_ns == conf->update_ns && a->expiry_ns == conf->expiry_ns;
}

static struct asker *find(const struct nova_conf *conf)
{
	for (guint i = 0; askers && i < askers->len; i++) {
		struct asker *a = g_ptr_array_index(askers, i);

		if (is_of(a, conf)) {
			return a;
		}
	}
	return NULL;
}

static int make(const struct nova_conf *conf, struct asker **ret_asker, struct vmt_error *error)
{
	struct session *session;
	struct asker *a;
	int ret = session_new(&conf->openstack, &session, error);

	if (ret < 0) {
		return ret;
	}
	a = g_new0(struct asker, 1);
	a->session = session;
	a->listing = listing_new(conf, session);
	a->host = g_strdup(conf->host);
	a->update_ns = conf->update_ns;
	a->expiry_ns = conf->expiry_ns;
	wait_init(&a->wait);
	a->duties = g_ptr_array_new();
	a->servers.ask = ask_servers;
	a->servers.self = a;
	g_ptr_array_add(a->duties, &a->servers);
	if (!askers) {
		askers = g_ptr_array_new();
	}
	g_ptr_array_add(askers, a);
	*ret_asker = a;
	return 0;
}

int asker_get(const struct nova_conf *conf, struct asker **ret_asker, struct vmt_error *error)
{
	struct asker *a = find(conf);
	int ret = a ? 0 : make(conf, &a, error);

	if (ret < 0) {
		return ret;
	}
	a->refs++;
	*ret_asker = a;
	return 0;
}

static void release(struct asker *a)
{
	wait_lock(&a->wait);
	a->closing = true;
	wait_unlock(&a->wait);
	atomic_store(&a->servers.cancel, true);
	wait_wake(&a->wait);
	if (a->started) {
		session_wake(a->session);
		thread_join(a->thread);
	}
	roster_unref(a->roster);
	g_ptr_array_unref(a->duties);
	listing_free(a->listing);
	session_free(a->session);
	wait_fini(&a->wait);
	g_free(a->host);
	g_free(a);
}

void asker_put(struct asker *a)
{
	if (--a->refs > 0) {
		return;
	}
	g_ptr_array_remove(askers, a);
	if (askers->len == 0) {
		g_ptr_array_unref(askers);
		askers = NULL;
	}
	release(a);
}
