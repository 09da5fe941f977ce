/* SPDX-License-Identifier: Apache-2.0 */
/* The URI of a hypervisor on the command line; main thread. */
#ifndef CMD_URI_H
#define CMD_URI_H

#include <virtmeter/plugin.h>

/* `plugins` is NULL-terminated, with the inspectors' options.  What a URI means, as text of a configuration file, to be freed with g_free(), and the inspector that asks it (NULL:
 * the one configured).  vsphere://USER@HOST:PORT?OPTION=VALUE and hyperv://… set options of [vmware] and [hyperv], with
 * the options of that section in the query; whatever else is a connection of libvirt.  -EINVAL with the reason. */
int uri_read(const struct vmt_plugin *const *plugins, const char *uri, char **ret_text,
	     const char **ret_inspector, struct vmt_error *error);

#endif
