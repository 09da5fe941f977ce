/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the record of a frame's settled rows and its refused messages.  Runs on the publisher's thread;
 * blocks on nothing.  The arrays are made when the first row is settled by itself: a publisher that
 * takes or fails whole frames costs nothing here.
 */
#include "model/delivery.h"

#include <glib.h>
#include <string.h>

enum { OPEN, CONFIRMED, REFUSED };

#define PAUSE_MAX_NS (INT64_C(3600) * 1000000000)

void delivery_init(struct vmt_delivery *d)
{
	*d = (struct vmt_delivery){ .bytes = BUF_INIT };
}

void delivery_fini(struct vmt_delivery *d)
{
	g_free(d->state);
	g_free(d->start);
	g_free(d->letter);
	g_free(d->row);
	buf_fini(&d->bytes);
}

void delivery_end(struct vmt_delivery *d)
{
	d->frame = NULL;
	d->total = d->confirmed = d->refused = 0;
	d->repeats = d->conflicts = 0;
	d->state_rows = d->letters = d->rows = 0;
	buf_reset(&d->bytes);
}

void delivery_begin(struct vmt_delivery *d, const struct vmt_frame *frame, uint64_t bit)
{
	d->pause_ns = 0;
	if (d->frame == frame && d->sequence == frame->sequence && d->bit == bit) {
		return;
	}
	delivery_end(d);
	d->frame = frame;
	d->sequence = frame->sequence;
	d->bit = bit;
	for (size_t i = 0; i < frame->count; i++) {
		d->total += frame->batch[i].publishers & bit ? frame->batch[i].count : 0;
	}
}

/* Makes the arrays for this frame, all rows open. */
static void want_state(struct vmt_delivery *d)
{
	size_t rows = 0;

	if (d->state_rows) {
		return;
	}
	if (d->frame->count > d->start_cap) {
		d->start_cap = d->frame->count;
		d->start = g_renew(size_t, d->start, d->start_cap);
	}
	for (size_t i = 0; i < d->frame->count; i++) {
		d->start[i] = rows;
		rows += d->frame->batch[i].count;
	}
	if (rows > d->state_cap) {
		d->state_cap = rows;
		d->state = g_renew(uint8_t, d->state, rows);
	}
	memset(d->state, OPEN, rows);
	d->state_rows = rows;
}

static bool is_ours(const struct vmt_delivery *d, const struct vmt_rows *r)
{
	return r->batch < d->frame->count && (d->frame->batch[r->batch].publishers & d->bit) &&
	       r->first <= d->frame->batch[r->batch].count &&
	       r->count <= d->frame->batch[r->batch].count - r->first;
}

static void add_row(struct vmt_delivery *d, uint32_t batch, uint32_t row)
{
	struct vmt_rows *last = d->rows ? &d->row[d->rows - 1] : NULL;
	bool fresh = !d->letters || d->letter[d->letters - 1].rows == 0;

	if (last && !fresh && last->batch == batch && last->first + last->count == row) {
		last->count++;
		return;
	}
	if (!d->row || d->rows == d->rows_cap) {
		d->rows_cap = d->rows_cap ? d->rows_cap * 2 : 64;
		d->row = g_renew(struct vmt_rows, d->row, d->rows_cap);
	}
	d->row[d->rows++] = (struct vmt_rows){ batch, row, 1 };
	d->letter[d->letters - 1].rows++;
}

/* Settles what is open among the rows; answers how many that were. */
static uint64_t settle(struct vmt_delivery *d, const struct vmt_rows *rows, size_t count,
		       uint8_t state)
{
	uint64_t settled = 0;

	want_state(d);
	for (size_t i = 0; i < count; i++) {
		uint8_t *at;

		if (!is_ours(d, &rows[i])) {
			continue;
		}
		at = d->state + d->start[rows[i].batch] + rows[i].first;
		for (uint32_t r = 0; r < rows[i].count; r++) {
			if (at[r] == OPEN) {
				at[r] = state;
				settled++;
				if (state == REFUSED) {
					add_row(d, rows[i].batch, rows[i].first + r);
				}
			}
		}
	}
	return settled;
}

void vmt_delivery_confirm(struct vmt_delivery *d, const struct vmt_rows *rows, size_t count)
{
	if (d && d->frame) {
		d->confirmed += settle(d, rows, count, CONFIRMED);
	}
}

/* A new letter; past the cap the last one takes what follows. */
static void add_letter(struct vmt_delivery *d, const char *reason, const void *bytes, size_t len)
{
	struct delivery_letter *l;

	if (d->letters == DELIVERY_LETTERS) {
		return;
	}
	if (d->letters == d->letters_cap) {
		d->letters_cap = d->letters_cap ? d->letters_cap * 2 : 16;
		d->letter = g_renew(struct delivery_letter, d->letter, d->letters_cap);
	}
	l = &d->letter[d->letters++];
	*l = (struct delivery_letter){ .first_row = d->rows, .at = d->bytes.len };
	g_strlcpy(l->reason, reason && reason[0] ? reason : "refused", sizeof(l->reason));
	if (bytes && len <= DELIVERY_BYTES - MIN(d->bytes.len, DELIVERY_BYTES)) {
		buf_add(&d->bytes, bytes, len);
		l->len = len;
	}
}

void vmt_delivery_refuse(struct vmt_delivery *d, const struct vmt_rows *rows, size_t count,
			 const char *reason, const void *bytes, size_t len)
{
	uint64_t settled;

	if (!d || !d->frame) {
		return;
	}
	add_letter(d, reason, bytes, len);
	settled = settle(d, rows, count, REFUSED);
	d->refused += settled;
	if (settled == 0 && d->letter[d->letters - 1].rows == 0) { /* all known: no letter */
		d->letters--;
		d->bytes.len = d->letter[d->letters].at;
	}
}

void vmt_delivery_absorbed(struct vmt_delivery *d, uint64_t repeats, uint64_t conflicts)
{
	if (d && d->frame) {
		d->repeats = MIN(repeats, d->total);
		d->conflicts = MIN(conflicts, d->total - d->repeats);
	}
}

bool vmt_delivery_settled(const struct vmt_delivery *d, uint32_t batch, uint32_t row)
{
	return d && d->frame && d->state_rows && batch < d->frame->count &&
	       row < d->frame->batch[batch].count && d->state[d->start[batch] + row] != OPEN;
}

void vmt_delivery_pause(struct vmt_delivery *d, int64_t ns)
{
	if (d) {
		d->pause_ns = CLAMP(ns, 0, PAUSE_MAX_NS);
	}
}

void delivery_refuse_rest(struct vmt_delivery *d, const char *reason)
{
	add_letter(d, reason, NULL, 0);
	for (uint32_t i = 0; i < d->frame->count; i++) {
		struct vmt_rows all = { i, 0, d->frame->batch[i].count };

		d->refused += settle(d, &all, 1, REFUSED);
	}
	if (d->letter[d->letters - 1].rows == 0) {
		d->letters--;
	}
}

uint64_t delivery_messages(const struct vmt_message_shape *shape, const struct vmt_frame *frame,
			   uint64_t bit)
{
	uint64_t rows = 0, pieces = 0;

	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		if (!(b->publishers & bit) || b->count == 0) {
			continue;
		}
		rows += b->count;
		pieces += shape->samples ? (b->count + shape->samples - 1) / shape->samples : 1;
	}
	if (shape->mixed && rows) {
		pieces = shape->samples ? (rows + shape->samples - 1) / shape->samples : 1;
	}
	return pieces * MAX(shape->copies, 1);
}
