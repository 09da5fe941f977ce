/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that beats at the coordinator, and the rings that come of it.  The thread alone calls the plugin and may
 * block on it until a call's deadline; what is shared with others is under `wait`.
 */
#include "agent/sharing.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#define LOG_NAME "coordination"
#include "agent/plan.h"
#include "agent/ring.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/json_text.h"
#include "model/members.h"
#include "plugin/object.h"

#define LEAVE_NS (2 * NS_PER_S) /* for saying good-bye */
#define BEAT_MAX_NS (10 * NS_PER_S) /* of one call; less where the lease is shorter */
#define HEARTBEAT_MIN_NS (NS_PER_S / 10)

/* Between attempts while it does not answer; at first it is the heartbeat's time that is doubled. */
static const struct backoff_limits limits = { NS_PER_S, 10 * NS_PER_S };

struct shares {
	atomic_uint refs;
	uint64_t generation;
	const char *member; /* the sharing's own, which outlives it */
	size_t groups;
	struct ring *ring[];
};

struct sharing {
	atomic_uint refs;
	uint64_t fingerprint;
	struct plugin_object *object;
	const struct vmt_coordinator_ops *ops;
	char member[37];
	char *prefix; /* of the groups' names */
	GPtrArray *groups; /* char * */
	int64_t heartbeat_ns, lease_ns;
	pthread_t thread;
	bool started;
	atomic_bool cancel; /* the call under way; not the leaving */
	atomic_bool never; /* stays false */
	struct wait wait;
	/* below: under `wait` */
	bool leaving, left;
	struct shares *now;
	int64_t beat_ns; /* clock_monotonic() of the last good beat; INT64_MIN: none yet */
	struct vmt_error error; /* of the last attempt; "" after a good one */
};

/* ---- shares */

void shares_unref(struct shares *shares)
{
	if (!shares || atomic_fetch_sub(&shares->refs, 1) != 1) {
		return;
	}
	for (size_t i = 0; i < shares->groups; i++) {
		ring_free(shares->ring[i]);
	}
	g_free(shares);
}

bool shares_own(const struct shares *shares, unsigned group, const char *key)
{
	const char *owner = group < shares->groups ? ring_owner(shares->ring[group], key) : NULL;

	return !owner || strcmp(owner, shares->member) == 0;
}

uint64_t shares_generation(const struct shares *shares)
{
	return shares ? shares->generation : 0;
}

static struct shares *shares_new(const struct sharing *s)
{
	struct shares *fresh = g_malloc0(sizeof(*fresh) + s->groups->len * sizeof(fresh->ring[0]));

	atomic_init(&fresh->refs, 1);
	fresh->member = s->member;
	return fresh;
}

static bool is_same(const struct shares *a, const struct shares *b)
{
	for (size_t i = 0; a && i < a->groups; i++) {
		if (!ring_same(a->ring[i], b->ring[i])) {
			return false;
		}
	}
	return a != NULL;
}

/* ---- beats */

static struct ring *make_ring(const struct sharing *s, const struct vmt_members *members)
{
	/* whoever has just said that he is there is there, whatever the answer says */
	g_ptr_array_add(members->names, g_strdup(s->member));
	return ring_new((const char *const *)members->names->pdata, members->names->len);
}

static int beat_group(struct sharing *s, const char *group, struct ring **ret_ring,
		      struct vmt_error *error)
{
	struct vmt_call call = { .deadline_ns =
					 clock_monotonic() + MIN(s->lease_ns / 3, BEAT_MAX_NS),
				 .cancel = &s->cancel };
	struct vmt_members members;
	int ret;

	members_init(&members);
	ret = s->ops->beat(s->object->self, group, s->member, &members, &call, error);
	if (ret == 0) {
		*ret_ring = make_ring(s, &members);
	} else if (error->text[0] == '\0') {
		vmt_error_set(error, ret, "%s: %s", plugin_object_url(s->object), g_strerror(-ret));
	}
	members_fini(&members);
	return ret;
}

