/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stores know whole messages by: a digest of the ids, resources, times and values of its samples, of those that go
 * to the store.  The samples of a frame that did not come in messages are one message.  The order of the samples, and
 * which other messages are in the frame, do not matter.
 *
 * One thread at a time; keeps its memory from frame to frame.
 */
#ifndef PUBLISHER_DIGESTS_H
#define PUBLISHER_DIGESTS_H

#include <virtmeter/plugin.h>

enum { DIGEST_DAYS = 7 }; /* how long a store knows a message */

struct digest {
	uint64_t half[2];
	int64_t time_ns; /* of its newest sample */
	uint32_t rows; /* 0: there is no such message in the frame */
	/* the store's: */
	bool known; /* it was there before */
	bool spoiled; /* not all of it is in the store */
};

struct digests {
	struct digest *item; /* [0]: of samples without a message; [n + 1]: of message n */
	uint32_t count, room;
};

/* Of the frame's samples for the publisher `bit`. */
void digests_make(struct digests *digests, const struct vmt_frame *frame, uint64_t bit);
void digests_fini(struct digests *digests);

/* The message that the row came in. */
static inline struct digest *digests_of(const struct digests *digests,
					const struct vmt_batch *batch, uint32_t row)
{
	return &digests->item[batch->messages ? batch->messages[row] + 1 : 0];
}

#endif
