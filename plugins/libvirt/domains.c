/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of domains of each hypervisor.  Reading it happens in a caller's thread (the jobs below);
 * events mark entries from the main thread; discovery and inspectors look things up.  All meet at one
 * mutex that is held for moments only; domains_sync() alone blocks, until its deadline.
 */
#define LOG_NAME "libvirt"

#include "plugins/libvirt/domains.h"
#include "plugins/libvirt/desc.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STALE_NS                                                                                   \
	(300 * NS_PER_S) /* XML is read again after so long where no events tell of changes */

enum { STALE_PER_SYNC = 16 };

struct entry {
	uint8_t uuid[16]; /* key of the table */
	struct domain domain; /* desc NULL: never read */
	bool dirty; /* XML to be read */
	uint64_t seen; /* number of the listing that had it last */
	GPtrArray *removed; /* aliases unplugged since the last reading; NULL for none */
};

struct watch {
	domains_life_fn fn;
	void *context;
};

struct domains {
	atomic_uint refs;
	struct hub *hub;
	struct caller *caller;
	struct domains *next;
	unsigned users; /* guarded by all_lock */
	bool read_write;
	struct wait lock; /* guards all below */
	GHashTable *table; /* of struct entry, by its uuid */
	uint64_t generation;
	uint64_t listing; /* number of the last listing */
	size_t dirty; /* entries */
	bool relist;
	bool syncing; /* a sync is under way: others wait for it */
	uint64_t ticket; /* of the job that may write here: one written off may not */
	/* The session that the table is read through, until on_close(). */
	uint64_t serial;
	virConnectPtr conn; /* only ever asked whether it is alive */
	bool has_events;
	GArray *watches; /* of struct watch; changed on the main thread only */
};

/* What ties a session to the table. */
struct tie {
	struct domains *d; /* counted */
	struct events *events; /* NULL: the driver has none */
};

struct sync_job {
	struct domains *d; /* counted */
	uint64_t ticket;
	int64_t until_ns; /* begin nothing new after this */
	struct buf xml; /* of one domain */
	struct arena *scratch;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct domains *all;
static _Atomic uint64_t generations; /* a table made anew never repeats a number */

/* ------------------------------------------------------------------ table */

static void entry_free(gpointer p)
{
	struct entry *e = p;

	domain_desc_unref(e->domain.desc);
	if (e->removed) {
		g_ptr_array_free(e->removed, TRUE);
	}
	g_free(e);
}

static void changed(struct domains *d)
{
	d->generation = ++generations;
}

static void set_dirty(struct domains *d, struct entry *e, bool dirty)
{
	if (e->dirty != dirty) {
		e->dirty = dirty;
		d->dirty += dirty ? 1 : (size_t)-1;
	}
}

static void set_all_dirty(struct domains *d)
{
	GHashTableIter it;
	gpointer e;

	g_hash_table_iter_init(&it, d->table);
	while (g_hash_table_iter_next(&it, NULL, &e)) {
		set_dirty(d, e, true);
	}
}

/* ------------------------------------------------------------------ life */

static void hold(void *data)
{
	atomic_fetch_add(&((struct domains *)data)->refs, 1);
}

static void release(void *data)
{
	struct domains *d = data;

	if (atomic_fetch_sub(&d->refs, 1) == 1) {
		g_hash_table_destroy(d->table);
		g_array_free(d->watches, TRUE);
		wait_fini(&d->lock);
		hub_unref(d->hub);
		g_free(d);
	}
}

struct domains *domains_ref(const char *uri, bool read_write)
{
	struct domains *d;

	pthread_mutex_lock(&all_lock);
	for (d = all; d; d = d->next) {
		if (strcmp(hub_uri(d->hub), uri) == 0 && d->read_write == read_write) {
			break;
		}
	}
	if (!d) {
		d = g_new0(struct domains, 1);
		atomic_init(&d->refs, 1); /* of all users together */
		d->hub = hub_ref(uri, read_write);
		d->read_write = read_write;
		d->caller = caller_new(d->hub, "libvirt-list", CALLER_LIGHT);
		caller_want_events(d->caller);
		wait_init(&d->lock);
		d->watches = g_array_new(FALSE, FALSE, sizeof(struct watch));
		d->table = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, NULL, entry_free);
		changed(d);
		d->next = all;
		all = d;
	}
	d->users++;
	pthread_mutex_unlock(&all_lock);
	return d;
}

