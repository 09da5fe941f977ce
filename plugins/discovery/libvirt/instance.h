/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a domain to an instance.  Pure.
 */
#ifndef DISCOVERY_LIBVIRT_INSTANCE_H
#define DISCOVERY_LIBVIRT_INSTANCE_H

#include "plugins/libvirt/domains.h"

/* Which domains are instances. */
enum kinds { KINDS_AUTO, KINDS_NOVA, KINDS_PLAIN };

/* What the instance points to besides the domain; one per call. */
struct instance_scratch {
	char host_id[57]; /* SHA-224 in hex */
	char vcpus[24], memory[24];
	struct vmt_pair attributes[6];
};

/* Fills *ret, which points into domain and scratch.  0; -ENODATA: not an instance of these kinds, with the reason. */
int instance_from_domain(const struct domain *domain, enum kinds kinds, const char *host,
			 struct instance_scratch *scratch, struct vmt_instance *ret,
			 struct vmt_error *error);

#endif
