/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: an immutable, counted list of instances.  A discovery fills a builder through
 * vmt_snapshot_add(); finishing it makes the snapshot, which any number of threads may then
 * read.  All of a snapshot lies in one arena that goes with it, so that instances that come and go
 * leave nothing behind.
 */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include <virtmeter/plugin.h>

#include <stdatomic.h>
#include <sys/types.h>

/* Bounds on what a hypervisor's metadata can make us hold.  A longer string is cut at a character,
 * a pair past the bound (or `raw` text that is no JSON or too long) is left out; `cut` counts
 * both.  Of a key that a list repeats, the last value counts. */
enum {
	SNAPSHOT_INSTANCES = 16384, /* default of snapshot_builder_new() */
	SNAPSHOT_ID = 255, /* bytes of an id; a longer one is refused */
	SNAPSHOT_STRING = 4096, /* bytes of any other string */
	SNAPSHOT_PAIRS = 256, /* of one list */
	SNAPSHOT_LISTS = 64 * 1024, /* bytes of all pairs of one instance */
};

struct snapshot {
	struct vmt_snapshot list; /* first, so that a vmt_snapshot of the host's is one of these */
	/* Per instance: of all but `epoch` and `stopped`.  Equal content, equal hash. */
	const uint64_t *hash;
	size_t cut; /* strings and pairs shortened or left out (see above) */
	size_t refused; /* instances refused: same id twice, no id, too many */
	/* private */
	atomic_uint refs;
	struct arena *arena;
	uint32_t *table; /* instance index + 1 by hash of the id; 0: free */
	size_t mask;
};

/* `instances`: at most so many; 0 for SNAPSHOT_INSTANCES. */
struct vmt_snapshot_builder *snapshot_builder_new(size_t instances);
void snapshot_builder_free(struct vmt_snapshot_builder *b);

/* Makes the snapshot and consumes the builder.  When the instances are the same, in the same order,
 * as in `previous` (which may be NULL), the answer is a new reference to `previous`, confirmed at
 * `time_ns`; else it has a new generation.  Release with snapshot_unref(). */
struct snapshot *snapshot_builder_finish(struct vmt_snapshot_builder *b, struct snapshot *previous,
					 int64_t time_ns);

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

/* Discovery found it still true. */
void snapshot_confirm(struct snapshot *s, int64_t time_ns);

/* Index of the instance, or -ENOENT. */
ssize_t snapshot_find(const struct snapshot *s, const char *id);

/* The snapshot around its public part. */
static inline const struct snapshot *snapshot_of(const struct vmt_snapshot *list)
{
	return (const struct snapshot *)list;
}

#endif
