/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the discovery lookups, for the shared object and for its declaration in the program alike.
 */
#ifndef DISCOVERY_LOOKUPS_OPTIONS_H
#define DISCOVERY_LOOKUPS_OPTIONS_H

#include "plugins/openstack/options.h"

struct lookups_conf {
	struct openstack_conf openstack;
	const char *host;
	const char *method;
	int64_t update_ns, expiry_ns;
	bool fetch, names, ignore;
};

static const struct vmt_option lookups_options[] = {
	OPENSTACK_OPTIONS(lookups_conf),
	{ .name = "host",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct lookups_conf, host),
	  .help = "Name of this host, as Nova knows it; without it the system's." },
	{ .group = "compute",
	  .name = "instance_discovery_method",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct lookups_conf, method),
	  .def = "libvirt_metadata",
	  .help = "Only with libvirt_metadata is anything fetched that Nova would tell by itself." },
	{ .group = "compute",
	  .name = "resource_update_interval",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct lookups_conf, update_ns),
	  .def = "0",
	  .help = "Nova is asked for changes at most so often; 0: once for each polling cycle.",
	  .min = 0,
	  .max = 604800 },
	{ .group = "compute",
	  .name = "resource_cache_expiry",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct lookups_conf, expiry_ns),
	  .def = "3600",
	  .help = "How long what was looked up is used before it is asked for anew; 0: once for each polling cycle.",
	  .min = 0,
	  .max = 604800 },
	{ .group = "compute",
	  .name = "fetch_extra_metadata",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct lookups_conf, fetch),
	  .def = "true",
	  .help = "With libvirt_metadata: ask Nova for the servers' own metadata, for user_metadata. Needs "
		  "[service_credentials]." },
	{ .group = "polling",
	  .name = "identity_name_discovery",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct lookups_conf, names),
	  .def = "false",
	  .help = "Ask Keystone for the names of users and projects. Needs [service_credentials].",
	  .deprecated = "tenant_name_discovery" },
	{ .group = "polling",
	  .name = "ignore_disabled_projects",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct lookups_conf, ignore),
	  .def = "false",
	  .help = "Leave out the instances of projects that Keystone has disabled, or whose domain it has. Needs "
		  "[service_credentials]." },
	{ 0 },
};

#define LOOKUPS_PLUGIN                                                                             \
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "lookups", .version = "0",                    \
	.help = "What Keystone and Nova know more of instances that others have found.",           \
	.options = lookups_options, .conf_size = sizeof(struct lookups_conf)

#endif
