/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's share of an inspection: which groups libvirt need not be asked for, and their values.
 */
#ifndef INSPECTOR_LIBVIRT_HYBRID_H
#define INSPECTOR_LIBVIRT_HYBRID_H

#include "plugins/inspector/libvirt/target.h"

#include <virtmeter/plugin.h>

/* Sets of groups that the kernel can have, as a small number. */
enum { HYBRID_CLASSES = 8 };

static inline unsigned hybrid_class(unsigned kernel)
{
	return (kernel & VMT_GROUP_CPU ? 1U : 0) | (kernel & VMT_GROUP_VCPU ? 2U : 0) |
	       (kernel & VMT_GROUP_NIC ? 4U : 0);
}

struct hybrid;

/* `readings`: "hybrid", or "libvirt": then the kernel is read only for who does not answer. */
struct hybrid *hybrid_new(const char *uri, const char *readings);
void hybrid_free(struct hybrid *h); /* NULL is fine */

/* Before libvirt is asked: sets each target's `kernel`, reads those that are to be compared. */
void hybrid_before(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request);

/* After all have an outcome: puts the kernel's values where libvirt was not asked for them or has not answered,
 * compares where both were read, and says in out->readings how many instances it is. */
void hybrid_after(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request,
		  struct vmt_inspection *out);

/* Brings the kept readings of these targets up to what the kernel can still say of them. */
void hybrid_update(struct hybrid *h, struct targets *t);

/* Without libvirt at all (request->kernel): whoever has a process that can be read is VMT_OK. */
void hybrid_alone(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request,
		  struct vmt_inspection *out);

#endif
