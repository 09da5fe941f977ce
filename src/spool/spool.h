/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of frames between the pipeline and the publishers, and each publisher's ledger.
 *
 * One log serves all publishers of the process.  A publisher has a *cursor*: the frames that have
 * something for it (a batch with its bit) come to it oldest first, one at a time, and the next one
 * only after it said what became of the last: confirmed, or dropped for a reason.  A frame leaves the
 * log when no cursor waits for it any more.
 *
 * The log is bounded by frames, bytes and age, each cursor by messages.  Over a bound the oldest samples
 * that no publisher is sending right now are dropped and counted (`overflow`, `expired`); appending
 * never fails.
 *
 * The ledger holds at any time, per cursor, in samples:
 *     produced = confirmed + queued + sum of dropped
 *
 * Twins behind the same operations:
 *   memory    frames by reference; appending never blocks
 *   durable   frames on disk, in memory only the youngest; appending waits for the disk.  A frame is
 *             seen by publishers once it is committed; while the disk fails, frames are held in memory,
 *             bounded, and written when it is well again.  What a cursor has not confirmed survives the
 *             process, and so does the ledger.
 *   null      keeps nothing: all is `discarded`
 *
 * All functions may be called from any thread, except that one cursor's spool_next, spool_settle_frame,
 * spool_confirm, spool_drop, spool_dead_letter belong to one thread.  Appending takes the caller's
 * reference.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

struct frame;
struct frame_pool;
struct spool;

#define SPOOL_CURSORS 64 /* publishers of a process; their bits in a batch */

enum spool_reason {
	SPOOL_OVERFLOW, /* a bound of the log was reached */
	SPOOL_EXPIRED, /* waited longer than the log keeps samples */
	SPOOL_REFUSED, /* the far side refused it for good */
	SPOOL_FAILED, /* could not be delivered, and the policy is to drop */
	SPOOL_RETRIES, /* could not be delivered, however often it was tried */
	SPOOL_DAMAGED, /* could not be read back from the disk */
	SPOOL_SHUTDOWN, /* not delivered when the time for leaving was up */
	SPOOL_REMOVED, /* the publisher was taken out of the configuration, or somebody said so */
	SPOOL_DISCARDED, /* the null log keeps nothing */
	SPOOL_REASONS
};

/* "overflow", "refused"… for status. */
const char *spool_reason_name(enum spool_reason reason);

struct spool_limits {
	uint32_t frames; /* at least 1 */
	uint64_t bytes;
	int64_t age_ns; /* 0: no bound */
	/* durable log only */
	uint64_t memory_bytes; /* of frames that are held in memory */
	uint64_t dead_bytes; /* of dead letters */
};

struct spool_ledger {
	uint64_t produced, confirmed, queued;
	uint64_t dropped[SPOOL_REASONS];
	uint64_t queue_frames, queue_messages, queue_bytes;
	uint64_t dead_letters; /* samples that are kept as dead letters */
};

/* Takes one count by its name in the files: "produced", "confirmed" or a reason; others are left alone. */
void spool_ledger_take(struct spool_ledger *ledger, const char *name, uint64_t samples);

struct spool *spool_new_memory(const struct spool_limits *limits);
struct spool *spool_new_null(void);
/* The log in the folder `dir`, made if it is not there, with what an earlier process left in it.  Frames
 * that are read from the disk come from `pool`, which must outlive the log.  -errno with the reason: in
 * use by another process (-EBUSY), written by a newer version (-EPROTO), no right to. */
int spool_open(const char *dir, const struct spool_limits *limits, struct frame_pool *pool,
	       struct spool **ret_spool, struct vmt_error *error);
/* Whether what is queued outlives the process. */
bool spool_is_durable(const struct spool *spool);
/* Frames still held are given back; a durable log writes what it has not written yet.  No thread may be
 * inside. */
void spool_free(struct spool *spool);

/* What a publisher is to the log. */
struct spool_publisher {
	const char *name; /* its place in the configuration: "SINK/SCHEME/N" */
	const char *url; /* without secrets */
	uint64_t max_messages; /* 0: no bound */
	struct vmt_message_shape shape;
};

