/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's receivers over reloads.  Main thread; opening a receiver does not block (contract), freeing one
 * waits for its thread, which leaves its call soon.
 */
#include "agent/receivers.h"

#include <errno.h>
#include <string.h>

#define LOG_NAME "collector"
#include "agent/parts.h"
#include "agent/vet.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "collector/receiver.h"
#include "pipeline/pipeline.h"

/* What the peers sign with: as the publishers' options say it (wire/message_conf.c). */
static const char *secret_of(const struct settings *s)
{
	const char *given = s->secret       ? s->secret
			    : s->secret_rpc ? s->secret_rpc
					    : s->secret_default;

	if (given) {
		return given;
	}
	return s->meter_profile == VMT_PROFILE_JUNO ? "change this or be hacked"
						    : "change this for valid signing";
}

static struct message_read_options read_options(const struct settings *s)
{
	int64_t keep_s = MIN(s->time_to_live, INT64_MAX / NS_PER_S);

	return (struct message_read_options){ .secret = secret_of(s),
					      .accept_unsigned = s->accept_unsigned,
					      .keep_ns = MAX(keep_s, 0) * NS_PER_S,
					      .bytes_max = (size_t)s->message_bytes };
}

/* What a receiver depends on. */
static uint64_t fingerprint_of(const struct vmt_plugin *plugin, const struct plan *plan,
			       const char *url)
{
	struct message_read_options o = read_options(&plan->settings);
	uint64_t fingerprint = 0;

	(void)plugin_object_fingerprint(plugin, plan->ini, url, &fingerprint);
	fingerprint = hash64(o.secret, strlen(o.secret), fingerprint + o.accept_unsigned);
	fingerprint = hash64(&o.keep_ns, sizeof(o.keep_ns), fingerprint);
	fingerprint = hash64(&o.bytes_max, sizeof(o.bytes_max), fingerprint);
	return fingerprint + plan->settings.meter_profile;
}

static void close_receiver(struct agent_receiver *ar)
{
	receiver_free(ar->receiver);
	plugin_object_close(ar->object);
	g_free(ar->url);
	g_free(ar);
}

