/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of frames between the pipeline and the publishers, and each publisher's ledger.
 *
 * One log serves all publishers of the process.  A publisher has a *cursor*: the frames that have
 * something for it (a batch with its bit) come to it oldest first, one at a time, and the next one
 * only after it said what became of the last: confirmed, or dropped for a reason.  A frame leaves the
 * log when no cursor waits for it any more.
 *
 * The log is bounded by frames and by bytes.  Over the bound the oldest samples that no publisher is
 * sending right now are dropped and counted (`overflow`); appending never blocks and never fails.
 *
 * The ledger holds at any time, per cursor, in samples:
 *     produced = confirmed + queued + sum of dropped
 *
 * Twins behind the same operations: memory (frames by reference) and null (keeps nothing: all is
 * `discarded`).  All functions may be called from any thread, except that one cursor's spool_next,
 * spool_settle_frame, spool_confirm, spool_drop belong to one thread.  Appending takes the caller's reference.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

struct frame;
struct spool;

#define SPOOL_CURSORS 64 /* publishers of a process; their bits in a batch */

enum spool_reason {
	SPOOL_OVERFLOW, /* the log's bound was reached */
	SPOOL_REFUSED, /* the far side refused it for good */
	SPOOL_FAILED, /* could not be delivered, and the policy is to drop */
	SPOOL_RETRIES, /* could not be delivered, however often it was tried */
	SPOOL_SHUTDOWN, /* not delivered when the time for leaving was up */
	SPOOL_REMOVED, /* the publisher was taken out of the configuration */
	SPOOL_DISCARDED, /* the null log keeps nothing */
	SPOOL_REASONS
};

/* "overflow", "refused"… for status. */
const char *spool_reason_name(enum spool_reason reason);

struct spool_limits {
	uint32_t frames; /* at least 1 */
	uint64_t bytes;
};

struct spool_ledger {
	uint64_t produced, confirmed, queued;
	uint64_t dropped[SPOOL_REASONS];
	uint64_t queue_frames, queue_bytes;
};

struct spool *spool_new_memory(const struct spool_limits *limits);
struct spool *spool_new_null(void);
/* Whether what is queued outlives the process. */
bool spool_is_durable(const struct spool *spool);
/* Frames still held are given back.  No thread may be inside. */
void spool_free(struct spool *spool);

/* A cursor that gets what is appended from now on.  Its number is its bit in vmt_batch.publishers.
 * -ENOSPC when all are taken. */
int spool_cursor_add(struct spool *spool);
/* From now on nothing new is taken for the cursor, and its spool_next answers NULL as soon as nothing
 * is left. */
void spool_cursor_finish(struct spool *spool, unsigned cursor);
/* Drops all that is queued for the cursor; called by the cursor's own thread. */
void spool_cursor_settle(struct spool *spool, unsigned cursor, enum spool_reason reason);
/* Gives the number back.  The cursor is finished and settled, its thread is gone. */
void spool_cursor_remove(struct spool *spool, unsigned cursor);

/* Takes over one reference to the frame and gives it the next sequence number. */
void spool_append(struct spool *spool, struct frame *frame);

/* The oldest frame for the cursor, the same one again until it is confirmed or dropped.  Answers NULL
 * at the deadline (CLOCK_MONOTONIC ns), or at once when the cursor is finished and nothing is left.
 * The frame stays valid until the cursor's spool_confirm or spool_drop. */
const struct frame *spool_next(struct spool *spool, unsigned cursor, int64_t deadline_ns);
/* What became of the frame at hand; the sum is the cursor's samples of it. */
struct spool_result {
	uint64_t confirmed, refused, dropped;
	enum spool_reason reason; /* of `dropped` */
};
void spool_settle_frame(struct spool *spool, unsigned cursor, const struct spool_result *result);
/* All of it. */
void spool_confirm(struct spool *spool, unsigned cursor);
void spool_drop(struct spool *spool, unsigned cursor, enum spool_reason reason);

void spool_ledger(struct spool *spool, unsigned cursor, struct spool_ledger *ret_ledger);

#endif
