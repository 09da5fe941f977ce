/* SPDX-License-Identifier: Apache-2.0 */
/* What polling tasks stand on: opened once, kept over reloads.  Main thread; blocks on nothing. */
#include "agent/basis.h"

#include <errno.h>
#include <string.h>

#include "agent/instances.h"
#include "base/hash.h"
#include "conf/settings.h"
#include "plugin/object.h"
#include "plugin/registry.h"

/* ---- which plugins */

static const struct vmt_plugin *find_discovery(struct registry *registry, const struct endpoint *e,
					       struct vmt_error *error)
{
	struct vmt_error why;
	const struct vmt_plugin *plugin =
		registry_find(registry, VMT_DISCOVERY, e->discovery, &why);

	if (!plugin) {
		vmt_error_set(error, -ENOENT, "discovery %s: %s", e->discovery, why.text);
	}
	return plugin;
}

static const struct vmt_plugin *find_inspector(struct registry *registry, const struct endpoint *e,
					       struct vmt_error *error)
{
	struct vmt_error why = { .text = "" };
	const struct vmt_plugin *plugin =
		registry_find(registry, VMT_INSPECTOR, e->inspector, &why);
	const char **names;

	if (!plugin) {
		names = registry_names(registry, VMT_INSPECTOR);
		settings_inspector_known(e->inspector, names, &why);
		g_free(names);
		vmt_error_set(error, -ENOENT, "inspector: %s", why.text);
	}
	return plugin;
}

static bool is_wanted(const struct plan *plan, const char *pollster)
{
	for (const char *const *w = plan->settings.pollsters; *w; w++) {
		if (pattern_glob(*w, pollster)) {
			return true;
		}
	}
	return false;
}

/* ---- discoveries of the sources */

char *basis_split_url(const char *url, const char **ret_param)
{
	const char *mark = strstr(url, "://");

	*ret_param = mark ? mark + 3 : "";
	return mark ? g_strndup(url, (size_t)(mark - url)) : g_strdup(url);
}

/* Ceilometer's name for the instances of this host means the endpoint's own discovery, whichever it is. */
static bool is_own(const struct endpoint *e, const char *url)
{
	const char *param;
	char *name = basis_split_url(url, &param);
	bool own = param[0] == '\0' &&
		   (strcmp(name, "local_instances") == 0 || strcmp(name, e->discovery) == 0 ||
		    g_ascii_strcasecmp(name, e->name) == 0);

	g_free(name);
	return own;
}

static bool is_some(const struct endpoints *endpoints, const char *url)
{
	bool some = false;

	for (size_t i = 0; i < endpoints->count && !some; i++) {
		some = is_own(&endpoints->at[i], url);
	}
	return some;
}

static bool has_url(const struct polling_text *const *text, size_t count, const char *url)
{
	while (count > 0) {
		if (strcmp(text[--count]->text, url) == 0) {
			return true;
		}
	}
	return false;
}

size_t basis_other_discoveries(const struct polling *polling, const struct endpoints *endpoints,
			       const struct polling_text *ret_text[BASIS_LISTS])
{
	size_t n = 0;

	for (size_t i = 0; i < polling->source_count; i++) {
		const struct polling_list *list = &polling->sources[i].discovery;

		for (size_t k = 0; k < list->count && n < BASIS_LISTS; k++) {
			const struct polling_text *text = &list->item[k];

			if (!is_some(endpoints, text->text) && !has_url(ret_text, n, text->text)) {
				ret_text[n++] = text;
			}
		}
	}
	return n;
}

/* Those of the plan, which the first endpoint has; at most as many as are taken. */
static size_t other_discoveries(const struct plan *plan, const struct endpoint *e,
				const struct polling_text *ret_text[BASIS_LISTS])
{
	return e->first ? MIN(basis_other_discoveries(plan->polling, &plan->endpoints, ret_text),
			      (size_t)BASIS_LISTS - 1)
			: 0;
}

int basis_find_list(const struct basis *basis, const char *url)
{
	if (is_own(basis->endpoint, url)) {
		return 0;
	}
	for (size_t i = 1; i < basis->lists; i++) {
		if (strcmp(basis->list[i].url, url) == 0) {
			return (int)i;
		}
	}
	return -ENOENT;
}

bool basis_is_elsewhere(const struct plan *plan, const struct basis *basis, const char *url)
{
	return !is_own(basis->endpoint, url) &&
	       (!basis->endpoint->first || is_some(&plan->endpoints, url));
}

/* ---- the number */

static uint64_t hash_text(const char *text, uint64_t seed)
{
	return hash64(text ? text : "", text ? strlen(text) + 1 : 0, seed);
}

