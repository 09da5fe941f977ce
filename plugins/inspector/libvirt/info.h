/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block info of the disks that need it: a few in each cycle.
 */
#ifndef INSPECTOR_LIBVIRT_INFO_H
#define INSPECTOR_LIBVIRT_INFO_H

#include "plugins/inspector/libvirt/target.h"

struct info_list;

struct info_list *info_list_new(int64_t interval_ns);
/* Adds those disks of the target's reading that want block info and are due, as long as there is room. */
void info_list_add(struct info_list *l, struct target *target, const struct vmt_inspection *out);
/* Asks, and puts the answers into the disks and this cycle's readings; not at the cap.  Should it hang, it is left
 * behind on the domain that it hangs on. */
void info_list_ask(struct info_list *l, struct hub *hub, struct caller *caller,
		   struct vmt_inspection *out, const struct vmt_call *call);
void info_list_free(struct info_list *l);

#endif
