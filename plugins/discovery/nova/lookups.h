/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Keystone and Nova know more of instances that others have found: which of it is to be asked for, and the instances
 * described with it.  Opened and closed on the main thread; describing, on a polling task's, blocks on nothing.
 */
#ifndef DISCOVERY_NOVA_LOOKUPS_H
#define DISCOVERY_NOVA_LOOKUPS_H

#include "plugins/discovery/nova/asker.h"

struct lookups;

/* Main thread.  `asker` is the caller's and outlives it. */
struct lookups *lookups_new(const struct nova_conf *conf, struct asker *asker);
void lookups_free(
	struct lookups *lookups); /* NULL is fine; what is being asked for it is given up */

/* As `describe` of the contract; a polling task's thread. */
int lookups_describe(struct lookups *lookups, const struct vmt_snapshot *found,
		     struct vmt_snapshot_builder *builder, bool *ret_busy, struct vmt_error *error);

#endif
