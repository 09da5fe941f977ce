/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that can be read, and what they may be meant to say.  Main thread; blocks on loading shared objects. */
#include "agent/vet.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "agent/basis.h"
#include "agent/work.h"
#include "conf/nearest.h"
#include "model/meter.h"

/* ---- patterns */

/* Beginnings of Ceilometer's meters that other agents poll (central, IPMI), beside those of compute in
 * one file. */
static const char *const elsewhere[] = { "hardware.",         "volume.",   "image",
					 "storage.",          "radosgw.",  "ip.",
					 "network.services.", "switch",    "port",
					 "floatingip",        "identity.", NULL };

static bool is_elsewhere(const char *glob)
{
	for (size_t i = 0; elsewhere[i]; i++) {
		if (g_str_has_prefix(glob, elsewhere[i])) {
			return true;
		}
	}
	return false;
}

/* Names that a pattern may mean: of all meters, in every profile. */
static GPtrArray *meter_names(const struct registry *registry)
{
	GPtrArray *names = g_ptr_array_new();

	for (size_t i = 0; i < meter_count(); i++) {
		g_ptr_array_add(names, (void *)(uintptr_t)meter_at(i)->name);
		for (int p = 0; p <= VMT_PROFILE_26; p++) {
			const char *name = meter_name(meter_at(i), (enum vmt_profile)p);

			if (strcmp(name, meter_at(i)->name) != 0) {
				g_ptr_array_add(names, (void *)(uintptr_t)name);
			}
		}
	}
	for (size_t i = 0; i < registry_count(registry); i++) {
		const struct vmt_plugin *p = registry_at(registry, i);

		for (size_t m = 0; p->ns == VMT_POLLSTER && m < p->ops.pollster->count; m++) {
			g_ptr_array_add(names, (void *)(uintptr_t)p->ops.pollster->meters[m].name);
		}
	}
	g_ptr_array_add(names, NULL);
	return names;
}

/* A pattern that no meter matches is most likely mistyped. */
static void vet_pattern(const struct polling_text *pattern, const GPtrArray *names,
			struct problems *problems)
{
	const char *glob = pattern->text + (pattern->text[0] == '!'), *near;
	bool found = !*glob || strchr(glob, ':'); /* told already; a flavor's name stands there */

