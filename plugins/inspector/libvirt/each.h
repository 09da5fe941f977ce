/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics of one domain by single calls, for drivers that have no bulk statistics (test, lxc, xen…).
 */
#ifndef INSPECTOR_LIBVIRT_EACH_H
#define INSPECTOR_LIBVIRT_EACH_H

#include "plugins/libvirt/domains.h"

#include <glib.h>

/* Adds to `params` (of virTypedParameter) what the bulk call would have, under the same names, as far as
 * the driver gives it; `block.N.allocation` and `.physical` are those of block info here.
 * 0, or -errno when the domain did not even tell its state. */
int each_read(struct session *s, virDomainPtr dom, const struct domain_desc *desc, unsigned groups,
	      GArray *params, struct vmt_error *error);

GArray *each_params_new(void);
void each_params_free(GArray *params);

#endif
