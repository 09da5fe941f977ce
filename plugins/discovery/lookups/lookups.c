/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "lookups": what Keystone and Nova know more of instances that others have found.  Shared object, for
 * libcurl.  A thread of its own asks; describing takes what is known and blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "asking.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "known.h"
#include "options.h"
#include "plugins/discovery/nova/listing.h"

#define DUTY_NS (120 * NS_PER_S) /* for all requests of a duty */
#define JITTER_MAX_NS (10 * NS_PER_S)
#define PAUSE_FIRST_NS (2 * NS_PER_S)
#define PAUSE_MAX_NS (60 * NS_PER_S)
#define PAUSE_DENIED_NS (300 * NS_PER_S) /* accounts are locked where they knock too often */

/* What is to be asked, each for itself: one that fails does not stop the others. */
enum duty_kind { SERVERS, FLAVORS, IDENTITIES, DUTIES };

struct duty {
	bool wanted; /* until it has been done */
	bool done; /* once at least */
	int64_t due_ns; /* not before */
	int64_t asked_ns; /* when it began last; 0: never */
	unsigned failures; /* since it last did not */
	struct vmt_error error; /* of the last time; "" after a good one */
};

struct lookups {
	struct session *session; /* the thread's */
	struct listing *listing; /* the same */
	bool fetch;
	int64_t update_ns;
	struct wait wait;
	pthread_t thread;
	atomic_bool cancel;
	/* below: under `wait` */
	bool started, closing;
	struct known *known;
	struct duty duty[DUTIES];
	uint64_t generation, version; /* what was described last */
};

/* ------------------------------------------------------------------ the thread */

/* Like all of them: locked on entry and exit, not while somebody is asked. */
static int ask_servers(struct lookups *l, const struct vmt_call *call, struct vmt_error *error)
{
	struct roster *old = (struct roster *)(uintptr_t)known_servers(l->known), *fresh = NULL;
	int ret;

	wait_unlock(&l->wait);
	ret = listing_update(l->listing, old, call, &fresh, error);
	wait_lock(&l->wait);
	if (ret == 0) {
		known_set_servers(l->known, fresh);
	}
	return ret;
}

static int ask_flavors(struct lookups *l, const struct vmt_call *call, struct vmt_error *error)
{
	GHashTable *ids = known_all_due(l->known, KNOWN_FLAVOR, clock_monotonic());
	gpointer name, id;
	GHashTableIter i;
	int ret;

	wait_unlock(&l->wait);
	ret = listing_flavor_ids(l->listing, ids, call, error);
	wait_lock(&l->wait);
	g_hash_table_iter_init(&i, ids);
	while (ret == 0 && g_hash_table_iter_next(&i, &name, &id)) {
		const struct known_answer answer = { .value = id, .enabled = true };

		known_set(l->known, KNOWN_FLAVOR, name, &answer, clock_monotonic());
	}
	g_hash_table_unref(ids);
	return ret;
}

static int ask_identity(struct lookups *l, enum known_kind kind, const char *key,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct identity_object object;
	struct known_answer answer;
	char *id = g_strdup(key);
	int ret;

	wait_unlock(&l->wait);
	ret = asking_identity(l->session, kind, id, call, &object, error);
	wait_lock(&l->wait);
	answer = (struct known_answer){ object.name, object.domain_id, object.enabled };
	known_set(l->known, kind, id, ret == 0 ? &answer : NULL, clock_monotonic());
	identity_object_fini(&object);
	g_free(id);
	return ret;
}

/* One after the other; what comes of each counts at once.  The last failure. */
static int ask_identities(struct lookups *l, const struct vmt_call *call, struct vmt_error *error)
{
	int64_t began_ns = clock_monotonic();
	int ret = 0;

	for (enum known_kind kind = KNOWN_USER; kind <= KNOWN_DOMAIN; kind++) {
		const char *key;

		while ((key = known_next(l->known, kind, began_ns, began_ns)) != NULL) {
			int one = ask_identity(l, kind, key, call, error);

			ret = one < 0 ? one : ret;
			if (!asking_goes_on(one)) {
				return ret;
			}
		}
	}
	return ret;
}

static int (*const asks[DUTIES])(struct lookups *l, const struct vmt_call *call,
				 struct vmt_error *error) = {
	[SERVERS] = ask_servers,
	[FLAVORS] = ask_flavors,
	[IDENTITIES] = ask_identities,
};

/* Up to a quarter more or less, so that hosts that were stopped together do not come together. */
static int64_t spread(int64_t ns)
{
	return ns - ns / 4 + (int64_t)(g_random_double() * (double)ns / 2);
}

static int64_t pause_after(const struct lookups *l, const struct duty *d, int ret)
{
	int64_t most_ns = ret == -EACCES || ret == -EPERM ? PAUSE_DENIED_NS : PAUSE_MAX_NS;
	int64_t pause_ns = PAUSE_FIRST_NS << MIN(d->failures, 10U);

	return MAX(spread(MIN(pause_ns, most_ns)), session_retry_after(l->session));
}

static void do_duty(struct lookups *l, enum duty_kind kind)
{
	struct duty *d = &l->duty[kind];
	struct vmt_call call = { .deadline_ns = clock_monotonic() + DUTY_NS, .cancel = &l->cancel };
	struct vmt_error error = { .text = "" };
	int ret;

	d->asked_ns = clock_monotonic();
	ret = asks[kind](l, &call, &error);
	if (ret == 0) {
		d->wanted = false;
		d->done = true;
		d->failures = 0;
		d->error.text[0] = '\0';
		return;
	}
	d->due_ns = clock_monotonic() + pause_after(l, d, ret);
	d->failures++;
	d->error = error;
	if (ret != -ECANCELED) {
		vmt_log(VMT_LOG_WARNING,
			"lookups: %s; instances are described without it until it answers",
			error.text);
	}
}

