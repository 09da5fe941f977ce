/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk takes up on the host: the ALLOCATION and PHYSICAL of virDomainGetBlockInfo, which are not the
 * fields of that name in the bulk statistics, without asking for them disk by disk.
 *
 * The rule, found on libvirt 9.0 with QEMU 7.2 (file, block device, network; raw, qcow2, vmdk, vdi; running,
 * paused, shut off), A and P being domstats' block.N.allocation (QEMU's wr_highest_offset) and
 * block.N.physical (QEMU's actual-size: the blocks in use):
 *
 *	                      allocation              physical
 *	file, qcow2           P                       st_size of the file
 *	file, other format    A, or if 0: P           P; st_size of the file while A is 0 or P
 *	block device          A                       P (there: the device's size)
 *	network               A, or if 0: P           P
 *	while shut off        domstats says the same as block info
 *
 * Where QEMU says 0 blocks, libvirt puts st_size into block.N.physical; st_blocks tells the two apart.
 *
 * So only some files need something more, and stat() has it: in a thread of its own, because a file system may
 * not answer.  While A and P stay as they were on both sides of a look, the file is as it was seen then, and is not looked at
 * again for USAGE_AGE_NS.  It counts only where it is surely the same file that QEMU has (another mount namespace may have
 * another one at that path): where its st_blocks agree with P.  Where that cannot be had (a remote hypervisor,
 * no right to look there, storage pool volumes) virDomainGetBlockInfo is asked for, one question per disk,
 * at an interval of its own and at most USAGE_BUDGET in a cycle; the value then keeps the time at which
 * it was read.
 *
 * All functions belong to the one thread that inspects.
 */
#ifndef INSPECTOR_LIBVIRT_USAGE_H
#define INSPECTOR_LIBVIRT_USAGE_H

#include "base/clock.h"
#include "plugins/libvirt/domains.h"

enum { USAGE_BUDGET = 16 };

#define USAGE_AGE_NS (60 * NS_PER_S)

/* What stat() says of a file. */
struct usage_file {
	int err; /* 0, or why there is nothing */
	bool regular;
	uint64_t dev, ino;
	uint64_t size, blocks; /* blocks in bytes */
	int64_t time_ns, mono_ns; /* 0: never looked at */
};

/* What block info said. */
struct usage_info {
	uint64_t capacity, allocation, physical;
	int64_t time_ns, mono_ns; /* 0: never asked */
};

/* One disk, kept from cycle to cycle. */
struct usage_disk {
	uint64_t version; /* of its struct vmt_device */
	uint64_t dev, ino; /* of the file that was proven to be QEMU's; 0: none yet */
	struct usage_file file;
	int64_t looked_ns; /* its mono_ns when usage_apply() last was there */
	uint64_t highest, used; /* A and P then */
	bool steady; /* they were the same before and after the look at `file` */
	struct usage_info info;
	int64_t due_ns; /* when block info is to be asked again */
	bool wants_info;
	bool hung; /* stat() did not come back: not again */
};

/* ------------------------------------------------------------------ the rule */

/* Replaces domstats' ALLOCATION and PHYSICAL in `reading` by what block info would say, as far as it is
 * known; else takes them out and notes in `disk` that block info is wanted.  `domstats` is the stamp of the
 * bulk call; others are made in `out`. */
void usage_apply(struct usage_disk *disk, const struct domxml_disk *xml,
		 struct vmt_device_reading *reading, struct vmt_inspection *out, uint8_t domstats);

/* Whether the file is to be looked at, before domstats are asked. */
bool usage_is_due(const struct usage_disk *disk, int64_t now_ns);
/* Whether it was not due, but is by what domstats say now; before usage_apply(). */
bool usage_has_moved(const struct usage_disk *disk, const struct vmt_device_reading *reading);

/* The sizes of a disk whose domain is shut off: block info's, all three. */
void usage_apply_stopped(struct usage_disk *disk, struct vmt_device_reading *reading,
			 struct vmt_inspection *out);

/* The stamp of what block info said. */
uint8_t usage_info_stamp(const struct usage_disk *disk, struct vmt_inspection *out);

/* ------------------------------------------------------------------ looking at files */

struct usage_looker;

/* Looks at one file; may hang. */
typedef void (*usage_look_fn)(const char *path, struct usage_file *ret);

/* `fn` NULL: stat().  A look that takes longer than hang_ns is left behind. */
struct usage_looker *usage_looker_new(usage_look_fn fn, int64_t hang_ns);
void usage_looker_free(struct usage_looker *l); /* NULL is fine */

/* One file to look at. */
struct usage_path {
	struct usage_disk *disk;
	const char *path; /* copied */
};

/* Begins to look at these files.  Nothing happens while an earlier round is still under way. */
void usage_look(struct usage_looker *l, const struct usage_path *paths, size_t count);

/* Waits until it is done or the deadline, then puts what is known into the disks of the last call.
 * Answers whether all has been looked at. */
bool usage_looked(struct usage_looker *l, const struct usage_path *paths, size_t count,
		  int64_t deadline_ns);

#endif
