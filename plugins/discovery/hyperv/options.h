/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery's options, for the shared object and for its declaration in the program alike.
 */
#ifndef DISCOVERY_HYPERV_OPTIONS_H
#define DISCOVERY_HYPERV_OPTIONS_H

#include "plugins/hyperv/options.h"

struct discovery_conf {
	struct hyperv_conf hyperv;
};

static const struct vmt_option discovery_options[] = {
	HYPERV_OPTIONS(discovery_conf),
	{ 0 },
};

#define HYPERV_DISCOVERY                                                                           \
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "hyperv", .version = "0",                     \
	.help = "The machines of a Hyper-V host.", .options = discovery_options,                   \
	.conf_size = sizeof(struct discovery_conf)

#endif