static void *run(void *data)
{
	struct lookups *l = data;

	wait_lock(&l->wait);
	while (!l->closing) {
		int64_t next_ns = WAIT_FOREVER, now = clock_monotonic();
		enum duty_kind kind = 0;

		for (; kind < DUTIES; kind++) {
			if (l->duty[kind].wanted && l->duty[kind].due_ns <= now) {
				break;
			}
			next_ns = l->duty[kind].wanted ? MIN(next_ns, l->duty[kind].due_ns)
						       : next_ns;
		}
		if (kind < DUTIES) {
			do_duty(l, kind);
		} else {
			wait_until(&l->wait, next_ns);
		}
	}
	wait_unlock(&l->wait);
	return NULL;
}

/* ------------------------------------------------------------------ the polling cycle */

/* Not at the beat of the polling cycles, which many hosts may share. */
static void want(struct lookups *l, enum duty_kind kind)
{
	struct duty *d = &l->duty[kind];
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
	wait_wake(&l->wait);
}

static bool is_due(const struct lookups *l, enum known_kind kind)
{
	return known_is_due(l->known, kind, clock_monotonic(), INT64_MAX);
}

static void want_all(struct lookups *l, bool any)
{
	const struct duty *servers = &l->duty[SERVERS];

	if (l->fetch && any &&
	    (!servers->asked_ns || clock_monotonic() - servers->asked_ns >= l->update_ns)) {
		want(l, SERVERS);
	}
	/* Nova's list says the flavors, too */
	if ((!l->fetch || known_servers(l->known) || servers->failures > 0) &&
	    is_due(l, KNOWN_FLAVOR)) {
		want(l, FLAVORS);
	}
	if (is_due(l, KNOWN_USER) || is_due(l, KNOWN_PROJECT) || is_due(l, KNOWN_DOMAIN)) {
		want(l, IDENTITIES);
	}
}

static void start(struct lookups *l, struct vmt_error *error)
{
	int ret = l->started ? 0 : thread_start(&l->thread, "lookups", run, l);

	l->started |= ret == 0;
	if (ret < 0) {
		vmt_error_set(error, ret, "lookups: thread: %s", g_strerror(-ret));
	}
}

/* Whether some first answer is on its way, and nothing has gone wrong with it yet; and what has with others. */
static bool judge(const struct lookups *l, struct vmt_error *error)
{
	bool busy = false;

	for (int kind = 0; kind < DUTIES; kind++) {
		const struct duty *d = &l->duty[kind];

		busy |= d->wanted && !d->done && d->failures == 0;
		if (d->error.text[0] && !strstr(error->text, d->error.text)) {
			size_t n = strlen(error->text);

			g_snprintf(error->text + n, sizeof(error->text) - n, "%s%s", n ? "; " : "",
				   d->error.text);
		}
	}
	return busy;
}

static int lookups_describe(void *self, const struct vmt_snapshot *found,
			    struct vmt_snapshot_builder *builder, bool *ret_busy,
			    struct vmt_error *error)
{
	struct lookups *l = self;
	bool news;

	error->text[0] = '\0';
	wait_lock(&l->wait);
	start(l, error);
	news = l->generation != found->generation || l->version != known_version(l->known);
	if (news) {
		known_follow(l->known, found);
		l->generation = found->generation;
		l->version = known_version(l->known);
		known_describe(l->known, found, builder);
	}
	want_all(l, found->count > 0);
	*ret_busy = judge(l, error);
	wait_unlock(&l->wait);
	return news;
}

static int lookups_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			    const struct vmt_call *call, struct vmt_error *error)
{
	(void)self;
	(void)param;
	(void)builder;
	(void)call;
	return vmt_error_set(error, -ENOTSUP,
			     "lookups: finds no instances, only tells more of others'; take it out "
			     "of the source's discovery");
}

/* ------------------------------------------------------------------ life */

static int lookups_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct lookups_conf *conf = configuration;
	const struct nova_conf nova = { .openstack = conf->openstack,
					.host = conf->host,
					.expiry_ns = conf->expiry_ns };
	const struct known_wants wants = { .names = conf->names,
					   .enabled = conf->ignore,
					   .expiry_ns = conf->expiry_ns };
	struct session *session;
	struct lookups *l;
	int ret = session_new(&conf->openstack, &session, error);

	if (ret < 0) {
		return ret;
	}
	l = g_new0(struct lookups, 1);
	l->session = session;
	l->listing = listing_new(&nova, session, false);
	l->fetch = conf->fetch && g_strcmp0(conf->method, "libvirt_metadata") == 0;
	l->update_ns = conf->update_ns;
	l->known = known_new(&wants);
	wait_init(&l->wait);
	*ret_self = l;
	return 0;
}

static void lookups_close(void *self)
{
	struct lookups *l = self;

	if (!l) {
		return;
	}
	wait_lock(&l->wait);
	l->closing = true;
	wait_unlock(&l->wait);
	atomic_store(&l->cancel, true);
	wait_wake(&l->wait);
	if (l->started) {
		session_wake(l->session);
		thread_join(l->thread);
	}
	known_free(l->known);
	listing_free(l->listing);
	session_free(l->session);
	wait_fini(&l->wait);
	g_free(l);
}

static const struct vmt_discovery_ops ops = {
	.open = lookups_open,
	.discover = lookups_discover,
	.close = lookups_close,
	.describe = lookups_describe,
};

VMT_PLUGIN(discovery, lookups) = {
	LOOKUPS_PLUGIN,
	.ops.discovery = &ops,
};
