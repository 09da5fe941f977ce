/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row numbers that a publish needs for every sample, remembered from one publish to the next: of
 * resource versions by digest, of series by resource and meter.  Sized by what the last publishes used:
 * what was not used for a while is forgotten and read again when needed.  One thread; blocks on the
 * database when something is new.
 */
#ifndef PUBLISHER_SQLITE_IDS_H
#define PUBLISHER_SQLITE_IDS_H

#include "store.h"

/* A resource version.  first > last: not seen in this transaction nor before. */
struct ids_version {
	uint64_t digest;
	int64_t first, last; /* times of samples, microseconds */
	uint32_t id; /* of the version; 0: free place */
	uint32_t resource;
	uint32_t used; /* number of the publish */
	bool touched; /* first or last has to be written */
};

/* A series: what its newest sample had. */
struct ids_series {
	uint32_t resource, meter; /* meter 0: free place */
	uint32_t id;
	uint32_t version, form; /* 0: no sample yet */
	uint32_t used;
	int64_t last; /* no point is later; INT64_MIN: no point */
};

struct ids *ids_new(void);
void ids_free(struct ids *ids); /* NULL is fine */
/* Forgets all: after a rollback, or when another process has written.  NULL is fine. */
void ids_clear(struct ids *ids);
/* A publish begins: what has not been used for a while makes room. */
void ids_begin(struct ids *ids);

/* All find the row or add it; 0, or store_failed(). */
int ids_meter(struct store *s, const char *name, uint32_t *ret_id, struct vmt_error *error);
int ids_form(struct store *s, enum vmt_meter_type type, const char *unit, uint32_t *ret_id,
	     struct vmt_error *error);
/* The pointer holds until the next ids_version(). */
int ids_version(struct store *s, const struct vmt_resource *resource,
		struct ids_version **ret_version, struct vmt_error *error);
/* The pointer holds until the next ids_series(). */
int ids_series(struct store *s, uint32_t resource, uint32_t meter, struct ids_series **ret_series,
	       struct vmt_error *error);

/* Writes first and last of the versions that this publish touched. */
int ids_flush(struct store *s, struct vmt_error *error);

/* Bytes held, for tests. */
size_t ids_bytes(const struct ids *ids);

#endif
