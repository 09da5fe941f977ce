/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the plan to what runs: outlets, pipelines, tasks.  At the start and at each reload, on the main
 * thread.  What a new plan names as the old one did stays as it is, with its queue and its state.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#define LOG_NAME "agent"
#include "agent/instances.h"
#include "agent/parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/url.h"
#include "model/frame.h"
#include "pipeline/outlet.h"
#include "pipeline/pipeline.h"
#include "spool/spool.h"

#define FIRST_BUDGET_NS (30 * NS_PER_S) /* the first call after a start may be slow */
#define RETIRE_NS (30 * NS_PER_S) /* a publisher taken out may send what it has, for so long */

/* What a build makes, until it is sure to succeed. */
struct build {
	struct agent *agent;
	struct plan *plan;
	struct basis *basis; /* one reference */
	struct problems *problems;
	GPtrArray *outlets; /* struct agent_outlet *, those of the plan, old and new */
	GPtrArray *fresh; /* those among them that are new */
	GPtrArray *pipelines; /* struct pipeline *, one per pair of the plan */
	GPtrArray *tasks; /* struct agent_task *, the new ones */
};

/* ---- outlets */

static void outlet_close(struct agent_outlet *ao)
{
	outlet_free(ao->outlet);
	plugin_object_close(ao->object);
	g_free(ao->url);
	g_free(ao);
}

static struct agent_outlet *find_outlet(GPtrArray *list, const char *url)
{
	for (guint i = 0; i < list->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(list, i);

		if (strcmp(ao->url, url) == 0) {
			return ao;
		}
	}
	return NULL;
}

/* Opens the publisher and starts its outlet; 0 or -errno with the reason. */
static int open_publisher(struct build *b, const struct polling_text *text, struct agent_outlet *ao,
			  struct vmt_error *error)
{
	struct outlet_parts parts = { .timeout_ns = b->plan->settings.publish_timeout_ns };
	const struct vmt_plugin *plugin;
	struct vmt_error why;
	struct url *url;
	int ret = url_parse(text->text, &url, error);

	if (ret < 0) {
		return ret;
	}
	plugin = registry_find(b->agent->registry, VMT_PUBLISHER, url_get(url)->scheme, &why);
	if (!plugin) {
		ret = vmt_error_set(error, -ENOENT, "%s: %s", url_get(url)->text, why.text);
		url_free(url);
		return ret;
	}
	url_free(url);
	ret = plugin_object_open(plugin, b->plan->ini, text->text, &text->at, false, &ao->object,
				 b->problems, error);
	if (ret < 0) {
		return ret;
	}
	parts.url = plugin_object_url(ao->object);
	parts.ops = plugin->ops.publisher;
	parts.self = ao->object->self;
	parts.policy = ao->object->policy;
	ret = outlet_new(b->agent->spool, &parts, &ao->outlet);
	if (ret < 0) {
		plugin_object_close(ao->object);
		ao->object = NULL;
		return vmt_error_set(error, ret, "more publishers than %d", SPOOL_CURSORS);
	}
	return 0;
}

/* The URL's text without what may be secret, for one that could not even be opened. */
static char *safe_text(const char *text)
{
	struct vmt_error ignored;
	struct url *url;
	char *safe;

	if (url_parse(text, &url, &ignored) < 0) {
		return g_strdup("(not a URL)");
	}
	safe = g_strdup(url_get(url)->text);
	url_free(url);
	return safe;
}

static struct agent_outlet *want_outlet(struct build *b, const struct polling_text *text)
{
	struct agent_outlet *ao = find_outlet(b->outlets, text->text);
	struct vmt_error error = { .text = "" };

	if (ao) {
		return ao;
	}
	ao = find_outlet(b->agent->outlets, text->text);
	if (!ao || !ao->object) { /* new, or worth another try */
		ao = g_new0(struct agent_outlet, 1);
		ao->url = g_strdup(text->text);
		if (open_publisher(b, text, ao, &error) < 0) {
			char *safe = safe_text(text->text);

			problems_add_failed(b->problems, &text->at, "%s; its sink goes on without",
					    error.text);
			ao->outlet = outlet_new_failed(safe, error.text);
			g_free(safe);
		}
		g_ptr_array_add(b->fresh, ao);
	}
	g_ptr_array_add(b->outlets, ao);
	return ao;
}