/* In all groups; NULL with the reason when it failed in one. */
static struct shares *beat(struct sharing *s, struct vmt_error *error)
{
	struct shares *fresh = shares_new(s);

	for (guint i = 0; i < s->groups->len; i++) {
		if (beat_group(s, g_ptr_array_index(s->groups, i), &fresh->ring[i], error) < 0) {
			shares_unref(fresh);
			return NULL;
		}
		fresh->groups++;
	}
	return fresh;
}

static void tell_change(const struct sharing *s, const struct shares *fresh)
{
	size_t n = ring_members(fresh->ring[SHARING_INSTANCES]);

	log_info("%s: %zu %s of %s", plugin_object_url(s->object), n,
		 n == 1 ? "agent has the instances" : "agents share the instances",
		 (const char *)g_ptr_array_index(s->groups, SHARING_INSTANCES));
}

/* A good beat.  Locked on entry and exit. */
static void take(struct sharing *s, struct shares *fresh)
{
	bool again = s->error.text[0] != '\0';

	s->beat_ns = clock_monotonic();
	s->error.text[0] = '\0';
	if (again) {
		log_info("%s: answers again", plugin_object_url(s->object));
	}
	if (is_same(s->now, fresh)) {
		shares_unref(fresh);
		return;
	}
	fresh->generation = s->now ? s->now->generation + 1 : 1;
	shares_unref(s->now);
	s->now = fresh;
	tell_change(s, fresh);
}

/* A beat that failed; the rings stay as they are.  Locked on entry and exit. */
static void fail(struct sharing *s, const struct vmt_error *error)
{
	if (s->error.text[0] == '\0') {
		if (s->now) {
			log_warn("%s; sharing goes on as it was, among %zu", error->text,
				 ring_members(s->now->ring[SHARING_INSTANCES]));
		} else {
			log_warn("%s; nothing is shared yet, all instances are polled here",
				 error->text);
		}
	}
	s->error = *error;
}

static void leave(struct sharing *s)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + LEAVE_NS, .cancel = &s->never };
	struct vmt_error error = { .text = "" };
	int ret = 0;

	for (guint i = 0; i < s->groups->len && ret == 0; i++) {
		ret = s->ops->leave(s->object->self, g_ptr_array_index(s->groups, i), s->member,
				    &call, &error);
	}
	if (ret < 0) {
		log_warn("%s; the others take over our instances in %.0f s",
			 error.text[0] ? error.text : g_strerror(-ret), (double)s->lease_ns / 1e9);
	}
}

static void *sharing_main(void *arg)
{
	struct sharing *s = arg;
	int64_t pause_ns = s->heartbeat_ns, next_ns;
	struct vmt_error error;
	struct shares *fresh;

	wait_lock(&s->wait);
	while (!s->leaving) {
		next_ns = clock_monotonic();
		wait_unlock(&s->wait);
		error.text[0] = '\0';
		fresh = beat(s, &error);
		wait_lock(&s->wait);
		if (fresh) {
			take(s, fresh);
			pause_ns = s->heartbeat_ns;
		} else if (!s->leaving) {
			fail(s, &error);
			pause_ns = backoff_next(pause_ns, &limits);
			next_ns = clock_monotonic();
		}
		next_ns += pause_ns;
		while (!s->leaving && clock_monotonic() < next_ns) {
			wait_until(&s->wait, next_ns);
		}
	}
	wait_unlock(&s->wait);
	leave(s);
	wait_lock(&s->wait);
	s->left = true;
	wait_unlock(&s->wait);
	return NULL;
}