	for (guint i = 0; i + 1 < names->len && !found; i++) {
		found = pattern_glob(glob, g_ptr_array_index(names, i));
	}
	if (!found && is_elsewhere(glob)) {
		problems_add(problems, PROBLEM_NOTE, &pattern->at,
			     "%s: a meter of another agent, not polled here", glob);
	} else if (!found) {
		near = conf_nearest(glob, (const char *const *)names->pdata);
		problems_add(problems, PROBLEM_WARNING, &pattern->at,
			     "no meter matches %s%s%s%s; `virtmeter list meters` has them", glob,
			     near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
}

static void vet_patterns(const struct registry *registry, const struct polling *polling,
			 struct problems *problems)
{
	GPtrArray *names = meter_names(registry);

	for (size_t i = 0; i < polling->source_count; i++) {
		const struct polling_list *list = &polling->sources[i].meters;

		for (size_t k = 0; k < list->count; k++) {
			vet_pattern(&list->item[k], names, problems);
		}
	}
	g_ptr_array_unref(names);
}

/* ---- discoveries */

static void vet_discovery(struct registry *registry, const struct polling_text *text,
			  struct problems *problems)
{
	struct vmt_error error = { .text = "" };
	const char *param;
	char *name = basis_split_url(text->text, &param);

	if (!registry_find(registry, VMT_DISCOVERY, name, &error)) {
		problems_add_failed(problems, &text->at,
				    "Unknown discovery extension: %s: %s; it is left out", name,
				    error.text);
	}
	g_free(name);
}

static void vet_discoveries(struct registry *registry, const struct polling *polling,
			    const struct endpoints *endpoints, struct problems *problems)
{
	const struct polling_text *other[BASIS_LISTS];
	size_t n = basis_other_discoveries(polling, endpoints, other);

	for (size_t i = 0; i < n && i < BASIS_LISTS - 1; i++) {
		vet_discovery(registry, other[i], problems);
	}
	if (n == BASIS_LISTS) {
		problems_add_failed(problems, &other[n - 1]->at,
				    "more than %d discoveries; the others are left out",
				    BASIS_LISTS - 1);
	}
}

/* ---- pollsters */

static bool matches_some(const char *pattern, const char *const *names)
{
	bool some = strcmp(pattern, "*") == 0; /* there need not be any */

	for (size_t i = 0; names[i] && !some; i++) {
		some = pattern_glob(pattern, names[i]);
	}
	return some;
}

void vet_pollsters(const struct registry *registry, const struct ini *ini,
		   const struct settings *settings, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, "virtmeter", "pollsters", NULL);
	const char **names = registry_names(registry, VMT_POLLSTER);

	for (const char *const *w = settings->pollsters; *w; w++) {
		if (!matches_some(*w, names)) {
			problems_add_failed(problems, v ? &v->value_at : NULL,
					    "pollsters: no pollster %s is loaded", *w);
		}
	}
	g_free(names);
}

void vet_endpoints(struct registry *registry, const struct endpoints *endpoints,
		   const struct ini *ini, struct problems *problems)
{
	endpoints_vet_sections(endpoints, ini, problems);
	for (size_t i = 0; i < endpoints->count; i++) {
		const struct endpoint *e = &endpoints->at[i];
		const struct vmt_plugin *inspector =
			registry_find(registry, VMT_INSPECTOR, e->inspector, NULL);

		if (inspector && e->ini != ini) { /* the others' sections are looked at with all */
			(void)plugin_object_check(inspector, e->ini, NULL, NULL, problems);
		}
	}
}

/* ---- hypervisors */

/* Where the option stands that a plugin's reason is about, "[vmware] ca_file: ...", or NULL. */
static const struct ini_value *blamed(const struct ini *ini, const char *reason)
{
	char group[64], name[64];

	return sscanf(reason, "[%63[^]]] %63[a-z0-9_]", group, name) == 2
		       ? ini_find(ini, group, name, NULL)
		       : NULL;
}

/* Opens one of an endpoint's plugins as the agent would, and closes it. */
static void vet_opens(const struct vmt_plugin *plugin, const struct endpoint *e,
		      const struct ini_value *named, struct problems *problems)
{
	size_t errors = problems_of(problems, PROBLEM_ERROR);
	struct plugin_object *object;
	struct vmt_error error = { .text = "" };
	const struct ini_value *v;

	if (plugin_object_open(plugin, e->ini, NULL, NULL, false, &object, problems, &error) == 0) {
		plugin_object_close(object);
	} else if (problems_of(problems, PROBLEM_ERROR) == errors) {
		v = blamed(e->ini, error.text);
		v = v ? v : named;
		problems_add(problems, PROBLEM_ERROR, v ? &v->value_at : NULL,
			     "hypervisor_inspector = %s: %s", e->name, error.text);
	}
}

void vet_hypervisors(struct registry *registry, const struct endpoints *endpoints,
		     const struct ini *ini, struct problems *problems)
{
	const struct ini_value *named = ini_find(ini, NULL, "hypervisor_inspector", NULL);

	for (size_t i = 0; i < endpoints->count; i++) {
		const struct endpoint *e = &endpoints->at[i];
		const struct vmt_plugin *inspector =
			registry_find(registry, VMT_INSPECTOR, e->inspector, NULL);
		struct vmt_error error = { .text = "" };
		const struct vmt_plugin *discovery =
			registry_find(registry, VMT_DISCOVERY, e->discovery, &error);

		if (!inspector) {
			continue; /* told with the setting */
		}
		if (discovery) {
			vet_opens(discovery, e, named, problems);
		} else {
			problems_add(problems, PROBLEM_ERROR, named ? &named->value_at : NULL,
				     "hypervisor_inspector = %s: discovery %s: %s", e->name,
				     e->discovery, error.text);
		}
		vet_opens(inspector, e, named, problems);
	}
}

/* Opens the discovery that stands beside another one, as far as it looks at its options, and closes it. */
static int try_discovery(struct registry *registry, const struct ini *ini, const char *name,
			 struct vmt_error *error)
{
	const struct vmt_plugin *plugin = registry_find(registry, VMT_DISCOVERY, name, error);
	struct plugin_object *object = NULL;
	int code = plugin ? plugin_object_open(plugin, ini, NULL, NULL, false, &object, NULL, error)
			  : -ENOENT;