/* The bits of a sink's publishers; 0 when none of them could be opened, with the reason of the last. */
static uint64_t sink_bits(struct build *b, const struct pipeline_sink *sink,
			  struct outlet_status *ret_status)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sink->publishers.count; i++) {
		struct outlet *outlet = want_outlet(b, &sink->publishers.item[i])->outlet;

		bits |= outlet_bit(outlet);
		outlet_status(outlet, ret_status);
	}
	return bits;
}

/* ---- pipelines */

static void release_plan(void *plan)
{
	plan_unref(plan);
}

static int make_pipelines(struct build *b, struct vmt_error *error)
{
	const struct polling *p = b->plan->pipeline;

	for (size_t i = 0; i < p->pair_count; i++) {
		const struct pipeline_pair *pair = &p->pairs[i];
		struct outlet_status status = { .last_error = "none is named" };
		uint64_t bits = sink_bits(b, pair->sink, &status);

		if (bits == 0) {
			problems_add(b->problems, PROBLEM_ERROR, &pair->sink->at,
				     "sink %s is left with no publisher: %s", pair->sink->name,
				     status.last_error);
			return vmt_error_set(error, -EINVAL, "%s",
					     problems_first_error(b->problems));
		}
		g_ptr_array_add(b->pipelines, pipeline_new(pair->name, pair->source->match, bits,
							   plan_ref(b->plan), release_plan));
	}
	return 0;
}

/* The pipelines that samples of an interval go through: in Juno's shapes those of the sources of that
 * interval, today all. */
static struct pipeline_set *make_set(struct build *b, int64_t interval_ns)
{
	const struct polling *p = b->plan->pipeline;
	GPtrArray *some = g_ptr_array_new();
	struct pipeline_set *set;

	for (size_t i = 0; i < p->pair_count; i++) {
		if (p != b->plan->polling || p->pairs[i].source->interval_ns == interval_ns) {
			g_ptr_array_add(some, pipeline_ref(g_ptr_array_index(b->pipelines, i)));
		}
	}
	set = pipeline_set_new((struct pipeline *const *)some->pdata, some->len);
	g_ptr_array_free(some, TRUE);
	return set;
}

/* ---- tasks */

struct wanted {
	const struct polling *polling;
	int64_t interval_ns;
};

static bool wants(const struct wanted *w, const char *name)
{
	for (size_t i = 0; i < w->polling->source_count; i++) {
		const struct polling_source *source = &w->polling->sources[i];

		if (source->interval_ns == w->interval_ns && pattern_match(source->match, name)) {
			return true;
		}
	}
	return false;
}

static bool wants_row(void *context, const struct meter_row *row, uint64_t *ret_publishers)
{
	*ret_publishers = 0; /* the pipelines decide */
	return wants(context, row->name);
}

/* Which meters of the pollster plugins are wanted; adds the groups that they need. */
static void want_pollsters(const struct basis *basis, const struct wanted *w,
			   struct task_work *work)
{
	work->pollsters = basis->pollsters->len - 1;
	if (work->pollsters == 0) {
		return;
	}
	work->cycle.pollster = g_new0(uint64_t *, work->pollsters);
	for (size_t i = 0; i < work->pollsters; i++) {
		const struct plugin_object *object = g_ptr_array_index(basis->pollsters, i);
		const struct vmt_pollster_ops *ops = object->plugin->ops.pollster;

		for (size_t m = 0; m < ops->count; m++) {
			if (wants(w, ops->meters[m].name)) {
				if (!work->cycle.pollster[i]) {
					work->cycle.pollster[i] = g_new0(uint64_t, ops->count);
				}
				work->cycle.pollster[i][m] = 1;
				work->cycle.selection->groups |= ops->meters[m].groups;
			}
		}
	}
}

static struct task_work make_work(struct build *b, int64_t interval_ns)
{
	struct wanted w = { .polling = b->plan->polling, .interval_ns = interval_ns };
	struct task_work work = { .cycle.selection = meter_selection_new(wants_row, &w) };

