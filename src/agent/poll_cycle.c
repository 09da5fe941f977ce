/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One polling cycle.  Runs on its task's thread; may block inside discovery, inspector and pollsters,
 * until the deadline it was given.
 */
#include "agent/poll_cycle.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define LOG_NAME "polling"
#include "agent/instances.h"
#include "agent/schedule.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/batch.h"
#include "model/inspection.h"
#include "model/resource.h"
#include "model/snapshot.h"
#include "plugin/object.h"

struct poll_cycle {
	struct poll_cycle_parts parts;
	struct gather *gather;
	struct snapshot *snapshot;
	struct vmt_inspection *inspection;
	struct meter_state *state;
	struct vmt_samples **samples; /* per pollster */
	size_t pollsters;
	GArray *scopes; /* uint64_t, per instance of the snapshot; empty: all are in all */
	GArray *sets; /* uint64_t, the distinct ones of them */
	GByteArray *part; /* per instance; scratch */
	int64_t time_ns, mono_ns; /* begin of the cycle */
	struct frame_builder builder;
	uint8_t *only; /* per instance of the snapshot; scratch */
	size_t only_cap;
	char *state_file, *state_new; /* NULL: nothing is kept */
	char boot[64];
	struct buf state_text;
	GArray *gone; /* uint64_t; see poll_cycle_gone() */
};

/* ------------------------------------------------------------------ counters over a restart */

static void load_state(struct poll_cycle *c)
{
	char *text, *boot;
	gsize len;

	if (!c->parts.state_file ||
	    !g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, &len, NULL)) {
		return;
	}
	g_strlcpy(c->boot, g_strstrip(boot), sizeof(c->boot));
	g_free(boot);
	c->state_file = g_strdup(c->parts.state_file);
	c->state_new = g_strconcat(c->state_file, ".new", NULL);
	if (g_file_get_contents(c->state_file, &text, &len, NULL)) {
		int n = meter_state_load(c->state, c->boot, text, len);

		if (n < 0) {
			log_info("%s: not of this boot; deltas and rates begin anew",
				 c->state_file);
		}
		g_free(text);
	}
}

/* Whole or not at all: a program that dies here finds the old one.  It need not outlast the host. */
static void save_state(struct poll_cycle *c)
{
	FILE *f;
	bool good;

	if (!c->state_file) {
		return;
	}
	buf_reset(&c->state_text);
	meter_state_save(c->state, c->boot, &c->state_text);
	f = fopen(c->state_new, "we");
	good = f && fwrite(c->state_text.data, 1, c->state_text.len, f) == c->state_text.len;
	good = f && fclose(f) == 0 && good;
	if (!good || rename(c->state_new, c->state_file) < 0) {
		log_warn("%s: %s; after a restart deltas and rates will begin anew", c->state_file,
			 g_strerror(errno));
	}
}

struct poll_cycle *poll_cycle_new(const struct poll_cycle_parts *parts)
{
	struct poll_cycle *c = g_new0(struct poll_cycle, 1);

	c->parts = *parts;
	c->gone = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	c->inspection = inspection_new();
	c->state = meter_state_new(parts->settings);
	while (parts->pollsters && parts->pollsters[c->pollsters]) {
		c->pollsters++;
	}
	c->samples = g_new0(struct vmt_samples *, c->pollsters + 1);
	for (size_t i = 0; i < c->pollsters; i++) {
		c->samples[i] = samples_new();
	}
	c->gather = gather_new();
	c->part = g_byte_array_new();
	c->scopes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	c->sets = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	frame_builder_init(&c->builder, parts->pool);
	buf_init(&c->state_text);
	load_state(c);
	return c;
}

void poll_cycle_trim(struct poll_cycle *cycle)
{
	inspection_free(cycle->inspection);
	cycle->inspection = inspection_new();
	buf_fini(&cycle->state_text);
	buf_init(&cycle->state_text);
}

