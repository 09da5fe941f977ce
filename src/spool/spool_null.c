/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The null twin of the log: every frame is counted as discarded and given back at once.  It is the
 * zero line of measurements and the log of commands that publish nothing.  Never blocks.
 */
#include "model/frame.h"
#include "spool/twin.h"

static void null_append(struct spool *spool, struct frame *frame)
{
	uint64_t audience = spool_audience(spool, frame);

	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if (audience >> c & 1) {
			spool_settle_as(spool, frame, c, SPOOL_DISCARDED);
		}
	}
	frame_unref(frame);
}

static const struct frame *null_oldest(struct spool *spool, unsigned cursor)
{
	return NULL;
}

static void null_release(struct spool *spool, unsigned cursor, const struct frame *frame,
			 const struct spool_result *result)
{
}

static void null_forget(struct spool *spool, unsigned cursor, enum spool_reason reason)
{
}

static void null_clear(struct spool *spool)
{
}

const struct spool_twin spool_null = {
	.append = null_append,
	.oldest = null_oldest,
	.release = null_release,
	.forget = null_forget,
	.clear = null_clear,
};
