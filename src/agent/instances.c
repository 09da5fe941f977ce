/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last good lists of instances.  Called from poll workers; the one that asks may block inside the
 * discoveries until its deadline, the others wait here, until theirs, only while there is no list yet.
 */
#include "agent/instances.h"

#include <errno.h>
#include <glib.h>

#define LOG_NAME "discovery"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "model/snapshot.h"

/* One discovery and its last good answer. */
struct source {
	char *name, *param;
	const struct vmt_discovery_ops *ops; /* NULL: there is none */
	void *self;
	/* the asker's */
	struct vmt_snapshot_builder *builder; /* kept while nothing changes */
	struct snapshot *current;
	/* below: under `wait` */
	int64_t confirmed_ns; /* CLOCK_REALTIME of the last good answer */
	struct vmt_error error; /* of the last question; "" after a good one */
};

struct instances {
	struct source here; /* says who is here */
	struct source more; /* knows more of them */
	struct source last; /* describes what comes of both */
	bool by_name; /* `more` may know them by other ids */
	int64_t patience_ns; /* for its first answers */
	struct snapshot *joined; /* of `here` and `more`; the asker's */
	struct wait wait;
	/* below: under `wait` */
	bool asking;
	struct snapshot *current;
};

#define LOOK_AGAIN_NS (20 * NS_PER_MS)

static void source_init(struct source *s, const char *name, const char *param,
			const struct vmt_discovery_ops *ops, void *self)
{
	*s = (struct source){
		.name = g_strdup(name), .param = g_strdup(param), .ops = ops, .self = self
	};
}

static void source_fini(struct source *s)
{
	snapshot_builder_free(s->builder);
	snapshot_unref(s->current);
	g_free(s->name);
	g_free(s->param);
}

struct instances *instances_new(const char *name, const char *param,
				const struct vmt_discovery_ops *ops, void *self)
{
	struct instances *in = g_new0(struct instances, 1);

	source_init(&in->here, name, param, ops, self);
	wait_init(&in->wait);
	return in;
}

void instances_join(struct instances *in, const char *name, const struct vmt_discovery_ops *ops,
		    void *self, bool by_name)
{
	in->by_name = by_name;
	source_init(&in->more, name, "all", ops, self);
}

void instances_describe(struct instances *in, const char *name, const struct vmt_discovery_ops *ops,
			void *self)
{
	source_init(&in->last, name, "", ops, self);
}

void instances_patient(struct instances *in, int64_t ns)
{
	in->patience_ns = ns;
}

void instances_free(struct instances *instances)
{
	if (!instances) {
		return;
	}
	source_fini(&instances->here);
	source_fini(&instances->more);
	source_fini(&instances->last);
	snapshot_unref(instances->joined);
	snapshot_unref(instances->current);
	wait_fini(&instances->wait);
	g_free(instances);
}

/* ---- asking */

/* Whether the source has another list than before.  Not locked. */
static bool source_ask(struct instances *in, struct source *s, const struct vmt_call *call)
{
	struct vmt_error error = { .text = "" };
	struct snapshot *fresh = NULL;
	int ret;

	if (!s->builder) {
		s->builder = snapshot_builder_new(0);
	}
	ret = s->ops->discover(s->self, s->param, s->builder, call, &error);
	if (ret == 1) {
		fresh = snapshot_builder_finish(s->builder, s->current, clock_real());
		s->builder = NULL;
	}
	if (ret < 0) {
		snapshot_builder_free(s->builder);
		s->builder = NULL;
		if (error.text[0] == '\0') {
			vmt_error_set(&error, ret, "%s: %s", s->name, g_strerror(-ret));
		}
	}
	if (ret < 0 && ret != -EAGAIN && (s->current || s != &in->here)) {
		log_warn("Unable to discover resources: %s; keeping the last list of instances",
			 error.text);
	}
	wait_lock(&in->wait);
	if (ret != -EAGAIN || s->confirmed_ns == 0) {
		s->error = error;
	}
	if (ret >= 0) {
		s->confirmed_ns = clock_real();
	}
	wait_unlock(&in->wait);
	if (!fresh) {
		return false;
	}
	snapshot_unref(s->current);
	s->current = fresh;
	return true;
}

