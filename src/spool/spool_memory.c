/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory twin of the log: a ring of frames by reference, each with the set of cursors that still
 * wait for it.  It grows by doubling up to the limit and never shrinks; it never blocks.
 */
#include <assert.h>
#include <glib.h>

#include "model/frame.h"
#include "spool/twin.h"

static struct spool_entry *entry_at(struct spool *s, uint32_t i)
{
	return &s->ring[(s->head + i) & (s->capacity - 1)];
}

static void grow(struct spool *s)
{
	uint32_t capacity = s->capacity ? s->capacity * 2 : 16;
	struct spool_entry *ring = g_new0(struct spool_entry, capacity);

	for (uint32_t i = 0; i < s->length; i++) {
		ring[i] = *entry_at(s, i);
	}
	g_free(s->ring);
	s->ring = ring;
	s->capacity = capacity;
	s->head = 0;
}

/* Gives back a frame that nobody waits for any more; what lies before it moves up. */
static void remove_entry(struct spool *s, uint32_t i)
{
	struct frame *frame = entry_at(s, i)->frame;

	assert(entry_at(s, i)->pending == 0);
	s->bytes -= frame_bytes(frame);
	frame_unref(frame);
	for (; i > 0; i--) {
		*entry_at(s, i) = *entry_at(s, i - 1);
	}
	s->head = (s->head + 1) & (s->capacity - 1);
	s->length--;
}

/* Drops one entry's samples for every cursor that is not sending them now.  Answers whether the
 * entry is free. */
static bool drop_entry(struct spool *s, struct spool_entry *e)
{
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if ((e->pending >> c & 1) && s->cursor[c].taken != e->frame) {
			e->pending &= ~(UINT64_C(1) << c);
			spool_settle_as(s, e->frame, c, SPOOL_OVERFLOW);
		}
	}
	return e->pending == 0;
}

/* Makes room: the oldest entries go first.  One that is being sent stays and holds its place, so the
 * bound may be passed by one frame per publisher. */
static void make_room(struct spool *s, uint64_t bytes)
{
	for (uint32_t i = 0; i < s->length && (s->length >= s->limits.frames ||
					       s->bytes + bytes > s->limits.bytes);) {
		if (drop_entry(s, entry_at(s, i))) {
			remove_entry(s, i);
		} else {
			i++;
		}
	}
}

static void memory_append(struct spool *s, struct frame *frame)
{
	uint64_t audience = spool_audience(s, frame);
	struct spool_entry *e;

	if (audience == 0) {
		frame_unref(frame);
		return;
	}
	make_room(s, frame_bytes(frame));
	if (s->length == s->capacity) {
		grow(s);
	}
	e = entry_at(s, s->length++);
	e->frame = frame;
	e->pending = audience;
	s->bytes += frame_bytes(frame);
}

static const struct frame *memory_oldest(struct spool *s, unsigned cursor)
{
	for (uint32_t i = 0; i < s->length; i++) {
		struct spool_entry *e = entry_at(s, i);

		if (e->pending >> cursor & 1) {
			return e->frame;
		}
	}
	return NULL;
}

static void memory_release(struct spool *s, unsigned cursor, const struct frame *frame,
			   const struct spool_result *result)
{
	for (uint32_t i = 0; i < s->length; i++) {
		struct spool_entry *e = entry_at(s, i);

		if (e->frame == frame) {
			assert(e->pending >> cursor & 1);
			e->pending &= ~(UINT64_C(1) << cursor);
			spool_settle(s, frame, cursor, result);
			if (e->pending == 0) {
				remove_entry(s, i);
			}
			return;
		}
	}
	assert(!"a cursor released a frame that the log does not hold");
}

static void memory_forget(struct spool *s, unsigned cursor, enum spool_reason reason)
{
	for (uint32_t i = 0; i < s->length;) {
		struct spool_entry *e = entry_at(s, i);

		if (e->pending >> cursor & 1) {
			e->pending &= ~(UINT64_C(1) << cursor);
			spool_settle_as(s, e->frame, cursor, reason);
		}
		if (e->pending == 0) {
			remove_entry(s, i);
		} else {
			i++;
		}
	}
}

static void memory_clear(struct spool *s)
{
	for (uint32_t i = 0; i < s->length; i++) {
		frame_unref(entry_at(s, i)->frame);
	}
	g_free(s->ring);
	s->ring = NULL;
	s->capacity = s->head = s->length = 0;
}

const struct spool_twin spool_memory = {
	.append = memory_append,
	.oldest = memory_oldest,
	.release = memory_release,
	.forget = memory_forget,
	.clear = memory_clear,
};
