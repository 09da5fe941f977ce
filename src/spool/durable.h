/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the durable twin: what durable.c and durable_open.c share. */
#ifndef SPOOL_DURABLE_H
#define SPOOL_DURABLE_H

#include <glib.h>
#include <pthread.h>

#include "base/buf.h"
#include "spool/twin.h"

/* A change of an entry that is on the disk; pending 0: it is gone. */
struct durable_change {
	uint64_t sequence, pending;
};

/* A dead letter that is not on the disk yet. */
struct durable_letter {
	struct disk_letter letter; /* its pointers are ours */
	char *reason, *source; /* URL of the receiver; NULL: a publisher's */
	void *frame, *message;
};

struct durable {
	/* under `lock`, which comes before the log's own */
	pthread_mutex_t lock;
	char *dir;
	struct disk *disk;
	struct frame_pool *pool;
	struct buf bytes; /* of the frame that is being appended */
	struct buf again; /* of one that could not be written before */
	bool failing; /* the last write failed, and that was told */
	int64_t written_ns; /* when it was last written to */
	/* what a write takes with it, until one succeeds */
	GArray *inserts; /* struct spool_entry: copies, with a reference to the frame */
	GArray *writing_changes, *writing_letters;
	uint64_t dead_bytes; /* of the dead letters on the disk, at most */
	uint64_t trimmed; /* samples of letters that were removed, and not told of */
	int64_t trimmed_ns; /* when that was told */
	/* under the log's lock */
	GArray *changes; /* struct durable_change */
	GArray *letters; /* struct durable_letter */
	uint64_t rejected_bytes; /* of those that came by spool_reject and are not written */
	GPtrArray
		*sources; /* URLs of receivers by number - DISK_SOURCES, NULL where there is none */
};

/* Writes all that is not on the disk.  `fresh`: the sequence whose byte form is in `bytes`; 0: none.
 * With the twin's lock. */
int durable_write(struct spool *spool, uint64_t fresh);
void durable_letter_clear(void *letter);
void durable_free(struct durable *durable); /* closes the file */
/* Counts the dead letters anew. */
void durable_count_letters(struct spool *spool);

#endif
