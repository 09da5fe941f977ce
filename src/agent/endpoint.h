/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisors that an agent meters, by hypervisor_inspector: "libvirt", or "libvirt, vsphere:east, vsphere:west".  Each
 * is a discovery and an inspector of its own, with tasks of its own.  What follows the colon names an endpoint: for it,
 * [vmware:east] counts before [vmware].  Built once on the main thread, then constant; blocks on nothing.
 */
#ifndef AGENT_ENDPOINT_H
#define AGENT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/ini.h"
#include "conf/problem.h"
#include "conf/settings.h"

struct endpoint {
	const char *name; /* as configured */
	const char *inspector, *discovery; /* names of plugins */
	const char *joined; /* the discovery that tells more of the same instances, or NULL */
	const char *lookups; /* the one that describes them by what it looks up, or NULL */
	const struct ini *ini; /* what they are configured by */
	bool first;
};

struct endpoints {
	size_t count;
	struct endpoint *at;
	/* private */
	struct arena *arena;
	struct ini **own;
	size_t owns;
};

/* Of the names (NULL-terminated; they are copied); `settings`, `ini` must outlive it.  `discovery` is every endpoint's,
 * unless NULL.  -EINVAL, added to `problems`: none, one twice, one that cannot be a name; it is then to be given back
 * all the same. */
int endpoints_init(struct endpoints *endpoints, const char *const *names, const char *discovery,
		   const struct settings *settings, const struct ini *ini,
		   struct problems *problems);
void endpoints_fini(struct endpoints *endpoints);

/* Adds a warning for each section that is of an endpoint which there is not. */
void endpoints_vet_sections(const struct endpoints *endpoints, const struct ini *ini,
			    struct problems *problems);

#endif
