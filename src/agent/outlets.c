/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's publishers over reloads.  Main thread; opening a publisher does not block (contract).
 * `users` of an outlet is counted down by whatever thread gives back a pipeline last.
 */
#include "agent/outlets.h"

#include <errno.h>
#include <string.h>

#include "agent/parts.h"
#include "base/clock.h"
#include "base/hash.h"
#include "conf/url.h"
#include "pipeline/outlet.h"
#include "spool/spool.h"

#define RETIRE_NS (30 * NS_PER_S) /* a publisher taken out may send what it has, for so long */

/* One URL of the new configuration. */
struct wanted {
	const char *url; /* the plan's */
	struct agent_outlet *outlet;
	char *place; /* see struct spool_publisher */
	bool fresh; /* the outlet is new */
	/* a new object for an old outlet, else NULL */
	struct plugin_object *object;
	uint64_t fingerprint;
};

struct outlet_stage {
	struct agent *agent;
	struct plan *plan;
	struct problems *problems;
	GArray *wanted; /* struct wanted */
};

/* ---- one outlet */

static void close_formers(struct agent_outlet *ao, uint64_t generation)
{
	for (guint i = ao->former->len; i-- > 0;) {
		struct former_object *f = &g_array_index(ao->former, struct former_object, i);

		if (f->generation <= generation) {
			plugin_object_close(f->object);
			g_array_remove_index_fast(ao->former, i);
		}
	}
}

static void outlet_close(struct agent_outlet *ao)
{
	outlet_free(ao->outlet);
	close_formers(ao, UINT64_MAX);
	g_array_unref(ao->former);
	plugin_object_close(ao->object);
	g_free(ao->url);
	g_free(ao);
}

static struct agent_outlet *find_outlet(const struct agent *agent, const char *url)
{
	for (guint i = 0; i < agent->outlets->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(agent->outlets, i);

		if (strcmp(ao->url, url) == 0) {
			return ao;
		}
	}
	return NULL;
}

/* ---- opening */

/* Opens the publisher of a URL; 0 or -errno with the reason, which has been told. */
static int open_object(struct outlet_stage *st, const struct polling_text *text,
		       struct plugin_object **ret_object, struct vmt_error *error)
{
	return plugin_object_open_sink(st->agent->registry, st->plan->ini, text->text, &text->at,
				       ret_object, st->problems, error);
}

static struct outlet_parts parts_of(const struct outlet_stage *st, struct plugin_object *object,
				    const char *place)
{
	return (struct outlet_parts){ .url = plugin_object_url(object),
				      .name = place,
				      .backlog_rate = st->plan->settings.queue_rate,
				      .ops = object->plugin->ops.publisher,
				      .self = object->self,
				      .policy = object->policy,
				      .timeout_ns = st->plan->settings.publish_timeout_ns };
}