void poll_cycle_free(struct poll_cycle *cycle)
{
	if (!cycle) {
		return;
	}
	g_array_unref(cycle->gone);
	frame_builder_fini(&cycle->builder);
	g_free(cycle->only);
	g_free(cycle->state_file);
	g_free(cycle->state_new);
	buf_fini(&cycle->state_text);
	for (size_t i = 0; i < cycle->pollsters; i++) {
		samples_free(cycle->samples[i]);
	}
	g_free(cycle->samples);
	g_byte_array_unref(cycle->part);
	g_array_unref(cycle->scopes);
	g_array_unref(cycle->sets);
	meter_state_free(cycle->state);
	inspection_free(cycle->inspection);
	snapshot_unref(cycle->snapshot);
	gather_free(cycle->gather);
	g_free(cycle);
}

const uint64_t *poll_cycle_gone(const struct poll_cycle *cycle, size_t *ret_count)
{
	*ret_count = cycle->gone->len;
	return (const uint64_t *)(void *)cycle->gone->data;
}

/* Notes the instances of the old list that the new one has not. */
static void note_gone(struct poll_cycle *c, const struct snapshot *old, const struct snapshot *new)
{
	for (size_t i = 0; old && old != new &&i < old->list.count; i++) {
		const char *id = old->list.instances[i].id;
		uint64_t gone;

		if (snapshot_find(new, id) < 0) {
			gone = resource_instance(id);
			g_array_append_val(c->gone, gone);
		}
	}
}

/* Asks the hypervisor.  What it says nothing of is unreachable. */
static void inspect(struct poll_cycle *c, const struct meter_selection *selection,
		    const uint8_t *only, const struct vmt_call *call,
		    struct poll_cycle_result *result)
{
	struct vmt_inspect_request request = { .groups = selection->groups,
					       .only = only,
					       .kernel = c->parts.kernel,
					       .stopped = c->parts.settings->report_stopped,
					       .interval_ns = c->parts.interval_ns };
	const struct vmt_inspector_ops *ops = c->parts.inspector->plugin->ops.inspector;
	int ret;

	inspection_reset(c->inspection, c->snapshot->list.count);
	if (c->snapshot->list.count == 0) {
		return;
	}
	ret = ops->inspect(c->parts.inspector->self, &c->snapshot->list, &request, c->inspection,
			   call, &result->error);
	if (ret < 0) {
		if (result->error.text[0] == '\0') {
			vmt_error_set(&result->error, ret, "%s: %s",
				      c->parts.inspector->plugin->name, g_strerror(-ret));
		}
		log_warn("%s; no readings in this cycle", result->error.text);
	}
	for (size_t i = 0; i < c->inspection->count; i++) {
		struct vmt_reading *r = &c->inspection->reading[i];

		if (r->outcome == VMT_UNREAD && (!request.only || request.only[i])) {
			r->outcome = VMT_UNREACHABLE;
		}
		result->outcome[r->outcome]++;
	}
	result->calls = c->inspection->calls;
	result->quarantined = c->inspection->quarantined;
	result->outstanding = c->inspection->outstanding;
	result->latencies = c->inspection->latencies;
	memcpy(result->latency, c->inspection->latency, sizeof(result->latency));
	g_strlcpy(result->readings, c->inspection->readings, sizeof(result->readings));
}

/* Who was not read as it should be. */
static void list_suspects(const struct poll_cycle *c, struct poll_cycle_result *result)
{
	int64_t now = clock_monotonic();

	for (size_t i = 0; i < c->inspection->count; i++) {
		const struct vmt_reading *r = &c->inspection->reading[i];
		int64_t whole = meter_state_whole(c->state, i);
		struct poll_suspect *s;

		if (r->outcome == VMT_OK || r->outcome == VMT_STOPPED || r->outcome == VMT_GONE ||
		    result->suspects++ >= POLL_SUSPECTS) {
			continue;
		}
		s = &result->suspect[result->suspects - 1];
		g_strlcpy(s->id, c->snapshot->list.instances[i].id, sizeof(s->id));
		s->outcome = r->outcome;
		s->age_ns = whole == INT64_MIN ? -1 : now - whole;
		s->monitor_ns = r->present >> VMT_F_MONITOR_LATENCY & 1
					? (int64_t)r->value[VMT_F_MONITOR_LATENCY].u
					: -1;
	}
}

