/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a frame: frame_begin, then for each meter batch_begin, batch_add…, batch_end, then
 * frame_finish (or frame_abort).  One thread; the frame comes from a pool, so that in steady state
 * nothing is taken from the heap.  Time, monotonic time and kind stay single values for as long as
 * all rows of a batch agree.
 */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include "model/frame.h"
#include "model/resource.h"

struct frame_builder {
	struct frame_pool *pool;
	struct frame *frame; /* NULL between frames */
	int64_t time_ns, mono_ns; /* of the cycle, as given to frame_begin() */
	/* private: the batch in hand */
	struct vmt_batch *batch;
	size_t first; /* its first row */
	bool times, monos, kinds; /* those columns are in use */
	bool own_id;
	bool open;
	uint64_t serial; /* of the frame, shifted to its place in resource.mark */
};

struct batch_spec {
	const char *name, *unit; /* constants, or batch_text() */
	enum vmt_meter_type type;
	enum vmt_kind kind;
	uint64_t publishers; /* bit set */
	const uint8_t *id; /* 16 bytes: message id of row 0; NULL: from the process's clock */
};

void frame_builder_init(struct frame_builder *b, struct frame_pool *pool);
void frame_builder_fini(struct frame_builder *b); /* a frame in hand is aborted */

/* `time_ns`, `mono_ns`: when the cycle began; for samples that have no time of their own. */
void frame_begin(struct frame_builder *b, enum vmt_profile profile, int64_t time_ns,
		 int64_t mono_ns);

/* The frame, with one reference; NULL when it has no rows. */
struct frame *frame_finish(struct frame_builder *b);
void frame_abort(struct frame_builder *b);

/* A name that lives as long as the frame. */
const char *batch_text(struct frame_builder *b, const char *text);

/* At most `rows` rows will be added.  Batches may follow each other, not overlap. */
void batch_begin(struct frame_builder *b, const struct batch_spec *spec, size_t rows);

/* A whole batch, with its times, kinds and ids; texts are copied.  Its rows' resources are taken up as
 * batch_add() does. */
void batch_copy(struct frame_builder *b, const struct vmt_batch *from, uint64_t publishers);

/* The messages that the rows of the last batch, added by batch_copy(), came in.  The byte form of a frame does not
 * have them. */
void batch_messages(struct frame_builder *b, const uint32_t *messages);

/* A batch without rows leaves no trace.  Answers the number of rows. */
size_t batch_end(struct frame_builder *b);

/* private: slow parts of batch_add() */
void batch_use(struct frame_builder *b, struct resource *r, size_t row);
void batch_times(struct frame_builder *b, size_t row, int64_t time_ns, int64_t mono_ns);
void batch_kind(struct frame_builder *b, size_t row, enum vmt_kind kind);

enum { MARK_INDEX_BITS = 24 };

/* One row.  The frame takes its own reference on the resource, one however many rows speak of it.
 * `mono_ns` INT64_MIN: none. */
static inline void batch_add(struct frame_builder *b, struct resource *r, union vmt_num value,
			     int64_t time_ns, int64_t mono_ns)
{
	struct frame *f = b->frame;
	size_t row = f->rows++;
	uint64_t mark = atomic_load_explicit(&r->mark, memory_order_relaxed);

	f->resource[row] = &r->public;
	f->value[row] = value;
	if ((mark ^ b->serial) >> MARK_INDEX_BITS) {
		batch_use(b, r, row);
	} else {
		f->index[row] = (uint32_t)(mark & ((1u << MARK_INDEX_BITS) - 1));
	}
	if (b->times || b->monos || time_ns != b->batch->time_ns || mono_ns != b->batch->mono_ns) {
		batch_times(b, row, time_ns, mono_ns);
	}
	if (b->kinds) {
		f->kind[row] = b->batch->kind;
	}
}

/* The same with a kind of its own. */
static inline void batch_add_kind(struct frame_builder *b, struct resource *r, union vmt_num value,
				  enum vmt_kind kind, int64_t time_ns, int64_t mono_ns)
{
	batch_add(b, r, value, time_ns, mono_ns);
	if (b->kinds || kind != b->batch->kind) {
		batch_kind(b, b->frame->rows - 1, kind);
	}
}

#endif
