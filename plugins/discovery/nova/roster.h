/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers of a host at one time, each with its flavor and its image: immutable once made, counted.
 */
#ifndef DISCOVERY_NOVA_ROSTER_H
#define DISCOVERY_NOVA_ROSTER_H

#include "plugins/discovery/nova/read.h"

struct row {
	struct server *server;
	struct flavor *flavor; /* NULL: the server has none, or all of it */
	struct image *image; /* NULL: the server has none */
};

struct roster {
	atomic_uint refs;
	size_t count;
	struct row *row;
};

/* The servers of `old` (NULL: none) with what `changed` (struct server *, each for itself) says of them: those that are
 * deleted go, others come or take the place of what was known.  Without flavors and images. */
struct roster *roster_new(const struct roster *old, const GPtrArray *changed);
struct roster *roster_ref(struct roster *t);
void roster_unref(struct roster *t); /* NULL is fine */

/* Adds them to a snapshot.  Those in error are left out unless `all`. */
void roster_list(const struct roster *t, bool all, struct vmt_snapshot_builder *builder);

#endif
