/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the plan to what runs: pipelines, tasks, and through outlets.c publishers.  At the start and at each reload, on the main
 * thread.  What a new plan names as the old one did stays as it is, with its queue and its state.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#define LOG_NAME agent_logger
#include "agent/heartbeat.h"
#include "agent/instances.h"
#include "agent/outlets.h"
#include "agent/parts.h"
#include "agent/receivers.h"
#include "agent/sharing.h"
#include "agent/vet.h"
#include "agent/work.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/frame.h"
#include "pipeline/outlet.h"
#include "pipeline/pipeline.h"
#include "pipeline/sink.h"
#include "spool/spool.h"

#define FIRST_BUDGET_NS (30 * NS_PER_S) /* the first call after a start may be slow */

/* What a build makes, until it is sure to succeed. */
struct build {
	struct agent *agent;
	struct plan *plan;
	GPtrArray *bases; /* struct basis *, one reference each, one for each endpoint */
	struct sharing *sharing; /* one reference, or NULL */
	struct problems *problems;
	struct outlet_stage *outlets;
	GPtrArray *pipelines; /* struct pipeline *, one per pair of the plan */
	GPtrArray *sinks; /* struct sink *, of those that have transformers */
	GHashTable *sink_of; /* const struct pipeline_sink * → struct sink *, of the above */
	GPtrArray *tasks; /* struct agent_task *, the new ones */
	GPtrArray *receivers; /* struct agent_receiver *, the new ones */
};

/* ---- pipelines */

/* What a pipeline needs for as long as it lives. */
struct holding {
	struct plan *plan;
	size_t count;
	struct agent_outlet *outlet[];
};

/* On whatever thread gives back the pipeline last. */
static void release_holding(void *data)
{
	struct holding *h = data;

	for (size_t i = 0; i < h->count; i++) {
		atomic_fetch_sub(&h->outlet[i]->users, 1);
	}
	plan_unref(h->plan);
	g_free(h);
}

/* The outlets of a sink and their bits; NULL with the reason when none of them takes anything. */
static struct holding *hold_outlets(struct build *b, const struct pipeline_sink *sink,
				    uint64_t *ret_bits, struct vmt_error *error)
{
	size_t n = sink->publishers.count;
	struct holding *h = g_malloc0(sizeof(*h) + n * sizeof(h->outlet[0]));
	struct outlet_status status = { .last_error = "none is named" };
	bool later = false; /* names one that a later version has: the sink lives on */

	*ret_bits = 0;
	h->plan = plan_ref(b->plan);
	for (size_t i = 0; i < n; i++) {
		struct agent_outlet *ao =
			outlet_stage_want(b->outlets, sink, &sink->publishers.item[i], error);

		if (!ao) {
			release_holding(h);
			return NULL;
		}
		*ret_bits |= outlet_bit(ao->outlet);
		later |= registry_comes_later(sink->publishers.item[i].text);
		outlet_status(ao->outlet, &status);
		atomic_fetch_add(&ao->users, 1);
		h->outlet[h->count++] = ao;
	}
	if (*ret_bits == 0 && !later) {
		problems_add(b->problems, PROBLEM_ERROR, &sink->at,
			     "sink %s is left with no publisher: %s", sink->name,
			     status.last_error);
		vmt_error_set(error, -EINVAL, "%s", problems_first_error(b->problems));
		release_holding(h);
		return NULL;
	}
	return h;
}

/* The n-th pipeline of that name in a list, or NULL. */
static struct pipeline *find_pipeline(GPtrArray *list, const char *name, unsigned n)
{
	for (guint i = 0; list && i < list->len; i++) {
		struct pipeline *p = g_ptr_array_index(list, i);

		if (strcmp(pipeline_name(p), name) == 0 && n-- == 0) {
			return p;
		}
	}
	return NULL;
}

static void unref_sink(void *sink)
{
	sink_unref(sink);
}

/* The transformers of a sink: those at work, if the configuration in force says the same of it, so that they keep
 * their state.  *ret_sink NULL: none. */
