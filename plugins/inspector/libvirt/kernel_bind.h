/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the kernel readings: a domain's process with its files kept open.
 */
#ifndef INSPECTOR_LIBVIRT_KERNEL_BIND_H
#define INSPECTOR_LIBVIRT_KERNEL_BIND_H

#include "plugins/inspector/libvirt/kernel.h"
#include "plugins/inspector/libvirt/kernel_link.h"
#include "plugins/libvirt/process.h"

enum { BIND_TEXT = 16 << 10 }; /* of a file at most */

struct bind_vcpu {
	unsigned number;
	int stat, schedstat, sched; /* descriptors; `sched` -1: wait_sum is not kept */
};

struct bind_nic {
	uint32_t index; /* of the interface; 0: not to be had from the kernel */
	bool swapped; /* what the host receives the guest has sent */
	bool weak; /* when it was proven its values could not tell directions apart */
};

/* What became of comparing a group. */
struct bind_proof {
	bool proven;
	unsigned failed;
	int64_t proven_ns;
};

enum bind_cpu { BIND_CPU_NONE, BIND_CPU_PROC, BIND_CPU_V1, BIND_CPU_V2 };
enum { BIND_CPU_GROUP, BIND_VCPU_GROUP, BIND_NIC_GROUP, BIND_GROUPS };

struct bind {
	uint8_t uuid[16]; /* key of the table; first */
	uint64_t epoch, version; /* of the description it was made for */
	struct process process;
	int dir; /* /proc/PID; -1: no process */
	int stat, io; /* -1: not to be had */
	uint64_t threads; /* when the virtual CPUs were looked for */
	size_t vcpus;
	struct bind_vcpu *vcpu;
	enum bind_cpu cpu; /* where CPU time is read */
	int usage, usage_stat; /* the cgroup's files; -1 */
	size_t nics;
	struct bind_nic *nic;
	bool all_nics; /* each NIC of the description is there */
	bool foreign; /* in another pid or network namespace */
	struct bind_proof proof[BIND_GROUPS];
	const char *why; /* not everything can come from the kernel; NULL: it can */
	int64_t used_ns;
};

/* A context of reading: where things are, and room for a file. */
struct bind_place {
	const char *proc; /* "/proc" */
	const char *cgroup_v1,
		*cgroup_v2; /* where cpuacct and the unified hierarchy are mounted; NULL: not */
	bool waits; /* the kernel keeps wait_sum now */
	uint64_t hz, page_kib;
	char *text; /* BIND_TEXT bytes, for what is read */
};

struct bind *bind_new(const uint8_t uuid[16]);
void bind_free(struct bind *b);

/* Ties it to that process of that description; what was open before is closed.  0 or -errno: no such process. */
int bind_open(struct bind *b, struct bind_place *place, const struct process *process,
	      const struct domain_desc *desc);
/* Another description of the same process: NICs and virtual CPUs anew. */
void bind_update(struct bind *b, struct bind_place *place, const struct domain_desc *desc);
void bind_close(struct bind *b);

/* Read into `ret`, and add to its groups.  -ESRCH: the process has ended. */
int bind_read_stat(struct bind *b, struct bind_place *place, struct kernel_reading *ret);
void bind_read_cgroup(struct bind *b, struct bind_place *place, struct kernel_reading *ret);
void bind_read_vcpus(struct bind *b, struct bind_place *place, struct kernel_reading *ret);
void bind_read_io(struct bind *b, struct bind_place *place, struct kernel_reading *ret);
void bind_read_nics(struct bind *b, const struct links *links, struct kernel_reading *ret);

/* Reads a whole small file, with a zero after it; its length or -errno. */
ssize_t bind_text(int fd, char *text, size_t size);

#endif