void domains_unref(struct domains *d)
{
	if (!d) {
		return;
	}
	pthread_mutex_lock(&all_lock);
	if (--d->users > 0) {
		pthread_mutex_unlock(&all_lock);
		return;
	}
	for (struct domains **at = &all; *at; at = &(*at)->next) {
		if (*at == d) {
			*at = d->next;
			break;
		}
	}
	pthread_mutex_unlock(&all_lock);
	caller_free(d->caller);
	release(d);
}

struct hub *domains_hub(struct domains *d)
{
	return d->hub;
}

/* ------------------------------------------------------------------ what events say (main thread) */

void domains_watch(struct domains *d, domains_life_fn fn, void *context)
{
	struct watch watch = { fn, context };

	wait_lock(&d->lock);
	g_array_append_val(d->watches, watch);
	wait_unlock(&d->lock);
}

void domains_unwatch(struct domains *d, void *context)
{
	wait_lock(&d->lock);
	for (guint i = d->watches->len; i-- > 0;) {
		if (g_array_index(d->watches, struct watch, i).context == context) {
			g_array_remove_index(d->watches, i);
		}
	}
	wait_unlock(&d->lock);
}

/* Only this thread adds and removes watches: the list may be walked without the lock. */
static void tell(struct domains *d, const uint8_t uuid[16], enum event_kind kind)
{
	for (guint i = 0; kind != EVENT_CHANGED && i < d->watches->len; i++) {
		const struct watch *watch = &g_array_index(d->watches, struct watch, i);

		watch->fn(watch->context, uuid, kind);
	}
}

static void on_event(void *data, const uint8_t uuid[16], enum event_kind kind,
		     const char *unplugged)
{
	struct domains *d = data;
	struct entry *e;

	tell(d, uuid, kind);
	wait_lock(&d->lock);
	e = g_hash_table_lookup(d->table, uuid);
	if (!e) {
		d->relist = true;
	} else {
		set_dirty(d, e, true);
		if (unplugged) {
			e->removed = e->removed ? e->removed
						: g_ptr_array_new_with_free_func(g_free);
			g_ptr_array_add(e->removed, g_strdup(unplugged));
		}
	}
	wait_unlock(&d->lock);
}

void domains_suspect(struct domains *d, const uint8_t uuid[16])
{
	on_event(d, uuid, EVENT_CHANGED, NULL);
}

/* ------------------------------------------------------------------ reading (caller's thread) */

/* Domains as a listing finds them. */
struct found {
	virDomainPtr *dom;
	int *state, *reason; /* -1: not known */
	int count;
	virDomainStatsRecordPtr *records; /* what `dom` belongs to, or NULL */
};

static void found_free(struct found *f)
{
	for (int i = 0; !f->records && i < f->count; i++) {
		virDomainFree(f->dom[i]);
	}
	if (f->records) {
		virDomainStatsRecordListFree(f->records);
		g_free(f->dom);
	} else {
		free(f->dom);
	}
	g_free(f->state);
	g_free(f->reason);
}

static int number_of(const virDomainStatsRecord *r, const char *name)
{
	for (int i = 0; i < r->nparams; i++) {
		if (strcmp(r->params[i].field, name) == 0 &&
		    r->params[i].type == VIR_TYPED_PARAM_INT) {
			return r->params[i].value.i;
		}
	}
	return -1;
}

/* One question for everything: the statistics of all domains, of which only the state is asked for, bring
 * handle, number and state, and need no monitor. */
static int list_by_stats(struct session *s, struct found *f)
{
	int n = RPC(s,
		    virConnectGetAllDomainStats(s->conn, VIR_DOMAIN_STATS_STATE, &f->records, 0));

	if (n < 0) {
		return -1;
	}
	f->count = n;
	f->dom = g_new(virDomainPtr, n + 1);
	f->state = g_new(int, n + 1);
	f->reason = g_new(int, n + 1);
	for (int i = 0; i < n; i++) {
		f->dom[i] = f->records[i]->dom;
		f->state[i] = number_of(f->records[i], "state.state");
		f->reason[i] = number_of(f->records[i], "state.reason");
	}
	return 0;
}

