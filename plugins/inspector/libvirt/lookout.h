/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who does not answer: found without waiting for anybody.  The kernel is asked about QEMU's process, libvirt
 * about how long a domain's monitor has been busy (virDomainGetControlInfo, which libvirtd answers at once, by
 * workers of its own, even when all others are taken).  What is found goes into the book (suspects.h).
 *
 * All functions belong to the one thread that inspects; the asking ones block a second at most.
 */
#ifndef INSPECTOR_LIBVIRT_LOOKOUT_H
#define INSPECTOR_LIBVIRT_LOOKOUT_H

#include "plugins/inspector/libvirt/target.h"
#include "plugins/libvirt/suspects.h"

struct lookout;

struct lookout *lookout_new(struct domains *domains);
void lookout_free(struct lookout *w); /* NULL is fine */

/* What is asked with which patience, and where the questions are counted. */
struct lookout_order {
	int64_t limit_ns; /* a monitor that is busy for so long is stuck */
	const struct vmt_call *call;
	uint64_t *calls;
};

/* The beginning of a cycle: strikes out of the book who answers again, enters who has become stuck since.  Asks
 * libvirt only when somebody is in it.  0, or -errno: libvirt does not answer. */
int lookout_review(struct lookout *w, const struct lookout_order *order, struct vmt_error *error);

/* A call on these has taken long, `waited_ns` until now: enters those that hold it up, with `flight`.  Answers how many those are; 0: none,
 * it is only slow; -errno: libvirt does not answer. */
int lookout_find(struct lookout *w, const uint8_t (*uuid)[16], size_t count, struct flight *flight,
		 int64_t waited_ns, const struct lookout_order *order, struct vmt_error *error);

/* What the kernel says of its process now; enters it when it cannot answer.  Processes are looked for anew when
 * `scan` points to true, which is then false. */
enum process_state lookout_kernel(struct lookout *w, const struct target *target, bool *scan);

/* It has answered.  Strikes it out, and tells. */
void lookout_answered(struct lookout *w, const struct target *target);

#endif
