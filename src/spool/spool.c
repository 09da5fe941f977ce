/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the twins of the log share: cursors, ledger and waiting.  Owns one struct wait; whoever calls
 * may block on it only in spool_next, until its deadline.
 */
#include "spool/spool.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>

#include "base/clock.h"
#include "base/wait.h"
#include "model/frame.h"
#include "spool/twin.h"

static const char *const reason_names[SPOOL_REASONS] = {
	[SPOOL_OVERFLOW] = "overflow",   [SPOOL_REFUSED] = "refused",
	[SPOOL_SHUTDOWN] = "shutdown",   [SPOOL_REMOVED] = "removed",
	[SPOOL_DISCARDED] = "discarded", [SPOOL_FAILED] = "failed",
	[SPOOL_RETRIES] = "retries",
};

const char *spool_reason_name(enum spool_reason reason)
{
	assert(reason < SPOOL_REASONS);
	return reason_names[reason];
}

static struct spool *spool_new(const struct spool_twin *twin, const struct spool_limits *limits)
{
	struct spool *s = g_new0(struct spool, 1);

	s->twin = twin;
	if (limits) {
		s->limits = *limits;
	}
	wait_init(&s->wait);
	return s;
}

struct spool *spool_new_memory(const struct spool_limits *limits)
{
	assert(limits->frames > 0);
	return spool_new(&spool_memory, limits);
}

struct spool *spool_new_null(void)
{
	return spool_new(&spool_null, NULL);
}

bool spool_is_durable(const struct spool *spool)
{
	return false;
}

void spool_free(struct spool *spool)
{
	if (!spool) {
		return;
	}
	spool->twin->clear(spool);
	wait_fini(&spool->wait);
	g_free(spool);
}

int spool_cursor_add(struct spool *spool)
{
	int ret = -ENOSPC;

	wait_lock(&spool->wait);
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if (!spool->cursor[c].used) {
			spool->cursor[c] = (struct spool_cursor){ .used = true };
			ret = (int)c;
			break;
		}
	}
	wait_unlock(&spool->wait);
	return ret;
}

void spool_cursor_finish(struct spool *spool, unsigned cursor)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	spool->cursor[cursor].finished = true;
	wait_unlock(&spool->wait);
	wait_wake(&spool->wait);
}

void spool_cursor_settle(struct spool *spool, unsigned cursor, enum spool_reason reason)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	spool->cursor[cursor].finished = true;
	spool->cursor[cursor].taken = NULL;
	spool->twin->forget(spool, cursor, reason);
	wait_unlock(&spool->wait);
}

void spool_cursor_remove(struct spool *spool, unsigned cursor)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	assert(spool->cursor[cursor].finished && spool->cursor[cursor].ledger.queued == 0);
	spool->cursor[cursor].used = false;
	wait_unlock(&spool->wait);
}

static uint64_t count_for(const struct frame *frame, unsigned cursor)
{
	return frame_rows_for(&frame->public, UINT64_C(1) << cursor);
}

uint64_t spool_audience(const struct spool *spool, const struct frame *frame)
{
	const struct vmt_frame *v = &frame->public;
	uint64_t bits = 0, used = 0;

	for (size_t i = 0; i < v->count; i++) {
		bits |= v->batch[i].count ? v->batch[i].publishers : 0;
	}
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		used |= spool->cursor[c].used && !spool->cursor[c].finished ? UINT64_C(1) << c : 0;
	}
	return bits & used;
}

static void count_produced(struct spool *spool, const struct frame *frame, uint64_t audience)
{
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if (audience >> c & 1) {
			struct spool_ledger *l = &spool->cursor[c].ledger;
			uint64_t n = count_for(frame, c);

			l->produced += n;
			l->queued += n;
			l->queue_frames++;
			l->queue_bytes += frame_bytes(frame);
		}
	}
}

void spool_settle(struct spool *spool, const struct frame *frame, unsigned cursor,
		  const struct spool_result *result)
{
	struct spool_ledger *l = &spool->cursor[cursor].ledger;
	uint64_t n = count_for(frame, cursor);

	assert(l->queued >= n && l->queue_frames > 0);
	assert(result->confirmed + result->refused + result->dropped == n);
	l->queued -= n;
	l->queue_frames--;
	l->queue_bytes -= frame_bytes(frame);
	l->confirmed += result->confirmed;
	l->dropped[SPOOL_REFUSED] += result->refused;
	l->dropped[result->reason] += result->dropped;
}

void spool_settle_as(struct spool *spool, const struct frame *frame, unsigned cursor,
		     enum spool_reason reason)
{
	const struct spool_result all = { .dropped = count_for(frame, cursor), .reason = reason };

	spool_settle(spool, frame, cursor, &all);
}

void spool_append(struct spool *spool, struct frame *frame)
{
	wait_lock(&spool->wait);
	frame->public.sequence = ++spool->sequence;
	count_produced(spool, frame, spool_audience(spool, frame));
	spool->twin->append(spool, frame);
	wait_unlock(&spool->wait);
	wait_wake(&spool->wait);
}

const struct frame *spool_next(struct spool *spool, unsigned cursor, int64_t deadline_ns)
{
	const struct frame *frame;

	wait_lock(&spool->wait);
	while (!(frame = spool->cursor[cursor].taken)) {
		frame = spool->twin->oldest(spool, cursor);
		if (frame) {
			spool->cursor[cursor].taken = frame;
			break;
		}
		if (spool->cursor[cursor].finished ||
		    wait_until(&spool->wait, deadline_ns) == -ETIMEDOUT) {
			break;
		}
	}
	wait_unlock(&spool->wait);
	return frame;
}

void spool_settle_frame(struct spool *spool, unsigned cursor, const struct spool_result *result)
{
	const struct frame *frame;

	wait_lock(&spool->wait);
	frame = spool->cursor[cursor].taken;
	assert(frame);
	spool->cursor[cursor].taken = NULL;
	spool->twin->release(spool, cursor, frame, result);
	wait_unlock(&spool->wait);
}

/* The cursor's samples of the frame in its hand. */
static uint64_t in_hand(struct spool *spool, unsigned cursor)
{
	assert(spool->cursor[cursor].taken);
	return count_for(spool->cursor[cursor].taken, cursor);
}

void spool_confirm(struct spool *spool, unsigned cursor)
{
	spool_settle_frame(spool, cursor,
			   &(struct spool_result){ .confirmed = in_hand(spool, cursor) });
}

void spool_drop(struct spool *spool, unsigned cursor, enum spool_reason reason)
{
	spool_settle_frame(spool, cursor,
			   &(struct spool_result){ .dropped = in_hand(spool, cursor),
						   .reason = reason });
}

void spool_ledger(struct spool *spool, unsigned cursor, struct spool_ledger *ret_ledger)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	*ret_ledger = spool->cursor[cursor].ledger;
	wait_unlock(&spool->wait);
}
