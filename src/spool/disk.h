/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the durable log: DIR/spool.db, an SQLite database (doc/formats.md, "Durable log"), with
 * DIR/lock, which one process holds, and DIR/reserve, space that is given up when the disk is full.
 * Knows nothing of queues: the durable twin and `virtmeter spool` say what is to be written.
 *
 * One thread at a time.  Every function may block on the disk.  Failures are -errno: -ENOSPC when the
 * disk is full, -EBADMSG when what is on it is damaged, else mostly -EIO.
 */
#ifndef SPOOL_DISK_H
#define SPOOL_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

#include "base/buf.h"

enum { DISK_VERSION = 1 }; /* of the tables */

struct disk;

/* How many samples and messages of a frame are for a cursor. */
struct spool_share {
	uint32_t samples, messages;
};

/* A frame, without its bytes. */
struct disk_entry {
	uint64_t sequence;
	int64_t time_ns; /* Unix time, when it was appended */
	uint64_t bytes; /* of its byte form */
	uint64_t audience,
		pending; /* cursors that it is for; of them, those that still wait for it */
	const struct spool_share *shares; /* one per bit of `audience`, the lowest first */
};

/* Cursors from this number on are receivers: they have dead letters and nothing else. */
enum { DISK_SOURCES = 64 };

struct disk_cursor {
	unsigned id; /* its bit; of a receiver its number */
	const char *name; /* what a publisher is known by: "SINK/SCHEME/N" */
	const char *url; /* without secrets */
};

/* Samples that were refused for good, and the message as it was sent. */
struct disk_letter {
	uint64_t id; /* given by the file */
	int64_t time_ns;
	unsigned cursor;
	uint64_t samples;
	const char *reason;
	const void *frame, *message; /* byte form of the samples; NULL: none */
	size_t frame_len, message_len;
};

/* DISK_READ: an existing log, which nothing else uses; nothing is changed, no lock is left. */
enum disk_mode { DISK_READ, DISK_WRITE };

/* Opens DIR, and with DISK_WRITE makes what is missing.  -EBUSY: a process uses it.  -EPROTO: written
 * by a newer version.  -EBADMSG: no log of ours, or damaged beyond use. */
int disk_open(const char *dir, enum disk_mode mode, struct disk **ret_disk,
	      struct vmt_error *error);
void disk_close(struct disk *disk);
/* Renames the damaged file, so that disk_open makes a new one; *ret_name is to be freed. */
int disk_put_aside(const char *dir, char **ret_name, struct vmt_error *error);

/* ---- reading; what a function is given lives until it returns; not 0 stops, and is answered */

typedef int (*disk_cursor_fn)(void *context, const struct disk_cursor *cursor);
typedef int (*disk_ledger_fn)(void *context, unsigned cursor, const char *name, uint64_t samples);
typedef int (*disk_entry_fn)(void *context, const struct disk_entry *entry);
typedef int (*disk_letter_fn)(void *context, const struct disk_letter *letter);

int disk_cursors(struct disk *disk, disk_cursor_fn fn, void *context, struct vmt_error *error);
int disk_sources(struct disk *disk, disk_cursor_fn fn, void *context, struct vmt_error *error);
int disk_ledgers(struct disk *disk, disk_ledger_fn fn, void *context, struct vmt_error *error);
/* By sequence. */
int disk_entries(struct disk *disk, disk_entry_fn fn, void *context, struct vmt_error *error);
int disk_letters(struct disk *disk, disk_letter_fn fn, void *context, struct vmt_error *error);
/* The last sequence number ever given. */
int disk_sequence(struct disk *disk, uint64_t *ret_sequence, struct vmt_error *error);
/* The byte form of a frame into `out` (emptied first).  -ENOENT: there is none. */
int disk_body(struct disk *disk, uint64_t sequence, struct buf *out, struct vmt_error *error);
/* SQLite's own check of the whole file: 0, or -EBADMSG with what is wrong. */
int disk_check(struct disk *disk, struct vmt_error *error);
/* Letters and samples in them, of a cursor. */
int disk_letters_count(struct disk *disk, unsigned cursor, uint64_t *ret_letters,
		       uint64_t *ret_samples, struct vmt_error *error);

/* ---- writing: disk_begin, changes, disk_commit; after a failure disk_abort */

int disk_begin(struct disk *disk, struct vmt_error *error);
int disk_add(struct disk *disk, const struct disk_entry *entry, const void *bytes, size_t len,
	     struct vmt_error *error);
int disk_set_pending(struct disk *disk, uint64_t sequence, uint64_t pending,
		     struct vmt_error *error);
int disk_remove(struct disk *disk, uint64_t sequence, struct vmt_error *error);
int disk_set_sequence(struct disk *disk, uint64_t sequence, struct vmt_error *error);
int disk_set_cursor(struct disk *disk, const struct disk_cursor *cursor, struct vmt_error *error);
/* With its ledger and dead letters. */
int disk_remove_cursor(struct disk *disk, unsigned id, struct vmt_error *error);
int disk_set_ledger(struct disk *disk, unsigned cursor, const char *name, uint64_t samples,
		    struct vmt_error *error);
int disk_add_letter(struct disk *disk, const struct disk_letter *letter, struct vmt_error *error);
/* What a letter counts beside its frame and message. */
enum { DISK_LETTER_BYTES = 256 };
/* Keeps the newest letters within so many bytes; *ret_samples: in those removed, of any cursor. */
int disk_trim_letters(struct disk *disk, uint64_t bytes, uint64_t *ret_samples,
		      struct vmt_error *error);
/* Of one cursor, or of all (-1). */
int disk_remove_letters(struct disk *disk, int cursor, struct vmt_error *error);
int disk_commit(struct disk *disk, struct vmt_error *error);
void disk_abort(struct disk *disk);

/* Gives a part of the free space of the file back to the disk, when there is much of it. */
int disk_shrink(struct disk *disk, struct vmt_error *error);
/* Gives up the reserve; false: there is none.  disk_commit makes it anew when there is room. */
bool disk_release_reserve(struct disk *disk);

#endif
