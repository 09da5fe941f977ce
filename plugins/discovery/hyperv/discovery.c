/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "hyperv": the machines that a Hyper-V host lists, without Nova.  Shared object.  Runs on a worker of the
 * host; blocks on the network until the call's deadline.
 *
 * Two enumerations: machines, and their settings, of which the configured ones count (not those of checkpoints).
 */
#include "base/arena.h"
#include "plugins/discovery/hyperv/options.h"
#include "plugins/hyperv/rest.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* Msvm_ComputerSystem. */
struct system {
	const char *name, *element, *state;
};

/* Msvm_VirtualSystemSettingData. */
struct setting {
	const char *guid, *notes, *version, *generation;
};

struct discovery {
	struct wsman_client *client;
	char *host; /* as configured */
	struct backoff rest;
	struct arena *arena;
	GArray *systems;
	GHashTable *settings; /* GUID in lower case to its setting */
	GHashTable *written; /* ids that Nova wrote into notes, to how many machines have them */
};

static const struct wsman_query systems_query = {
	.space = HYPERV_V2,
	.wanted = { .class_name = "Msvm_ComputerSystem",
		    .properties =
			    (const char *const[]){ "Name", "ElementName", "EnabledState", NULL } },
};

static const struct wsman_query settings_query = {
	.space = HYPERV_V2,
	.wanted = { .class_name = "Msvm_VirtualSystemSettingData",
		    .properties = (const char *const[]){ "VirtualSystemIdentifier", "Notes",
							 "Version", "VirtualSystemSubType",
							 NULL } },
	.wql = "SELECT * FROM Msvm_VirtualSystemSettingData WHERE VirtualSystemType = "
	       "'Microsoft:Hyper-V:System:Realized'",
};

/* By EnabledState; the words are Ceilometer's. */
static const struct {
	const char *enabled, *state, *status;
} words[] = {
	{ "2", "running", "active" },     { "3", "shutdown", "stopped" },
	{ "4", "shutdown", "stopped" },   { "6", "suspended", "suspended" },
	{ "9", "paused", "paused" },      { "10", "running", "active" },
	{ "32768", "paused", "paused" },  { "32769", "suspended", "suspended" },
	{ "32770", "running", "active" }, { "32771", "running", "active" },
	{ "32773", "running", "active" }, { "32774", "shutdown", "stopped" },
	{ "32776", "paused", "paused" },  { "32777", "running", "active" },
};

/* ------------------------------------------------------------------ what comes */

static void begin_systems(void *context)
{
	struct discovery *d = context;

	g_array_set_size(d->systems, 0);
}

static void add_system(void *context, const struct wsman_item *item)
{
	struct discovery *d = context;
	struct system s = { .name = arena_strdup(d->arena, item->value[0]),
			    .element = arena_strdup(d->arena, item->value[1]),
			    .state = arena_strdup(d->arena, item->value[2]) };

	if (s.name && s.element) {
		g_array_append_val(d->systems, s);
	}
}

static void begin_settings(void *context)
{
	struct discovery *d = context;

	g_hash_table_remove_all(d->settings);
	g_hash_table_remove_all(d->written);
}

/* Nova's driver writes the instance's id into the notes, and nothing else. */
static const char *written_id(const struct setting *s)
{
	return s && hyperv_is_guid(s->notes) ? s->notes : NULL;
}

static void count_written(struct discovery *d, const struct setting *s)
{
	char *id = (char *)(uintptr_t)written_id(s);

	if (id) {
		guint count = GPOINTER_TO_UINT(g_hash_table_lookup(d->written, id));

		g_hash_table_insert(d->written, id, GUINT_TO_POINTER(count + 1));
	}
}

static void add_setting(void *context, const struct wsman_item *item)
{
	struct discovery *d = context;
	struct setting *s = ARENA_NEW(d->arena, struct setting);
	char *key;

	if (!hyperv_is_guid(item->value[0])) {
		return;
	}
	key = g_ascii_strdown(item->value[0], -1);
	s->guid = arena_strdup(d->arena, key);
	s->notes = arena_strdup(d->arena, item->value[1]);
	s->version = arena_strdup(d->arena, item->value[2]);
	s->generation = arena_strdup(d->arena, item->value[3]);
	g_free(key);
	g_hash_table_insert(d->settings, (char *)s->guid, s);
	count_written(d, s);
}

/* ------------------------------------------------------------------ instances */

static void add_pair(struct vmt_pair *pairs, size_t *n, const char *key, const char *value)
{
	if (value && *value) {
		pairs[(*n)++] = (struct vmt_pair){ .key = key, .value = value };
	}
}

/* Nova's id where this machine alone has it (a copy has the same notes), else Hyper-V's.  To be freed. */
static char *id_of(const struct discovery *d, const struct system *s, const struct setting *more)
{
	const char *written = written_id(more);
	bool once = written && GPOINTER_TO_UINT(g_hash_table_lookup(d->written, written)) == 1;

	return g_ascii_strdown(once ? written : s->name, -1);
}