	plugin_object_close(object);
	return code;
}

/* The first endpoint that has one beside its own, or NULL. */
static const struct endpoint *first_with(const struct endpoints *endpoints, bool lookups)
{
	for (size_t i = 0; i < endpoints->count; i++) {
		const struct endpoint *e = &endpoints->at[i];

		if (lookups ? e->lookups : e->joined) {
			return e;
		}
	}
	return NULL;
}

void vet_joined(struct registry *registry, const struct endpoints *endpoints, const struct ini *ini,
		const struct settings *settings, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, "compute", "instance_discovery_method", NULL);
	const struct endpoint *e = first_with(endpoints, false);
	struct vmt_error error = { .text = "" };

	if (e && try_discovery(registry, e->ini, e->joined, &error) < 0) {
		problems_add_failed(problems, v ? &v->value_at : NULL,
				    "instance_discovery_method = %s: %s; instances are as the "
				    "hypervisor knows them",
				    settings->instance_discovery_method, error.text);
	}
}

/* What is asked for and needs an account. */
static void vet_without_account(const struct ini *ini, const struct settings *settings,
				struct problems *problems)
{
	const struct ini_value *fetch = ini_find(ini, "compute", "fetch_extra_metadata", NULL);
	const struct {
		const struct ini_value *value;
		bool wanted;
	} needs[] = {
		{ fetch, fetch && g_ascii_strcasecmp(fetch->text, "true") == 0 },
		{ ini_find(ini, "polling", "identity_name_discovery", "tenant_name_discovery"),
		  settings->identity_name_discovery },
		{ ini_find(ini, "polling", "ignore_disabled_projects", NULL),
		  settings->ignore_disabled_projects },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
		if (needs[i].value && needs[i].wanted) {
			problems_add(problems, PROBLEM_NOTE, &needs[i].value->value_at,
				     "%s has no effect without [service_credentials] auth_url",
				     needs[i].value->name);
		}
	}
}

void vet_lookups(struct registry *registry, const struct endpoints *endpoints,
		 const struct ini *ini, const struct settings *settings, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, "service_credentials", "auth_url", NULL);
	const struct endpoint *e = first_with(endpoints, true);
	struct vmt_error error = { .text = "" };

	if (!e && !first_with(endpoints, false)) {
		vet_without_account(ini, settings, problems);
	}
	if (e && try_discovery(registry, e->ini, e->lookups, &error) < 0) {
		problems_add_failed(problems, v ? &v->value_at : NULL,
				    "service_credentials: %s; nothing is looked up", error.text);
	}
}

/* ---- coordination */

void vet_coordination(struct registry *registry, const struct ini *ini,
		      const struct settings *settings, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, "coordination", "backend_url", NULL);
	const struct ini_value *method =
		ini_find(ini, "compute", "instance_discovery_method", NULL);
	const char *url = settings->coordination_url;
	const struct vmt_plugin *plugin;
	struct plugin_object *object;
	struct vmt_error error = { .text = "" };

	if (!url || !url[0]) {
		if (method &&
		    strcmp(settings->instance_discovery_method, "workload_partitioning") == 0) {
			problems_add(problems, PROBLEM_NOTE, &method->value_at,
				     "workload_partitioning shares nothing without [coordination] "
				     "backend_url");
		}
		return;
	}
	plugin = registry_find_url(registry, VMT_COORDINATOR, url, &error);
	if (!plugin || plugin_object_open(plugin, ini, url, v ? &v->value_at : NULL, false, &object,
					  problems, &error) < 0) {
		problems_add_failed(problems, v ? &v->value_at : NULL,
				    "coordination: %s; all instances are polled here", error.text);
		return;
	}
	plugin_object_close(object);
}

/* ---- the whole */

