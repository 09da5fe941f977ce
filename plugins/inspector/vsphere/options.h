/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspector's options, for the shared object and for its declaration in the program alike.  Any thread; never blocks.
 */
#ifndef INSPECTOR_VSPHERE_OPTIONS_H
#define INSPECTOR_VSPHERE_OPTIONS_H

#include "plugins/vim/options.h"

struct inspector_conf {
	struct vim_options vim;
};

static const struct vmt_option inspector_options[] = {
	VIM_OPTIONS(inspector_conf),
	{ 0 },
};

#define VSPHERE_INSPECTOR                                                                          \
	.abi = VMT_ABI, .ns = VMT_INSPECTOR, .name = "vsphere", .version = "0",                    \
	.help = "Reads all machines of a vCenter or an ESXi host, many with each question.",       \
	.options = inspector_options, .conf_size = sizeof(struct inspector_conf)

#endif