/* Asks the plugins that add meters, once, for whichever part. */
static void run_pollsters(struct poll_cycle *c, const struct poll_part *whole,
			  const struct vmt_call *call)
{
	for (size_t i = 0; whole->pollster && i < c->pollsters; i++) {
		const struct plugin_object *object = c->parts.pollsters[i];
		const struct vmt_pollster_ops *ops = object->plugin->ops.pollster;
		struct vmt_error error = { .text = "" };
		int ret;

		if (!whole->pollster[i]) {
			continue;
		}
		samples_begin(c->samples[i], c->state, ops->meters, ops->count, &c->snapshot->list,
			      c->inspection);
		ret = ops->poll(object->self, &c->snapshot->list, c->inspection, c->samples[i],
				call, &error);
		if (ret < 0) {
			log_warn("Continue after error from %s: %s", object->plugin->name,
				 error.text[0] ? error.text : g_strerror(-ret));
		}
	}
}

/* How samples are made: a whole cycle, or first and last ones of some instances. */
struct making {
	struct poll_work *work;
	const uint8_t *only; /* per instance; NULL: a whole cycle, with host and pollsters */
	poll_emit_fn emit;
	void *context;
	struct poll_cycle_result *result;
};

/* The samples of one part: of the instances in `only` (NULL: all), and the host's. */
static void run_part(struct poll_cycle *c, const struct poll_part *part, const uint8_t *only,
		     bool host, const struct making *m)
{
	struct frame *frame;

	frame_begin(&c->builder, c->parts.settings->metadata.profile, c->time_ns, c->mono_ns);
	m->result->samples +=
		(uint64_t)meters_part(c->state, part->selection, only, host, &c->builder);
	for (size_t i = 0; !m->only && part->pollster && i < c->pollsters; i++) {
		if (part->pollster[i]) {
			m->result->samples += (uint64_t)samples_finish(
				c->samples[i], part->pollster[i], only, &c->builder);
		}
	}
	frame = frame_finish(&c->builder);
	if (frame) {
		m->emit(m->context, part, frame);
	}
}

/* The scopes that see all of the agent's own list, and so the host; all, when none does. */
static uint64_t host_scopes(const struct poll_work *work)
{
	uint64_t set = 0;

	for (size_t i = 0; i < work->gather.scopes; i++) {
		const struct gather_scope *scope = &work->gather.scope[i];

		set |= (uint64_t)(scope->host || (scope->lists == 1 && !scope->resources)) << i;
	}
	return set ? set : work->all;
}

/* The distinct sets of scopes. */
static void find_sets(struct poll_cycle *c)
{
	g_array_set_size(c->sets, 0);
	for (guint i = 0; i < c->scopes->len; i++) {
		uint64_t set = g_array_index(c->scopes, uint64_t, i);
		guint k = 0;

		while (k < c->sets->len && g_array_index(c->sets, uint64_t, k) != set) {
			k++;
		}
		if (k == c->sets->len) {
			g_array_append_val(c->sets, set);
		}
	}
}

/* Each set of scopes that some instance has is a part; the host is one of its own. */
static void run_parts(struct poll_cycle *c, const struct making *m)
{
	size_t count = c->snapshot->list.count;
	bool host = !m->only && gather_host(c->gather);

	if (c->scopes->len == 0) {
		run_part(c, m->work->whole, m->only, host, m);
		return;
	}
	find_sets(c);
	g_byte_array_set_size(c->part, (guint)count);
	for (guint k = 0; k < c->sets->len; k++) {
		uint64_t set = g_array_index(c->sets, uint64_t, k);

		for (size_t i = 0; i < count; i++) {
			c->part->data[i] = g_array_index(c->scopes, uint64_t, i) == set &&
					   (!m->only || m->only[i]);
		}
		run_part(c, m->work->part(m->work, set), c->part->data, false, m);
	}
	if (!m->only) {
		if (count > 0) {
			memset(c->part->data, 0, count);
		}
		run_part(c, m->work->part(m->work, host_scopes(m->work)), c->part->data, host, m);
	}
}

/* Meters of what was just inspected. */
static int make_samples(struct poll_cycle *c, const struct making *m)
{
	int ret = meters_begin(c->state, &c->snapshot->list, c->inspection, c->time_ns, c->mono_ns);

	if (ret == 0) {
		run_parts(c, m);
		meters_end(c->state, m->work->whole->selection->remembers);
	}
	return ret;
}

