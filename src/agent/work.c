/* SPDX-License-Identifier: Apache-2.0 */
/* From the sources of an interval to scopes and parts.  See work.h; blocks on nothing. */
#include "agent/work.h"

#include <errno.h>
#include <string.h>

#define LOG_NAME "agent"
#include "agent/sharing.h"
#include "base/log.h"
#include "pipeline/pipeline.h"
#include "plugin/object.h"

/* ---- scopes */

static const struct polling_source *source_at(const struct work *w, size_t i)
{
	return &w->plan->polling->sources[i];
}

static bool same_list(const struct polling_list *a, const struct polling_list *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++) {
		if (strcmp(a->item[i].text, b->item[i].text) != 0) {
			return false;
		}
	}
	return a->count == b->count;
}

static bool same_scope(const struct polling_source *a, const struct polling_source *b, bool fast)
{
	return (fast || a->interval_ns == b->interval_ns) &&
	       same_list(&a->discovery, &b->discovery) && same_list(&a->resources, &b->resources);
}

/* The first source of the same interval (or, `fast`, of any) that looks at the same instances. */
static size_t first_like(const struct polling *p, size_t source, bool fast)
{
	size_t i = 0;

	while (!same_scope(&p->sources[i], &p->sources[source], fast)) {
		i++;
	}
	return i;
}

static bool is_local_node(const char *url)
{
	const char *param;
	char *name = basis_split_url(url, &param);
	bool is = strcmp(name, "local_node") == 0;

	g_free(name);
	return is;
}

static struct gather_scope make_scope(const struct work *w, const struct polling_source *source)
{
	const struct basis *basis = w->basis;
	const struct sharing *sharing = w->sharing;
	struct gather_scope scope = { .lists = 0 };
	const char **resources;

	for (size_t i = 0; i < source->discovery.count; i++) {
		int list = basis_find_list(basis, source->discovery.item[i].text);

		scope.lists |= list >= 0 ? UINT64_C(1) << list : 0;
		scope.host |= list >= 0 && is_local_node(source->discovery.item[i].text);
		scope.elsewhere |=
			basis_is_elsewhere(w->plan, basis, source->discovery.item[i].text);
	}
	if (source->resources.count > 0) {
		resources = g_new0(const char *, source->resources.count + 1);
		for (size_t i = 0; i < source->resources.count; i++) {
			resources[i] = source->resources.item[i].text;
		}
		scope.resources = resources;
		scope.group = sharing ? sharing_group(sharing, resources) : 0;
	} else if (scope.lists == 0 && !scope.elsewhere) {
		scope.lists = 1;
	}
	return scope;
}

static bool is_of(const struct work *w, const struct polling_source *source)
{
	return w->interval_ns < 0 || source->interval_ns == w->interval_ns;
}

static void make_scopes(struct work *w)
{
	const struct polling *p = w->plan->polling;
	struct gather_scope *scope = g_new0(struct gather_scope, GATHER_SCOPES);
	size_t lists = 1;

	w->scope_of = g_new0(uint8_t, p->source_count + 1);
	for (size_t i = 0; i < p->source_count; i++) {
		size_t first = first_like(p, i, w->interval_ns < 0);

		if (!is_of(w, &p->sources[i])) {
			continue;
		}
		w->scope_of[i] = w->scope_of[first];
		if (first == i && w->poll.gather.scopes < GATHER_SCOPES) {
			w->scope_of[i] = (uint8_t)w->poll.gather.scopes;
			scope[w->poll.gather.scopes++] = make_scope(w, &p->sources[i]);
			if (scope[w->poll.gather.scopes - 1].lists > 1) {
				lists = w->basis->lists;
			}
		}
	}
	w->lists = g_new0(struct instances *, lists);
	for (size_t l = 0; l < lists; l++) {
		w->lists[l] = w->basis->list[l].instances;
	}
	w->poll.gather.scope = scope;
	w->poll.gather.list = w->lists;
	w->poll.gather.lists = lists;
}

/* ---- parts */

struct wanted {
	const struct work *work;
	uint64_t scopes;
};

static bool wants(const struct wanted *w, const char *name)
{
	for (size_t i = 0; i < w->work->plan->polling->source_count; i++) {
		const struct polling_source *source = source_at(w->work, i);

		if (is_of(w->work, source) && w->scopes >> w->work->scope_of[i] & 1 &&
		    pattern_match(source->match, name)) {
			return true;
		}
	}
	return false;
}

/* Whether the kernel alone gives the meter.  Deltas are left to the sources' own tasks: two tasks would count the
 * same growth twice. */