/* What an outlet of that URL depends on; 0 when it cannot even be configured. */
static uint64_t fingerprint_of(const struct outlet_stage *st, const char *text)
{
	int64_t timeout_ns = st->plan->settings.publish_timeout_ns;
	double rate = st->plan->settings.queue_rate;
	const struct vmt_plugin *plugin =
		registry_find_url(st->agent->registry, VMT_PUBLISHER, text, NULL);
	uint64_t fingerprint = 0;

	if (!plugin || plugin_object_fingerprint(plugin, st->plan->ini, text, &fingerprint) < 0) {
		return 0;
	}
	fingerprint = hash64(&rate, sizeof(rate), fingerprint);
	return hash64(&timeout_ns, sizeof(timeout_ns), fingerprint);
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

static int open_outlet(struct outlet_stage *st, const struct polling_text *text, const char *place,
		       struct agent_outlet *ao, struct vmt_error *error)
{
	struct outlet_parts parts;
	int ret = open_object(st, text, &ao->object, error);

	if (ret < 0) {
		return ret;
	}
	parts = parts_of(st, ao->object, place);
	ret = outlet_new(st->agent->spool, &parts, &ao->outlet);
	if (ret < 0) {
		plugin_object_close(ao->object);
		ao->object = NULL;
		vmt_error_set(error, ret, "more publishers than %d", SPOOL_CURSORS);
		problems_add_failed(st->problems, &text->at, "%s; its sink goes on without",
				    error->text);
		return ret;
	}
	return 0;
}

static struct agent_outlet *new_outlet(struct outlet_stage *st, const struct polling_text *text,
				       const char *place)
{
	struct agent_outlet *ao = g_new0(struct agent_outlet, 1);
	struct vmt_error error = { .text = "" };
	char *safe;

	ao->url = g_strdup(text->text);
	ao->fingerprint = fingerprint_of(st, text->text);
	ao->former = g_array_new(FALSE, FALSE, sizeof(struct former_object));
	if (open_outlet(st, text, place, ao, &error) < 0) {
		safe = safe_text(text->text);
		ao->outlet = outlet_new_failed(safe, error.text);
		g_free(safe);
	}
	return ao;
}

/* ---- one in the place of another */

static bool plan_names(const struct plan *plan, const char *url)
{
	for (size_t i = 0; i < plan_sinks(plan); i++) {
		const struct polling_list *list = &plan_sink(plan, i)->publishers;

		for (size_t k = 0; k < list->count; k++) {
			if (strcmp(list->item[k].text, url) == 0) {
				return true;
			}
		}
	}
	return false;
}

static bool is_taken(const struct outlet_stage *st, const struct agent_outlet *ao)
{
	for (guint i = 0; i < st->wanted->len; i++) {
		if (g_array_index(st->wanted, struct wanted, i).outlet == ao) {
			return true;
		}
	}
	return false;
}

static bool same_scheme(const char *a, const char *b)
{
	size_t n = strcspn(a, ":");

	return n == strcspn(b, ":") && g_ascii_strncasecmp(a, b, n) == 0;
}

/* The outlet of the sink of that name in the configuration before whose URL, of the same scheme, is not
 * there any more: its queue is for the new URL. */
static struct agent_outlet *find_predecessor(const struct outlet_stage *st, const char *sink,
					     const char *url)
{
	const struct plan *old = st->agent->plan;

	for (size_t i = 0; i < plan_sinks(old); i++) {
		const struct pipeline_sink *one = plan_sink(old, i);
		const struct polling_list *list = &one->publishers;

		for (size_t k = 0; k < list->count && strcmp(one->name, sink) == 0; k++) {
			const char *before = list->item[k].text;
			struct agent_outlet *ao = find_outlet(st->agent, before);

			if (ao && ao->object && same_scheme(before, url) &&
			    !plan_names(st->plan, before) && !is_taken(st, ao)) {
				return ao;
			}
		}
	}
	return NULL;
}

/* ---- the stage */

struct outlet_stage *outlet_stage_new(struct agent *agent, struct plan *plan,
				      struct problems *problems)
{
	struct outlet_stage *st = g_new0(struct outlet_stage, 1);

	st->agent = agent;
	st->plan = plan;
	st->problems = problems;
	st->wanted = g_array_new(FALSE, TRUE, sizeof(struct wanted));
	return st;
}

/* Where a publisher stands: its sink, its scheme, and which of that scheme it is there.  By it a durable
 * log knows one whose URL was changed. */
static char *place_of(const struct pipeline_sink *sink, const struct polling_text *publisher)
{
	int scheme = (int)strcspn(publisher->text, ":");
	unsigned n = 0;

	for (size_t i = 0; &sink->publishers.item[i] != publisher; i++) {
		n += same_scheme(sink->publishers.item[i].text, publisher->text);
	}
	return g_strdup_printf("%s/%.*s/%u", sink->name, scheme, publisher->text, n);
}

/* What is queued for a URL that is still there is for none of another. */
void outlet_stage_reserve(struct outlet_stage *st)
{
	for (size_t i = 0; i < plan_sinks(st->plan); i++) {
		const struct polling_list *list = &plan_sink(st->plan, i)->publishers;

		for (size_t k = 0; k < list->count; k++) {
			char *safe = safe_text(list->item[k].text);

			spool_reserve(st->agent->spool, safe);
			g_free(safe);
		}
	}
}

struct agent_outlet *outlet_stage_want(struct outlet_stage *st, const struct pipeline_sink *sink,
				       const struct polling_text *text, struct vmt_error *error)
{
	struct wanted w = { .url = text->text };

	for (guint i = 0; i < st->wanted->len; i++) {
		const struct wanted *one = &g_array_index(st->wanted, struct wanted, i);

		if (strcmp(one->url, text->text) == 0) {
			return one->outlet;
		}
	}
	w.place = place_of(sink, text);
	w.outlet = find_outlet(st->agent, text->text);
	if (!w.outlet) {
		w.outlet = find_predecessor(st, sink->name, text->text);
	}
	if (!w.outlet || !w.outlet->object) { /* new, or worth another try */
		w.outlet = new_outlet(st, text, w.place);
		w.fresh = true;
	} else {
		w.fingerprint = fingerprint_of(st, text->text);
		if (w.fingerprint != w.outlet->fingerprint &&
		    open_object(st, text, &w.object, error) < 0) {
			g_free(w.place);
			return NULL;
		}
	}
	g_array_append_val(st->wanted, w);
	return w.outlet;
}

static void replace(struct outlet_stage *st, struct wanted *w)
{
	struct agent_outlet *ao = w->outlet;
	struct outlet_parts parts = parts_of(st, w->object, w->place);
	struct former_object former = { .object = ao->object };

	former.generation = outlet_replace(ao->outlet, &parts);
	g_array_append_val(ao->former, former);
	ao->object = w->object;
	ao->fingerprint = w->fingerprint;
	g_free(ao->url);
	ao->url = g_strdup(w->url);
}

void outlet_stage_commit(struct outlet_stage *st)
{
	struct agent *a = st->agent;
	GPtrArray *now = g_ptr_array_new();

	for (guint i = 0; i < st->wanted->len; i++) {
		struct wanted *w = &g_array_index(st->wanted, struct wanted, i);

		if (w->object) {
			replace(st, w);
		}
		g_ptr_array_add(now, w->outlet);
		g_free(w->place);
	}
	for (guint i = 0; i < a->outlets->len; i++) {
		if (!is_taken(st, g_ptr_array_index(a->outlets, i))) {
			g_ptr_array_add(a->old_outlets, g_ptr_array_index(a->outlets, i));
		}
	}
	g_ptr_array_unref(a->outlets);
	a->outlets = now;
	g_array_unref(st->wanted);
	g_free(st);
}

void outlet_stage_abort(struct outlet_stage *st)
{
	for (guint i = 0; i < st->wanted->len; i++) {
		struct wanted *w = &g_array_index(st->wanted, struct wanted, i);

		g_free(w->place);
		plugin_object_close(w->object);
		if (w->fresh) {
			outlet_abort(w->outlet->outlet, SPOOL_REMOVED);
			outlet_close(w->outlet);
		}
	}
	g_array_unref(st->wanted);
	g_free(st);
}

/* ---- what goes */

bool agent_reap_outlets(struct agent *a, bool wait)
{
	bool formers = false;

	for (guint i = 0; i < a->outlets->len; i++) {
		struct agent_outlet *ao = g_ptr_array_index(a->outlets, i);

		close_formers(ao, outlet_generation(ao->outlet));
		formers = formers || ao->former->len > 0;
	}
	for (guint i = a->old_outlets->len; i-- > 0;) {
		struct agent_outlet *ao = g_ptr_array_index(a->old_outlets, i);

		if (wait) {
			outlet_abort(ao->outlet, SPOOL_SHUTDOWN);
		} else if (!ao->leaving && atomic_load(&ao->users) == 0) {
			ao->leaving = true;
			outlet_leave(ao->outlet, clock_monotonic() + RETIRE_NS);
		}
		if (wait || (ao->leaving && outlet_done(ao->outlet))) {
			g_ptr_array_remove_index_fast(a->old_outlets, i);
			outlet_close(ao);
		}
	}
	return formers || a->old_outlets->len > 0;
}

void agent_outlets_leave(struct agent *a, int64_t deadline_ns)
{
	GPtrArray *const lists[] = { a->outlets, a->old_outlets };

	for (size_t l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			struct agent_outlet *ao = g_ptr_array_index(lists[l], i);

			ao->leaving = true;
			outlet_leave(ao->outlet, deadline_ns);
		}
	}
}

bool agent_outlets_done(struct agent *a)
{
	GPtrArray *const lists[] = { a->outlets, a->old_outlets };

	for (size_t l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			struct agent_outlet *ao = g_ptr_array_index(lists[l], i);

			if (!outlet_done(ao->outlet)) {
				return false;
			}
		}
	}
	return true;
}