	want_pollsters(b->basis, &w, &work);
	work.set = make_set(b, interval_ns);
	return work;
}

/* The task of an interval; on `basis`, or (NULL) on any. */
static struct agent_task *find_task(GPtrArray *tasks, int64_t interval_ns,
				    const struct basis *basis)
{
	for (guint i = 0; i < tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(tasks, i);

		if (at->schedule.interval_ns == interval_ns && (!basis || at->basis == basis)) {
			return at;
		}
	}
	return NULL;
}

/* A task with its own inspector; its timer is not running yet. */
static int open_task(struct build *b, int64_t interval_ns, struct agent_task **ret_task,
		     struct vmt_error *error)
{
	struct agent *a = b->agent;
	struct agent_task *at = g_new0(struct agent_task, 1);
	struct task_parts parts = { .first_budget_ns = FIRST_BUDGET_NS, .runner = a->runner };
	char name[32];
	int ret;

	at->agent = a;
	at->schedule = (struct schedule){ .interval_ns = interval_ns,
					  .jitter_ns = b->plan->settings.jitter_ns,
					  .align = b->plan->settings.align };
	ret = plugin_object_open(
		registry_find(a->registry, VMT_INSPECTOR, b->plan->inspector, NULL), b->plan->ini,
		NULL, NULL, false, &at->inspector, b->problems, error);
	if (ret < 0) {
		g_free(at);
		return ret;
	}
	g_snprintf(name, sizeof(name), "poll-%gs", (double)interval_ns / 1e9);
	parts.name = name;
	parts.cycle = (struct poll_cycle_parts){
		.instances = b->basis->instances,
		.inspector = at->inspector,
		.pollsters = (struct plugin_object *const *)b->basis->pollsters->pdata,
		.pool = a->pool,
		.settings = &b->basis->settings,
		.interval_ns = interval_ns,
	};
	agent_task_parts(at, &parts);
	ret = task_new(&parts, make_work(b, interval_ns), &at->task);
	if (ret < 0) {
		plugin_object_close(at->inspector);
		g_free(at);
		return vmt_error_set(error, ret, "polling task: thread: %s", g_strerror(-ret));
	}
	at->basis = basis_ref(b->basis);
	*ret_task = at;
	return 0;
}

/* Opens the tasks of intervals that there were not before on this basis: what can fail comes first. */
static int open_tasks(struct build *b, struct vmt_error *error)
{
	const struct polling *p = b->plan->polling;

	for (size_t i = 0; i < p->source_count; i++) {
		int64_t interval_ns = p->sources[i].interval_ns;
		struct agent_task *at = NULL;
		int ret;

		if (find_task(b->agent->tasks, interval_ns, b->basis) ||
		    find_task(b->tasks, interval_ns, NULL)) {
			continue;
		}
		ret = open_task(b, interval_ns, &at, error);
		if (ret < 0) {
			return ret;
		}
		g_ptr_array_add(b->tasks, at);
	}
	return 0;
}

/* Hands the old tasks their new work, takes the new ones in. */
static void take_tasks(struct build *b)
{
	const struct polling *p = b->plan->polling;
	struct agent *a = b->agent;

	for (guint i = 0; i < a->tasks->len; i++) {
		((struct agent_task *)g_ptr_array_index(a->tasks, i))->wanted = false;
	}
	for (size_t i = 0; i < p->source_count; i++) {
		struct agent_task *at = find_task(a->tasks, p->sources[i].interval_ns, b->basis);

		if (at && !at->wanted) {
			task_replace(at->task, make_work(b, p->sources[i].interval_ns));
			at->schedule.align = b->plan->settings.align;
			at->schedule.jitter_ns = b->plan->settings.jitter_ns;
			at->wanted = true;
		}
	}
	for (guint i = 0; i < b->tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(b->tasks, i);

		at->wanted = true;
		if (a->started_ns) {
			agent_task_start(at, find_task(a->tasks, at->schedule.interval_ns, NULL));
		}
	}
	g_ptr_array_extend(a->tasks, b->tasks, NULL, NULL);
}

/* ---- what goes */

