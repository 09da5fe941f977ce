/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One polling cycle.  Runs on its task's thread; may block inside discovery, inspector and pollsters,
 * until the deadline it was given.
 */
#include "agent/poll_cycle.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define LOG_NAME "polling"
#include "agent/instances.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/batch.h"
#include "model/inspection.h"
#include "model/snapshot.h"
#include "plugin/object.h"

struct poll_cycle {
	struct poll_cycle_parts parts;
	struct snapshot *snapshot;
	struct vmt_inspection *inspection;
	struct meter_state *state;
	struct vmt_samples *samples;
	struct frame_builder builder;
};

struct poll_cycle *poll_cycle_new(const struct poll_cycle_parts *parts)
{
	struct poll_cycle *c = g_new0(struct poll_cycle, 1);

	c->parts = *parts;
	c->inspection = inspection_new();
	c->state = meter_state_new(parts->settings);
	c->samples = samples_new();
	frame_builder_init(&c->builder, parts->pool);
	return c;
}

void poll_cycle_free(struct poll_cycle *cycle)
{
	if (!cycle) {
		return;
	}
	frame_builder_fini(&cycle->builder);
	samples_free(cycle->samples);
	meter_state_free(cycle->state);
	inspection_free(cycle->inspection);
	snapshot_unref(cycle->snapshot);
	g_free(cycle);
}

/* Asks the hypervisor.  What it says nothing of is unreachable. */
static void inspect(struct poll_cycle *c, const struct meter_selection *selection,
		    const struct vmt_call *call, struct poll_cycle_result *result)
{
	struct vmt_inspect_request request = { .groups = selection->groups,
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

		if (r->outcome == VMT_UNREAD) {
			r->outcome = VMT_UNREACHABLE;
		}
		result->outcome[r->outcome]++;
	}
	result->calls = c->inspection->calls;
	result->quarantined = c->inspection->quarantined;
	result->outstanding = c->inspection->outstanding;
	result->latencies = c->inspection->latencies;
	memcpy(result->latency, c->inspection->latency, sizeof(result->latency));
	result->readings = c->inspection->readings;
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
	snapshot_unref(c->snapshot);
	c->snapshot = fresh;
	frame_begin(&c->builder, c->parts.settings->metadata.profile, clock_real(),
		    clock_monotonic());
	inspect(c, work->selection, call, result);
	meter_state_health(c->state, &(struct meter_health){ .late_ns = result->late_ns,
							     .overruns = overruns });
	samples = meters_run(c->state, work->selection, &c->snapshot->list, c->inspection,
			     &c->builder);
	if (samples < 0) {
		frame_abort(&c->builder);
		return (int)samples;
	}
	result->samples = (uint64_t)samples;
	list_suspects(c, result);
	run_pollsters(c, work, call, result);
	*ret_frame = frame_finish(&c->builder);
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
