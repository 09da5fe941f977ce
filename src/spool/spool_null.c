/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The null twin of the log: every frame is counted as discarded and given back at once.  It is the
 * zero line of measurements and the log of commands that publish nothing.  Never blocks.
 */
#include <assert.h>

#include "model/frame.h"
#include "spool/twin.h"

static void null_append(struct spool *s, struct frame *frame)
{
	struct spool_entry e = { .frame = frame };

	wait_lock(&s->wait);
	e.sequence = frame->public.sequence = ++s->sequence;
	e.audience = e.pending = backlog_audience(s, frame);
	if (e.audience == 0) {
		frame_unref(frame);
	} else {
		backlog_push(s, &e, NULL);
		for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
			if (e.audience >> c & 1) {
				backlog_drop(s, backlog_at(s, 0), c, SPOOL_DISCARDED);
			}
		}
	}
	wait_unlock(&s->wait);
}

static int null_load(struct spool *s, uint64_t sequence, struct frame **ret_frame)
{
	assert(!"nothing is kept here");
	return 0;
}

const struct spool_twin spool_null = {
	.append = null_append,
	.load = null_load,
};
