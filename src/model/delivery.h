/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of the rows of one frame at one publisher, over all attempts: the host's side of the
 * vmt_delivery_* functions.  One thread, the publisher's; keeps its memory from frame to frame.
 */
#ifndef MODEL_DELIVERY_H
#define MODEL_DELIVERY_H

#include "base/buf.h"

#include <virtmeter/plugin.h>

enum {
	DELIVERY_REASON = 256, /* bytes of a reason that are kept */
	DELIVERY_LETTERS = 4096, /* kept of one frame; further refusals share the last */
};
#define DELIVERY_BYTES ((size_t)16 << 20) /* of messages that are kept of one frame */

/* Rows that were refused together. */
struct delivery_letter {
	char reason[DELIVERY_REASON];
	size_t first_row, rows; /* into `row` of the delivery */
	size_t at, len; /* the message, in `bytes` of the delivery */
};

struct vmt_delivery {
	const struct vmt_frame *frame;
	uint64_t bit;
	uint64_t total, confirmed, refused; /* rows for the publisher; of them, so far */
	uint64_t repeats, conflicts; /* of `total`, what a store had already */
	int64_t pause_ns; /* asked for by the last attempt */
	/* private */
	uint64_t sequence;
	uint8_t *state; /* per row of the frame, once one was settled */
	size_t state_cap, state_rows;
	size_t *start; /* per batch: its first row in `state` */
	size_t start_cap;
	struct delivery_letter *letter;
	size_t letters, letters_cap;
	struct vmt_rows *row; /* of all letters */
	size_t rows, rows_cap;
	struct buf bytes;
};

void delivery_init(struct vmt_delivery *d);
void delivery_fini(struct vmt_delivery *d);

/* Before each attempt.  The same frame as before: what was settled stays settled. */
void delivery_begin(struct vmt_delivery *d, const struct vmt_frame *frame, uint64_t bit);
/* All that is not settled is refused for one reason. */
void delivery_refuse_rest(struct vmt_delivery *d, const char *reason);
/* Forgets the frame. */
void delivery_end(struct vmt_delivery *d);

/* How many messages the rows for `bit` become. */
uint64_t delivery_messages(const struct vmt_message_shape *shape, const struct vmt_frame *frame,
			   uint64_t bit);

#endif