/* Durable log: a publisher of just this URL is going to be added, so that none of another URL takes over
 * what is queued for it. */
void spool_reserve(struct spool *spool, const char *url);
/* A cursor that gets what is appended from now on, and in a durable log what an earlier process left for
 * the publisher: the one of the same URL, else of the same name, else of the same sink and scheme.  Its
 * number is its bit in vmt_batch.publishers.  -ENOSPC when all are taken. */
int spool_cursor_add(struct spool *spool, const struct spool_publisher *publisher);
/* Another publisher takes the place of the cursor's: what is queued is for that one. */
void spool_cursor_change(struct spool *spool, unsigned cursor,
			 const struct spool_publisher *publisher);
/* From now on nothing new is taken for the cursor, and its spool_next answers NULL as soon as nothing
 * is left. */
void spool_cursor_finish(struct spool *spool, unsigned cursor);
/* The cursor's thread has come to its end: what is queued stays in a durable log, and is dropped in
 * another.  Called by that thread. */
void spool_cursor_settle(struct spool *spool, unsigned cursor, enum spool_reason reason);
/* Gives the number back; a durable log keeps it as long as something is queued or counted.  The cursor
 * is finished and settled, its thread is gone. */
void spool_cursor_remove(struct spool *spool, unsigned cursor);

/* Takes over one reference to the frame and gives it the next sequence number. */
void spool_append(struct spool *spool, struct frame *frame);

/* The oldest frame for the cursor, the same one again until it is confirmed or dropped.  Answers NULL
 * at the deadline (CLOCK_MONOTONIC ns), or at once when the cursor is finished and nothing is left.
 * The frame stays valid until it is settled.  May wait for the disk. */
const struct frame *spool_next(struct spool *spool, unsigned cursor, int64_t deadline_ns);
/* Whether more than the newest frame waits for the cursor. */
bool spool_backlog(struct spool *spool, unsigned cursor);
/* What became of the frame at hand; the sum is the cursor's samples of it. */
struct spool_result {
	uint64_t confirmed, refused, dropped;
	enum spool_reason reason; /* of `dropped` */
};
void spool_settle_frame(struct spool *spool, unsigned cursor, const struct spool_result *result);
/* All of it. */
void spool_confirm(struct spool *spool, unsigned cursor);
void spool_drop(struct spool *spool, unsigned cursor, enum spool_reason reason);
/* Before the frame at hand is settled: these rows of it are refused for good.  A durable log keeps them,
 * with the message as it was sent (NULL: none), within its bound; the others do nothing. */
void spool_dead_letter(struct spool *spool, unsigned cursor, const struct vmt_rows *rows,
		       size_t count, const char *reason, const void *message, size_t len);

/* A receiver's number for dead letters: the same for the same URL (without secrets).  -ENOTSUP: the log keeps none. */
int spool_source_add(struct spool *spool, const char *url);
/* A message that the receiver rejected, and of which so many samples could not be taken, becomes a dead letter; it is
 * on the disk after the next spool_commit, or earlier.  `message` NULL (len 0): its bytes are not there.  -ENOBUFS:
 * too much waits for the disk already. */
int spool_reject(struct spool *spool, unsigned source, uint64_t samples, const char *reason,
		 const void *message, size_t len);
/* All that waits for the disk is written: 0, or -errno, and what could not be written waits on.  The other logs have
 * nothing to write. */
int spool_commit(struct spool *spool);

void spool_ledger(struct spool *spool, unsigned cursor, struct spool_ledger *ret_ledger);

/* Counters of somebody else, of a name, which a durable log keeps over restarts: LEDGER_COUNTERS of them, as
 * ledger_file_slot has them (spool/ledger_file.h), until the log is freed.  NULL: the log keeps none, or cannot (which is
 * told).  Main thread. */
atomic_uint_fast64_t *spool_counters(struct spool *spool, const char *name, bool *ret_left);

#endif