/* The same for drivers without: one question more for each. */
static int list_one_by_one(struct session *s, struct found *f)
{
	int n = RPC(s, virConnectListAllDomains(s->conn, &f->dom, 0));

	if (n < 0) {
		return -1;
	}
	f->count = n;
	f->state = g_new(int, n + 1);
	f->reason = g_new(int, n + 1);
	for (int i = 0; i < n; i++) {
		if (RPC(s, virDomainGetState(f->dom[i], &f->state[i], &f->reason[i], 0)) < 0) {
			f->state[i] = f->reason[i] = -1;
		}
	}
	return 0;
}

static int list(struct session *s, struct found *f, struct vmt_error *error)
{
	if (list_by_stats(s, f) == 0) {
		return 0;
	}
	if (!libvirt_unsupported() || list_one_by_one(s, f) < 0) {
		return libvirt_error(s, "list domains", error);
	}
	return 0;
}

/* Called locked.  A domain whose number has changed was started or stopped. */
static void note(struct domains *d, virDomainPtr dom, int state, int reason)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct entry *e;
	unsigned number;

	if (virDomainGetUUID(dom, uuid) < 0) {
		return;
	}
	number = virDomainGetID(dom);
	e = g_hash_table_lookup(d->table, uuid);
	if (!e) {
		e = g_new0(struct entry, 1);
		memcpy(e->uuid, uuid, sizeof(e->uuid));
		e->domain.state = -1;
		g_hash_table_insert(d->table, e->uuid, e);
		set_dirty(d, e, true);
	}
	e->seen = d->listing;
	if (e->domain.desc && e->domain.desc->number != (int)number) {
		set_dirty(d, e, true);
	}
	if (e->domain.state != state || e->domain.reason != reason) {
		e->domain.state = state;
		e->domain.reason = reason;
		changed(d);
	}
}

static gboolean is_gone(gpointer key, gpointer value, gpointer data)
{
	struct domains *d = data;
	struct entry *e = value;

	if (e->seen == d->listing) {
		return FALSE;
	}
	set_dirty(d, e, false);
	changed(d);
	return TRUE;
}

static bool may_write(struct domains *d, const struct sync_job *job)
{
	return d->ticket == job->ticket;
}

/* Where no events tell, old XML is read again, some at a time. */
static void dirty_stale(struct domains *d)
{
	int64_t before = clock_monotonic() - STALE_NS;
	unsigned left = STALE_PER_SYNC;
	GHashTableIter it;
	gpointer p;

	g_hash_table_iter_init(&it, d->table);
	while (left && g_hash_table_iter_next(&it, NULL, &p)) {
		struct entry *e = p;

		if (!e->dirty && e->domain.desc && e->domain.desc->read_ns < before) {
			set_dirty(d, e, true);
			left--;
		}
	}
}

static void store_list(struct domains *d, const struct sync_job *job, const struct found *f)
{
	wait_lock(&d->lock);
	if (may_write(d, job)) {
		d->listing++;
		d->relist = false;
		for (int i = 0; i < f->count; i++) {
			note(d, f->dom[i], f->state[i], f->reason[i]);
		}
		g_hash_table_foreach_remove(d->table, is_gone, d);
		if (!d->has_events || !events_loop_turns()) {
			dirty_stale(d);
		}
	}
	wait_unlock(&d->lock);
}

/* Takes a dirty domain's entry to be read: it is clean from now on, so that an event that comes while it is
 * read makes it dirty again.  Answers false when it needs no reading. */
static bool take_dirty(struct domains *d, const struct sync_job *job, const uint8_t uuid[16],
		       struct domain_desc **ret_old, GPtrArray **ret_removed)
{
	struct entry *e;
	bool dirty = false;

	wait_lock(&d->lock);
	e = g_hash_table_lookup(d->table, uuid);
	if (may_write(d, job) && e && e->dirty) {
		set_dirty(d, e, false);
		*ret_old = e->domain.desc ? domain_desc_ref(e->domain.desc) : NULL;
		*ret_removed = e->removed;
		e->removed = NULL;
		dirty = true;
	}
	wait_unlock(&d->lock);
	return dirty;
}

