/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks through the rows of a frame.  One thread; blocks on nothing.
 */
#include "wire/message_feed.h"

#include <errno.h>
#include <stdio.h>

void message_feed_init(struct message_feed *f, struct message_encoder *encoder,
		       const struct vmt_frame *frame, uint64_t bit, struct vmt_delivery *delivery)
{
	message_encoder_finish(encoder); /* of a feed that was given up */
	*f = (struct message_feed){
		.encoder = encoder, .frame = frame, .bit = bit, .delivery = delivery
	};
}

static void refuse(const struct message_feed *f, const struct vmt_rows *row, int status)
{
	const struct vmt_batch *b = &f->frame->batch[row->batch];
	const char *id = b->resource[row->first]->id;
	char reason[256];

	snprintf(reason, sizeof(reason), "sample %.64s of %.64s: %s", b->name ? b->name : "",
		 id ? id : "", message_refusal(status));
	vmt_delivery_refuse(f->delivery, row, 1, reason, NULL, 0);
}

int message_feed_next(struct message_feed *f, struct buf *out, struct vmt_rows *ret_row)
{
	for (; f->batch < f->frame->count; f->batch++, f->row = 0, f->begun = false) {
		const struct vmt_batch *b = &f->frame->batch[f->batch];

		for (; b->publishers & f->bit && f->row < b->count; f->row++) {
			struct vmt_rows row = { .batch = f->batch, .first = f->row, .count = 1 };
			int status;

			if (vmt_delivery_settled(f->delivery, f->batch, f->row)) {
				continue;
			}
			if (!f->begun) {
				message_encoder_batch(f->encoder, b);
				f->begun = true;
			}
			status = message_encoder_put(f->encoder, f->row, out);
			if (status == -EIO) {
				return status;
			}
			if (status == 0) {
				*ret_row = row;
				f->row++;
				return 1;
			}
			refuse(f, &row, status);
		}
	}
	return 0;
}

void message_feed_finish(const struct message_feed *f)
{
	message_encoder_finish(f->encoder);
}

void message_rows_add(struct vmt_rows *list, size_t *n, const struct vmt_rows *row)
{
	if (*n > 0) {
		struct vmt_rows *last = &list[*n - 1];

		if (last->batch == row->batch && last->first + last->count == row->first) {
			last->count += row->count;
			return;
		}
	}
	list[(*n)++] = *row;
}
