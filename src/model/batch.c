/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the building of frames.  Columns grow by reallocation while a frame is built, so batches
 * hold row numbers until frame_finish() turns them into pointers.  Runs on the thread that builds;
 * blocks on nothing but the pool's mutex for a moment.
 */
#include "model/batch.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "model/frame_private.h"

#include <glib.h>
#include <string.h>

/* Tells frames apart in resource.mark. */
static _Atomic uint64_t serials = 1;

void frame_builder_init(struct frame_builder *b, struct frame_pool *pool)
{
	*b = (struct frame_builder){ .pool = pool };
}

void frame_builder_fini(struct frame_builder *b)
{
	if (b) {
		frame_abort(b);
	}
}

void frame_begin(struct frame_builder *b, enum vmt_profile profile, int64_t time_ns,
		 int64_t mono_ns)
{
	g_assert(!b->frame);
	b->frame = frame_pool_take(b->pool);
	b->frame->public.profile = (uint8_t)profile;
	b->time_ns = time_ns;
	b->mono_ns = mono_ns;
	b->open = false;
	b->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) << MARK_INDEX_BITS;
}

void frame_abort(struct frame_builder *b)
{
	frame_unref(b->frame);
	b->frame = NULL;
}

const char *batch_text(struct frame_builder *b, const char *text)
{
	return arena_strdup(b->frame->names, text);
}

void batch_begin(struct frame_builder *b, const struct batch_spec *spec, size_t rows)
{
	struct frame *f = b->frame;

	g_assert(!b->open);
	frame_reserve(f, f->public.count + 1, f->rows + rows);
	b->first = f->rows;
	b->open = true;
	b->times = b->monos = b->kinds = false;
	b->own_id = spec->id != NULL;
	b->batch = &f->batch[f->public.count];
	*b->batch = (struct vmt_batch){
		.name = spec->name,
		.unit = spec->unit,
		.type = (uint8_t)spec->type,
		.kind = (uint8_t)spec->kind,
		.publishers = spec->publishers,
		.time_ns = b->time_ns,
		.mono_ns = b->mono_ns,
	};
	if (spec->id) {
		memcpy(b->batch->id, spec->id, sizeof(b->batch->id));
	}
}

/* A place among a frame's resources or heads, remembered in the thing's mark.  Another frame that
 * is being built may take the mark away: the thing is then listed once more, which is harmless. */
static bool known(const struct frame_builder *b, _Atomic uint64_t *mark, uint32_t *ret_place)
{
	uint64_t m = atomic_load_explicit(mark, memory_order_relaxed);

	if ((m ^ b->serial) >> MARK_INDEX_BITS) {
		return false;
	}
	*ret_place = (uint32_t)(m & ((1u << MARK_INDEX_BITS) - 1));
	return true;
}

static uint32_t note(const struct frame_builder *b, _Atomic uint64_t *mark, size_t place)
{
	if (place < (size_t)1 << MARK_INDEX_BITS) {
		atomic_store_explicit(mark, b->serial | place, memory_order_relaxed);
	}
	return (uint32_t)place;
}

void batch_use(struct frame_builder *b, struct resource *r, size_t row)
{
	struct frame *f = b->frame;
	uint32_t head;

	if (!known(b, &r->head->mark, &head)) {
		head = note(b, &r->head->mark, frame_use_head(f, r->head));
	}
	f->index[row] = note(b, &r->mark, frame_use(f, resource_ref(r), head));
}

void batch_times(struct frame_builder *b, size_t row, int64_t time_ns, int64_t mono_ns)
{
	struct frame *f = b->frame;

	if (row == b->first) {
		b->batch->time_ns = time_ns;
		b->batch->mono_ns = mono_ns;
	}
	if (!b->times && time_ns != b->batch->time_ns) {
		for (size_t i = b->first; i < row; i++) {
			f->time[i] = b->batch->time_ns;
		}
		b->times = true;
	}
	if (!b->monos && mono_ns != b->batch->mono_ns) {
		for (size_t i = b->first; i < row; i++) {
			f->mono[i] = b->batch->mono_ns;
		}
		b->monos = true;
	}
	f->time[row] = time_ns;
	f->mono[row] = mono_ns;
}

void batch_kind(struct frame_builder *b, size_t row, enum vmt_kind kind)
{
	struct frame *f = b->frame;

	if (row == b->first) {
		b->batch->kind = (uint8_t)kind;
		return;
	}
	if (!b->kinds) {
		memset(f->kind + b->first, b->batch->kind, row - b->first);
		b->kinds = true;
	}
	f->kind[row] = (uint8_t)kind;
}

