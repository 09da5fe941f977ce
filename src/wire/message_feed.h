/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a frame, one after the other, for a publisher within `publish`: rows that are settled
 * already are left out, and those that can never be sent are refused on the way.  One thread.
 */
#ifndef WIRE_MESSAGE_FEED_H
#define WIRE_MESSAGE_FEED_H

#include "wire/message.h"

struct message_feed {
	struct message_encoder *encoder;
	const struct vmt_frame *frame;
	uint64_t bit;
	struct vmt_delivery *delivery;
	/* where it stands: the row that comes next */
	uint32_t batch, row;
	bool begun; /* the encoder has this batch */
};

/* All stay the caller's; so do the buffers of messages, until the encoder's next feed begins. */
void message_feed_init(struct message_feed *f, struct message_encoder *encoder,
		       const struct vmt_frame *frame, uint64_t bit, struct vmt_delivery *delivery);

/* Appends the next message to `out`; its signature may come later (message_encoder_put()).  1, and which row it is
 * (count 1); 0: there are no more; -EIO: the cryptographic library failed, the row comes again. */
int message_feed_next(struct message_feed *f, struct buf *out, struct vmt_rows *ret_row);
/* Before messages leave: all of them are signed. */
void message_feed_finish(const struct message_feed *f);

/* Adds a row to a list of rows that follow each other as they do in a feed; the list has room for one more
 * than it holds, *n. */
void message_rows_add(struct vmt_rows *list, size_t *n, const struct vmt_rows *row);

#endif
