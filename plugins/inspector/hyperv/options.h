/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspector's options, for the shared object and for its declaration in the program alike.
 */
#ifndef INSPECTOR_HYPERV_OPTIONS_H
#define INSPECTOR_HYPERV_OPTIONS_H

#include "plugins/hyperv/options.h"

struct inspector_conf {
	struct hyperv_conf hyperv;
	const char *cpu_time_unit;
};

static const char *const inspector_units[] = { "ns", "ceilometer", NULL };

static const struct vmt_option inspector_options[] = {
	HYPERV_OPTIONS(inspector_conf),
	{ .group = "hyperv",
	  .name = "cpu_time_unit",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct inspector_conf, cpu_time_unit),
	  .def = "ns",
	  .choices = inspector_units,
	  .help = "What the meter cpu counts: ns, as its unit says; ceilometer, the microseconds that Ceilometer calls "
		  "nanoseconds." },
	{ 0 },
};

#define HYPERV_INSPECTOR                                                                           \
	.abi = VMT_ABI, .ns = VMT_INSPECTOR, .name = "hyperv", .version = "0",                     \
	.help = "Reads all machines of a Hyper-V host with a fixed number of questions a cycle.",  \
	.options = inspector_options, .conf_size = sizeof(struct inspector_conf)

#endif