static void store_desc(struct domains *d, const struct sync_job *job, const uint8_t uuid[16],
		       struct domain_desc *desc)
{
	struct entry *e;

	wait_lock(&d->lock);
	e = g_hash_table_lookup(d->table, uuid);
	if (may_write(d, job) && e) {
		domain_desc_unref(e->domain.desc);
		e->domain.desc = desc;
		desc = NULL;
		changed(d);
	}
	wait_unlock(&d->lock);
	domain_desc_unref(desc);
}

static void forget(struct domains *d, const struct sync_job *job, const uint8_t uuid[16], bool gone)
{
	struct entry *e;

	wait_lock(&d->lock);
	e = g_hash_table_lookup(d->table, uuid);
	if (may_write(d, job) && e && gone) {
		set_dirty(d, e, false);
		g_hash_table_remove(d->table, uuid);
		changed(d);
	} else if (may_write(d, job) && e) {
		set_dirty(d, e, true);
	}
	wait_unlock(&d->lock);
}

/* Reads one domain's XML.  A domain that cannot be read costs no other one. */
static int read_one(struct session *s, struct sync_job *job, virDomainPtr dom,
		    struct vmt_error *error)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct domain_desc *old = NULL, *desc;
	GPtrArray *removed = NULL;
	struct desc_source src;
	char *xml;
	int err = 0;

	if (virDomainGetUUID(dom, uuid) < 0 || !take_dirty(job->d, job, uuid, &old, &removed)) {
		return 0;
	}
	xml = RPC(s, virDomainGetXMLDesc(dom, 0));
	if (xml) {
		/* Libvirt's goes before something is made that stays: else that would hold a hole open behind it. */
		buf_reset(&job->xml);
		buf_puts(&job->xml, xml);
		free(xml);
		src = (struct desc_source){ .uuid = uuid,
					    .name = virDomainGetName(dom),
					    .xml = job->xml.data,
					    .number = (int)virDomainGetID(dom),
					    .time_ns = clock_monotonic(),
					    .scratch = job->scratch };
		desc = desc_new(&src, old, removed);
		if (desc) {
			store_desc(job->d, job, uuid, desc);
		}
	} else {
		err = libvirt_error(s, virDomainGetName(dom), error);
		forget(job->d, job, uuid, err == -ENOENT);
	}
	if (removed) {
		g_ptr_array_free(removed, TRUE);
	}
	domain_desc_unref(old);
	return err;
}

static int read_dirty(struct session *s, struct sync_job *job, const struct found *f,
		      struct vmt_error *error)
{
	for (int i = 0; i < f->count; i++) {
		struct vmt_error why;
		int err;

		if (clock_monotonic() >= job->until_ns) {
			return vmt_error_set(
				error, -EAGAIN,
				"libvirt %s: the time was up with %d of %d domains looked at",
				hub_uri(job->d->hub), i, f->count);
		}
		err = read_one(s, job, f->dom[i], &why);
		if (err < 0 && virConnectIsAlive(s->conn) == 0) {
			*error = why;
			return -ENOTCONN;
		}
		if (err < 0 && err != -ENOENT) {
			log_warn("%s; left as it was known before", why.text);
		}
	}
	return 0;
}

/* Called before the connection is closed. */
static void on_close(struct session *s, void *data)
{
	struct tie *tie = data;
	struct domains *d = tie->d;

	wait_lock(&d->lock);
	if (d->serial == s->serial) {
		d->serial = 0;
		d->conn = NULL;
		d->has_events = false;
	}
	wait_unlock(&d->lock);
	events_close(s->conn, tie->events);
	release(d);
	g_free(tie);
}

/* A connection that is new to us: events first, then everything is read again, for some were missed. */
static void adopt(struct session *s, struct sync_job *job)
{
	struct domains *d = job->d;
	struct tie *tie = g_new(struct tie, 1);

	hold(d);
	*tie = (struct tie){ .d = d, .events = events_open(s, on_event, d, hold, release) };
	s->on_close = on_close;
	s->data = tie;
	wait_lock(&d->lock);
	if (may_write(d, job)) {
		d->serial = s->serial;
		d->conn = s->conn;
		d->has_events = tie->events != NULL;
		d->relist = true;
		set_all_dirty(d);
	}
	wait_unlock(&d->lock);
}

