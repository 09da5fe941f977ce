/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row numbers that a publish needs for every sample, remembered from one publish to the next: of resource versions by
 * digest, of series by resource and meter, of meters and forms by name.  One thread; ids_load.c blocks on the server.
 */
#ifndef PUBLISHER_POSTGRESQL_IDS_H
#define PUBLISHER_POSTGRESQL_IDS_H

#include "pg.h"

struct pgids_version {
	uint64_t digest;
	uint32_t id, resource;
	uint64_t stamp; /* number of the gathering that the next two are of */
	int64_t first, last; /* of its rows, microseconds */
};

struct pgids_series {
	uint64_t key; /* resource << 32 | meter */
	uint32_t id;
	uint32_t version, form; /* of the newest run; 0: none */
	int64_t since; /* of that run */
	int64_t last; /* no point is later; known only right after it was loaded */
};

struct pgids {
	GHashTable *meter, *form; /* text → id */
	GHashTable *version, *series; /* structs of above, by their first member */
	int64_t generation; /* that all of it is right for; INT64_MIN: none */
};

/* Of a key of `series`: g_int64_hash() would give the few numbers of both halves the same few values. */
guint pgids_series_hash(gconstpointer key);

struct pgids *pgids_new(void);
void pgids_free(struct pgids *ids); /* NULL is fine */
void pgids_clear(struct pgids *ids); /* NULL is fine */

/* 0: not known. */
uint32_t pgids_meter(const struct pgids *ids, const char *name);
uint32_t pgids_form(const struct pgids *ids, const struct vmt_batch *batch);
struct pgids_version *pgids_version(const struct pgids *ids, uint64_t digest); /* NULL: not known */
struct pgids_series *pgids_series(const struct pgids *ids, uint32_t resource, uint32_t meter);
void pgids_series_forget(struct pgids *ids, uint32_t resource, uint32_t meter);

/* ids_load.c: all that the batches with `bit` need, found or added, in the order of the frame.  Under the lock. */
int pgids_load(struct pg *p, const struct vmt_frame *frame, uint64_t bit, struct vmt_error *error);

/* "{1,2}" and {"a",NULL} as PostgreSQL writes arrays. */
void pgids_put_number(struct buf *array, int64_t number);
void pgids_put_text(struct buf *array, const char *text, size_t len);
void pgids_end(struct buf *array);

#endif
