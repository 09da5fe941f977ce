/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "local_instances": the domains of this host's libvirt, with Nova's metadata where they have it.
 * Runs on a worker of the host; blocks until the call's deadline where libvirt has to be asked.
 */
#include "plugins/discovery/libvirt/instance.h"

#include "plugins/libvirt/domains.h"
#include "plugins/libvirt/options.h"
#include "plugins/libvirt/uri.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

struct discovery_conf {
	struct libvirt_conf libvirt;
	const char *host;
	const char *kinds;
};

/* What was told for one `param`. */
struct told {
	struct told *next;
	char *param;
	uint64_t generation;
};

struct discovery {
	struct domains *domains;
	char *host;
	enum kinds kinds;
	struct told *told;
	GHashTable *warned; /* ids of domains whose omission was logged */
};

static const char *const kind_names[] = { "auto", "nova", "plain", NULL }; /* by enum kinds */

static const struct vmt_option options[] = {
	LIBVIRT_OPTIONS(discovery_conf),
	{ .name = "host",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct discovery_conf, host),
	  .help = "Name of this host, as Nova knows it; without it the system's." },
	{ .group = "virtmeter",
	  .name = "discovery",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct discovery_conf, kinds),
	  .def = "auto",
	  .choices = kind_names,
	  .help = "Which domains are instances: nova, those with Nova's metadata, as Ceilometer has it; plain, all, "
		  "by what libvirt knows of them; auto, all, with Nova's metadata where it is there." },
	{ 0 },
};

static int discovery_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct discovery_conf *conf = configuration;
	struct discovery *d = g_new0(struct discovery, 1);

	libvirt_prepare();
	d->host = g_strdup(conf->host && *conf->host ? conf->host : g_get_host_name());
	while (kind_names[d->kinds + 1] && g_strcmp0(conf->kinds, kind_names[d->kinds]) != 0) {
		d->kinds++;
	}
	d->domains = domains_ref(uri_choose(conf->libvirt.uri, conf->libvirt.type),
				 conf->libvirt.read_write);
	d->warned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	*ret_self = d;
	return 0;
}

static void discovery_close(void *self)
{
	struct discovery *d = self;

	if (!d) {
		return;
	}
	while (d->told) {
		struct told *t = d->told;

		d->told = t->next;
		g_free(t->param);
		g_free(t);
	}
	domains_unref(d->domains);
	g_hash_table_destroy(d->warned);
	g_free(d->host);
	g_free(d);
}

static struct told *told_for(struct discovery *d, const char *param)
{
	struct told *t = d->told;

	while (t && strcmp(t->param, param) != 0) {
		t = t->next;
	}
	if (!t) {
		t = g_new0(struct told, 1);
		t->param = g_strdup(param);
		t->next = d->told;
		d->told = t;
	}
	return t;
}

static void collect(void *context, const struct domain *domain)
{
	struct domain copy = { .desc = domain_desc_ref(domain->desc), .state = domain->state };

	g_array_append_val((GArray *)context, copy);
}

static int by_name(gconstpointer a, gconstpointer b)
{
	const struct domain *x = a, *y = b;
	int order = strcmp(x->desc->name, y->desc->name);

	return order ? order : strcmp(x->desc->id, y->desc->id);
}

/* Once per domain, for as long as it is there. */
static void warn_once(struct discovery *d, GHashTable *warned, const char *id, const char *why)
{
	if (!g_hash_table_contains(d->warned, id)) {
		vmt_log(VMT_LOG_WARNING, "%s", why);
	}
	g_hash_table_add(warned, g_strdup(id));
}

static void list(struct discovery *d, struct vmt_snapshot_builder *builder)
{
	GArray *domains = g_array_new(FALSE, FALSE, sizeof(struct domain));
	GHashTable *warned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct instance_scratch scratch;
	struct vmt_instance instance;
	struct vmt_error error;

	domains_each(d->domains, collect, domains);
	g_array_sort(domains, by_name); /* the same domains give the same list */
	for (guint i = 0; i < domains->len; i++) {
		const struct domain *domain = &g_array_index(domains, struct domain, i);
		int err = instance_from_domain(domain, d->kinds, d->host, &scratch, &instance,
					       &error);

		if (err == 0) {
			err = vmt_snapshot_add(builder, &instance);
			vmt_error_set(&error, err, "domain %s (%s): %s; left out",
				      domain->desc->name, domain->desc->id, g_strerror(-err));
		}
		if (err < 0) {
			warn_once(d, warned, domain->desc->id, error.text);
		}
		domain_desc_unref(domain->desc);
	}
	g_array_free(domains, TRUE);
	g_hash_table_destroy(d->warned);
	d->warned = warned;
}

static int discovery_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			      const struct vmt_call *call, struct vmt_error *error)
{
	struct discovery *d = self;
	struct told *told = told_for(d, param);
	uint64_t generation, calls = 0;
	int err = domains_sync(d->domains, call, &calls, error);

	if (err == -EAGAIN) {
		vmt_log(VMT_LOG_WARNING, "%s; the rest follows", error->text);
	} else if (err < 0) {
		return err;
	}
	generation = domains_generation(d->domains);
	if (generation == told->generation) {
		return 0;
	}
	list(d, builder);
	told->generation = generation;
	return 1;
}

static const struct vmt_discovery_ops ops = {
	.open = discovery_open,
	.discover = discovery_discover,
	.close = discovery_close,
};

VMT_PLUGIN(discovery, local_instances) = {
	.abi = VMT_ABI,
	.ns = VMT_DISCOVERY,
	.name = "local_instances",
	.version = "0",
	.help = "The domains of this host's libvirt, with Nova's metadata where they have it.",
	.options = options,
	.conf_size = sizeof(struct discovery_conf),
	.ops.discovery = &ops,
};
