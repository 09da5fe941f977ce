/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the log: what a twin (memory, null; later a durable one) has to do.  Every operation runs
 * with the log's lock held, never blocks, and settles the ledger through spool_settle().
 */
#ifndef SPOOL_TWIN_H
#define SPOOL_TWIN_H

#include <stdbool.h>

#include "base/wait.h"
#include "spool/spool.h"

struct spool_twin {
	/* Takes the reference over; `produced` is already counted. */
	void (*append)(struct spool *spool, struct frame *frame);
	/* Oldest frame with something for the cursor, or NULL. */
	const struct frame *(*oldest)(struct spool *spool, unsigned cursor);
	/* The cursor is done with the frame. */
	void (*release)(struct spool *spool, unsigned cursor, const struct frame *frame,
			const struct spool_result *result);
	/* All that is queued for the cursor is dropped. */
	void (*forget)(struct spool *spool, unsigned cursor, enum spool_reason reason);
	/* Gives back every frame. */
	void (*clear)(struct spool *spool);
};

extern const struct spool_twin spool_memory, spool_null;

struct spool_cursor {
	bool used, finished;
	const struct frame *taken; /* handed out by spool_next, not settled yet */
	struct spool_ledger ledger;
};

/* A frame in the memory twin, and the cursors that still wait for it. */
struct spool_entry {
	struct frame *frame;
	uint64_t pending;
};

struct spool {
	const struct spool_twin *twin;
	struct spool_limits limits;
	struct wait wait;
	uint64_t sequence;
	struct spool_cursor cursor[SPOOL_CURSORS];
	/* memory twin: a ring of `capacity` entries, a power of two */
	struct spool_entry *ring;
	uint32_t capacity, head, length;
	uint64_t bytes;
};

/* The cursors in use that the frame has samples for, as bits. */
uint64_t spool_audience(const struct spool *spool, const struct frame *frame);
/* The frame is no longer queued for the cursor. */
void spool_settle(struct spool *spool, const struct frame *frame, unsigned cursor,
		  const struct spool_result *result);
/* The same: dropped whole. */
void spool_settle_as(struct spool *spool, const struct frame *frame, unsigned cursor,
		     enum spool_reason reason);

#endif