int vet_sources(struct registry *registry, const struct polling *polling,
		const struct endpoints *endpoints, struct problems *problems)
{
	vet_discoveries(registry, polling, endpoints, problems);
	vet_patterns(registry, polling, problems);
	return work_check(polling, problems);
}

void vet_pipeline(const struct registry *registry, const struct polling *pipeline,
		  struct problems *problems)
{
	vet_patterns(registry, pipeline, problems);
}

/* ---- receivers */

int vet_shared(struct registry *registry, const struct polling *pipeline, const char *receiver,
	       struct problems *problems)
{
	int ret = 0;

	for (size_t i = 0; pipeline && i < pipeline->sink_count; i++) {
		const struct pipeline_sink *sink = &pipeline->sinks[i];

		for (size_t t = 0; t < sink->transformer_count; t++) {
			const struct pipeline_transformer *conf = &sink->transformers[t];
			const struct vmt_plugin *p =
				registry_find(registry, VMT_TRANSFORMER, conf->name, NULL);

			if (p && p->ops.transformer->flush) {
				problems_add(problems, PROBLEM_ERROR, &conf->name_at,
					     "%s keeps samples, and %s gets a part of a queue's "
					     "only; set amqp_exclusive, or transform elsewhere",
					     conf->name, receiver);
				ret = -EINVAL;
			}
		}
	}
	return ret;
}

/* The name by which the largest number was given. */
static const struct ini_value *find_workers(const struct settings *settings, const struct ini *ini)
{
	static const struct {
		const char *group, *name;
	} names[] = { /* as settings' workers_given */
		      { "collector", "workers" },
		      { NULL, "collector_workers" },
		      { "notification", "workers" },
		      { NULL, "notification_workers" }
	};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		if (settings->workers_given[i] == settings->workers) {
			return ini_find(ini, names[i].group, names[i].name, NULL);
		}
	}
	return NULL;
}

bool vet_alone(const struct plugin_object *receiver)
{
	const struct vmt_receiver_ops *ops = receiver->plugin->ops.receiver;

	return ops->shared && !ops->shared(receiver->self);
}

static void vet_workers(const struct settings *settings, const struct ini *ini,
			const struct plugin_object *receiver, struct problems *problems)
{
	const struct ini_value *v = find_workers(settings, ini);

	if (settings->workers > 1 && vet_alone(receiver)) {
		problems_add(problems, PROBLEM_NOTE, v ? &v->value_at : NULL,
			     "%s: %s has one consumer, as amqp_exclusive says",
			     v ? v->name : "workers", plugin_object_url(receiver));
	}
}

static void vet_receiver(struct registry *registry, const struct ini *ini, const char *url,
			 const struct position *at, const struct settings *settings,
			 const struct polling *pipeline, struct problems *problems)
{
	struct vmt_error error = { .text = "" };
	const struct vmt_plugin *plugin = registry_find_url(registry, VMT_RECEIVER, url, &error);
	size_t errors = problems_of(problems, PROBLEM_ERROR);
	struct plugin_object *object;

	if (!plugin) {
		problems_add(problems, PROBLEM_ERROR, at, "receivers: %s", error.text);
		return;
	}
	if (plugin_object_open(plugin, ini, url, at, false, &object, problems, &error) < 0) {
		if (problems_of(problems, PROBLEM_ERROR) == errors) {
			problems_add(problems, PROBLEM_ERROR, at, "receivers: %s", error.text);
		}
		return;
	}
	if (plugin->ops.receiver->shared && plugin->ops.receiver->shared(object->self)) {
		(void)vet_shared(registry, pipeline, plugin_object_url(object), problems);
	}
	vet_workers(settings, ini, object, problems);
	plugin_object_close(object);
}

void vet_receivers(struct registry *registry, const struct ini *ini,
		   const struct settings *settings, const struct polling *pipeline,
		   struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, "virtmeter", "receivers", NULL);

	v = v ? v : ini_find(ini, NULL, "receivers", NULL);
	for (size_t i = 0; v && settings->receivers[i]; i++) {
		vet_receiver(registry, ini, settings->receivers[i], &v->value_at, settings,
			     pipeline, problems);
	}
}