static int want_sink(struct build *b, const struct pipeline_sink *conf, struct sink **ret_sink,
		     struct vmt_error *error)
{
	const struct settings *s = &b->plan->settings;
	struct sink_settings settings = { .profile = s->meter_profile, .source = s->sample_source };
	GPtrArray *old = b->agent->sinks;
	struct sink *sink = g_hash_table_lookup(b->sink_of, conf);

	for (guint i = 0; !sink && old && i < old->len; i++) {
		struct sink *known = g_ptr_array_index(old, i);

		if (conf->transformer_count > 0 && sink_is(known, conf, &settings) &&
		    !g_ptr_array_find(b->sinks, known, NULL)) {
			sink = known;
			g_ptr_array_add(b->sinks, sink_ref(sink));
		}
	}
	if (!sink) {
		if (sink_open(b->agent->registry, conf, &settings, b->problems, &sink) < 0) {
			return vmt_error_set(error, -EINVAL, "%s",
					     problems_first_error(b->problems));
		}
		if (sink) {
			g_ptr_array_add(b->sinks, sink);
		}
	}
	if (sink) {
		g_hash_table_insert(b->sink_of, (void *)(uintptr_t)conf, sink);
	}
	*ret_sink = sink;
	return 0;
}

static int make_pipelines(struct build *b, struct vmt_error *error)
{
	outlet_stage_reserve(b->outlets);
	for (size_t i = 0; i < plan_pairs(b->plan); i++) {
		const struct pipeline_pair *pair = plan_pair(b->plan, i);
		struct pipeline *now, *before;
		unsigned same = 0;
		uint64_t bits;
		struct sink *sink = NULL;
		struct holding *h = hold_outlets(b, pair->sink, &bits, error);

		if (!h) {
			return -EINVAL;
		}
		if (want_sink(b, pair->sink, &sink, error) < 0) {
			release_holding(h);
			return -EINVAL;
		}
		while (find_pipeline(b->pipelines, pair->name, same)) {
			same++; /* names need not be unique in Juno's shapes */
		}
		now = pipeline_new(pair->name, pair->source->match, bits, h, release_holding);
		before = find_pipeline(b->agent->pipelines, pair->name, same);
		if (before) {
			pipeline_continue(now, before);
		} else {
			pipeline_keep(now, b->agent->spool, same);
		}
		pipeline_set_sink(now, sink);
		g_ptr_array_add(b->pipelines, now);
	}
	return 0;
}

/* ---- tasks */

/* A task is known by its interval; that of fast_interval by the same below zero. */
static int64_t task_key(const struct agent_task *at)
{
	return at->fast ? -at->interval_ns : at->interval_ns;
}

/* The tasks that the plan wants, by position, as keys; 0 after the last.  Some come more than once. */
static int64_t wanted_key(const struct plan *plan, size_t i)
{
	return !plan->polling                     ? 0
	       : i < plan->polling->source_count  ? plan->polling->sources[i].interval_ns
	       : i == plan->polling->source_count ? -plan->settings.fast_interval_ns
						  : 0;
}

static bool same_endpoint(const struct basis *a, const struct basis *b)
{
	return g_ascii_strcasecmp(a->endpoint->name, b->endpoint->name) == 0;
}

/* The task of an interval on the basis. */
static struct agent_task *find_task(GPtrArray *tasks, int64_t interval_ns,
				    const struct basis *basis)
{
	for (guint i = 0; i < tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(tasks, i);

		if (task_key(at) == interval_ns && at->basis == basis) {
			return at;
		}
	}
	return NULL;
}

/* Where the task keeps its counters over a restart, or NULL. */
static char *state_file_of(const struct build *b, const char *task)
{
	const char *dir = b->plan->settings.state_dir;

	dir = dir && *dir ? dir : g_getenv("STATE_DIRECTORY");
	if (!dir || !*dir || b->agent->options.cycles) {
		return NULL;
	}
	return g_strdup_printf("%.*s/%s.counters", (int)strcspn(dir, ":"), dir, task);
}

/* Agents that share instances poll at the same times. */
static bool is_aligned(const struct build *b)
{
	return b->plan->settings.align || b->sharing;
}

