/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last reading of an instance, kept for its last sample.
 */
#ifndef INSPECTOR_LIBVIRT_LAST_H
#define INSPECTOR_LIBVIRT_LAST_H

#include "plugins/inspector/libvirt/kernel.h"

#include <virtmeter/plugin.h>

struct last;

void last_free(struct last *l); /* NULL is fine */

/* Keeps reading `i` of `desc` in *l, which is made when it is NULL.  Takes nothing from the heap once devices stay
 * the same. */
void last_keep(struct last **l, struct domain_desc *desc, const struct vmt_inspection *in,
	       size_t i);

/* The kernel's values, read after that: they take the place of the kept ones when it is given. */
void last_update(struct last *l, const struct kernel_reading *k);

/* The description that it is of; NULL: nothing is kept. */
const struct domain_desc *last_desc(const struct last *l);

/* Puts it into reading `i`, once: false when there is nothing, or it has been given.  Its devices stay valid until
 * the next last_keep() or last_free(). */
bool last_give(struct last *l, struct vmt_inspection *out, size_t i);

#endif
