/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks Nova who is on this host, and for flavors and images, which are kept.  One thread, but for listing_wake().
 */
#ifndef DISCOVERY_NOVA_LISTING_H
#define DISCOVERY_NOVA_LISTING_H

#include "plugins/discovery/nova/options.h"
#include "plugins/discovery/nova/roster.h"

struct listing;

/* Main thread; asks nobody.  -EINVAL, -ENOTSUP: the configuration will not do. */
int listing_new(const struct nova_conf *conf, struct listing **ret_listing,
		struct vmt_error *error);
void listing_free(struct listing *listing); /* NULL is fine */

/* Asks for the whole list, or, while resource_cache_expiry has not passed since it came last, for what has changed in
 * `old`, which is the answer before.  0: *ret_roster is the list now, the caller's to unref.  -errno with the reason:
 * nothing of what came is used. */
int listing_update(struct listing *listing, const struct roster *old, const struct vmt_call *call,
		   struct roster **ret_roster, struct vmt_error *error);
/* For how long the far side does not want to be asked again, after an update that failed; 0: it did not say. */
int64_t listing_retry_after(const struct listing *listing);
/* The call in hand looks at its `cancel` now.  Any thread. */
void listing_wake(struct listing *listing);

#endif