/* The instance as it is known to both.  Whether and since when it runs is known better where it runs. */
static struct vmt_instance join(const struct vmt_instance *here, const struct vmt_instance *more)
{
	struct vmt_instance in = *more;

	in.stopped = here->stopped;
	in.epoch = here->epoch;
	if (!in.name || !*in.name) {
		in.name = here->name;
	}
	return in;
}

/* Names to 1 + the place in the list; 0: several have the name. */
static GHashTable *places_by_name(const struct vmt_snapshot *list)
{
	GHashTable *places = g_hash_table_new(g_str_hash, g_str_equal);

	for (size_t i = 0; i < list->count; i++) {
		char *name = (char *)(uintptr_t)list->instances[i].name;
		bool again = name && g_hash_table_contains(places, name);

		if (name && *name) {
			g_hash_table_insert(places, name, GSIZE_TO_POINTER(again ? 0 : i + 1));
		}
	}
	return places;
}

/* What matches instances of both lists. */
struct matcher {
	const struct snapshot *here, *more;
	GHashTable *here_names, *more_names; /* NULL: by id alone */
};

static void matcher_init(struct matcher *m, const struct instances *in)
{
	*m = (struct matcher){ .here = in->here.current, .more = in->more.current };
	if (in->by_name) {
		m->here_names = places_by_name(&m->here->list);
		m->more_names = places_by_name(&m->more->list);
	}
}

static void matcher_fini(struct matcher *m)
{
	if (m->here_names) {
		g_hash_table_destroy(m->here_names);
		g_hash_table_destroy(m->more_names);
	}
}

/* The place among those that are known better, or -ENOENT. */
static ssize_t match(const struct matcher *m, const struct vmt_instance *known)
{
	ssize_t at = snapshot_find(m->more, known->id);

	if (at >= 0 || !m->here_names || !known->name ||
	    !g_hash_table_lookup(m->here_names, known->name)) {
		return at;
	}
	at = (ssize_t)GPOINTER_TO_SIZE(g_hash_table_lookup(m->more_names, known->name)) - 1;
	if (at < 0 || snapshot_find(m->here, m->more->list.instances[at].id) >= 0) {
		return -ENOENT;
	}
	return at;
}

/* One list of both; NULL where the first has none yet. */
static struct snapshot *put_together(const struct instances *in)
{
	const struct snapshot *here = in->here.current, *more = in->more.current;
	struct vmt_snapshot_builder *builder;
	struct matcher matcher;

	if (!here || !more) {
		return here ? snapshot_ref(in->here.current) : NULL;
	}
	builder = snapshot_builder_new(0);
	matcher_init(&matcher, in);
	for (size_t i = 0; i < here->list.count; i++) {
		const struct vmt_instance *known = &here->list.instances[i];
		ssize_t at = match(&matcher, known);
		struct vmt_instance instance;

		if (at < 0) {
			vmt_snapshot_add(builder, known);
			continue;
		}
		instance = join(known, &more->list.instances[at]);
		if (g_strcmp0(instance.state, "error") != 0) {
			vmt_snapshot_add(builder, &instance);
		}
	}
	matcher_fini(&matcher);
	return snapshot_builder_finish(builder, in->joined, clock_real());
}

/* Whether more is being learnt. */
static bool describe_once(struct instances *in)
{
	struct source *s = &in->last;
	struct vmt_error error = { .text = "" };
	struct snapshot *fresh;
	bool busy = false;

	if (!s->builder) {
		s->builder = snapshot_builder_new(0);
	}
	if (s->ops->describe(s->self, &in->joined->list, s->builder, &busy, &error) == 1) {
		fresh = snapshot_builder_finish(s->builder, s->current, clock_real());
		s->builder = NULL;
		snapshot_unref(s->current);
		s->current = fresh;
	}
	wait_lock(&in->wait);
	s->error = error;
	if (!error.text[0] && !busy) {
		s->confirmed_ns = clock_real();
	}
	wait_unlock(&in->wait);
	return busy;
}