static struct agent_receiver *find_receiver(GPtrArray *list, const char *url, uint64_t fingerprint,
					    unsigned worker)
{
	for (guint i = 0; i < list->len; i++) {
		struct agent_receiver *ar = g_ptr_array_index(list, i);

		if (ar->worker == worker && ar->fingerprint == fingerprint &&
		    strcmp(ar->url, url) == 0) {
			return ar;
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------ opening */

static int open_one(struct agent *a, struct plan *plan, const struct vmt_plugin *plugin,
		    const char *url, struct problems *problems, struct agent_receiver *ar,
		    struct vmt_error *error)
{
	struct receiver_parts parts = {
		.intake = { .read = read_options(&plan->settings),
			    .pool = a->pool,
			    .runner = a->runner,
			    .spool = a->spool,
			    .profile = plan->settings.meter_profile },
	};
	int ret = plugin_object_open(plugin, plan->ini, url, NULL, false, &ar->object, problems,
				     error);

	if (ret < 0) {
		return ret;
	}
	parts.url = plugin_object_url(ar->object);
	parts.ops = plugin->ops.receiver;
	parts.self = ar->object->self;
	ret = receiver_new(&parts, &ar->receiver);
	return ret < 0 ? vmt_error_set(error, ret, "%s: the library has no HMAC-SHA256", parts.url)
		       : 0;
}

/* Transformers that keep samples want all of them. */
static int check_shared(struct agent *a, const struct plan *plan, const struct agent_receiver *ar,
			struct problems *problems, struct vmt_error *error)
{
	const struct vmt_receiver_ops *ops = ar->object->plugin->ops.receiver;

	if (!ops->shared || !ops->shared(ar->object->self) ||
	    vet_shared(a->registry, plan->pipeline, plugin_object_url(ar->object), problems) == 0) {
		return 0;
	}
	return vmt_error_set(error, -EINVAL, "%s", problems_first_error(problems));
}

/* How many consume beside each other: of a queue that is shared anyway. */
static unsigned workers_of(const struct plan *plan, const struct agent_receiver *first)
{
	const struct vmt_receiver_ops *ops = first->object->plugin->ops.receiver;

	return ops->shared && ops->shared(first->object->self) ? (unsigned)plan->settings.workers
							       : 1;
}

/* The first of a URL's workers, or another one: at work already, or opened. */
static int open_worker(struct agent *a, struct plan *plan, const struct vmt_plugin *plugin,
		       const char *url, unsigned worker, GPtrArray *ret_new,
		       struct problems *problems, struct agent_receiver **ret_ar,
		       struct vmt_error *error)
{
	uint64_t fingerprint = fingerprint_of(plugin, plan, url);
	struct agent_receiver *ar = find_receiver(a->receivers, url, fingerprint, worker);

	ar = ar ? ar : find_receiver(ret_new, url, fingerprint, worker);
	*ret_ar = ar;
	if (ar) {
		return 0;
	}
	*ret_ar = ar = g_new0(struct agent_receiver, 1);
	ar->url = g_strdup(url);
	ar->fingerprint = fingerprint;
	ar->worker = worker;
	g_ptr_array_add(ret_new, ar);
	return open_one(a, plan, plugin, url, problems, ar, error);
}

/* All of a URL's workers. */
static int open_url(struct agent *a, struct plan *plan, const char *url, GPtrArray *ret_new,
		    struct problems *problems, struct vmt_error *error)
{
	const struct vmt_plugin *plugin = registry_find_url(a->registry, VMT_RECEIVER, url, error);
	struct agent_receiver *ar;
	unsigned workers;
	int ret = plugin ? open_worker(a, plan, plugin, url, 0, ret_new, problems, &ar, error)
			 : -ENOENT;

	ret = ret < 0 ? ret : check_shared(a, plan, ar, problems, error);
	if (ret < 0) {
		return ret;
	}
	if (plan->settings.workers > 1 && vet_alone(ar->object)) {
		log_info("%s has one consumer, as amqp_exclusive says, and not %d",
			 plugin_object_url(ar->object), (int)plan->settings.workers);
	}
	workers = workers_of(plan, ar);
	for (unsigned w = 1; w < workers && ret == 0; w++) {
		ret = open_worker(a, plan, plugin, url, w, ret_new, problems, &ar, error);
	}
	return ret;
}

int agent_receivers_open(struct agent *a, struct plan *plan, GPtrArray *ret_new,
			 struct problems *problems, struct vmt_error *error)
{
	const char *const *urls = plan->settings.receivers;
	int ret = 0;

	if (plan->polling) {
		return 0;
	}
	if (!urls[0]) {
		return vmt_error_set(error, -EINVAL,
				     "receivers is empty: the collector would receive nothing");
	}
	for (size_t i = 0; urls[i] && ret == 0; i++) {
		ret = open_url(a, plan, urls[i], ret_new, problems, error);
	}
	return ret;
}

void agent_receivers_undo(GPtrArray *opened)
{
	for (guint i = 0; i < opened->len; i++) {
		close_receiver(g_ptr_array_index(opened, i));
	}
	g_ptr_array_set_size(opened, 0);
}

/* ------------------------------------------------------------------ taking in and letting go */

static struct pipeline_set *all_pipelines(const struct agent *a)
{
	for (guint i = 0; i < a->pipelines->len; i++) {
		pipeline_ref(g_ptr_array_index(a->pipelines, i));
	}
	return pipeline_set_new((struct pipeline *const *)a->pipelines->pdata, a->pipelines->len);
}

static void let_go(struct agent *a, guint i)
{
	struct agent_receiver *ar = g_ptr_array_remove_index(a->receivers, i);

	receiver_leave(ar->receiver);
	g_ptr_array_add(a->old_receivers, ar);
}

/* Those at work that the plan names. */
static void mark_wanted(struct agent *a, const struct plan *plan, const char *url)
{
	const struct vmt_plugin *plugin = registry_find_url(a->registry, VMT_RECEIVER, url, NULL);
	uint64_t fingerprint = fingerprint_of(plugin, plan, url);
	struct agent_receiver *ar = find_receiver(a->receivers, url, fingerprint, 0);
	unsigned workers = ar ? workers_of(plan, ar) : 0;

	for (unsigned w = 0; w < workers; w++) {
		ar = find_receiver(a->receivers, url, fingerprint, w);
		if (ar) {
			ar->wanted = true;
		}
	}
}

void agent_receivers_commit(struct agent *a, const struct plan *plan, GPtrArray *opened)
{
	const char *const *urls = plan->settings.receivers;
	struct pipeline_set *set;

	if (plan->polling) {
		return;
	}
	for (guint i = 0; i < a->receivers->len; i++) {
		((struct agent_receiver *)g_ptr_array_index(a->receivers, i))->wanted = false;
	}
	for (size_t i = 0; urls[i]; i++) {
		mark_wanted(a, plan, urls[i]);
	}
	for (guint i = a->receivers->len; i-- > 0;) {
		if (!((struct agent_receiver *)g_ptr_array_index(a->receivers, i))->wanted) {
			let_go(a, i);
		}
	}
	g_ptr_array_extend(a->receivers, opened, NULL, NULL);
	set = all_pipelines(a);
	for (guint i = 0; i < a->receivers->len; i++) {
		struct agent_receiver *ar = g_ptr_array_index(a->receivers, i);

		ar->wanted = true;
		receiver_set_pipelines(ar->receiver, set);
	}
	pipeline_set_unref(set);
	if (a->started_ns) {
		agent_receivers_start(a);
	}
}

bool agent_reap_receivers(struct agent *a, bool wait)
{
	for (guint i = a->old_receivers->len; i-- > 0;) {
		struct agent_receiver *ar = g_ptr_array_index(a->old_receivers, i);

		if (wait || receiver_done(ar->receiver)) {
			g_ptr_array_remove_index_fast(a->old_receivers, i);
			close_receiver(ar);
		}
	}
	return a->old_receivers->len > 0;
}

void agent_retire_receivers(struct agent *a)
{
	for (guint i = a->receivers->len; i-- > 0;) {
		let_go(a, i);
	}
}

/* ------------------------------------------------------------------ running */

static uint64_t received(const struct agent *a)
{
	uint64_t n = 0;

	for (guint i = 0; i < a->receivers->len; i++) {
		n += receiver_received(
			((struct agent_receiver *)g_ptr_array_index(a->receivers, i))->receiver);
	}
	return n;
}

/* Looks whether anything came in since the last look. */
static void look_idle(void *data)
{
	struct agent *a = data;
	uint64_t now = received(a);

	if (now == a->idle_received && !a->stopping) {
		agent_stop(a);
		return;
	}
	a->idle_received = now;
	loop_timer_set(a->idle_timer, clock_monotonic() + a->options.idle_exit_ns);
}

void agent_receivers_start(struct agent *a)
{
	for (guint i = 0; i < a->receivers->len; i++) {
		struct agent_receiver *ar = g_ptr_array_index(a->receivers, i);
		int ret = receiver_start(ar->receiver);

		if (ret < 0) {
			log_error("%s: thread: %s; it receives nothing", receiver_url(ar->receiver),
				  g_strerror(-ret));
		}
	}
	if (a->options.idle_exit_ns > 0 && !a->idle_timer) {
		a->idle_timer = loop_timer_add(a->loop, clock_monotonic() + a->options.idle_exit_ns,
					       look_idle, a);
	}
}

void agent_receivers_leave(struct agent *a)
{
	for (guint i = 0; i < a->receivers->len; i++) {
		receiver_leave(
			((struct agent_receiver *)g_ptr_array_index(a->receivers, i))->receiver);
	}
}

static bool all(struct agent *a, bool (*is)(struct receiver *receiver))
{
	GPtrArray *const lists[] = { a->receivers, a->old_receivers };

	for (size_t l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			if (!is(((struct agent_receiver *)g_ptr_array_index(lists[l], i))
					->receiver)) {
				return false;
			}
		}
	}
	return true;
}

bool agent_receivers_quiet(struct agent *a)
{
	return all(a, receiver_quiet);
}

bool agent_receivers_done(struct agent *a)
{
	return all(a, receiver_done);
}

/* ------------------------------------------------------------------ status */

void agent_receivers_status(struct agent *a, struct buf *json)
{
	GPtrArray *workers = g_ptr_array_new();
	const char *comma = "";

	for (guint i = 0; i < a->receivers->len; i++) {
		const struct agent_receiver *first = g_ptr_array_index(a->receivers, i), *ar;

		g_ptr_array_set_size(workers, 0);
		for (unsigned w = 0;
		     first->worker == 0 &&
		     (ar = find_receiver(a->receivers, first->url, first->fingerprint, w)) != NULL;
		     w++) {
			g_ptr_array_add(workers, ar->receiver);
		}
		if (workers->len > 0) {
			buf_puts(json, comma);
			receiver_status((struct receiver *const *)workers->pdata, workers->len,
					json);
			comma = ",";
		}
	}
	g_ptr_array_unref(workers);
}
