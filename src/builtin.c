/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that are built into the program, a row each. */
/*
 * And the folder of those that are not linked in.  Main thread; blocks on the disk for a moment.
 */
#include "builtin.h"

#include <glib.h>
#include <stddef.h>

extern const struct vmt_plugin vmt_plugin_coordinator_memcached, vmt_plugin_coordinator_redis;
extern const struct vmt_plugin vmt_plugin_discovery_local_instances,
	vmt_plugin_discovery_local_node, vmt_plugin_discovery_nova, vmt_plugin_discovery_simulated;
extern const struct vmt_plugin vmt_plugin_inspector_libvirt, vmt_plugin_inspector_simulated;
extern const struct vmt_plugin vmt_plugin_publisher_file, vmt_plugin_publisher_http,
	vmt_plugin_publisher_null, vmt_plugin_publisher_postgresql, vmt_plugin_publisher_sqlite,
	vmt_plugin_publisher_tcp, vmt_plugin_publisher_test, vmt_plugin_publisher_udp;
extern const struct vmt_plugin vmt_declared_discovery_hyperv, vmt_declared_inspector_hyperv;
extern const struct vmt_plugin vmt_declared_discovery_vsphere, vmt_declared_inspector_vsphere;
extern const struct vmt_plugin vmt_declared_publisher_notifier, vmt_declared_publisher_polling,
	vmt_declared_publisher_rpc;
extern const struct vmt_plugin vmt_declared_receiver_rpc, vmt_declared_receiver_notifications;
extern const struct vmt_plugin vmt_plugin_receiver_tcp, vmt_plugin_receiver_udp;
extern const struct vmt_plugin vmt_plugin_transformer_accumulator,
	vmt_plugin_transformer_aggregator, vmt_plugin_transformer_arithmetic,
	vmt_plugin_transformer_delta, vmt_plugin_transformer_rate_of_change,
	vmt_plugin_transformer_unit_conversion;

const struct vmt_plugin *const builtin_plugins[] = {
	&vmt_plugin_coordinator_memcached,
	&vmt_plugin_coordinator_redis,
	&vmt_declared_discovery_hyperv,
	&vmt_plugin_discovery_local_instances,
	&vmt_plugin_discovery_local_node,
	&vmt_plugin_discovery_nova,
	&vmt_plugin_discovery_simulated,
	&vmt_declared_discovery_vsphere,
	&vmt_declared_inspector_hyperv,
	&vmt_plugin_inspector_libvirt,
	&vmt_plugin_inspector_simulated,
	&vmt_declared_inspector_vsphere,
	&vmt_plugin_publisher_file,
	&vmt_plugin_publisher_http,
	&vmt_plugin_publisher_null,
	&vmt_plugin_publisher_postgresql,
	&vmt_plugin_publisher_sqlite,
	&vmt_plugin_publisher_tcp,
	&vmt_plugin_publisher_test,
	&vmt_plugin_publisher_udp,
	&vmt_declared_publisher_notifier,
	&vmt_declared_publisher_polling,
	&vmt_declared_publisher_rpc,
	&vmt_declared_receiver_rpc,
	&vmt_declared_receiver_notifications,
	&vmt_plugin_receiver_tcp,
	&vmt_plugin_receiver_udp,
	&vmt_plugin_transformer_accumulator,
	&vmt_plugin_transformer_aggregator,
	&vmt_plugin_transformer_arithmetic,
	&vmt_plugin_transformer_delta,
	&vmt_plugin_transformer_rate_of_change,
	&vmt_plugin_transformer_unit_conversion,
	NULL,
};

/* BINDIR and PLUGIN_DIR are relative to the prefix. */
static char *find_folder(void)
{
	char *program = g_file_read_link("/proc/self/exe", NULL);
	char *dir = g_path_get_dirname(program ? program : "/"), *up = g_path_get_dirname(dir);
	char *ninja = g_build_filename(up, "build.ninja", NULL), *folder;

	if (g_file_test(ninja, G_FILE_TEST_EXISTS)) {
		folder = g_build_filename(up, "plugins", NULL);
	} else if (program && g_str_has_suffix(dir, "/" BINDIR)) {
		dir[strlen(dir) - strlen(BINDIR)] = '\0';
		folder = g_build_filename(dir, PLUGIN_DIR, NULL);
	} else {
		folder = g_build_filename(PREFIX, PLUGIN_DIR, NULL);
	}
	g_free(program);
	g_free(dir);
	g_free(up);
	g_free(ninja);
	return folder;
}

const char *builtin_plugin_folder(void)
{
	static char *folder;

	if (!folder) {
		folder = find_folder();
	}
	return folder;
}
