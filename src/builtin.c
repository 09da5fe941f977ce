/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that are built into the program, a row each. */
#include "builtin.h"

#include <stddef.h>

extern const struct vmt_plugin vmt_plugin_discovery_local_instances, vmt_plugin_discovery_simulated;
extern const struct vmt_plugin vmt_plugin_inspector_libvirt, vmt_plugin_inspector_simulated;
extern const struct vmt_plugin vmt_plugin_publisher_file, vmt_plugin_publisher_null,
	vmt_plugin_publisher_sqlite, vmt_plugin_publisher_test;

const struct vmt_plugin *const builtin_plugins[] = {
	&vmt_plugin_discovery_local_instances,
	&vmt_plugin_discovery_simulated,
	&vmt_plugin_inspector_libvirt,
	&vmt_plugin_inspector_simulated,
	&vmt_plugin_publisher_file,
	&vmt_plugin_publisher_null,
	&vmt_plugin_publisher_sqlite,
	&vmt_plugin_publisher_test,
	NULL,
};
