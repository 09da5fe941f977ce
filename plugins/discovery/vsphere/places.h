/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How hosts, clusters, folders and custom attributes are called.  They are read once a session, every ten minutes, and
 * when a machine is in a place that is not known; what cannot be read stays as it was, and is tried again in a minute.
 * On a worker; blocks on the network until the call's deadline.
 */
#ifndef DISCOVERY_VSPHERE_PLACES_H
#define DISCOVERY_VSPHERE_PLACES_H

#include "plugins/vim/list.h"

#include <glib.h>

struct place {
	const char *type, *name, *parent; /* parent: a reference; NULL for none */
};

/* One list of names, as it was read last, and as it comes. */
struct names {
	struct vim_list list;
	GHashTable *known, *coming; /* reference to struct place; number to name */
	struct arena *arena, *spare;
	uint64_t session; /* that they were read in */
	int64_t read_ns, tried_ns; /* of CLOCK_MONOTONIC; 0: never */
	bool failed; /* when they were tried */
};

struct places {
	struct names places, fields; /* fields: of custom attributes */
	uint64_t version; /* another one whenever there are others */
};

void places_init(struct places *p);
void places_fini(struct places *p);

/* Reads what is old, or with `missing`: then once a minute. */
void places_refresh(struct places *p, struct vim_client *c, bool missing,
		    const struct vmt_call *call);

/* NULL for what is not known, and for NULL. */
const struct place *places_find(const struct places *p, const char *ref);
const char *places_field(const struct places *p, const char *number);

#endif
