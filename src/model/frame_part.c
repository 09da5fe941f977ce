/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a frame as a frame of its own.  Any thread; blocks on nothing. */
#include "model/batch.h"
#include "model/frame.h"
#include "model/resource.h"

#include <stdint.h>

static void add_rows(struct frame_builder *b, const struct vmt_batch *from, uint32_t first,
		     uint32_t count)
{
	struct batch_spec spec = {
		.name = batch_text(b, from->name),
		.unit = batch_text(b, from->unit),
		.type = (enum vmt_meter_type)from->type,
		.kind = (enum vmt_kind)from->kind,
		.publishers = from->publishers,
	};
	uint8_t id[16];

	vmt_batch_id(from, first, id);
	spec.id = id;
	batch_begin(b, &spec, count);
	for (uint32_t i = first; i < first + count; i++) {
		enum vmt_kind kind = (enum vmt_kind)(from->kinds ? from->kinds[i] : from->kind);

		batch_add_kind(b, resource_of(from->resource[i]), from->value[i], kind,
			       from->times ? from->times[i] : from->time_ns,
			       from->monos ? from->monos[i] : from->mono_ns);
	}
	batch_end(b);
}

struct frame *frame_part(struct frame_pool *pool, const struct frame *frame,
			 const struct vmt_rows *rows, size_t count)
{
	const struct vmt_frame *v = &frame->public;
	struct frame_builder builder;
	struct frame *part;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, (enum vmt_profile)v->profile, 0, INT64_MIN);
	for (size_t i = 0; i < count; i++) {
		const struct vmt_rows *r = &rows[i];

		if (r->batch < v->count && r->first < v->batch[r->batch].count &&
		    r->count <= v->batch[r->batch].count - r->first && r->count > 0) {
			add_rows(&builder, &v->batch[r->batch], r->first, r->count);
		}
	}
	part = frame_finish(&builder);
	frame_builder_fini(&builder);
	if (part) {
		part->public.sequence = v->sequence;
	}
	return part;
}
