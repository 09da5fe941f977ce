/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of batches.  On the pipeline thread; blocks on nothing. */
#include "transform/rows.h"

#include <string.h>

struct vmt_batch rows_select(struct vmt_transform *out, const struct vmt_batch *in,
			     const uint32_t *kept, uint32_t n)
{
	struct vmt_batch b = *in;
	const struct vmt_resource **resource;
	union vmt_num *value;
	uint8_t(*ids)[16];

	if (n == in->count) {
		return b;
	}
	b.count = n;
	b.resource = resource = ROWS_NEW(out, const struct vmt_resource *, n);
	b.value = value = ROWS_NEW(out, union vmt_num, n);
	ids = vmt_transform_alloc(out, sizeof(*ids) * n);
	b.ids = (const uint8_t(*)[16])ids;
	for (uint32_t i = 0; i < n; i++) {
		struct vmt_batch own = *in;

		own.derived = NULL; /* the ids that are derived from */
		resource[i] = in->resource[kept[i]];
		value[i] = in->value[kept[i]];
		vmt_batch_id(&own, kept[i], ids[i]);
	}
	if (in->kinds) {
		uint8_t *kinds = ROWS_NEW(out, uint8_t, n);

		for (uint32_t i = 0; i < n; i++) {
			kinds[i] = in->kinds[kept[i]];
		}
		b.kinds = kinds;
	}
	if (in->times) {
		int64_t *times = ROWS_NEW(out, int64_t, n);

		for (uint32_t i = 0; i < n; i++) {
			times[i] = in->times[kept[i]];
		}
		b.times = times;
	}
	if (in->monos) {
		int64_t *monos = ROWS_NEW(out, int64_t, n);

		for (uint32_t i = 0; i < n; i++) {
			monos[i] = in->monos[kept[i]];
		}
		b.monos = monos;
	}
	return b;
}

void rows_kinds(struct vmt_batch *batch, const uint8_t *kinds)
{
	uint8_t differ = 0;

	if (batch->count == 0) {
		return;
	}
	for (uint32_t i = 1; i < batch->count; i++) {
		differ |= kinds[i] ^ kinds[0];
	}
	batch->kind = kinds[0];
	batch->kinds = differ ? kinds : NULL;
}

void rows_begin(struct rows_writer *w, struct vmt_transform *out, const char *name,
		const char *unit, enum vmt_meter_type type, uint32_t n)
{
	*w = (struct rows_writer){
		.batch = { .name = name, .unit = unit, .type = (uint8_t)type },
		.resource = ROWS_NEW(out, const struct vmt_resource *, n),
		.value = ROWS_NEW(out, union vmt_num, n),
		.kind = ROWS_NEW(out, uint8_t, n),
		.time = ROWS_NEW(out, int64_t, n),
		.mono = ROWS_NEW(out, int64_t, n),
		.id = vmt_transform_alloc(out, sizeof(*w->id) * n),
	};
}

void rows_add(struct rows_writer *w, const struct vmt_resource *resource, union vmt_num value,
	      uint8_t kind, int64_t time_ns, int64_t mono_ns, const uint8_t id[16])
{
	uint32_t i = w->batch.count++;

	w->resource[i] = resource;
	w->value[i] = value;
	w->kind[i] = kind;
	w->time[i] = time_ns;
	w->mono[i] = mono_ns;
	w->monos = w->monos || mono_ns != INT64_MIN;
	memcpy(w->id[i], id, sizeof(w->id[i]));
}

const struct vmt_batch *rows_end(struct rows_writer *w)
{
	struct vmt_batch *b = &w->batch;

	b->resource = w->resource;
	b->value = w->value;
	b->times = w->time;
	b->monos = w->monos ? w->mono : NULL;
	b->mono_ns = INT64_MIN;
	b->ids = (const uint8_t(*)[16])w->id;
	rows_kinds(b, w->kind);
	return b;
}