/* ------------------------------------------------------------------ starts and ends */

/* One byte an instance, all 0. */
static uint8_t *clear_only(struct poll_cycle *c, size_t count)
{
	if (count > c->only_cap) {
		c->only_cap = count + count / 8;
		c->only = g_renew(uint8_t, c->only, c->only_cap);
	}
	if (count) {
		memset(c->only, 0, count);
	}
	return c->only;
}

/* Last samples of the instances of the present snapshot that are marked. */
static void add_finals(struct poll_cycle *c, const struct making *how, const struct vmt_call *call)
{
	const struct vmt_inspector_ops *ops = c->parts.inspector->plugin->ops.inspector;
	struct vmt_inspect_request request = { .groups = how->work->whole->selection->groups,
					       .only = c->only,
					       .final = true,
					       .interval_ns = c->parts.interval_ns };
	struct making m = *how;
	struct vmt_error error;
	bool any = false;

	inspection_reset(c->inspection, c->snapshot->list.count);
	if (!ops->watch || ops->inspect(c->parts.inspector->self, &c->snapshot->list, &request,
					c->inspection, call, &error) < 0) {
		return;
	}
	for (size_t i = 0; i < c->inspection->count; i++) {
		c->only[i] = c->only[i] && c->inspection->reading[i].outcome != VMT_UNREAD;
		any |= c->only[i];
	}
	if (any) {
		m.only = c->only;
		meter_state_final(c->state);
		make_samples(c, &m);
	}
}

/* Marks those of the present snapshot that ran, and by the new one do not, or not any more.  Whether there
 * are any. */
static bool find_ended(struct poll_cycle *c, const struct snapshot *fresh)
{
	const struct vmt_snapshot *now = &fresh->list, *old = &c->snapshot->list;
	GHashTable *ids = g_hash_table_new(g_str_hash, g_str_equal);
	bool any = false;

	clear_only(c, old->count);
	for (size_t i = 0; i < now->count; i++) {
		g_hash_table_insert(ids, (gpointer)(uintptr_t)now->instances[i].id,
				    (gpointer)(uintptr_t)&now->instances[i]);
	}
	for (size_t i = 0; i < old->count; i++) {
		const struct vmt_instance *in = g_hash_table_lookup(ids, old->instances[i].id);

		c->only[i] = !old->instances[i].stopped &&
			     (in ? in->stopped || in->epoch != old->instances[i].epoch
				 : !gather_elsewhere(c->gather, old->instances[i].id));
		any |= c->only[i];
	}
	g_hash_table_destroy(ids);
	return any;
}

/* Takes the new list, after the last samples of those who are not in it any more. */
static void take_snapshot(struct poll_cycle *c, const struct making *how, struct snapshot *fresh,
			  const struct vmt_call *call)
{
	const uint64_t *scopes = gather_scopes(c->gather);

	if (c->snapshot && c->snapshot->list.generation != fresh->list.generation &&
	    find_ended(c, fresh)) {
		add_finals(c, how, call);
	}
	note_gone(c, c->snapshot, fresh);
	snapshot_unref(c->snapshot);
	c->snapshot = fresh;
	g_array_set_size(c->scopes, 0);
	if (scopes) {
		g_array_append_vals(c->scopes, scopes, (guint)fresh->list.count);
	}
}

static bool is_listed(const GPtrArray *ids, const char *id)
{
	for (guint i = 0; i < ids->len; i++) {
		if (strcmp(g_ptr_array_index(ids, i), id) == 0) {
			return true;
		}
	}
	return false;
}

/* Marks those ids; whether there are any. */
static bool mark(struct poll_cycle *c, const GPtrArray *ids)
{
	const struct vmt_snapshot *list = &c->snapshot->list;
	bool any = false;

	clear_only(c, list->count);
	for (size_t i = 0; i < list->count; i++) {
		c->only[i] = !list->instances[i].stopped && is_listed(ids, list->instances[i].id);
		any |= c->only[i];
	}
	return any;
}

/* First samples. */
static void add_firsts(struct poll_cycle *c, const struct making *how, const GPtrArray *ids,
		       const struct vmt_call *call)
{
	struct snapshot *fresh =
		gather_run(c->gather, &how->work->gather, call, &how->result->error);
	struct making m = *how;

	if (!fresh) {
		return;
	}
	take_snapshot(c, how, fresh, call);
	if (mark(c, ids)) {
		m.only = c->only;
		inspect(c, how->work->whole->selection, c->only, call, how->result);
		make_samples(c, &m);
	}
}