/* A task's name, also that of its file of counters: "poll-10s", "poll-10s-vsphere:east". */
static char *task_name(const struct endpoint *e, int64_t key)
{
	bool named = !e->first || strchr(e->name, ':');

	return g_strdup_printf("%s-%gs%s%s", key < 0 ? "fast" : "poll",
			       (double)(key < 0 ? -key : key) / 1e9, named ? "-" : "",
			       named ? e->name : "");
}

/* A task with its own inspector; it is not started yet. */
static int open_task(struct build *b, struct basis *basis, int64_t key,
		     struct agent_task **ret_task, struct vmt_error *error)
{
	const struct endpoint *e = basis->endpoint;
	int64_t interval_ns = key < 0 ? -key : key;
	struct agent *a = b->agent;
	struct agent_task *at = g_new0(struct agent_task, 1);
	struct task_parts parts = { .first_budget_ns = FIRST_BUDGET_NS, .runner = a->runner };
	char *name, *state_file;
	int ret;

	at->agent = a;
	at->fast = key < 0;
	at->interval_ns = interval_ns;
	parts.schedule = (struct schedule){ .interval_ns = interval_ns,
					    .jitter_ns = b->plan->settings.jitter_ns,
					    .align = is_aligned(b) };
	ret = plugin_object_open(registry_find(a->registry, VMT_INSPECTOR, e->inspector, NULL),
				 e->ini, NULL, NULL, false, &at->inspector, b->problems, error);
	if (ret < 0) {
		g_free(at);
		return ret;
	}
	name = task_name(e, key);
	parts.name = name;
	parts.cycle = (struct poll_cycle_parts){
		.inspector = at->inspector,
		.pollsters = (struct plugin_object *const *)basis->pollsters->pdata,
		.pool = a->pool,
		.settings = &basis->settings,
		.interval_ns = interval_ns,
		.kernel = at->fast,
	};
	state_file = state_file_of(b, name);
	parts.cycle.state_file = state_file;
	agent_task_parts(at, &parts);
	ret = task_new(&parts, work_new(b->plan, basis, b->sharing, b->pipelines, key), &at->task);
	g_free(name);
	g_free(state_file);
	if (ret < 0) {
		plugin_object_close(at->inspector);
		g_free(at);
		return vmt_error_set(error, ret, "polling task: thread: %s", g_strerror(-ret));
	}
	at->basis = basis_ref(basis);
	if (!at->fast) {
		agent_task_watch(at, true);
	}
	*ret_task = at;
	return 0;
}

/* Opens the tasks of intervals that there were not before on this basis. */
static int open_tasks_on(struct build *b, struct basis *basis, struct vmt_error *error)
{
	int64_t interval_ns;

	for (size_t i = 0; (interval_ns = wanted_key(b->plan, i)) != 0; i++) {
		struct agent_task *at = NULL;
		int ret;

		if (find_task(b->agent->tasks, interval_ns, basis) ||
		    find_task(b->tasks, interval_ns, basis)) {
			continue;
		}
		ret = open_task(b, basis, interval_ns, &at, error);
		if (ret < 0) {
			return ret;
		}
		g_ptr_array_add(b->tasks, at);
	}
	return 0;
}

/* What can fail comes first. */
static int open_tasks(struct build *b, struct vmt_error *error)
{
	int ret = 0;

	for (guint i = 0; i < b->bases->len && ret == 0; i++) {
		ret = open_tasks_on(b, g_ptr_array_index(b->bases, i), error);
	}
	return ret;
}

/* Hands the old tasks their new work. */
static void take_old_tasks(struct build *b, struct basis *basis)
{
	int64_t key;

	for (size_t i = 0; (key = wanted_key(b->plan, i)) != 0; i++) {
		struct agent_task *at = find_task(b->agent->tasks, key, basis);

		if (at && !at->wanted) {
			task_replace(at->task,
				     work_new(b->plan, basis, b->sharing, b->pipelines, key));
			task_tune(at->task, is_aligned(b), b->plan->settings.jitter_ns);
			at->wanted = true;
		}
	}
}

/* The task of the same endpoint and interval, on another basis; or NULL. */
static struct agent_task *task_before(GPtrArray *tasks, const struct agent_task *at)
{
	for (guint i = 0; i < tasks->len; i++) {
		struct agent_task *old = g_ptr_array_index(tasks, i);

		if (task_key(old) == task_key(at) && same_endpoint(old->basis, at->basis)) {
			return old;
		}
	}
	return NULL;
}

