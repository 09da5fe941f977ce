/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings of QEMU processes from the host's kernel alone: neither libvirtd nor QEMU is asked.  A domain is
 * tied to its process (pid and start time, by the UUID on its command line), to its cgroup, and to its taps (by the
 * process's own descriptors); the files that are read are kept open, so that they are that process's for good.
 *
 * A group of values (VMT_GROUP_CPU, _VCPU, _NIC) is *proven* for a domain when libvirt's own answer lay between two
 * readings of the kernel, field by field; only then it may take the place of libvirt's.  It is proven anew from
 * time to time, and when the domain, its devices or its threads change.
 *
 * One for all tasks that read the same hypervisor.  Any thread, one pass at a time.
 */
#ifndef INSPECTOR_LIBVIRT_KERNEL_H
#define INSPECTOR_LIBVIRT_KERNEL_H

#include "plugins/inspector/libvirt/kernel_text.h"
#include "plugins/libvirt/domains.h"

#include <virtmeter/plugin.h>

/* Groups that can come from the kernel in libvirt's place. */
#define KERNEL_GROUPS ((unsigned)(VMT_GROUP_CPU | VMT_GROUP_VCPU | VMT_GROUP_NIC))

enum { KERNEL_NIC_VALUES = 8 }; /* the first of enum vmt_nic_field */

/* One domain at one moment. */
struct kernel_reading {
	unsigned
		groups; /* KERNEL_GROUPS and VMT_GROUP_MEMORY (rss), _PROCESS (io) that were read whole */
	int64_t time_ns, mono_ns;
	uint64_t cpu, user, system; /* ns */
	uint64_t vcpus, vcpu_time, vcpu_wait, vcpu_delay; /* ns, sums over all virtual CPUs */
	uint64_t rss_kib;
	struct proc_io io;
	size_t nics, nics_cap;
	uint64_t (*nic)
		[KERNEL_NIC_VALUES]; /* by index in the description; from the heap, kernel_reading_fini() */
};

/* Where one value of an instance is in a reading. */
struct kernel_value {
	unsigned group;
	enum vmt_field field;
	size_t offset; /* of a uint64_t in struct kernel_reading */
};

enum { KERNEL_VALUES = 14 };
extern const struct kernel_value kernel_values[KERNEL_VALUES];

static inline uint64_t kernel_value(const struct kernel_reading *r, const struct kernel_value *v)
{
	return *(const uint64_t *)(const void *)((const char *)r + v->offset);
}

void kernel_reading_fini(struct kernel_reading *r);

struct kernel;

/* The one for that URI, counted.  `proc` is where /proc is; NULL for /proc. */
struct kernel *kernel_ref(const char *uri, const char *proc);
void kernel_unref(struct kernel *k); /* NULL is fine */

/* A pass over domains: what follows is called between these two, from the same thread. */
void kernel_begin(struct kernel *k);
void kernel_end(struct kernel *k);

/* Groups of that running domain that may come from the kernel. */
unsigned kernel_proven(struct kernel *k, const struct domain_desc *desc);
/* Groups that are neither proven nor out of the question: worth a comparison. */
unsigned kernel_unproven(struct kernel *k, const struct domain_desc *desc);

/* Reads what of `groups` can be read now; false when nothing could. */
bool kernel_read(struct kernel *k, const struct domain_desc *desc, unsigned groups,
		 struct kernel_reading *ret);

/* Compares libvirt's reading `i` with what the kernel said before and after it. */
void kernel_judge(struct kernel *k, const struct domain_desc *desc,
		  const struct kernel_reading *before, const struct kernel_reading *after,
		  const struct vmt_inspection *in, size_t i);

/* Why not all of the domain's groups come from the kernel; NULL: they do, or will after the next comparison. */
const char *kernel_why(struct kernel *k, const struct domain_desc *desc);

#endif
