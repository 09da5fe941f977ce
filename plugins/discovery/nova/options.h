/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the discovery nova, for the shared object and for its declaration in the program alike.  Constant: any thread,
 * nothing blocks.
 */
#ifndef DISCOVERY_NOVA_OPTIONS_H
#define DISCOVERY_NOVA_OPTIONS_H

#include "plugins/openstack/options.h"

struct nova_conf {
	struct openstack_conf openstack;
	const char *host;
	const char *method;
	int64_t update_ns, expiry_ns;
	bool fetch, names, ignore;
};

static const struct vmt_option nova_options[] = {
	OPENSTACK_OPTIONS(nova_conf),
	{ .name = "host",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct nova_conf, host),
	  .help = "Name of this host, as Nova knows it; without it the system's." },
	{ .group = "compute",
	  .name = "instance_discovery_method",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct nova_conf, method),
	  .def = "libvirt_metadata",
	  .help = "Only with libvirt_metadata is anything fetched that Nova would tell by itself." },
	{ .group = "compute",
	  .name = "resource_update_interval",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct nova_conf, update_ns),
	  .def = "0",
	  .help = "Nova is asked for changes at most so often; 0: once for each polling cycle.",
	  .min = 0,
	  .max = 604800 },
	{ .group = "compute",
	  .name = "resource_cache_expiry",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct nova_conf, expiry_ns),
	  .def = "3600",
	  .help = "How long Nova's list is asked only for changes, and what was looked up is used, before all of it is "
		  "asked for anew; 0: always.",
	  .min = 0,
	  .max = 604800 },
	{ .group = "compute",
	  .name = "fetch_extra_metadata",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct nova_conf, fetch),
	  .def = "true",
	  .help = "With libvirt_metadata: ask Nova for the servers' own metadata, for user_metadata. Needs "
		  "[service_credentials]." },
	{ .group = "polling",
	  .name = "identity_name_discovery",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct nova_conf, names),
	  .def = "false",
	  .help = "Ask Keystone for the names of users and projects. Needs [service_credentials].",
	  .deprecated = "tenant_name_discovery" },
	{ .group = "polling",
	  .name = "ignore_disabled_projects",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct nova_conf, ignore),
	  .def = "false",
	  .help = "Leave out the instances of projects that Keystone has disabled, or whose domain it has. Needs "
		  "[service_credentials]." },
	{ 0 },
};

/* The host asks for the one or for the other. */
static const char *const nova_aliases[] = { "lookups", NULL };

#define NOVA_PLUGIN                                                                                \
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "nova", .aliases = nova_aliases,              \
	.version = "0", .options = nova_options, .conf_size = sizeof(struct nova_conf),            \
	.help = "The instances that Nova has on this host, and what Keystone and Nova know more "  \
		"of instances that others have found."

#endif
