/* SPDX-License-Identifier: Apache-2.0 */
/* Where transformers put their samples.  On the pipeline thread; blocks on nothing. */
#include "transform/out.h"

#include <glib.h>

#include "base/arena.h"

void transform_out_init(struct vmt_transform *out, const char *stage)
{
	*out = (struct vmt_transform){ .stage = stage, .arena = arena_new(64 << 10) };
}

void transform_out_fini(struct vmt_transform *out)
{
	transform_out_reset(out);
	arena_free(out->arena);
	g_free(out->list);
	g_free(out->release);
}

void transform_out_reset(struct vmt_transform *out)
{
	for (size_t i = 0; i < out->releases; i++) {
		vmt_resource_unref(out->release[i]);
	}
	out->releases = 0;
	out->count = 0;
	arena_reset(out->arena);
}

void transform_hold(struct vmt_transform *out, uint64_t samples)
{
	out->held = samples;
}

VMT_API void *vmt_transform_alloc(struct vmt_transform *out, size_t size)
{
	return arena_alloc(out->arena, size);
}

static struct vmt_batch *add(struct vmt_transform *out, const struct vmt_batch *batch, bool made)
{
	struct vmt_batch *b;

	if (out->count == out->room) {
		out->room = MAX(16, 2 * out->room);
		out->list = g_renew(struct transform_batch, out->list, out->room);
	}
	out->list[out->count] = (struct transform_batch){ .batch = *batch, .made = made };
	b = &out->list[out->count++].batch;
	b->name = arena_strdup(out->arena, batch->name);
	b->unit = arena_strdup(out->arena, batch->unit);
	b->derived = arena_strdup(out->arena, batch->derived);
	return b;
}

VMT_API void vmt_transform_pass(struct vmt_transform *out, const struct vmt_batch *batch)
{
	if (batch->count > 0) {
		add(out, batch, false);
	}
}

VMT_API void vmt_transform_make(struct vmt_transform *out, const struct vmt_batch *batch)
{
	struct vmt_batch *b;

	if (batch->count > 0) {
		b = add(out, batch, true);
		b->derived = arena_printf(out->arena, "%s%s%s:%s", b->derived ? b->derived : "",
					  b->derived ? "/" : "", out->stage, b->name);
	}
}

VMT_API void vmt_transform_release(struct vmt_transform *out, const struct vmt_resource *resource)
{
	if (out->releases == out->release_room) {
		out->release_room = MAX(256, 2 * out->release_room);
		out->release =
			g_renew(const struct vmt_resource *, out->release, out->release_room);
	}
	out->release[out->releases++] = resource;
}