/* Hands the old tasks their new work, takes the new ones in. */
static void take_tasks(struct build *b)
{
	struct agent *a = b->agent;

	for (guint i = 0; i < a->tasks->len; i++) {
		((struct agent_task *)g_ptr_array_index(a->tasks, i))->wanted = false;
	}
	for (guint i = 0; i < b->bases->len; i++) {
		take_old_tasks(b, g_ptr_array_index(b->bases, i));
	}
	for (guint i = 0; i < b->tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(b->tasks, i);

		at->wanted = true;
		if (a->started_ns) {
			agent_task_start(at, task_before(a->tasks, at));
		}
	}
	g_ptr_array_extend(a->tasks, b->tasks, NULL, NULL);
}

/* ---- what goes */

static void task_close(struct agent_task *at)
{
	agent_task_watch(at, false);
	task_free(at->task);
	plugin_object_close(at->inspector);
	basis_unref(at->basis);
	g_free(at);
}

void agent_reap_tasks(struct agent *a, bool wait)
{
	for (guint i = a->old_tasks->len; i-- > 0;) {
		struct agent_task *at = g_ptr_array_index(a->old_tasks, i);

		if (wait || !agent_task_busy(at)) {
			g_ptr_array_remove_index_fast(a->old_tasks, i);
			task_close(at);
		}
	}
}

static void retire_tasks(struct agent *a)
{
	for (guint i = a->tasks->len; i-- > 0;) {
		struct agent_task *at = g_ptr_array_index(a->tasks, i);

		if (!at->wanted) {
			g_ptr_array_remove_index(a->tasks, i);
			task_rest(at->task);
			g_ptr_array_add(a->old_tasks, at);
		}
	}
}

static void unref_basis(void *basis)
{
	basis_unref(basis);
}

static void unref_pipeline(void *pipeline)
{
	pipeline_unref(pipeline);
}

static void build_undo(struct build *b)
{
	for (guint i = 0; i < b->tasks->len; i++) {
		task_close(g_ptr_array_index(b->tasks, i));
	}
	agent_receivers_undo(b->receivers);
	g_ptr_array_set_size(b->pipelines, 0); /* they use outlets */
	outlet_stage_abort(b->outlets);
}

/* What an endpoint's tasks stand on: the one in force if it would come out the same. */
static int find_basis(struct build *b, const struct endpoint *e, struct vmt_error *error)
{
	GPtrArray *now = b->agent->bases;
	struct basis *basis = NULL;
	uint64_t fingerprint;
	int ret = basis_fingerprint(b->agent->registry, b->plan, e, &fingerprint, error);

	if (ret < 0) {
		return ret;
	}
	for (guint i = 0; now && i < now->len && !basis; i++) {
		struct basis *old = g_ptr_array_index(now, i);

		basis = old->fingerprint == fingerprint ? basis_ref(old) : NULL;
	}
	if (!basis) {
		ret = basis_new(b->agent->registry, b->plan, e, b->problems, &basis, error);
		if (ret < 0) {
			return ret;
		}
		if (b->agent->options.alone) { /* a command that polls once or twice */
			instances_patient(basis->list[0].instances, INSTANCES_PATIENCE_NS);
		}
	}
	g_ptr_array_add(b->bases, basis);
	return 0;
}

static int find_bases(struct build *b, struct vmt_error *error)
{
	int ret = 0;

	for (size_t i = 0; i < b->plan->endpoints.count && ret == 0; i++) {
		ret = find_basis(b, &b->plan->endpoints.at[i], error);
	}
	return ret;
}

/* The others hear of us from now on, and of who is not with us any more. */
static void take_sharing(struct build *b)
{
	struct agent *a = b->agent;

	if (b->sharing && sharing_start(b->sharing) < 0) {
		log_error("coordination: no thread; all instances are polled here");
	}
	if (a->sharing == b->sharing) {
		return;
	}
	if (a->sharing) {
		sharing_leave(a->sharing);
		g_ptr_array_add(a->old_sharing, a->sharing);
	}
	a->sharing = sharing_ref(b->sharing);
}