static int add_instance(struct discovery *d, const struct system *s, const char *host,
			struct vmt_snapshot_builder *builder)
{
	char *guid = g_ascii_strdown(s->name, -1);
	const struct setting *more = g_hash_table_lookup(d->settings, guid);
	char *id = id_of(d, s, more);
	struct vmt_pair attributes[4] = { { 0 } };
	struct vmt_instance in = { .id = id,
				   .name = s->element,
				   .display_name = s->element,
				   .host_id = host,
				   .host = host,
				   .state = "pending",
				   .status = "building",
				   .task_state = "",
				   .attributes = attributes };
	size_t n = 0;
	int err;

	for (size_t i = 0; s->state && i < G_N_ELEMENTS(words); i++) {
		if (strcmp(words[i].enabled, s->state) == 0) {
			in.state = words[i].state;
			in.status = words[i].status;
		}
	}
	if (more) {
		add_pair(attributes, &n, "notes", more->notes);
		add_pair(attributes, &n, "version", more->version);
		add_pair(attributes, &n, "generation", more->generation);
	}
	err = vmt_snapshot_add(builder, &in);
	g_free(id);
	g_free(guid);
	return err == -EEXIST ? 0 : err;
}

static int by_name(gconstpointer a, gconstpointer b)
{
	const struct system *x = a, *y = b;
	int order = strcmp(x->element, y->element);

	return order ? order : strcmp(x->name, y->name);
}

/* The host's own entry has the host's name in place of a GUID. */
static const char *host_of(const struct discovery *d)
{
	for (guint i = 0; i < d->systems->len; i++) {
		const struct system *s = &g_array_index(d->systems, struct system, i);

		if (!hyperv_is_guid(s->name)) {
			return s->name;
		}
	}
	return d->host;
}

static int list(struct discovery *d, struct vmt_snapshot_builder *builder, struct vmt_error *error)
{
	const char *host = host_of(d);
	int err = 0;

	g_array_sort(d->systems, by_name); /* the same machines give the same list */
	for (guint i = 0; i < d->systems->len && err == 0; i++) {
		const struct system *s = &g_array_index(d->systems, struct system, i);

		err = hyperv_is_guid(s->name) ? add_instance(d, s, host, builder) : 0;
	}
	return err < 0 ? vmt_error_set(error, err, "hyperv %s: %s", d->host, g_strerror(-err)) : 1;
}

static int discovery_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			      const struct vmt_call *call, struct vmt_error *error)
{
	struct discovery *d = self;
	const struct wsman_sink systems = { begin_systems, add_system, d };
	const struct wsman_sink settings = { begin_settings, add_setting, d };
	struct vmt_error why = { .text = "" };
	const char *address = wsman_session_address(wsman_client_session(d->client));
	int err = hyperv_rest_check(&d->rest, address, &why);

	if (err < 0) {
		return vmt_error_set(error, err, "hyperv %s", why.text);
	}
	g_hash_table_remove_all(d->settings);
	g_hash_table_remove_all(d->written);
	g_array_set_size(d->systems, 0);
	arena_reset(d->arena);
	err = wsman_enumerate(d->client, &systems_query, &systems, call, &why);
	hyperv_rest_note(&d->rest, err);
	if (err == 0) {
		err = wsman_enumerate(d->client, &settings_query, &settings, call, &why);
	}
	if (err < 0) {
		return vmt_error_set(error, err, "hyperv %s", why.text);
	}
	return list(d, builder, error);
}

static int discovery_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct discovery_conf *conf = configuration;
	struct wsman_client *client;
	struct discovery *d;
	int err = hyperv_client_new(&conf->hyperv, &client, error);

	if (err < 0) {
		return err;
	}
	d = g_new0(struct discovery, 1);
	d->client = client;
	d->host = g_strdup(conf->hyperv.host);
	d->arena = arena_new(64 << 10);
	d->systems = g_array_new(FALSE, FALSE, sizeof(struct system));
	d->settings = g_hash_table_new(g_str_hash, g_str_equal);
	d->written = g_hash_table_new(g_str_hash, g_str_equal);
	*ret_self = d;
	return 0;
}

static void discovery_close(void *self)
{
	struct discovery *d = self;

	if (d) {
		wsman_client_free(d->client);
		g_hash_table_destroy(d->settings);
		g_hash_table_destroy(d->written);
		g_array_free(d->systems, TRUE);
		arena_free(d->arena);
		g_free(d->host);
		g_free(d);
	}
}

static const struct vmt_discovery_ops ops = {
	.open = discovery_open,
	.discover = discovery_discover,
	.close = discovery_close,
};

VMT_PLUGIN(discovery, hyperv) = {
	HYPERV_DISCOVERY,
	.ops.discovery = &ops,
};
