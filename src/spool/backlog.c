/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of the log: a ring of entries by sequence, each with the set of cursors that still wait for
 * it, the bounds, and the ledgers.  It grows by doubling and never shrinks.  Every function runs with
 * the log's lock held and blocks on nothing.
 */
#include <assert.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "model/delivery.h"
#include "model/frame.h"
#include "spool/twin.h"

static uint64_t bit_of(unsigned cursor)
{
	return UINT64_C(1) << cursor;
}

/* ---- entries */

uint32_t backlog_place(const struct spool *s, uint64_t sequence)
{
	uint32_t low = 0, high = s->length;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (backlog_at(s, middle)->sequence < sequence) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct spool_entry *backlog_find(const struct spool *s, uint64_t sequence)
{
	uint32_t i = backlog_place(s, sequence);
	struct spool_entry *e = i < s->length ? backlog_at(s, i) : NULL;

	return e && e->sequence == sequence ? e : NULL;
}

struct spool_share *backlog_share(struct spool_entry *e, unsigned cursor)
{
	int i = __builtin_popcountll(e->audience & (bit_of(cursor) - 1));

	assert(e->audience >> cursor & 1);
	return e->many ? &e->many[i] : &e->few[i];
}

static void grow(struct spool *s)
{
	uint32_t capacity = s->capacity ? s->capacity * 2 : 16;
	struct spool_entry *ring = g_new0(struct spool_entry, capacity);

	for (uint32_t i = 0; i < s->length; i++) {
		ring[i] = *backlog_at(s, i);
	}
	g_free(s->ring);
	s->ring = ring;
	s->capacity = capacity;
	s->head = 0;
}

/* Gives back an entry that nobody waits for any more; the shorter side of the ring moves up. */
static void remove_entry(struct spool *s, uint32_t i)
{
	struct spool_entry *e = backlog_at(s, i);

	assert(e->pending == 0);
	s->bytes -= e->bytes;
	frame_unref(e->frame);
	g_free(e->many);
	if (i < s->length / 2) {
		for (; i > 0; i--) {
			*backlog_at(s, i) = *backlog_at(s, i - 1);
		}
		s->head = (s->head + 1) & (s->capacity - 1);
	} else {
		for (; i + 1 < s->length; i++) {
			*backlog_at(s, i) = *backlog_at(s, i + 1);
		}
	}
	s->length--;
}

/* ---- ledger */

uint64_t backlog_audience(const struct spool *s, const struct frame *frame)
{
	const struct vmt_frame *v = &frame->public;
	uint64_t bits = 0, at_work = 0;

	for (size_t i = 0; i < v->count; i++) {
		bits |= v->batch[i].count ? v->batch[i].publishers : 0;
	}
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		const struct spool_cursor *cursor = &s->cursor[c];

		at_work |= cursor->used && !cursor->finished ? bit_of(c) : 0;
	}
	return bits & at_work;
}

struct spool_share backlog_measure(const struct spool *s, const struct frame *frame,
				   unsigned cursor)
{
	uint64_t bit = bit_of(cursor);
	uint64_t messages = delivery_messages(&s->cursor[cursor].shape, &frame->public, bit);

	return (struct spool_share){ .samples = (uint32_t)frame_rows_for(&frame->public, bit),
				     .messages = (uint32_t)MIN(messages, UINT32_MAX) };
}

struct spool_entry *backlog_push(struct spool *s, const struct spool_entry *entry,
				 const struct spool_share *shares)
{
	struct spool_entry *e;
	size_t n = 0;

	if (s->length == s->capacity) {
		grow(s);
	}
	e = backlog_at(s, s->length++);
	*e = *entry;
	e->many = __builtin_popcountll(e->audience) > (int)G_N_ELEMENTS(e->few)
			  ? g_new0(struct spool_share, 64)
			  : NULL;
	s->bytes += e->bytes;
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		struct spool_ledger *l = &s->cursor[c].ledger;
		struct spool_share *share;

		if (!(e->audience >> c & 1)) {
			continue;
		}
		share = backlog_share(e, c);
		*share = shares ? shares[n++] : backlog_measure(s, e->frame, c);
		if (e->pending >> c & 1) {
			l->produced += share->samples;
			l->queued += share->samples;
			l->queue_messages += share->messages;
			l->queue_frames++;
			l->queue_bytes += e->bytes;
			s->cursor[c].changed = true;
		}
	}
	return e;
}