/* ---- groups */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same for the same set, in any order. */
static char *static_group(const struct sharing *s, const char *const *resources)
{
	GPtrArray *sorted = g_ptr_array_new();
	char *all, *sum, *name;

	for (; *resources; resources++) {
		g_ptr_array_add(sorted, (void *)(uintptr_t)*resources);
	}
	g_ptr_array_sort(sorted, by_text);
	g_ptr_array_add(sorted, NULL);
	all = g_strjoinv("\n", (char **)sorted->pdata);
	sum = g_compute_checksum_for_string(G_CHECKSUM_MD5, all, -1);
	name = g_strdup_printf("%s-%s", s->prefix, sum);
	g_free(sum);
	g_free(all);
	g_ptr_array_unref(sorted);
	return name;
}

static bool find_group(const struct sharing *s, const char *name, unsigned *ret_group)
{
	return g_ptr_array_find_with_equal_func(s->groups, name, g_str_equal, ret_group);
}

unsigned sharing_group(const struct sharing *s, const char *const *resources)
{
	char *name = static_group(s, resources);
	unsigned group = SHARING_INSTANCES;

	find_group(s, name, &group);
	g_free(name);
	return group;
}

static void add_static_groups(struct sharing *s, const struct polling *polling)
{
	for (size_t i = 0; i < polling->source_count; i++) {
		const struct polling_list *list = &polling->sources[i].resources;
		const char **resources = g_new0(const char *, list->count + 1);
		char *name;

		for (size_t k = 0; k < list->count; k++) {
			resources[k] = list->item[k].text;
		}
		name = static_group(s, resources);
		if (list->count > 0 && !find_group(s, name, NULL)) {
			g_ptr_array_add(s->groups, g_steal_pointer(&name));
		}
		g_free(name);
		g_free(resources);
	}
}

/* In the order of SHARING_INSTANCES...; printable ASCII whatever the host is called. */
static void add_groups(struct sharing *s, const struct plan *plan)
{
	const char *prefix = plan->settings.partitioning_group_prefix;
	char *host = g_uri_escape_string(plan->settings.host, NULL, FALSE);
	char *more = g_uri_escape_string(prefix ? prefix : "", NULL, FALSE);

	s->prefix = g_strdup_printf("compute%s%s", *more ? "-" : "", more);
	s->groups = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(s->groups, g_strdup_printf("%s-%s", s->prefix, host));
	g_ptr_array_add(s->groups, g_strdup_printf("%s-LocalNode-%s", s->prefix, host));
	add_static_groups(s, plan->polling);
	g_free(host);
	g_free(more);
}

/* ---- life */

static uint64_t fingerprint_of(const struct sharing *s, uint64_t plugin)
{
	uint64_t h = hash64(&s->heartbeat_ns, sizeof(s->heartbeat_ns), plugin);

	for (guint i = 0; i < s->groups->len; i++) {
		const char *group = g_ptr_array_index(s->groups, i);

		h = hash64(group, strlen(group) + 1, h);
	}
	return h;
}

static struct sharing *sharing_new(const struct plan *plan, uint64_t plugin)
{
	struct sharing *s = g_new0(struct sharing, 1);
	char *member = g_uuid_string_random();

	atomic_init(&s->refs, 1);
	g_strlcpy(s->member, member, sizeof(s->member));
	g_free(member);
	s->heartbeat_ns = MAX(plan->settings.coordination_heartbeat_ns, HEARTBEAT_MIN_NS);
	s->beat_ns = INT64_MIN;
	add_groups(s, plan);
	s->fingerprint = fingerprint_of(s, plugin);
	wait_init(&s->wait);
	return s;
}

static void sharing_free(struct sharing *s)
{
	if (s->started) {
		sharing_leave(s);
		thread_join(s->thread);
	}
	shares_unref(s->now);
	plugin_object_close(s->object);
	g_ptr_array_unref(s->groups);
	g_free(s->prefix);
	wait_fini(&s->wait);
	g_free(s);
}

void sharing_open(struct registry *registry, const struct plan *plan, struct sharing *now,
		  struct problems *problems, struct sharing **ret_sharing)
{
	const char *url = plan->settings.coordination_url;
	const struct ini_value *at = ini_find(plan->ini, "coordination", "backend_url", NULL);
	struct vmt_error error = { .text = "" };
	const struct vmt_plugin *plugin;
	struct sharing *s = NULL;
	uint64_t fingerprint;

