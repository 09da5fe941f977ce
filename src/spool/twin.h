/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the log: the queue that the memory and the durable twin share (backlog.c), and what a twin has
 * to do beside it.
 *
 * Locks: `wait` guards everything here but what is said otherwise; no disk is touched and no publisher
 * is called under it.  The durable twin's own lock comes before it.
 */
#ifndef SPOOL_TWIN_H
#define SPOOL_TWIN_H

#include <stdbool.h>

#include "base/wait.h"
#include "spool/disk.h"
#include "spool/spool.h"

struct durable;

/* A frame and the cursors that still wait for it. */
struct spool_entry {
	struct frame *frame; /* NULL: only on the disk */
	uint64_t sequence, bytes;
	int64_t time_ns; /* Unix time, when it was appended */
	uint64_t audience, pending;
	unsigned flags; /* enum entry_flag */
	struct spool_share few[4],
		*many; /* one per bit of `audience`; `many` where there are more */
};

enum entry_flag {
	ENTRY_HIDDEN = 1, /* not committed yet: no publisher sees it */
	ENTRY_WRITING = 2, /* in a transaction that runs */
	ENTRY_STORED = 4, /* on the disk */
	ENTRY_TRIED = 8, /* perhaps on the disk: a commit that fails may have been one */
};

struct spool_cursor {
	bool used; /* the number is given away */
	bool attached; /* to a publisher at work */
	bool finished; /* takes nothing new */
	bool reserved; /* a publisher of just this URL will come */
	bool wiped; /* the number was another's, whose traces on the disk are to go */
	bool changed; /* its ledger, or name, is not on the disk as it is here */
	char *name, *url; /* NULL in memory */
	struct vmt_message_shape shape;
	uint64_t max_messages; /* 0: no bound */
	uint64_t hint; /* no entry before this sequence waits for it */
	uint64_t taken; /* sequence of the frame handed out by spool_next; 0: none */
	struct frame *frame; /* that frame, one reference; NULL while it is read from the disk */
	struct spool_ledger ledger;
};

struct spool_twin {
	/* Takes the reference over. */
	void (*append)(struct spool *spool, struct frame *frame);
	/* Reads a frame that is only on the disk, without the lock.  0 and a reference, or -errno. */
	int (*load)(struct spool *spool, uint64_t sequence, struct frame **ret_frame);
	/* After frames were settled, without the lock; NULL: nothing to do. */
	void (*settled)(struct spool *spool, unsigned cursor);
	/* Gives back what the twin itself holds; NULL: nothing. */
	void (*close)(struct spool *spool);
};

extern const struct spool_twin spool_memory, spool_null, spool_durable;

struct spool {
	const struct spool_twin *twin;
	struct spool_limits limits;
	struct wait wait;
	uint64_t sequence;
	struct spool_cursor cursor[SPOOL_CURSORS];
	/* the queue: a ring of `capacity` entries, a power of two, by sequence */
	struct spool_entry *ring;
	uint32_t capacity, head, length;
	uint64_t bytes;
	struct durable *durable; /* NULL in the others */
	struct ledger_file
		*ledgers; /* opened when it is first asked for; NULL: not yet, or it cannot be */
	bool ledgers_failed;
};

/* ---- backlog.c; all with the lock held */

static inline struct spool_entry *backlog_at(const struct spool *s, uint32_t i)
{
	return &s->ring[(s->head + i) & (s->capacity - 1)];
}

/* The place of the first entry at or after that sequence; the length when there is none. */
uint32_t backlog_place(const struct spool *spool, uint64_t sequence);
/* That entry, or NULL. */
struct spool_entry *backlog_find(const struct spool *spool, uint64_t sequence);
/* The cursor's share of an entry that it is in the audience of. */
struct spool_share *backlog_share(struct spool_entry *entry, unsigned cursor);
/* The cursors at work that the frame has samples for, as bits. */
uint64_t backlog_audience(const struct spool *spool, const struct frame *frame);
/* The cursor's share of a frame. */
struct spool_share backlog_measure(const struct spool *spool, const struct frame *frame,
				   unsigned cursor);
/* Counts the entry as produced and adds it; takes the frame over.  `shares`: as on the disk, or NULL:
 * from the frame.  Answers it, valid until the queue changes. */
struct spool_entry *backlog_push(struct spool *spool, const struct spool_entry *entry,
				 const struct spool_share *shares);
/* Drops what is over age, and the oldest until a frame of so many bytes for that audience fits. */
void backlog_make_room(struct spool *spool, const struct frame *frame, uint64_t bytes,
		       uint64_t audience);
/* Oldest visible entry for the cursor, or NULL. */
struct spool_entry *backlog_oldest(struct spool *spool, unsigned cursor);
/* The cursor is done with the entry, which goes when it was the last to wait for it. */
void backlog_settle(struct spool *spool, struct spool_entry *entry, unsigned cursor,
		    const struct spool_result *result);
/* The same: dropped whole. */
void backlog_drop(struct spool *spool, struct spool_entry *entry, unsigned cursor,
		  enum spool_reason reason);
/* Drops the oldest stored entries until so many bytes are free, leaving out what is being sent.  Answers
 * the bytes. */
uint64_t backlog_shed(struct spool *spool, uint64_t bytes);
/* All that is queued for the cursor is dropped. */
void backlog_forget(struct spool *spool, unsigned cursor, enum spool_reason reason);
/* Gives back every frame. */
void backlog_clear(struct spool *spool);

/* ---- durable.c, told by the queue with the lock held */

void durable_changed(struct spool *spool, const struct spool_entry *entry);

/* ---- spool.c */

struct spool *spool_new(const struct spool_twin *twin, const struct spool_limits *limits);

#endif