/* Describes the joined list.  Not locked; waits only where somebody has the patience. */
static void describe(struct instances *in, const struct vmt_call *call)
{
	int64_t until_ns = MIN(call->deadline_ns, clock_monotonic() + in->patience_ns);

	while (describe_once(in) && clock_monotonic() < until_ns && !atomic_load(call->cancel)) {
		wait_sleep(LOOK_AGAIN_NS);
	}
	in->patience_ns = 0;
}

/* The list of all sources.  Not locked. */
static struct snapshot *make_list(struct instances *in, bool news, const struct vmt_call *call)
{
	struct snapshot *fresh = news ? put_together(in) : NULL;

	if (fresh) {
		snapshot_unref(in->joined);
		in->joined = fresh;
	}
	if (!in->joined) {
		return NULL;
	}
	if (in->last.ops) {
		describe(in, call);
	}
	return snapshot_ref(in->last.ops ? in->last.current : in->joined);
}

/* Locked on entry and exit; not while the plugins are called. */
static void ask(struct instances *in, const struct vmt_call *call)
{
	struct snapshot *old = NULL, *fresh = NULL;
	bool news;

	in->asking = true;
	wait_unlock(&in->wait);
	news = source_ask(in, &in->here, call);
	if (in->more.ops) {
		news |= source_ask(in, &in->more, call);
	}
	fresh = make_list(in, news, call);
	wait_lock(&in->wait);
	if (fresh) {
		old = in->current;
		in->current = fresh;
	}
	in->asking = false;
	wait_unlock(&in->wait);
	wait_wake(&in->wait);
	snapshot_unref(old);
	wait_lock(&in->wait);
}

struct snapshot *instances_get(struct instances *in, const struct vmt_call *call,
			       struct vmt_error *error)
{
	struct snapshot *now = NULL;

	wait_lock(&in->wait);
	if (!in->asking) {
		ask(in, call);
	}
	while (!in->current && in->asking && wait_until(&in->wait, call->deadline_ns) == 0) {
	}
	if (in->current) {
		now = snapshot_ref(in->current);
	} else {
		vmt_error_set(error, -EAGAIN, "%s",
			      in->here.error.text[0] ? in->here.error.text
						     : "discovery: no answer in time");
	}
	wait_unlock(&in->wait);
	return now;
}

/* Locked. */
static int64_t source_age(const struct source *s, char error[sizeof(s->error.text)])
{
	g_strlcpy(error, s->error.text, sizeof(s->error.text));
	return s->confirmed_ns ? clock_real() - s->confirmed_ns : -1;
}

int64_t instances_age(struct instances *in, char error[sizeof(in->here.error.text)])
{
	int64_t age_ns;

	wait_lock(&in->wait);
	age_ns = source_age(&in->here, error);
	wait_unlock(&in->wait);
	return age_ns;
}

static bool other_age(struct instances *in, const struct source *s, int64_t *ret_age_ns,
		      char error[sizeof(s->error.text)])
{
	if (!s->ops) {
		return false;
	}
	wait_lock(&in->wait);
	*ret_age_ns = source_age(s, error);
	wait_unlock(&in->wait);
	return true;
}

bool instances_joined_age(struct instances *in, int64_t *ret_age_ns,
			  char error[sizeof(in->more.error.text)])
{
	return other_age(in, &in->more, ret_age_ns, error);
}

bool instances_described_age(struct instances *in, int64_t *ret_age_ns,
			     char error[sizeof(in->last.error.text)])
{
	return other_age(in, &in->last, ret_age_ns, error);
}
