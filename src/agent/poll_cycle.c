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
	struct snapshot *snapshot;
	struct vmt_inspection *inspection;
	struct meter_state *state;
	struct vmt_samples *samples;
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
	c->samples = samples_new();
	frame_builder_init(&c->builder, parts->pool);
	buf_init(&c->state_text);
	load_state(c);
	return c;
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
	samples_free(cycle->samples);
	meter_state_free(cycle->state);
	inspection_free(cycle->inspection);
	snapshot_unref(cycle->snapshot);
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

/* Meters that plugins add. */
static void run_pollsters(struct poll_cycle *c, const struct poll_cycle_work *work,
			  const struct vmt_call *call, struct poll_cycle_result *result)
{
	for (size_t i = 0; work->pollster && c->parts.pollsters[i]; i++) {
		const struct plugin_object *object = c->parts.pollsters[i];
		const struct vmt_pollster_ops *ops = object->plugin->ops.pollster;
		struct vmt_error error = { .text = "" };
		int ret;

		if (!work->pollster[i]) {
			continue;
		}
		samples_begin(c->samples, c->state, ops->meters, ops->count, &c->snapshot->list,
			      c->inspection);
		ret = ops->poll(object->self, &c->snapshot->list, c->inspection, c->samples, call,
				&error);
		if (ret < 0) {
			log_warn("Continue after error from %s: %s", object->plugin->name,
				 error.text[0] ? error.text : g_strerror(-ret));
		}
		result->samples +=
			(uint64_t)samples_finish(c->samples, work->pollster[i], &c->builder);
	}
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

/* Last samples of the instances of the present snapshot that are marked; how many. */
static int64_t add_finals(struct poll_cycle *c, const struct poll_cycle_work *work,
			  const struct vmt_call *call)
{
	const struct vmt_inspector_ops *ops = c->parts.inspector->plugin->ops.inspector;
	struct vmt_inspect_request request = { .groups = work->selection->groups,
					       .only = c->only,
					       .final = true,
					       .interval_ns = c->parts.interval_ns };
	struct vmt_error error;
	bool any = false;

	inspection_reset(c->inspection, c->snapshot->list.count);
	if (!ops->watch || ops->inspect(c->parts.inspector->self, &c->snapshot->list, &request,
					c->inspection, call, &error) < 0) {
		return 0;
	}
	for (size_t i = 0; i < c->inspection->count; i++) {
		c->only[i] = c->only[i] && c->inspection->reading[i].outcome != VMT_UNREAD;
		any |= c->only[i];
	}
	if (!any) {
		return 0;
	}
	meter_state_only(c->state, c->only);
	meter_state_final(c->state);
	return meters_run(c->state, work->selection, &c->snapshot->list, c->inspection,
			  &c->builder);
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
			     (!in || in->stopped || in->epoch != old->instances[i].epoch);
		any |= c->only[i];
	}
	g_hash_table_destroy(ids);
	return any;
}

/* Takes the new list, after the last samples of those who are not in it any more. */
static void take_snapshot(struct poll_cycle *c, const struct poll_cycle_work *work,
			  struct snapshot *fresh, const struct vmt_call *call,
			  struct poll_cycle_result *result)
{
	int64_t samples = 0;

	if (c->snapshot && c->snapshot->list.generation != fresh->list.generation &&
	    find_ended(c, fresh)) {
		samples = add_finals(c, work, call);
	}
	result->samples += samples > 0 ? (uint64_t)samples : 0;
	note_gone(c, c->snapshot, fresh);
	snapshot_unref(c->snapshot);
	c->snapshot = fresh;
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
static void add_firsts(struct poll_cycle *c, const struct poll_cycle_work *work,
		       const GPtrArray *ids, const struct vmt_call *call,
		       struct poll_cycle_result *result)
{
	struct snapshot *fresh = instances_get(c->parts.instances, call, &result->error);

	if (!fresh) {
		return;
	}
	take_snapshot(c, work, fresh, call, result);
	if (mark(c, ids)) {
		inspect(c, work->selection, c->only, call, result);
		meter_state_only(c->state, c->only);
		meters_run(c->state, work->selection, &c->snapshot->list, c->inspection,
			   &c->builder);
	}
}

int poll_cycle_life(struct poll_cycle *c, const struct poll_cycle_work *work, const GPtrArray *ids,
		    enum vmt_life what, const struct vmt_call *call, struct frame **ret_frame)
{
	struct poll_cycle_result result = { .samples = 0 };

	frame_begin(&c->builder, c->parts.settings->metadata.profile, clock_real(),
		    clock_monotonic());
	if (what == VMT_STARTED) {
		add_firsts(c, work, ids, call, &result);
	} else if (c->snapshot && mark(c, ids)) {
		add_finals(c, work, call);
	}
	*ret_frame = frame_finish(&c->builder);
	return 0;
}

/* ------------------------------------------------------------------ the cycle */

static int run(struct poll_cycle *c, const struct poll_cycle_work *work, uint64_t overruns,
	       const struct vmt_call *call, struct frame **ret_frame,
	       struct poll_cycle_result *result)
{
	struct snapshot *fresh = instances_get(c->parts.instances, call, &result->error);
	int64_t samples;

	if (!fresh) {
		log_warn("%s; nothing to poll in this cycle", result->error.text);
		return -EAGAIN;
	}
	frame_begin(&c->builder, c->parts.settings->metadata.profile, clock_real(),
		    clock_monotonic());
	take_snapshot(c, work, fresh, call, result);
	inspect(c, work->selection, NULL, call, result);
	meter_state_health(c->state, &(struct meter_health){ .late_ns = result->late_ns,
							     .overruns = overruns });
	samples = meters_run(c->state, work->selection, &c->snapshot->list, c->inspection,
			     &c->builder);
	if (samples < 0) {
		frame_abort(&c->builder);
		return (int)samples;
	}
	result->samples += (uint64_t)samples;
	list_suspects(c, result);
	run_pollsters(c, work, call, result);
	*ret_frame = frame_finish(&c->builder);
	if (work->selection->remembers) {
		save_state(c);
	}
	return 0;
}

int poll_cycle_run(struct poll_cycle *cycle, const struct poll_cycle_work *work,
		   const struct poll_punctuality *punctuality, const struct vmt_call *call,
		   struct frame **ret_frame, struct poll_cycle_result *ret_result)
{
	int64_t wall = clock_monotonic(), cpu = clock_cpu_process();
	int ret;

	*ret_result = (struct poll_cycle_result){ .samples = 0 };
	*ret_frame = NULL;
	g_array_set_size(cycle->gone, 0);
	if (punctuality->due_ns != INT64_MIN) {
		ret_result->late_ns = MAX(wall - punctuality->due_ns, 0);
	}
	ret = run(cycle, work, punctuality->overruns, call, ret_frame, ret_result);
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