static uint64_t hash_list(const char *const *list, uint64_t seed)
{
	for (; list && *list; list++) {
		seed = hash_text(*list, seed);
	}
	return hash_text(NULL, seed);
}

static uint64_t hash_settings(const struct settings *s)
{
	const int64_t numbers[] = { s->meter_profile, s->reserved_metadata_length,
				    s->report_stopped_instance_metrics };
	uint64_t h = hash64(numbers, sizeof(numbers), 0);

	h = hash_text(s->host, hash_text(s->sample_source, h));
	h = hash_list(s->reserved_metadata_namespace, h);
	return hash_list(s->reserved_metadata_keys, h);
}

/* Adds a plugin's number; one that is configured wrong has one too, as it will be left out. */
static void add_plugin(const struct vmt_plugin *plugin, const struct endpoint *e, uint64_t *h)
{
	uint64_t one = 0;

	if (plugin) {
		plugin_object_fingerprint(plugin, e->ini, NULL, &one);
	}
	*h = hash64(&one, sizeof(one), *h);
}

int basis_fingerprint(struct registry *registry, const struct plan *plan, const struct endpoint *e,
		      uint64_t *ret_fingerprint, struct vmt_error *error)
{
	const struct vmt_plugin *discovery = find_discovery(registry, e, error);
	const struct vmt_plugin *inspector = discovery ? find_inspector(registry, e, error) : NULL;
	uint64_t h = hash_text(e->name, hash_settings(&plan->settings) + e->first);
	const struct polling_text *other[BASIS_LISTS];
	const char **names;
	size_t others;

	if (!inspector) {
		return -ENOENT;
	}
	add_plugin(discovery, e, &h);
	if (e->joined) {
		add_plugin(registry_find(registry, VMT_DISCOVERY, e->joined, NULL), e, &h);
	}
	if (e->lookups) {
		add_plugin(registry_find(registry, VMT_DISCOVERY, e->lookups, NULL), e, &h);
	}
	add_plugin(inspector, e, &h);
	others = other_discoveries(plan, e, other);
	for (size_t i = 0; i < others; i++) {
		const char *param;
		char *name = basis_split_url(other[i]->text, &param);

		h = hash_text(other[i]->text, h);
		add_plugin(registry_find(registry, VMT_DISCOVERY, name, NULL), e, &h);
		g_free(name);
	}
	names = registry_names(registry, VMT_POLLSTER);
	for (size_t i = 0; names[i]; i++) {
		if (is_wanted(plan, names[i])) {
			add_plugin(registry_find(registry, VMT_POLLSTER, names[i], NULL), e, &h);
		}
	}
	g_free(names);
	*ret_fingerprint = h;
	return 0;
}

/* ---- opening */

static void open_pollsters(struct basis *b, struct registry *registry, struct problems *problems)
{
	const char **names = registry_names(registry, VMT_POLLSTER);

	for (size_t i = 0; names[i]; i++) {
		struct plugin_object *object = NULL;
		const struct vmt_plugin *plugin;
		struct vmt_error error;

		if (!is_wanted(b->plan, names[i])) {
			continue;
		}
		plugin = registry_find(registry, VMT_POLLSTER, names[i], &error);
		if (!plugin || plugin_object_open(plugin, b->endpoint->ini, NULL, NULL, false,
						  &object, problems, &error) < 0) {
			problems_add_failed(problems, NULL,
					    "pollster %s: %s; its meters are left out", names[i],
					    error.text);
			continue;
		}
		g_ptr_array_add(b->pollsters, object);
	}
	g_free(names);
}

static int open_list(struct basis *b, const struct vmt_plugin *plugin, const char *url,
		     const char *param, struct problems *problems, struct vmt_error *error)
{
	struct basis_list *l = &b->list[b->lists];
	int ret = plugin_object_open(plugin, b->endpoint->ini, NULL, NULL, false, &l->discovery,
				     problems, error);

	if (ret == 0) {
		l->url = g_strdup(url);
		l->instances = instances_new(plugin->name, param, plugin->ops.discovery,
					     l->discovery->self);
		b->lists++;
	}
	return ret;
}

