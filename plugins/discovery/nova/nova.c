/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "nova": the instances that Nova has on this host.  Shared object, for libcurl.  Nova is asked by a thread of
 * its own; the polling cycle that asks for the list gets the one that is there, and only the first waits a little.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "listing.h"
#include "options.h"
#include "plugins/openstack/session.h"

#define FIRST_WAIT_NS (5 * NS_PER_S) /* for the first answer of all, at most */
#define UPDATE_NS (120 * NS_PER_S) /* for all requests of an update */
#define JITTER_MAX_NS (10 * NS_PER_S)
#define PAUSE_FIRST_NS (2 * NS_PER_S)
#define PAUSE_MAX_NS (60 * NS_PER_S)
#define PAUSE_DENIED_NS (300 * NS_PER_S) /* accounts are locked where they knock too often */

/* Whether those in error are in the list. */
enum { METERED, ALL, PARAMS };

struct nova {
	struct session *session; /* the thread's */
	struct listing *listing; /* the same */
	int64_t update_ns;
	struct wait wait;
	pthread_t thread;
	atomic_bool cancel;
	/* below: under `wait` */
	bool started, closing, wanted;
	int64_t due_ns; /* not before */
	int64_t asked_ns; /* when the last update began; 0: none */
	struct roster *roster;
	uint64_t version; /* of the roster; 0: there is none */
	uint64_t attempts; /* updates that have ended */
	unsigned failures; /* since the last that did not */
	int ret; /* of the last */
	struct vmt_error error;
	struct {
		uint64_t version, attempts;
	} told[PARAMS];
};

/* ------------------------------------------------------------------ the thread */

/* Up to a quarter more or less, so that hosts that were stopped together do not come together. */
static int64_t spread(int64_t ns)
{
	return ns - ns / 4 + (int64_t)(g_random_double() * (double)ns / 2);
}

static int64_t pause_after(const struct nova *n, int ret)
{
	int64_t most_ns = ret == -EACCES ? PAUSE_DENIED_NS : PAUSE_MAX_NS;
	int64_t pause_ns = PAUSE_FIRST_NS << MIN(n->failures, 10U);

	return MAX(spread(MIN(pause_ns, most_ns)), session_retry_after(n->session));
}

/* Locked on entry and exit; not while Nova is asked. */
static void update(struct nova *n)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + UPDATE_NS,
				 .cancel = &n->cancel };
	struct vmt_error error = { .text = "" };
	struct roster *old = n->roster, *fresh = NULL;
	int ret;

	n->wanted = false;
	n->asked_ns = clock_monotonic();
	wait_unlock(&n->wait);
	ret = listing_update(n->listing, old, &call, &fresh, &error);
	wait_lock(&n->wait);
	if (ret == 0) {
		n->roster = fresh;
		n->version += fresh != old;
		n->failures = 0;
		n->due_ns = 0;
	} else {
		n->due_ns = clock_monotonic() + pause_after(n, ret);
		n->failures++;
		n->wanted = true;
	}
	n->ret = ret;
	n->error = error;
	n->attempts++;
	wait_wake(&n->wait);
	if (ret == 0) {
		wait_unlock(&n->wait);
		roster_unref(old);
		wait_lock(&n->wait);
	}
}

static void *run(void *data)
{
	struct nova *n = data;

	wait_lock(&n->wait);
	while (!n->closing) {
		if (n->wanted && clock_monotonic() >= n->due_ns) {
			update(n);
		} else {
			wait_until(&n->wait, n->wanted ? n->due_ns : WAIT_FOREVER);
		}
	}
	wait_unlock(&n->wait);
	return NULL;
}

/* ------------------------------------------------------------------ the polling cycle */

static int start(struct nova *n, struct vmt_error *error)
{
	int ret = n->started ? 0 : thread_start(&n->thread, "nova", run, n);

	if (ret < 0) {
		return vmt_error_set(error, ret, "nova: thread: %s", g_strerror(-ret));
	}
	n->started = true;
	return 0;
}

/* At most once in update_ns, and not at the beat of the polling cycles, which many hosts may share. */
static void want(struct nova *n)
{
	int64_t now = clock_monotonic(), since_ns = now - n->asked_ns;

	if (n->wanted || (n->asked_ns && since_ns < n->update_ns)) {
		return;
	}
	n->wanted = true;
	if (n->asked_ns) {
		n->due_ns = now +
			    (int64_t)(g_random_double() * (double)MIN(since_ns / 4, JITTER_MAX_NS));
	}
	wait_wake(&n->wait);
}

/* What is new since this param was told. */
static int tell(struct nova *n, int param, struct vmt_snapshot_builder *builder,
		struct vmt_error *error)
{
	bool news = n->told[param].attempts != n->attempts;

	if (n->told[param].version != n->version) {
		n->told[param].version = n->version;
		n->told[param].attempts = n->ret == 0 ? n->attempts : n->told[param].attempts;
		roster_list(n->roster, param == ALL, builder);
		return 1;
	}
	n->told[param].attempts = n->attempts;
	if (!news) {
		return vmt_error_set(error, -EAGAIN, "%s",
				     n->attempts ? n->error.text : "nova: no answer yet");
	}
	if (n->ret < 0) {
		*error = n->error;
	}
	return n->ret == -EAGAIN ? -EBUSY : n->ret;
}

static int nova_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct nova *n = self;
	int64_t until_ns = MIN(call->deadline_ns, clock_monotonic() + FIRST_WAIT_NS);
	int which = strcmp(param, "all") == 0 ? ALL : METERED;
	int ret;

	if (which == METERED && *param) {
		return vmt_error_set(
			error, -EINVAL,
			"nova://%s: there is no such list; write nova:// or nova://all", param);
	}
	wait_lock(&n->wait);
	ret = start(n, error);
	if (ret == 0) {
		want(n);
		while (n->attempts == 0 && !atomic_load(call->cancel) &&
		       wait_until(&n->wait, until_ns) == 0) {
		}
		ret = tell(n, which, builder, error);
	}
	wait_unlock(&n->wait);
	return ret;
}

/* ------------------------------------------------------------------ life */

static int nova_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct nova_conf *conf = configuration;
	struct session *session;
	struct nova *n;
	int ret = session_new(&conf->openstack, &session, error);

	if (ret < 0) {
		return ret;
	}
	n = g_new0(struct nova, 1);
	n->session = session;
	n->listing = listing_new(conf, session, true);
	n->update_ns = conf->update_ns;
	wait_init(&n->wait);
	*ret_self = n;
	return 0;
}

static void nova_close(void *self)
{
	struct nova *n = self;

	if (!n) {
		return;
	}
	wait_lock(&n->wait);
	n->closing = true;
	wait_unlock(&n->wait);
	atomic_store(&n->cancel, true);
	wait_wake(&n->wait);
	if (n->started) {
		session_wake(n->session);
		thread_join(n->thread);
	}
	roster_unref(n->roster);
	listing_free(n->listing);
	session_free(n->session);
	wait_fini(&n->wait);
	g_free(n);
}

static const struct vmt_discovery_ops ops = {
	.open = nova_open,
	.discover = nova_discover,
	.close = nova_close,
};

VMT_PLUGIN(discovery, nova) = {
	NOVA_PLUGIN,
	.ops.discovery = &ops,
};
