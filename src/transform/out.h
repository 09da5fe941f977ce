/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stage's transformer hands on (struct vmt_transform of the contract), for those who call it.  One
 * thread at a time; in the steady state nothing is taken from the heap.
 */
#ifndef TRANSFORM_OUT_H
#define TRANSFORM_OUT_H

#include <virtmeter/plugin.h>

#include <stddef.h>

struct transform_batch {
	struct vmt_batch batch;
	bool made; /* else it was passed on */
};

struct vmt_transform {
	const char *stage; /* its name, for derived ids */
	struct arena *arena;
	struct transform_batch *list;
	size_t count, room;
	const struct vmt_resource **release;
	size_t releases, release_room;
	uint64_t held; /* of what the stage consumed, beyond this cycle */
};

/* For transformers that keep samples from cycle to cycle: of so many, all in all, something is still to be passed or made,
 * so that they are lost with the transformer.  Until it says otherwise. */
void transform_hold(struct vmt_transform *out, uint64_t samples);

void transform_out_init(struct vmt_transform *out, const char *stage);
void transform_out_fini(struct vmt_transform *out);
/* The end of a cycle: memory and references go back. */
void transform_out_reset(struct vmt_transform *out);

#endif
