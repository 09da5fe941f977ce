/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources of samples that are made: as those they come from, but with the configured source, and perhaps with
 * metadata and owner of different ones.  The last one made is kept, so that the steady state makes none.
 */
#ifndef TRANSFORM_MADE_H
#define TRANSFORM_MADE_H

#include <virtmeter/plugin.h>

struct made {
	const struct vmt_resource *resource; /* NULL: none yet */
	uint64_t digest[3]; /* of what it was made from */
};

/* What a resource is put together from. */
struct made_of {
	const struct vmt_resource *metadata; /* NULL: {} */
	const struct vmt_resource *project, *user; /* the id is that of `project` */
	const char *source;
};

/* The made one, or that of which all is taken; no reference: holds until the next call for *made. */
const struct vmt_resource *made_get(struct made *made, const struct made_of *of);
void made_clear(struct made *made);

#endif