/* Nova beside the hypervisor; without it instances are as the hypervisor knows them. */
static void open_joined(struct basis *b, struct registry *registry, struct problems *problems)
{
	struct basis_list *l = &b->list[0];
	struct vmt_error error = { .text = "" };
	const struct vmt_plugin *plugin =
		registry_find(registry, VMT_DISCOVERY, b->endpoint->joined, &error);

	if (!plugin || plugin_object_open(plugin, b->endpoint->ini, NULL, NULL, false, &l->joined,
					  problems, &error) < 0) {
		problems_add_failed(problems, NULL,
				    "instance_discovery_method = %s: %s; instances are as the "
				    "hypervisor knows them",
				    b->plan->settings.instance_discovery_method, error.text);
		return;
	}
	instances_join(l->instances, plugin->name, plugin->ops.discovery, l->joined->self,
		       plan_joins_by_name(b->endpoint->discovery));
}

/* What Keystone and Nova know of the agent's own instances. */
static void open_lookups(struct basis *b, struct registry *registry, struct problems *problems)
{
	struct basis_list *l = &b->list[0];
	struct vmt_error error = { .text = "" };
	const struct vmt_plugin *plugin =
		registry_find(registry, VMT_DISCOVERY, b->endpoint->lookups, &error);

	if (!plugin || plugin_object_open(plugin, b->endpoint->ini, NULL, NULL, false, &l->lookups,
					  problems, &error) < 0) {
		problems_add_failed(problems, NULL, "service_credentials: %s; nothing is looked up",
				    error.text);
		return;
	}
	instances_describe(l->instances, plugin->name, plugin->ops.discovery, l->lookups->self);
}

/* What sources name beside the agent's own; one that is not there is left out, as in Ceilometer (agent/vet.h tells). */
static void open_others(struct basis *b, struct registry *registry, struct problems *problems)
{
	const struct polling_text *other[BASIS_LISTS];
	size_t others = other_discoveries(b->plan, b->endpoint, other);

	for (size_t i = 0; i < others; i++) {
		const char *url = other[i]->text, *param;
		char *name = basis_split_url(url, &param);
		struct vmt_error error = { .text = "" };
		const struct vmt_plugin *plugin =
			registry_find(registry, VMT_DISCOVERY, name, NULL);

		if (plugin && open_list(b, plugin, url, param, problems, &error) < 0) {
			problems_add_failed(problems, &other[i]->at,
					    "discovery %s: %s; it is left out", name, error.text);
		}
		g_free(name);
	}
}

/* The host's own meters, of each endpoint. */
static void name_host(struct basis *b)
{
	if (!b->endpoint->first && b->settings.host) {
		b->host = g_strdup_printf("%s/%s", b->settings.host, b->endpoint->name);
		b->settings.host = b->host;
	}
}

int basis_new(struct registry *registry, struct plan *plan, const struct endpoint *e,
	      struct problems *problems, struct basis **ret_basis, struct vmt_error *error)
{
	struct basis *b;
	const struct vmt_plugin *discovery;
	uint64_t fingerprint;
	int ret = basis_fingerprint(registry, plan, e, &fingerprint, error);

	if (ret < 0) {
		return ret;
	}
	b = g_new0(struct basis, 1);
	b->refs = 1;
	b->plan = plan_ref(plan);
	b->endpoint = e;
	b->fingerprint = fingerprint;
	b->pollsters = g_ptr_array_new();
	plan_meter_settings(plan, &b->settings);
	name_host(b);
	discovery = find_discovery(registry, e, error);
	b->list = g_new0(struct basis_list, BASIS_LISTS);
	ret = open_list(b, discovery, e->discovery, "", problems, error);
	if (ret == 0 && e->joined) {
		open_joined(b, registry, problems);
	}
	if (ret == 0 && e->lookups) {
		open_lookups(b, registry, problems);
	}
	if (ret == 0) {
		open_others(b, registry, problems);
		open_pollsters(b, registry, problems);
	}
	g_ptr_array_add(b->pollsters, NULL);
	if (ret < 0) {
		basis_unref(b);
		return ret;
	}
	*ret_basis = b;
	return 0;
}

struct basis *basis_ref(struct basis *basis)
{
	basis->refs++;
	return basis;
}

void basis_unref(struct basis *basis)
{
	if (!basis || --basis->refs > 0) {
		return;
	}
	for (size_t i = 0; i < basis->lists; i++) {
		instances_free(basis->list[i].instances);
		plugin_object_close(basis->list[i].discovery);
		plugin_object_close(basis->list[i].joined);
		plugin_object_close(basis->list[i].lookups);
		g_free(basis->list[i].url);
	}
	g_free(basis->list);
	for (guint i = 0; i + 1 < basis->pollsters->len; i++) {
		plugin_object_close(g_ptr_array_index(basis->pollsters, i));
	}
	g_ptr_array_unref(basis->pollsters);
	g_free(basis->host);
	plan_unref(basis->plan);
	g_free(basis);
}
