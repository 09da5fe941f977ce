/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of batches in a transformer's hands: parts of them, and kinds.  What is made lives until the end of
 * the cycle (vmt_transform_alloc).  One thread at a time.
 */
#ifndef TRANSFORM_ROWS_H
#define TRANSFORM_ROWS_H

#include <virtmeter/plugin.h>

#define ROWS_NEW(out, type, n) ((type *)vmt_transform_alloc((out), sizeof(type) * (n)))

/* The rows `kept` (rising, n of them) of a batch; the batch itself when that is all. */
struct vmt_batch rows_select(struct vmt_transform *out, const struct vmt_batch *in,
			     const uint32_t *kept, uint32_t n);

/* Puts kinds into the batch: one for all where they agree. */
void rows_kinds(struct vmt_batch *batch, const uint8_t *kinds);

/* A batch that is ready for rows from different times and ids, with room for n of them. */
struct rows_writer {
	struct vmt_batch batch;
	const struct vmt_resource **resource;
	union vmt_num *value;
	uint8_t *kind;
	int64_t *time, *mono;
	uint8_t (*id)[16];
	bool monos; /* some row has one */
};

void rows_begin(struct rows_writer *w, struct vmt_transform *out, const char *name,
		const char *unit, enum vmt_meter_type type, uint32_t n);
/* `mono_ns` INT64_MIN: none. */
void rows_add(struct rows_writer *w, const struct vmt_resource *resource, union vmt_num value,
	      uint8_t kind, int64_t time_ns, int64_t mono_ns, const uint8_t id[16]);
/* The batch that came of it. */
const struct vmt_batch *rows_end(struct rows_writer *w);

static inline int64_t rows_time(const struct vmt_batch *b, uint32_t row)
{
	return b->times ? b->times[row] : b->time_ns;
}

static inline int64_t rows_mono(const struct vmt_batch *b, uint32_t row)
{
	return b->monos ? b->monos[row] : b->mono_ns;
}

static inline uint8_t rows_kind(const struct vmt_batch *b, uint32_t row)
{
	return b->kinds ? b->kinds[row] : b->kind;
}

#endif
