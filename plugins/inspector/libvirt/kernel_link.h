/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of all network interfaces of this network namespace, by one question to the kernel (rtnetlink(7),
 * RTM_GETSTATS), however many there are.  One thread at a time.  A question is answered by the kernel at once.
 */
#ifndef INSPECTOR_LIBVIRT_KERNEL_LINK_H
#define INSPECTOR_LIBVIRT_KERNEL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As the host sees them; in the order of enum vmt_nic_field, so that the first four are what the host received. */
enum { LINK_VALUES = 8 };

struct link_counters {
	uint32_t index; /* of the interface; never 0 */
	uint64_t value[LINK_VALUES]; /* bytes, packets, errors, drops received; the same sent */
};

struct links;

struct links *links_new(void);
void links_free(struct links *l); /* NULL is fine */

/* Reads all counters anew.  0, or -errno: nothing is known then.  -EOPNOTSUPP: a kernel before 4.7. */
int links_read(struct links *l);

/* Of the last reading; NULL: no such interface.  Valid until the next one. */
const struct link_counters *links_find(const struct links *l, uint32_t index);

/* Takes what is in one datagram of an answer.  1: more will come; 0: it was the end; -errno.  -EBADMSG: no
 * netlink message. */
int links_take(struct links *l, const void *data, size_t len);
void links_forget(struct links *l); /* before the first datagram */
size_t links_count(const struct links *l);

#endif