static bool is_fast(const struct meter_row *row)
{
	const unsigned kernel = VMT_GROUP_CPU | VMT_GROUP_VCPU | VMT_GROUP_NIC | VMT_GROUP_PROCESS;

	if (row->type == VMT_DELTA) {
		return false;
	}
	return (row->groups & kernel && !(row->groups & ~kernel)) ||
	       (row->groups == VMT_GROUP_MEMORY && row->field == VMT_F_MEM_RSS);
}

static bool wants_row(void *context, const struct meter_row *row, uint64_t *ret_publishers)
{
	const struct wanted *w = context;

	*ret_publishers = 0; /* the pipelines decide */
	return (w->work->interval_ns > 0 || is_fast(row)) && wants(w, row->name);
}

/* Which meters of the pollster plugins are wanted; adds the groups that they need. */
static void want_pollsters(const struct wanted *w, struct work_part *part)
{
	const GPtrArray *all = w->work->basis->pollsters;

	part->pollsters = w->work->interval_ns > 0 ? all->len - 1 : 0;
	if (part->pollsters == 0) {
		return;
	}
	part->poll.pollster = g_new0(uint64_t *, part->pollsters);
	for (size_t i = 0; i < part->pollsters; i++) {
		const struct plugin_object *object = g_ptr_array_index(all, i);
		const struct vmt_pollster_ops *ops = object->plugin->ops.pollster;

		for (size_t m = 0; m < ops->count; m++) {
			if (wants(w, ops->meters[m].name)) {
				if (!part->poll.pollster[i]) {
					part->poll.pollster[i] = g_new0(uint64_t, ops->count);
				}
				part->poll.pollster[i][m] = 1;
				part->poll.selection->groups |= ops->meters[m].groups;
			}
		}
	}
}

/* Whether samples of the part go through the pipeline: in Juno's shapes if they are polled for its source,
 * today always. */
static bool goes_through(const struct work *w, const struct pipeline_pair *pair, uint64_t scopes)
{
	size_t source;

	if (pair->source->interval_ns == 0 || w->plan->pipeline != w->plan->polling) {
		return true;
	}
	source = (size_t)(pair->source - w->plan->polling->sources);
	return is_of(w, pair->source) && scopes >> w->scope_of[source] & 1;
}

static struct pipeline_set *make_set(const struct work *w, uint64_t scopes)
{
	GPtrArray *some = g_ptr_array_new();
	struct pipeline_set *set;

	for (size_t i = 0; i < plan_pairs(w->plan); i++) {
		if (goes_through(w, plan_pair(w->plan, i), scopes)) {
			g_ptr_array_add(some, pipeline_ref(g_ptr_array_index(w->pipelines, i)));
		}
	}
	set = pipeline_set_new((struct pipeline *const *)some->pdata, some->len);
	g_ptr_array_free(some, TRUE);
	return set;
}

static const struct poll_part *find_part(struct poll_work *poll, uint64_t scopes)
{
	struct work *w = (struct work *)poll;
	struct wanted wanted = { .work = w, .scopes = scopes };
	struct work_part *part;

	for (guint i = 0; i < w->parts->len; i++) {
		part = g_ptr_array_index(w->parts, i);
		if (part->scopes == scopes) {
			return &part->poll;
		}
	}
	part = g_new0(struct work_part, 1);
	part->scopes = scopes;
	part->poll.selection = meter_selection_new(wants_row, &wanted);
	want_pollsters(&wanted, part);
	part->set = make_set(w, scopes);
	g_ptr_array_add(w->parts, part);
	return &part->poll;
}

static void part_free(void *data)
{
	struct work_part *part = data;

	for (size_t i = 0; i < part->pollsters; i++) {
		g_free(part->poll.pollster[i]);
	}
	g_free(part->poll.pollster);
	meter_selection_free(part->poll.selection);
	pipeline_set_unref(part->set);
	g_free(part);
}

/* ---- meters by source, and telling of them */

static void each_meter(const char *meter, const struct polling_source *source, work_meter_fn fn,
		       void *context)
{
	if (pattern_match(source->match, meter)) {
		fn(context, meter, source);
	}
}

static void each_of_source(const struct polling_source *source, const struct basis *basis,
			   work_meter_fn fn, void *context)
{
	for (size_t m = 0; m < meter_count(); m++) {
		each_meter(meter_at(m)->name, source, fn, context);
	}
	for (guint p = 0; p + 1 < basis->pollsters->len; p++) {
		const struct plugin_object *object = g_ptr_array_index(basis->pollsters, p);

		for (size_t m = 0; m < object->plugin->ops.pollster->count; m++) {
			each_meter(object->plugin->ops.pollster->meters[m].name, source, fn,
				   context);
		}
	}
}

