/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store for the commands that read one.  Main thread; blocks on reading files.
 */
#ifndef CMD_STORE_H
#define CMD_STORE_H

#include "conf/ini.h"

#include <virtmeter/plugin.h>

struct cmd_store {
	const struct vmt_store_ops *ops;
	void *self; /* for them */
	/* private */
	struct plugin_object *object;
	struct registry *registry;
};

/* Opens `url` for reading, or where it is NULL the configured store: `store` in [virtmeter], else the
 * first publisher of the pipelines that can be read.  `builtin` is NULL-terminated.  0, or -errno with the
 * reason. */
int cmd_store_open(const struct vmt_plugin *const *builtin, const struct ini_search *search,
		   const char *url, struct cmd_store *ret_store, struct vmt_error *error);
void cmd_store_close(struct cmd_store *store); /* NULL is fine */

#endif