void backlog_settle(struct spool *s, struct spool_entry *e, unsigned cursor,
		    const struct spool_result *result)
{
	struct spool_ledger *l = &s->cursor[cursor].ledger;
	const struct spool_share *share = backlog_share(e, cursor);

	assert(e->pending >> cursor & 1);
	assert(l->queued >= share->samples && l->queue_frames > 0);
	assert(result->confirmed + result->refused + result->dropped == share->samples);
	l->queued -= share->samples;
	l->queue_messages -= share->messages;
	l->queue_frames--;
	l->queue_bytes -= e->bytes;
	l->confirmed += result->confirmed;
	l->dropped[SPOOL_REFUSED] += result->refused;
	l->dropped[result->reason] += result->dropped;
	s->cursor[cursor].changed = true;
	if (result->dropped > 0) {
		frame_lose(e->frame);
	}
	e->pending &= ~bit_of(cursor);
	if (s->durable) {
		durable_changed(s, e);
	}
	if (e->pending == 0) {
		remove_entry(s, backlog_place(s, e->sequence));
	}
}

void backlog_drop(struct spool *s, struct spool_entry *e, unsigned cursor, enum spool_reason reason)
{
	const struct spool_result all = { .dropped = backlog_share(e, cursor)->samples,
					  .reason = reason };

	backlog_settle(s, e, cursor, &all);
}

/* ---- bounds */

/* Drops one entry for every cursor that is not sending it now.  Answers whether it is gone. */
static bool drop_entry(struct spool *s, uint32_t i, enum spool_reason reason)
{
	uint32_t length = s->length;

	for (unsigned c = 0; c < SPOOL_CURSORS && s->length == length; c++) {
		struct spool_entry *e = backlog_at(s, i);

		if ((e->pending >> c & 1) && s->cursor[c].taken != e->sequence) {
			backlog_drop(s, e, c, reason);
		}
	}
	return s->length < length;
}

static void expire(struct spool *s)
{
	int64_t before_ns = clock_real() - s->limits.age_ns;

	if (s->limits.age_ns <= 0) {
		return;
	}
	for (uint32_t i = 0; i < s->length && backlog_at(s, i)->time_ns < before_ns;) {
		i += drop_entry(s, i, SPOOL_EXPIRED) ? 0 : 1;
	}
}

/* The bound in messages.  Frames are dropped whole, and the newest one is kept however long it is. */
static void bound_messages(struct spool *s, const struct frame *frame, unsigned cursor)
{
	struct spool_cursor *c = &s->cursor[cursor];
	uint64_t more = backlog_measure(s, frame, cursor).messages;
	uint32_t i = backlog_place(s, c->hint);

	while (i < s->length && c->ledger.queue_messages + more > c->max_messages) {
		struct spool_entry *e = backlog_at(s, i);
		uint32_t length = s->length;

		if ((e->pending >> cursor & 1) && c->taken != e->sequence) {
			backlog_drop(s, e, cursor, SPOOL_OVERFLOW);
		}
		i += s->length < length ? 0 : 1;
	}
}

/* An entry that is being sent stays and holds its place, so a bound may be passed by one frame per
 * publisher. */
void backlog_make_room(struct spool *s, const struct frame *frame, uint64_t bytes,
		       uint64_t audience)
{
	expire(s);
	for (uint32_t i = 0; i < s->length && (s->length >= s->limits.frames ||
					       s->bytes + bytes > s->limits.bytes);) {
		i += drop_entry(s, i, SPOOL_OVERFLOW) ? 0 : 1;
	}
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if ((audience >> c & 1) && s->cursor[c].max_messages) {
			bound_messages(s, frame, c);
		}
	}
}

uint64_t backlog_shed(struct spool *s, uint64_t bytes)
{
	uint64_t freed = 0;

	for (uint32_t i = 0; i < s->length && freed < bytes;) {
		uint64_t size = backlog_at(s, i)->bytes;

		if ((backlog_at(s, i)->flags & ENTRY_STORED) && drop_entry(s, i, SPOOL_OVERFLOW)) {
			freed += size;
		} else {
			i++;
		}
	}
	return freed;
}

/* ---- cursors */

struct spool_entry *backlog_oldest(struct spool *s, unsigned cursor)
{
	struct spool_cursor *c = &s->cursor[cursor];

	for (uint32_t i = backlog_place(s, c->hint); i < s->length; i++) {
		struct spool_entry *e = backlog_at(s, i);

		if (e->pending >> cursor & 1) {
			c->hint = e->sequence;
			return e->flags & ENTRY_HIDDEN ? NULL : e;
		}
	}
	c->hint = s->length ? backlog_at(s, s->length - 1)->sequence + 1 : c->hint;
	return NULL;
}

void backlog_forget(struct spool *s, unsigned cursor, enum spool_reason reason)
{
	for (uint32_t i = 0; i < s->length;) {
		uint32_t length = s->length;

		if (backlog_at(s, i)->pending >> cursor & 1) {
			backlog_drop(s, backlog_at(s, i), cursor, reason);
		}
		i += s->length < length ? 0 : 1;
	}
}

void backlog_clear(struct spool *s)
{
	for (uint32_t i = 0; i < s->length; i++) {
		frame_unref(backlog_at(s, i)->frame);
		g_free(backlog_at(s, i)->many);
	}
	g_free(s->ring);
	s->ring = NULL;
	s->capacity = s->head = s->length = 0;
	s->bytes = 0;
}
