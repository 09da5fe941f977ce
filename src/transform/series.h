/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transformer remembers of each series (a meter of a resource): a record in a dense array per meter.
 * The rows of a meter come in the same order cycle after cycle, so a row's record is where it was last time;
 * that is verified by the resource's version, on which a reference is held, and only where it differs the
 * record is looked for by key.  In the steady state nothing is allocated.  One thread at a time.
 */
#ifndef TRANSFORM_SERIES_H
#define TRANSFORM_SERIES_H

#include <virtmeter/plugin.h>

#include "base/buf.h"

struct series;

/* Every record begins with this. */
struct series_record {
	int64_t time_ns; /* of the last sample, kept by the transformer; INT64_MIN: none yet */
};

struct series_ops {
	size_t record_size;
	/* A record is new (zeroed but for its time) or its resource has another version. */
	void (*changed)(void *context, void *record, const struct vmt_resource *resource);
	void (*dropped)(void *context, void *record); /* may be NULL */
};

struct series_group {
	struct series *series;
	/* what a transformer keeps per meter: of the samples, and of what it makes; NULL at first */
	char *name, *unit, *out_name, *out_unit;
	/* private */
	uint32_t count, room;
	const struct vmt_resource **resource; /* its last version, a reference */
	char **key;
	char *record;
	size_t record_size;
	uint32_t *hint; /* of each row of the last batch: its record */
	uint32_t hints;
	uint32_t *table; /* record + 1 by hash of the key; 0: free */
	uint32_t slots; /* a power of two */
};

struct series *series_new(const struct series_ops *ops, void *context);
void series_free(struct series *series);

/* The key of a resource within its meter, in place of its id; before the first record. */
typedef void (*series_key_fn)(void *context, const struct vmt_resource *resource, struct buf *out);
void series_set_key(struct series *series, series_key_fn key, void *context);

/* The meter's group, made when it is new; ready for as many rows. */
struct series_group *series_group(struct series *series, const char *name, uint32_t rows);

/* Records of all meters. */
size_t series_count(const struct series *series);

/* Drops the records of those instances. */
void series_forget(struct series *series, const uint64_t *instances, size_t count);
/* Drops records whose last sample is older, and meters without records. */
void series_expire(struct series *series, int64_t before_ns);

typedef void (*series_fn)(void *context, struct series_group *group, void *record);
void series_each(struct series *series, series_fn fn, void *context);

static inline void *series_at(const struct series_group *g, uint32_t slot)
{
	return g->record + (size_t)slot * g->record_size;
}

uint32_t series_find(struct series_group *g, uint32_t row, const struct vmt_resource *resource);

/* The record of the resource of row `row`; holds until another is looked for that is new. */
static inline uint32_t series_slot(struct series_group *g, uint32_t row,
				   const struct vmt_resource *resource)
{
	uint32_t slot = g->hint[row];

	if (slot < g->count && g->resource[slot] == resource) {
		return slot;
	}
	return series_find(g, row, resource);
}

#endif
