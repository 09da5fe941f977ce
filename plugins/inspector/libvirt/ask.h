/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking all instances, so that one that does not answer costs no other one its readings.
 *
 * Each target of a cycle has its *way*.  Most are asked together, in as few calls as there are connections.  Past a
 * moment's patience libvirt is asked whose monitor holds a call up (lookout.h); then the call is left behind, the
 * one it hangs on entered in the book, and the others are asked again, in small lists, last-answered first, over
 * other connections.  Who does not answer gets what needs no monitor.
 *
 * Every call asks with NOWAIT: whose job is taken by somebody else's call comes without what needs it (a short
 * record); he is asked once more at the end.
 *
 * At the cap (hub_cap() calls left behind) only those are asked in full who have answered since the last one was
 * found to hang, one list at a time; should that one hang, too, nobody is before a call comes back.
 */
#ifndef INSPECTOR_LIBVIRT_ASK_H
#define INSPECTOR_LIBVIRT_ASK_H

#include "plugins/inspector/libvirt/cycle.h"
#include "plugins/inspector/libvirt/target.h"

struct asker;

struct asker *asker_new(struct domains *domains, const struct cycle_conf *conf);
void asker_free(struct asker *k); /* NULL is fine */

struct ask_order {
	struct targets *targets;
	const struct vmt_inspect_request *request;
	struct vmt_inspection *out;
	const struct vmt_call *call;
};

/* Who holds what up; way and outcome of each running target.  0; -errno when libvirt does not answer: then
 * nobody is asked. */
int asker_plan(struct asker *k, const struct ask_order *order, struct vmt_error *error);

/* Asks all by their ways.  What was read is in order->out; a running target whose outcome is VMT_UNREAD then was in
 * no answer, and its `err` says why (0: libvirt does not know it).  0, or -errno: libvirt does not answer. */
int asker_run(struct asker *k, const struct ask_order *order, struct vmt_error *error);

/* Whether values are read by single calls per domain: those are whole, sizes of disks too. */
bool asker_is_each(const struct asker *k);

#endif