static int sync_run(struct session *s, void *arg, struct vmt_error *error)
{
	struct sync_job *job = arg;
	struct found f = { 0 };
	int err;

	if (!s->on_close) {
		adopt(s, job);
	}
	err = list(s, &f, error);
	if (err < 0) {
		return err;
	}
	store_list(job->d, job, &f);
	err = read_dirty(s, job, &f, error);
	found_free(&f);
	return err;
}

static void sync_free(void *arg)
{
	struct sync_job *job = arg;

	release(job->d);
	buf_fini(&job->xml);
	arena_free(job->scratch);
	g_free(job);
}

/* ------------------------------------------------------------------ use */

/* Called locked: is there anything to ask? */
static bool is_current(struct domains *d)
{
	return d->conn && d->has_events && !d->relist && !d->dirty &&
	       virConnectIsAlive(d->conn) == 1 && events_loop_turns();
}

int domains_sync(struct domains *d, const struct vmt_call *call, uint64_t *calls,
		 struct vmt_error *error)
{
	struct sync_job *job;
	int64_t now;
	int err = 0;

	wait_lock(&d->lock);
	while (d->syncing) {
		if (wait_until(&d->lock, call->deadline_ns) == -ETIMEDOUT) {
			wait_unlock(&d->lock);
			return vmt_error_set(error, -ETIMEDOUT,
					     "libvirt %s: the list is still being read",
					     hub_uri(d->hub));
		}
	}
	if (is_current(d)) {
		wait_unlock(&d->lock);
		return 0;
	}
	d->syncing = true;
	job = g_new0(struct sync_job, 1);
	buf_init(&job->xml);
	job->scratch = arena_new(0);
	job->d = d;
	job->ticket = ++d->ticket;
	wait_unlock(&d->lock);
	hold(d);
	now = clock_monotonic();
	job->until_ns = call->deadline_ns == INT64_MAX ? INT64_MAX
						       : now + (call->deadline_ns - now) / 4 * 3;
	err = caller_run(d->caller, sync_run, job, sync_free, call, calls, error);
	wait_lock(&d->lock);
	d->syncing = false;
	d->ticket++; /* what is left behind writes nothing any more */
	if (err < 0 && err != -EAGAIN) {
		d->relist = true;
	}
	wait_wake(&d->lock);
	wait_unlock(&d->lock);
	return err;
}

uint64_t domains_generation(struct domains *d)
{
	uint64_t generation;

	wait_lock(&d->lock);
	generation = d->generation;
	wait_unlock(&d->lock);
	return generation;
}

void domains_each(struct domains *d, void (*fn)(void *context, const struct domain *domain),
		  void *context)
{
	GHashTableIter it;
	gpointer p;

	wait_lock(&d->lock);
	g_hash_table_iter_init(&it, d->table);
	while (g_hash_table_iter_next(&it, NULL, &p)) {
		struct entry *e = p;

		if (e->domain.desc) {
			fn(context, &e->domain);
		}
	}
	wait_unlock(&d->lock);
}

bool domains_find(struct domains *d, const uint8_t uuid[16], struct domain *ret_domain)
{
	struct entry *e;
	bool found = false;

	wait_lock(&d->lock);
	e = g_hash_table_lookup(d->table, uuid);
	if (e && e->domain.desc) {
		*ret_domain = e->domain;
		domain_desc_ref(e->domain.desc);
		found = true;
	}
	wait_unlock(&d->lock);
	return found;
}

size_t domains_running(struct domains *d)
{
	GHashTableIter it;
	gpointer p;
	size_t n = 0;

	wait_lock(&d->lock);
	g_hash_table_iter_init(&it, d->table);
	while (g_hash_table_iter_next(&it, NULL, &p)) {
		const struct entry *e = p;

		n += e->domain.desc && e->domain.desc->number >= 0;
	}
	wait_unlock(&d->lock);
	return n;
}
