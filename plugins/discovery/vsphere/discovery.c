/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "vsphere": the machines that a vCenter or an ESXi host lists, without Nova.  Shared object.  Runs on a
 * worker of the host; blocks on the network until the call's deadline.
 */
#include "plugins/discovery/vsphere/options.h"
#include "plugins/discovery/vsphere/places.h"
#include "plugins/vim/machines.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>

#define CYCLE_BYTES (UINT64_C(256) << 20)
#define USER "metering." /* beginning of the keys that become user_metadata */

enum { ATTRIBUTES = 5, CUSTOM_MAX = 64 };

struct discovery {
	struct vim_client *client;
	struct vim_machines machines;
	struct places places;
	struct arena *arena; /* of the texts of one machine */
	uint64_t told_machines, told_places; /* versions of the last list that was told; 0: none */
	uint64_t seen_machines, seen_places; /* those that `lost` is of */
	bool lost; /* a machine is in a place that is not known */
	char *told_param;
};

/* By enum vim_power; the words are Ceilometer's. */
static const struct {
	const char *state, *status;
} words[] = {
	[VIM_POWER_UNKNOWN] = { "pending", "building" },
	[VIM_POWER_ON] = { "running", "active" },
	[VIM_POWER_OFF] = { "shutdown", "stopped" },
	[VIM_POWER_SUSPENDED] = { "suspended", "suspended" },
};

static void add_pair(struct vmt_pair *pairs, size_t *n, const char *key, const char *value)
{
	if (value && *value) {
		pairs[(*n)++] = (struct vmt_pair){ .key = key, .value = value };
	}
}

static void add_number(struct discovery *d, struct vmt_pair *pairs, size_t *n, const char *key,
		       int64_t number)
{
	if (number > 0) {
		pairs[(*n)++] = (struct vmt_pair){
			.key = key, .value = arena_printf(d->arena, "%" PRId64, number), .raw = true
		};
	}
}

/* What people wrote on it: its annotation and its custom attributes. */
static void add_words(struct discovery *d, const struct vim_machine *m, struct vmt_pair *pairs)
{
	size_t n = 0;

	add_pair(pairs, &n, USER "annotation", m->annotation);
	for (const struct vmt_pair *c = m->custom; c && c->key && n < CUSTOM_MAX; c++) {
		const char *name = places_field(&d->places, c->key);

		if (name) {
			bool has = g_str_has_prefix(name, USER);

			add_pair(pairs, &n, has ? name : arena_printf(d->arena, USER "%s", name),
				 c->value);
		}
	}
}

static int add_instance(struct discovery *d, const struct vim_machine *m,
			struct vmt_snapshot_builder *builder)
{
	const struct place *host = places_find(&d->places, m->host);
	const struct place *cluster = host ? places_find(&d->places, host->parent) : NULL;
	const struct place *folder = places_find(&d->places, m->parent);
	struct vmt_pair attributes[ATTRIBUTES + 1] = { { 0 } }, user[CUSTOM_MAX + 1] = { { 0 } };
	struct vmt_instance in = { .id = m->id,
				   .name = m->name,
				   .display_name = m->name,
				   .host_id = m->host,
				   .host = host ? host->name : m->host,
				   .state = words[m->power].state,
				   .status = words[m->power].status,
				   .task_state = "",
				   .attributes = attributes,
				   .metadata = user };
	size_t n = 0;
	int err;

	arena_reset(d->arena);
	add_number(d, attributes, &n, "vcpus", m->cpus);
	add_number(d, attributes, &n, "memory_mb", m->memory_mib);
	add_pair(attributes, &n, "moid", m->ref);
	if (cluster && g_str_has_suffix(cluster->type, "ComputeResource")) {
		add_pair(attributes, &n, "cluster", cluster->name);
	}
	if (folder && strcmp(folder->type, "Folder") == 0) {
		add_pair(attributes, &n, "folder", folder->name);
	}
	add_words(d, m, user);
	err = vmt_snapshot_add(builder, &in);
	return err == -EEXIST ? 0 : err;
}

static bool look_for_lost(const struct discovery *d)
{
	for (size_t i = 0; i < d->machines.count; i++) {
		const struct vim_machine *m = &d->machines.machine[i];

		if ((m->host && !places_find(&d->places, m->host)) ||
		    (m->parent && !places_find(&d->places, m->parent))) {
			return true;
		}
	}
	return false;
}

/* Looked for once in the same lists. */
static bool is_somewhere_unknown(struct discovery *d)
{
	if (d->seen_machines != d->machines.version || d->seen_places != d->places.version) {
		d->seen_machines = d->machines.version;
		d->seen_places = d->places.version;
		d->lost = look_for_lost(d);
	}
	return d->lost;
}

/* Where they are read anew and are the same, a place that is not known is one that may not be seen. */
static void refresh_places(struct discovery *d, const struct vmt_call *call)
{
	const struct names *n = &d->places.places;
	uint64_t version = d->places.version;
	int64_t before = n->tried_ns;

	places_refresh(&d->places, d->client, is_somewhere_unknown(d), call);
	if (n->tried_ns != before && !n->failed && d->places.version == version) {
		d->lost = false;
	}
}

static int list(struct discovery *d, struct vmt_snapshot_builder *builder, struct vmt_error *error)
{
	int err = 0;

	for (size_t i = 0; i < d->machines.count && err == 0; i++) {
		err = add_instance(d, &d->machines.machine[i], builder);
	}
	if (err < 0) {
		return vmt_error_set(error, err, "vsphere %s: %s", vim_client_address(d->client),
				     g_strerror(-err));
	}
	return 1;
}

static int discovery_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			      const struct vmt_call *call, struct vmt_error *error)
{
	struct discovery *d = self;
	struct vmt_error why = { .text = "" };
	bool changed;
	int err;

	vim_client_begin(d->client, CYCLE_BYTES);
	err = vim_machines_read(&d->machines, d->client, call, &why);
	if (err < 0) {
		return vmt_error_set(error, err, "vsphere %s", why.text);
	}
	refresh_places(d, call);
	changed = d->told_machines != d->machines.version || d->told_places != d->places.version ||
		  g_strcmp0(d->told_param, param) != 0;
	if (!changed) {
		return 0;
	}
	err = list(d, builder, error);
	if (err > 0) {
		d->told_machines = d->machines.version;
		d->told_places = d->places.version;
		g_free(d->told_param);
		d->told_param = g_strdup(param);
	}
	return err;
}

static int discovery_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct discovery_conf *conf = configuration;
	struct vim_client *client;
	struct discovery *d;
	int err = vim_client_of(&conf->vim, &client, error);

	if (err < 0) {
		return err;
	}
	d = g_new0(struct discovery, 1);
	d->client = client;
	vim_machines_init(&d->machines, true);
	places_init(&d->places);
	d->arena = arena_new(4 << 10);
	*ret_self = d;
	return 0;
}

static void discovery_close(void *self)
{
	struct discovery *d = self;

	if (d) {
		vim_client_free(d->client);
		vim_machines_fini(&d->machines);
		places_fini(&d->places);
		arena_free(d->arena);
		g_free(d->told_param);
		g_free(d);
	}
}

static const struct vmt_discovery_ops ops = {
	.open = discovery_open,
	.discover = discovery_discover,
	.close = discovery_close,
};

VMT_PLUGIN(discovery, vsphere) = {
	VSPHERE_DISCOVERY,
	.ops.discovery = &ops,
};
