/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making descriptions (struct domain_desc); only domains.c and tests call this.
 */
#ifndef LIBVIRT_DESC_H
#define LIBVIRT_DESC_H

#include "plugins/libvirt/domains.h"

#include <glib.h>

/* One reading of a domain. */
struct desc_source {
	const uint8_t *uuid;
	const char *name;
	const char *xml;
	int number; /* libvirt's id, -1 while it does not run */
	int64_t time_ns; /* monotonic */
	struct arena *scratch; /* to work in; reset, and left to the caller; NULL: its own */
};

/* A description with one reference.  Devices that were in `old` (NULL: none) keep version and epoch as far
 * as they are the same; those whose alias is in `removed` (NULL: none) were unplugged since.  NULL when
 * nothing differs from `old`. */
struct domain_desc *desc_new(const struct desc_source *src, const struct domain_desc *old,
			     GPtrArray *removed);

#endif
