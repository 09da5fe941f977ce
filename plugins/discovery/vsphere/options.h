/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery's options, for the shared object and for its declaration in the program alike.  Any thread; never blocks.
 */
#ifndef DISCOVERY_VSPHERE_OPTIONS_H
#define DISCOVERY_VSPHERE_OPTIONS_H

#include "plugins/vim/options.h"

struct discovery_conf {
	struct vim_options vim;
};

static const struct vmt_option discovery_options[] = {
	VIM_OPTIONS(discovery_conf),
	{ 0 },
};

#define VSPHERE_DISCOVERY                                                                          \
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "vsphere", .version = "0",                    \
	.help = "The machines of a vCenter or an ESXi host.", .options = discovery_options,        \
	.conf_size = sizeof(struct discovery_conf)

#endif