static void task_close(struct agent_task *at)
{
	loop_timer_free(at->timer);
	task_free(at->task);
	plugin_object_close(at->inspector);
	basis_unref(at->basis);
	g_free(at);
}

void agent_reap_tasks(struct agent *a, bool wait)
{
	for (guint i = a->old_tasks->len; i-- > 0;) {
		struct agent_task *at = g_ptr_array_index(a->old_tasks, i);

		if (wait || at->under_way == 0) {
			g_ptr_array_remove_index_fast(a->old_tasks, i);
			task_close(at);
		}
	}
}

void agent_reap_outlets(struct agent *a, bool wait)
{
	for (guint i = a->old_outlets->len; i-- > 0;) {
		struct agent_outlet *ao = g_ptr_array_index(a->old_outlets, i);

		if (wait) {
			outlet_abort(ao->outlet, SPOOL_SHUTDOWN);
		}
		if (wait || outlet_done(ao->outlet)) {
			g_ptr_array_remove_index_fast(a->old_outlets, i);
			outlet_close(ao);
		}
	}
}

static void retire_tasks(struct agent *a)
{
	for (guint i = a->tasks->len; i-- > 0;) {
		struct agent_task *at = g_ptr_array_index(a->tasks, i);

		if (!at->wanted) {
			g_ptr_array_remove_index(a->tasks, i);
			loop_timer_set(at->timer, INT64_MAX);
			g_ptr_array_add(a->old_tasks, at);
		}
	}
}

/* Outlets that the new list does not have. */
static void retire_outlets(struct agent *a, GPtrArray *now)
{
	for (guint i = 0; i < a->outlets->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(a->outlets, i);

		if (!g_ptr_array_find(now, ao, NULL)) {
			outlet_leave(ao->outlet, clock_monotonic() + RETIRE_NS);
			g_ptr_array_add(a->old_outlets, ao);
		}
	}
	g_ptr_array_unref(a->outlets);
	a->outlets = g_ptr_array_ref(now);
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
	for (guint i = 0; i < b->fresh->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(b->fresh, i);

		outlet_abort(ao->outlet, SPOOL_REMOVED);
		outlet_close(ao);
	}
}

/* What the tasks stand on: the one in force if it would come out the same. */
static int find_basis(struct build *b, struct vmt_error *error)
{
	struct basis *now = b->agent->basis;
	uint64_t fingerprint;
	int ret = basis_fingerprint(b->agent->registry, b->plan, &fingerprint, error);

	if (ret < 0) {
		return ret;
	}
	if (now && now->fingerprint == fingerprint) {
		b->basis = basis_ref(now);
		return 0;
	}
	return basis_new(b->agent->registry, b->plan, b->problems, &b->basis, error);
}

/* Nothing can fail any more. */
static void build_commit(struct build *b)
{
	struct agent *a = b->agent;

	take_tasks(b);
	retire_tasks(a);
	retire_outlets(a, b->outlets);
	g_ptr_array_unref(a->pipelines);
	a->pipelines = g_ptr_array_ref(b->pipelines);
	basis_unref(a->basis);
	a->basis = basis_ref(b->basis);
	loop_timer_set(a->reaper, clock_monotonic());
}

int agent_build(struct agent *a, struct plan *plan, struct problems *problems,
		struct vmt_error *error)
{
	struct build b = { .agent = a, .plan = plan, .problems = problems };
	int ret;

	b.outlets = g_ptr_array_new();
	b.fresh = g_ptr_array_new();
	b.pipelines = g_ptr_array_new_with_free_func(unref_pipeline);
	b.tasks = g_ptr_array_new();
	ret = find_basis(&b, error);
	if (ret == 0) {
		basis_check_patterns(b.basis, plan, problems);
		ret = make_pipelines(&b, error);
	}
	if (ret == 0) {
		ret = open_tasks(&b, error);
	}
	if (ret < 0) {
		build_undo(&b);
	} else {
		build_commit(&b);
	}
	basis_unref(b.basis);
	g_ptr_array_unref(b.outlets);
	g_ptr_array_unref(b.fresh);
	g_ptr_array_unref(b.pipelines);
	g_ptr_array_unref(b.tasks);
	return ret;
}
