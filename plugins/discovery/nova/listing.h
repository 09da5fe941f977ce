/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks Nova who is on this host, and for flavors and images, which are kept.  One thread.
 */
#ifndef DISCOVERY_NOVA_LISTING_H
#define DISCOVERY_NOVA_LISTING_H

#include "plugins/discovery/nova/options.h"
#include "plugins/discovery/nova/roster.h"

struct listing;
struct session;

/* Main thread; asks nobody.  `session` is the caller's and outlives it. */
struct listing *listing_new(const struct nova_conf *conf, struct session *session);
void listing_free(struct listing *listing); /* NULL is fine */

/* Asks for the whole list, or, while resource_cache_expiry has not passed since it came last, for what has changed in
 * `old`, which is the answer before.  `objects`: flavors and images are wanted, too.  0: *ret_roster is the list now, the
 * caller's to unref; `old` itself when nothing has changed.  -errno with the reason: nothing of what came is used. */
int listing_update(struct listing *listing, const struct roster *old, bool objects,
		   const struct vmt_call *call, struct roster **ret_roster,
		   struct vmt_error *error);

/* Flavors and images of a list that was made without them; as above. */
int listing_complete(struct listing *listing, const struct roster *old, const struct vmt_call *call,
		     struct roster **ret_roster, struct vmt_error *error);

/* Asks for all flavors, private ones too: of those whose names are keys of `ids` the ids become the values (to be freed
 * with g_free()).  0, -errno with the reason. */
int listing_flavor_ids(struct listing *listing, GHashTable *ids, const struct vmt_call *call,
		       struct vmt_error *error);

#endif