static void note_meter(void *context, const char *meter, const struct polling_source *source)
{
	(void)source;
	g_hash_table_add(context, (gpointer)(uintptr_t)meter);
}

/* Without it metering goes on all the same. */
static void take_heartbeat(struct build *b)
{
	struct heartbeat *heartbeat = b->agent->heartbeat;
	GHashTable *meters;
	struct vmt_error error;

	if (!b->plan->polling || b->agent->options.alone) {
		return;
	}
	if (heartbeat_listen(heartbeat, &b->plan->settings, &error) < 0) {
		problems_add_failed(b->problems, NULL, "%s", error.text);
	}
	if (heartbeat_on(heartbeat)) {
		meters = g_hash_table_new(g_str_hash, g_str_equal);
		for (guint i = 0; i < b->bases->len; i++) {
			work_each_of_all(b->plan, g_ptr_array_index(b->bases, i), note_meter,
					 meters);
		}
		heartbeat_expect(heartbeat, meters);
		g_hash_table_unref(meters);
	}
}

/* Nothing can fail any more. */
static void build_commit(struct build *b)
{
	struct agent *a = b->agent;

	take_sharing(b);
	take_heartbeat(b);
	take_tasks(b);
	retire_tasks(a);
	outlet_stage_commit(b->outlets);
	g_ptr_array_unref(a->pipelines);
	a->pipelines = g_ptr_array_ref(b->pipelines);
	if (a->sinks) {
		g_ptr_array_unref(a->sinks);
	}
	a->sinks = g_ptr_array_ref(b->sinks);
	if (a->bases) {
		g_ptr_array_unref(a->bases);
	}
	a->bases = g_ptr_array_ref(b->bases);
	agent_receivers_commit(a, b->plan, b->receivers);
	loop_timer_set(a->reaper, clock_monotonic());
}

/* What is polled.  A collector polls nothing, and takes meters that no table has. */
static int check_polling(struct build *b, struct vmt_error *error)
{
	const struct plan *plan = b->plan;
	int ret = plan->polling ? find_bases(b, error) : 0;

	if (ret < 0 || !plan->polling) {
		return ret;
	}
	ret = vet_sources(b->agent->registry, plan->polling, &plan->endpoints, b->problems);
	vet_pollsters(b->agent->registry, plan->ini, &plan->settings, b->problems);
	if (plan->pipeline != plan->polling) {
		vet_pipeline(b->agent->registry, plan->pipeline, b->problems);
	}
	return ret < 0 ? vmt_error_set(error, ret, "%s", problems_first_error(b->problems)) : 0;
}

int agent_build(struct agent *a, struct plan *plan, struct problems *problems,
		struct vmt_error *error)
{
	struct build b = { .agent = a, .plan = plan, .problems = problems };
	int ret;

	b.outlets = outlet_stage_new(a, plan, problems);
	b.pipelines = g_ptr_array_new_with_free_func(unref_pipeline);
	b.tasks = g_ptr_array_new();
	b.bases = g_ptr_array_new_with_free_func(unref_basis);
	b.sinks = g_ptr_array_new_with_free_func(unref_sink);
	b.sink_of = g_hash_table_new(NULL, NULL);
	b.receivers = g_ptr_array_new();
	if (!a->options.alone) {
		sharing_open(a->registry, plan, a->sharing, problems, &b.sharing);
	}
	ret = check_polling(&b, error);
	if (ret == 0) {
		ret = make_pipelines(&b, error);
	}
	if (ret == 0) {
		ret = open_tasks(&b, error);
	}
	if (ret == 0) {
		ret = agent_receivers_open(a, plan, b.receivers, problems, error);
	}
	if (ret < 0) {
		build_undo(&b);
	} else {
		build_commit(&b);
	}
	g_ptr_array_unref(b.bases);
	sharing_unref(b.sharing);
	g_ptr_array_unref(b.pipelines);
	g_ptr_array_unref(b.tasks);
	g_ptr_array_unref(b.receivers);
	g_ptr_array_unref(b.sinks);
	g_hash_table_destroy(b.sink_of);
	return ret;
}
