/* SPDX-License-Identifier: Apache-2.0 */
/* The status document of the agent and the collector (cli.md): one object of JSON.  Main thread; blocks on nothing. */
#include <string.h>

#include "agent/instances.h"
#include "agent/parts.h"
#include "agent/receivers.h"
#include "agent/sharing.h"
#include "base/clock.h"
#include "model/json_text.h"
#include "pipeline/outlet.h"
#include "pipeline/pipeline.h"

static const char *const outcome_keys[VMT_OUTCOMES] = {
	[VMT_OK] = "ok",       [VMT_STOPPED] = "stopped", [VMT_GONE] = "gone",
	[VMT_STUCK] = "stuck", [VMT_PARTIAL] = "partial", [VMT_UNREACHABLE] = "unreachable",
};

static const char *const state_words[] = {
	[OUTLET_OK] = "ok",
	[OUTLET_RETRYING] = "retrying",
	[OUTLET_FAILED] = "failed",
};

static void add_key(struct buf *json, const char *key)
{
	if (json->len && !strchr("{[", json->data[json->len - 1])) {
		buf_putc(json, ',');
	}
	json_add(json, key);
	buf_putc(json, ':');
}

static void add_number(struct buf *json, const char *key, uint64_t value)
{
	add_key(json, key);
	json_add_uint(json, value);
}

static void add_text(struct buf *json, const char *key, const char *value)
{
	add_key(json, key);
	json_add(json, value);
}

static void add_ms(struct buf *json, const char *key, int64_t ns)
{
	add_key(json, key);
	buf_printf(json, "%.3f", (double)ns / 1e6);
}

/* "[" before the first object of a list, "," before the others. */
static void next_object(struct buf *json, unsigned i)
{
	buf_puts(json, i ? ",{" : "{");
}

