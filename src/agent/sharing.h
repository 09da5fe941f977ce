/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instances are ours, where several agents share them.  One thread says at the coordinator that this agent is
 * there, and learns who else is; from that everybody works out the same rings (ring.h).  Polling tasks only look at
 * the rings it made last: a coordinator that is down or hangs changes nothing for them.
 */
#ifndef AGENT_SHARING_H
#define AGENT_SHARING_H

#include <virtmeter/plugin.h>

#include "conf/ini.h"
#include "conf/problem.h"

struct buf;
struct plan;
struct registry;
struct shares;
struct sharing;

/* Groups that there always are; those of static resources come behind (sharing_group). */
enum { SHARING_INSTANCES, SHARING_HOST, SHARING_STATIC };

/* What the plan wants: *ret_sharing NULL when nothing is shared.  `now`, if it would come out the same, is referred to
 * once more.  A coordinator that cannot be used is a finding (failed) and no error: then all is ours.  Main thread. */
void sharing_open(struct registry *registry, const struct plan *plan, struct sharing *now,
		  struct problems *problems, struct sharing **ret_sharing);
/* Says hello, for the first time and from then on.  0, or -errno: no thread. */
int sharing_start(struct sharing *sharing);
/* Says good-bye, for good, and does not wait for it. */
void sharing_leave(struct sharing *sharing);
bool sharing_left(struct sharing *sharing); /* it has done so, or given it up */
struct sharing *sharing_ref(struct sharing *sharing); /* NULL is fine */
/* With the last one: leaves, and waits for that, for two seconds at most.  Any thread; NULL is fine. */
void sharing_unref(struct sharing *sharing);

/* The group of a source's static resources, NULL-terminated; the same for the same set. */
unsigned sharing_group(const struct sharing *sharing, const char *const *resources);

/* Who owns what, as far as it is known now; NULL: it is not known yet, and all is ours.  To be given back. */
struct shares *sharing_get(struct sharing *sharing);
void shares_unref(struct shares *shares); /* NULL is fine */
bool shares_own(const struct shares *shares, unsigned group, const char *key);
uint64_t
shares_generation(const struct shares *shares); /* differs whenever owners may; 0 for NULL */

/* Appends the object of the status document. */
void sharing_status(struct sharing *sharing, struct buf *json);

#endif
