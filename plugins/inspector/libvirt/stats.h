/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From libvirt's domain statistics to a reading.  Pure: what a hypervisor says is not trusted, only read.
 */
#ifndef INSPECTOR_LIBVIRT_STATS_H
#define INSPECTOR_LIBVIRT_STATS_H

#include "plugins/libvirt/domains.h"

/* What a record tells besides the reading. */
struct stats_note {
	uint64_t disks,
		nics; /* digests of names, paths and numbers; 0: the record has none of them */
	bool only_state; /* nothing but the state was in it */
	bool short_disks; /* disks by name, but not one counter: the monitor did not answer */
};

/* Groups of a reading (VMT_GROUP_*) as libvirt's VIR_DOMAIN_STATS_*; the state is always among them. */
unsigned stats_groups(unsigned groups);

/* Puts one domain's statistics into reading `i` of `out`, its devices too: those of `desc` that the
 * statistics name.  Values that are negative or of another type than they should be are absent.
 * A disk's ALLOCATION and PHYSICAL are domstats' own; usage.h makes of them what they should be. */
void stats_read(const virTypedParameter *params, int count, const struct domain_desc *desc,
		struct vmt_inspection *out, size_t i, uint8_t stamp, struct stats_note *ret_note);

#endif