static void add_tasks(struct agent *a, struct buf *json)
{
	add_key(json, "tasks");
	buf_putc(json, '[');
	for (guint i = 0; i < a->tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(a->tasks, i);
		struct task_status st;

		task_status(at->task, &st);
		next_object(json, i);
		add_key(json, "interval_s");
		buf_printf(json, "%g", (double)st.interval_ns / 1e9);
		add_text(json, "endpoint", at->basis->endpoint->name);
		add_number(json, "cycles", st.cycles);
		add_ms(json, "last_wall_ms", st.last.wall_ns);
		add_ms(json, "last_cpu_ms", st.last.cpu_ns);
		add_number(json, "last_samples", st.last.samples);
		add_ms(json, "last_late_ms", st.last.late_ns);
		add_number(json, "overruns", st.overruns);
		add_number(json, "lost_frames", st.lost_frames);
		add_text(json, "last_error", st.last.error.text);
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

static void add_latencies(struct buf *json, const struct poll_cycle_result *last)
{
	add_key(json, "call_ms");
	buf_putc(json, '{');
	for (size_t i = 0; i < last->latencies; i++) {
		add_ms(json, last->latency[i].call, last->latency[i].ns);
	}
	buf_putc(json, '}');
}

/* Instances that were not read as they should be, of all tasks; age_s and monitor_ms null where not known. */
static void add_suspects(struct agent *a, struct buf *json)
{
	unsigned n = 0;

	add_key(json, "suspects");
	buf_putc(json, '[');
	for (guint i = 0; i < a->tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(a->tasks, i);
		struct task_status st;

		task_status(at->task, &st);
		for (size_t k = 0; k < MIN(st.last.suspects, (size_t)POLL_SUSPECTS); k++) {
			const struct poll_suspect *s = &st.last.suspect[k];

			next_object(json, n++);
			add_text(json, "instance", s->id);
			add_key(json, "interval_s");
			buf_printf(json, "%g", (double)st.interval_ns / 1e9);
			add_text(json, "outcome", outcome_keys[s->outcome]);
			add_key(json, "age_s");
			s->age_ns < 0 ? buf_puts(json, "null")
				      : buf_printf(json, "%.3f", (double)s->age_ns / 1e9);
			add_key(json, "monitor_ms");
			s->monitor_ns < 0 ? buf_puts(json, "null")
					  : buf_printf(json, "%.3f", (double)s->monitor_ns / 1e6);
			buf_putc(json, '}');
		}
	}
	buf_putc(json, ']');
}

/* One entry a task's inspector: what the last cycle made of its instances. */
static void add_inspectors(struct agent *a, struct buf *json)
{
	add_key(json, "inspectors");
	buf_putc(json, '[');
	for (guint i = 0; i < a->tasks->len; i++) {
		struct agent_task *at = g_ptr_array_index(a->tasks, i);
		struct task_status st;

		task_status(at->task, &st);
		next_object(json, i);
		add_text(json, "name", at->inspector->plugin->name);
		add_text(json, "endpoint", at->basis->endpoint->name);
		add_key(json, "interval_s");
		buf_printf(json, "%g", (double)st.interval_ns / 1e9);
		add_key(json, "instances");
		buf_putc(json, '{');
		for (unsigned o = VMT_OK; o < VMT_OUTCOMES; o++) {
			add_number(json, outcome_keys[o], st.last.outcome[o]);
		}
		buf_putc(json, '}');
		add_number(json, "calls", st.last.calls);
		add_number(json, "quarantined", st.last.quarantined);
		add_number(json, "outstanding", st.last.outstanding);
		add_latencies(json, &st.last);
		add_text(json, "readings", st.last.readings);
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

static void add_list(struct buf *json, const char *name, int64_t age_ns, const char *error)
{
	add_text(json, "name", name);
	add_key(json, "age_s");
	if (age_ns < 0) {
		buf_puts(json, "null");
	} else {
		buf_printf(json, "%.3f", (double)age_ns / 1e9);
	}
	add_text(json, "last_error", error);
}

/* One object's members: who is here, and what is known of them. */
static void add_basis(const struct basis *basis, struct buf *json)
{
	const struct basis_list *list = &basis->list[0];
	char error[sizeof(((struct vmt_error *)0)->text)];
	int64_t age_ns = instances_age(list->instances, error);

	add_list(json, list->discovery->plugin->name, age_ns, error);
	if (instances_joined_age(list->instances, &age_ns, error)) {
		add_key(json, "joined");
		buf_putc(json, '{');
		add_list(json, list->joined->plugin->name, age_ns, error);
		buf_putc(json, '}');
	}
	if (instances_described_age(list->instances, &age_ns, error)) {
		add_key(json, "lookups");
		buf_putc(json, '{');
		add_list(json, list->lookups->plugin->name, age_ns, error);
		buf_putc(json, '}');
	}
}

/* The first endpoint's, and where there are several a list of the others'. */
static void add_discovery(struct agent *a, struct buf *json)
{
	add_key(json, "discovery");
	buf_putc(json, '{');
	add_basis(g_ptr_array_index(a->bases, 0), json);
	buf_putc(json, '}');
	if (a->bases->len == 1) {
		return;
	}
	add_key(json, "discoveries");
	buf_putc(json, '[');
	for (guint i = 1; i < a->bases->len; i++) {
		const struct basis *basis = g_ptr_array_index(a->bases, i);

		next_object(json, i - 1);
		add_text(json, "endpoint", basis->endpoint->name);
		add_basis(basis, json);
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

static void add_sharing(struct agent *a, struct buf *json)
{
	if (a->sharing) {
		add_key(json, "coordination");
		sharing_status(a->sharing, json);
	}
}

static void add_receivers(struct agent *a, struct buf *json)
{
	add_key(json, "receivers");
	buf_putc(json, '[');
	agent_receivers_status(a, json);
	buf_putc(json, ']');
}

static void add_pipelines(struct agent *a, struct buf *json)
{
	add_key(json, "pipelines");
	buf_putc(json, '[');
	for (guint i = 0; i < a->pipelines->len; i++) {
		struct pipeline *p = g_ptr_array_index(a->pipelines, i);
		struct pipeline_ledger l;

		pipeline_ledger(p, &l);
		next_object(json, i);
		add_text(json, "name", pipeline_name(p));
		add_number(json, "in", l.in);
		add_number(json, "out", l.out);
		add_number(json, "filtered", l.filtered);
		add_number(json, "consumed", l.consumed);
		add_number(json, "made", l.made);
		add_number(json, "held", l.held);
		add_number(json, "lost", l.lost);
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

static void add_publishers(struct agent *a, struct buf *json)
{
	add_key(json, "publishers");
	buf_putc(json, '[');
	for (guint i = 0; i < a->outlets->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(a->outlets, i);
		struct outlet_status st;

		outlet_status(ao->outlet, &st);
		next_object(json, i);
		add_text(json, "url", outlet_url(ao->outlet));
		add_text(json, "state", state_words[st.state]);
		add_number(json, "produced", st.ledger.produced);
		add_number(json, "confirmed", st.ledger.confirmed);
		add_number(json, "queued", st.ledger.queued);
		add_key(json, "dropped");
		buf_putc(json, '{');
		for (unsigned r = 0; r < SPOOL_REASONS; r++) {
			if (st.ledger.dropped[r]) {
				add_number(json, spool_reason_name(r), st.ledger.dropped[r]);
			}
		}
		buf_putc(json, '}');
		add_number(json, "duplicates", st.repeats);
		add_number(json, "conflicts", st.conflicts);
		add_number(json, "dead_letters", st.ledger.dead_letters);
		add_number(json, "queue_bytes", st.ledger.queue_bytes);
		add_text(json, "last_error", st.last_error);
		buf_putc(json, '}');
	}
	buf_putc(json, ']');
}

/* Plugins that could not be loaded. */
static void add_failures(struct agent *a, struct buf *json)
{
	add_key(json, "failed_plugins");
	buf_putc(json, '[');
	for (size_t i = 0; i < registry_failures(a->registry); i++) {
		buf_puts(json, i ? "," : "");
		json_add(json, registry_failure(a->registry, i));
	}
	buf_putc(json, ']');
}

void agent_status(struct agent *a, struct buf *json)
{
	struct buf doc = BUF_INIT;

	buf_putc(&doc, '{');
	add_text(&doc, "role", a->plan->polling ? "agent" : "collector");
	add_key(&doc, "uptime_s");
	buf_printf(&doc, "%.3f", (double)(clock_monotonic() - a->started_ns) / 1e9);
	add_text(&doc, "state", a->stopping ? "stopping" : "running");
	if (a->plan->polling) {
		add_tasks(a, &doc);
		add_discovery(a, &doc);
		add_sharing(a, &doc);
		add_inspectors(a, &doc);
		add_suspects(a, &doc);
	} else {
		add_receivers(a, &doc);
	}
	add_pipelines(a, &doc);
	add_publishers(a, &doc);
	add_failures(a, &doc);
	buf_putc(&doc, '}');
	buf_add(json, doc.data, doc.len);
	buf_fini(&doc);
}
