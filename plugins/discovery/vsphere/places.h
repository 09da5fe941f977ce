/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How hosts, clusters, folders and custom attributes are called.  They are read once a session, every ten minutes, and
 * when a machine is in a place that is not known.  On a worker; blocks on the network until the call's deadline.
 */
#ifndef DISCOVERY_VSPHERE_PLACES_H
#define DISCOVERY_VSPHERE_PLACES_H

#include "plugins/vim/list.h"

#include <glib.h>

struct place {
	const char *type, *name, *parent; /* parent: a reference; NULL for none */
};

struct places {
	struct vim_list list, fields;
	struct arena *arena;
	GHashTable *places; /* reference to struct place */
	GHashTable *names; /* of custom attributes, by number */
	uint64_t session; /* that they were read in */
	int64_t time_ns; /* of CLOCK_MONOTONIC */
	uint64_t version; /* another one whenever they were read */
};

void places_init(struct places *p);
void places_fini(struct places *p);

/* Reads them if they are old, or with `missing`: then once a minute.  What cannot be read is not known. */
void places_refresh(struct places *p, struct vim_client *c, bool missing,
		    const struct vmt_call *call);

/* NULL for what is not known, and for NULL. */
const struct place *places_find(const struct places *p, const char *ref);
const char *places_field(const struct places *p, const char *number);

#endif