int poll_cycle_life(struct poll_cycle *c, struct poll_work *work, const GPtrArray *ids,
		    enum vmt_life what, const struct vmt_call *call, poll_emit_fn emit,
		    void *context)
{
	struct poll_cycle_result result = { .samples = 0 };
	const struct making m = {
		.work = work, .emit = emit, .context = context, .result = &result
	};

	c->time_ns = clock_real();
	c->mono_ns = clock_monotonic();
	meter_state_one_time(c->state, false);
	if (what == VMT_STARTED) {
		add_firsts(c, &m, ids, call);
	} else if (c->snapshot && mark(c, ids)) {
		add_finals(c, &m, call);
	}
	return 0;
}

/* ------------------------------------------------------------------ the cycle */

/* The scopes that have instances. */
static uint64_t peopled_scopes(const struct poll_cycle *c, const struct poll_work *work)
{
	uint64_t set = 0;

	if (c->scopes->len == 0) {
		return c->snapshot->list.count > 0 ? work->all : 0;
	}
	for (guint i = 0; i < c->scopes->len; i++) {
		set |= g_array_index(c->scopes, uint64_t, i);
	}
	return set;
}

static int run(struct poll_cycle *c, const struct making *m, uint64_t overruns,
	       const struct vmt_call *call)
{
	const struct poll_part *whole = m->work->whole;
	struct poll_cycle_result *result = m->result;
	struct snapshot *fresh = gather_run(c->gather, &m->work->gather, call, &result->error);
	int ret;

	if (!fresh) {
		log_warn("Unable to discover resources: %s; nothing to poll in this cycle",
			 result->error.text);
		m->work->begun(m->work, 0, false);
		return -EAGAIN;
	}
	c->time_ns = clock_real();
	c->mono_ns = clock_monotonic();
	take_snapshot(c, m, fresh, call);
	m->work->begun(m->work, peopled_scopes(c, m->work), gather_host(c->gather));
	if (m->work->due_times) {
		c->time_ns = schedule_slot(c->parts.interval_ns, c->time_ns);
	}
	meter_state_one_time(c->state, m->work->due_times);
	inspect(c, whole->selection, NULL, call, result);
	meter_state_health(c->state, &(struct meter_health){ .late_ns = result->late_ns,
							     .overruns = overruns });
	ret = meters_begin(c->state, &c->snapshot->list, c->inspection, c->time_ns, c->mono_ns);
	if (ret < 0) {
		return ret;
	}
	list_suspects(c, result);
	run_pollsters(c, whole, call);
	run_parts(c, m);
	meters_end(c->state, whole->selection->remembers);
	if (whole->selection->remembers) {
		save_state(c);
	}
	return 0;
}

int poll_cycle_run(struct poll_cycle *cycle, struct poll_work *work,
		   const struct poll_punctuality *punctuality, const struct vmt_call *call,
		   poll_emit_fn emit, void *context, struct poll_cycle_result *ret_result)
{
	int64_t wall = clock_monotonic(), cpu = clock_cpu_process();
	const struct making m = {
		.work = work, .emit = emit, .context = context, .result = ret_result
	};
	int ret;

	*ret_result = (struct poll_cycle_result){ .samples = 0 };
	g_array_set_size(cycle->gone, 0);
	if (punctuality->due_ns != INT64_MIN) {
		ret_result->late_ns = MAX(wall - punctuality->due_ns, 0);
	}
	ret = run(cycle, &m, punctuality->overruns, call);
	ret_result->wall_ns = clock_monotonic() - wall;
	ret_result->cpu_ns = clock_cpu_process() - cpu;
	return ret;
}

const struct vmt_snapshot *poll_cycle_snapshot(const struct poll_cycle *cycle)
{
	return cycle->snapshot ? &cycle->snapshot->list : NULL;
}

const struct vmt_inspection *poll_cycle_inspection(const struct poll_cycle *cycle)
{
	return cycle->snapshot ? cycle->inspection : NULL;
}