	*ret_sharing = NULL;
	if (!plan->polling || !url || !url[0] || !plan->settings.workload_partitioning) {
		return;
	}
	plugin = registry_find_url(registry, VMT_COORDINATOR, url, &error);
	if (plugin && plugin_object_fingerprint(plugin, plan->ini, url, &fingerprint) == 0) {
		s = sharing_new(plan, fingerprint);
		if (now && now->fingerprint == s->fingerprint) {
			sharing_free(s);
			*ret_sharing = sharing_ref(now);
			return;
		}
	}
	if (!s || plugin_object_open(plugin, plan->ini, url, NULL, false, &s->object, problems,
				     &error) < 0) {
		problems_add_failed(problems, at ? &at->value_at : NULL,
				    "coordination: %s; all instances are polled here",
				    error.text[0] ? error.text
						  : "the options of backend_url are wrong");
		sharing_unref(s);
		return;
	}
	s->ops = plugin->ops.coordinator;
	s->lease_ns = s->ops->lease(s->object->self);
	*ret_sharing = s;
}

int sharing_start(struct sharing *s)
{
	int ret = s->started ? 0 : thread_start(&s->thread, "coordination", sharing_main, s);

	s->started = ret == 0;
	return ret;
}

void sharing_leave(struct sharing *s)
{
	wait_lock(&s->wait);
	s->leaving = true;
	wait_unlock(&s->wait);
	atomic_store(&s->cancel, true);
	wait_wake(&s->wait);
}

bool sharing_left(struct sharing *s)
{
	bool left;

	wait_lock(&s->wait);
	left = s->left || !s->started;
	wait_unlock(&s->wait);
	return left;
}

struct sharing *sharing_ref(struct sharing *sharing)
{
	if (sharing) {
		atomic_fetch_add(&sharing->refs, 1);
	}
	return sharing;
}

void sharing_unref(struct sharing *sharing)
{
	if (sharing && atomic_fetch_sub(&sharing->refs, 1) == 1) {
		sharing_free(sharing);
	}
}

struct shares *sharing_get(struct sharing *s)
{
	struct shares *now;

	wait_lock(&s->wait);
	now = s->now;
	if (now) {
		atomic_fetch_add(&now->refs, 1);
	}
	wait_unlock(&s->wait);
	return now;
}

/* ---- status */

static void add_groups_status(const struct sharing *s, struct buf *json)
{
	buf_puts(json, ",\"groups\":[");
	for (guint i = 0; i < s->groups->len; i++) {
		buf_puts(json, i ? ",{\"group\":" : "{\"group\":");
		json_add(json, g_ptr_array_index(s->groups, i));
		buf_puts(json, ",\"members\":");
		if (s->now) {
			json_add_uint(json, ring_members(s->now->ring[i]));
		} else {
			buf_puts(json, "null");
		}
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

void sharing_status(struct sharing *s, struct buf *json)
{
	wait_lock(&s->wait);
	buf_puts(json, "{\"url\":");
	json_add(json, plugin_object_url(s->object));
	buf_puts(json, ",\"state\":");
	json_add(json, s->left            ? "left"
		       : s->error.text[0] ? "unreachable"
		       : s->now           ? "ok"
					  : "joining");
	buf_puts(json, ",\"member\":");
	json_add(json, s->member);
	buf_puts(json, ",\"age_s\":");
	if (s->beat_ns == INT64_MIN) {
		buf_puts(json, "null");
	} else {
		buf_printf(json, "%.3f", (double)(clock_monotonic() - s->beat_ns) / 1e9);
	}
	buf_puts(json, ",\"last_error\":");
	json_add(json, s->error.text);
	add_groups_status(s, json);
	buf_putc(json, '}');
	wait_unlock(&s->wait);
}
