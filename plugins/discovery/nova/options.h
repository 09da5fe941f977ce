/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the discovery nova, for the shared object and for its declaration in the program alike.
 */
#ifndef DISCOVERY_NOVA_OPTIONS_H
#define DISCOVERY_NOVA_OPTIONS_H

#include "plugins/openstack/options.h"

struct nova_conf {
	struct openstack_conf openstack;
	const char *host;
	int64_t update_ns, expiry_ns;
};

static const struct vmt_option nova_options[] = {
	OPENSTACK_OPTIONS(nova_conf),
	{ .name = "host",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct nova_conf, host),
	  .help = "Name of this host, as Nova knows it; without it the system's." },
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
	  .help = "How long Nova is asked only for changes before the whole list, flavors and images are asked for "
		  "anew; 0: always.",
	  .min = 0,
	  .max = 604800 },
	{ 0 },
};

#define NOVA_PLUGIN                                                                                \
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "nova", .version = "0",                       \
	.help = "The instances that Nova has on this host.", .options = nova_options,              \
	.conf_size = sizeof(struct nova_conf)

#endif