void work_each(const struct work *w, work_meter_fn fn, void *context)
{
	for (size_t i = 0; i < w->plan->polling->source_count; i++) {
		if (is_of(w, source_at(w, i))) {
			each_of_source(source_at(w, i), w->basis, fn, context);
		}
	}
}

void work_each_of_all(const struct plan *plan, const struct basis *basis, work_meter_fn fn,
		      void *context)
{
	for (size_t i = 0; i < plan->polling->source_count; i++) {
		each_of_source(&plan->polling->sources[i], basis, fn, context);
	}
}

struct telling {
	const struct work *work;
	enum vmt_log_level level;
	bool finished;
};

/* Whether somebody is there to be polled for it. */
static bool has_resources(const struct work *w, const char *meter,
			  const struct polling_source *source)
{
	const struct meter_row *row = meter_find(meter);

	return row && (row->level == METER_HOST || row->level == METER_CALL)
		       ? w->host
		       : w->peopled >> w->scope_of[source - w->plan->polling->sources] & 1;
}

static void tell_meter(void *context, const char *meter, const struct polling_source *source)
{
	const struct telling *t = context;

	if (has_resources(t->work, meter, source)) {
		log_write(t->level, LOG_NAME, "%s pollster %s in the context of %s",
			  t->finished ? "Finished polling" : "Polling", meter, source->name);
	} else if (!t->finished) {
		log_debug("Skip pollster %s, no resources found this cycle", meter);
	}
}

static void tell(const struct work *w, bool finished)
{
	bool oslo = g_strcmp0(w->plan->settings.log_format, "oslo") == 0;
	struct telling t = { w, oslo ? VMT_LOG_INFO : VMT_LOG_DEBUG, finished };

	if (log_enabled(t.level, LOG_NAME)) {
		work_each(w, tell_meter, &t);
	}
}

static void note_begun(struct poll_work *poll, uint64_t scopes, bool host)
{
	struct work *w = (struct work *)poll;

	w->peopled = scopes;
	w->host = host;
	tell(w, false);
}

void work_tell_finished(const struct work *w)
{
	tell(w, true);
}

/* ---- the whole */

struct work *work_new(struct plan *plan, const struct basis *basis, struct sharing *sharing,
		      GPtrArray *pipelines, int64_t interval_ns)
{
	struct work *w = g_new0(struct work, 1);
	size_t scopes;

	w->plan = plan_ref(plan);
	w->basis = basis;
	w->sharing = sharing_ref(sharing);
	w->poll.due_times = sharing != NULL;
	w->poll.gather.sharing = sharing;
	w->poll.gather.host = plan->settings.host;
	w->pipelines = g_ptr_array_ref(pipelines);
	w->interval_ns = interval_ns;
	w->parts = g_ptr_array_new_with_free_func(part_free);
	make_scopes(w);
	scopes = w->poll.gather.scopes;
	w->poll.all = scopes == 64 ? UINT64_MAX : (UINT64_C(1) << scopes) - 1;
	w->poll.part = find_part;
	w->poll.begun = note_begun;
	w->poll.whole = find_part(&w->poll, w->poll.all);
	return w;
}

void work_free(struct work *w)
{
	if (!w) {
		return;
	}
	for (size_t i = 0; i < w->poll.gather.scopes; i++) {
		g_free((void *)(uintptr_t)w->poll.gather.scope[i].resources);
	}
	g_free((void *)(uintptr_t)w->poll.gather.scope);
	g_free(w->lists);
	g_free(w->scope_of);
	g_ptr_array_unref(w->parts);
	g_ptr_array_unref(w->pipelines);
	sharing_unref(w->sharing);
	plan_unref(w->plan);
	g_free(w);
}

int work_check(const struct polling *p, struct problems *problems)
{
	GHashTable *scopes = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, NULL);
	int ret = 0;

	for (size_t i = 0; i < p->source_count; i++) {
		const struct polling_source *source = &p->sources[i];
		gint64 *key = (gint64 *)(uintptr_t)&source->interval_ns;
		size_t count = GPOINTER_TO_SIZE(g_hash_table_lookup(scopes, key));

		if (first_like(p, i, false) != i) {
			continue;
		}
		g_hash_table_insert(scopes, key, GSIZE_TO_POINTER(count + 1));
		if (count == GATHER_SCOPES) { /* once for each interval */
			problems_add(
				problems, PROBLEM_ERROR, &source->at,
				"source %s: more than %d different pairs of resources and "
				"discovery at one interval; give some of them another interval",
				source->name, GATHER_SCOPES);
			ret = -EINVAL;
		}
	}
	g_hash_table_unref(scopes);
	return ret;
}