size_t batch_end(struct frame_builder *b)
{
	struct frame *f = b->frame;
	size_t rows = f->rows - b->first;

	g_assert(b->open && rows <= UINT32_MAX);
	b->open = false;
	if (!rows) {
		return 0;
	}
	b->batch->count = (uint32_t)rows;
	/* Which columns there are; frame_finish() puts the right pointers. */
	b->batch->times = b->times ? f->time : NULL;
	b->batch->monos = b->monos ? f->mono : NULL;
	b->batch->kinds = b->kinds ? f->kind : NULL;
	if (!b->own_id) {
		uuid1_block(b->batch->count, b->batch->id);
	}
	f->public.count++;
	return rows;
}

/* The resources of rows to come.  The meter before often speaks of the same ones in the same order: then nothing
 * of them is looked at. */
static void use_rows(struct frame_builder *b, const struct vmt_batch *from)
{
	struct frame *f = b->frame;
	const size_t first = f->rows,
		     before = f->public.count > 1 ? f->batch[f->public.count - 2].count : SIZE_MAX;

	f->rows += from->count;
	if (before == from->count && memcmp(from->resource, f->resource + first - before,
					    before * sizeof(*from->resource)) == 0) {
		memcpy(f->resource + first, from->resource, before * sizeof(*f->resource));
		memcpy(f->index + first, f->index + first - before, before * sizeof(*f->index));
		return;
	}
	for (size_t row = first; row < f->rows; row++) {
		struct resource *r = resource_of(from->resource[row - first]);
		uint64_t mark = atomic_load_explicit(&r->mark, memory_order_relaxed);

		f->resource[row] = &r->public;
		if ((mark ^ b->serial) >> MARK_INDEX_BITS) {
			batch_use(b, r, row);
		} else {
			f->index[row] = (uint32_t)(mark & ((1u << MARK_INDEX_BITS) - 1));
		}
	}
}

void batch_copy(struct frame_builder *b, const struct vmt_batch *from, uint64_t publishers)
{
	struct frame *f = b->frame;
	struct vmt_batch *to;
	size_t first = f->rows;

	g_assert(!b->open && from->count);
	frame_reserve(f, f->public.count + 1, f->rows + from->count);
	to = &f->batch[f->public.count++];
	*to = *from;
	to->name = batch_text(b, from->name);
	to->unit = batch_text(b, from->unit);
	to->derived = batch_text(b, from->derived);
	to->publishers = publishers;
	to->messages = NULL;
	use_rows(b, from);
	memcpy(f->value + first, from->value, from->count * sizeof(*f->value));
	if (from->kinds) {
		memcpy(f->kind + first, from->kinds, from->count);
		to->kinds = f->kind;
	}
	if (from->times) {
		memcpy(f->time + first, from->times, from->count * sizeof(*f->time));
		to->times = f->time;
	}
	if (from->monos) {
		memcpy(f->mono + first, from->monos, from->count * sizeof(*f->mono));
		to->monos = f->mono;
	}
	if (from->ids) {
		frame_reserve_ids(f);
		memcpy(f->id + first, from->ids, from->count * sizeof(*f->id));
		to->ids = (const uint8_t(*)[16])f->id;
	}
}

void batch_messages(struct frame_builder *b, const uint32_t *messages)
{
	struct frame *f = b->frame;
	struct vmt_batch *batch = &f->batch[f->public.count - 1];

	g_assert(!b->open && f->public.count);
	frame_reserve_messages(f);
	memcpy(f->message + f->rows - batch->count, messages, batch->count * sizeof(*messages));
	batch->messages = f->message;
}

struct frame *frame_finish(struct frame_builder *b)
{
	struct frame *f = b->frame;

	g_assert(f && !b->open);
	if (!f->rows) {
		frame_abort(b);
		return NULL;
	}
	b->frame = NULL;
	frame_point(f);
	return f;
}

VMT_API void vmt_batch_id(const struct vmt_batch *batch, uint32_t row, uint8_t ret_id[16])
{
	uint8_t own[16];

	if (!batch->derived && !batch->ids) {
		uuid1_add(batch->id, row, ret_id);
		return;
	}
	if (batch->ids) {
		memcpy(own, batch->ids[row], sizeof(own));
	} else {
		uuid1_add(batch->id, row, own);
	}
	if (batch->derived) {
		uuid5(own, batch->derived, strlen(batch->derived), ret_id);
	} else {
		memcpy(ret_id, own, sizeof(own));
	}
}
