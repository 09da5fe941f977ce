/* SPDX-License-Identifier: Apache-2.0 */
/* Between points.c and copy.c: the rows of a frame on their way into the table. */
#ifndef PUBLISHER_POSTGRESQL_POINTS_H
#define PUBLISHER_POSTGRESQL_POINTS_H

#include "../digests.h"
#include "pg.h"

struct pgrow {
	int32_t minute, micros;
	uint32_t series;
	uint32_t batch, row; /* where it comes from */
	uint8_t kind;
	union vmt_num value;
};

/* From `since` on the samples of the series have this version and form. */
struct pgrun {
	uint32_t series, version, form;
	int64_t since;
};

struct pgrows {
	const struct vmt_frame *frame;
	GArray *rows; /* struct pgrow, by key */
	GArray *runs, *late; /* struct pgrun */
	bool overtaken; /* one of these is of a series that others may remember with another one */
	GPtrArray *touched; /* struct pgids_version */
	uint64_t stamp; /* number of the gathering under way */
	struct buf bytes; /* of a COPY */
	struct digests digests; /* of the frame's messages */
};

/* copy.c: the rows into the table, one way or the other, with what became of them in p->delta. */
int copy_points(struct pg *p, struct vmt_error *error);

#endif
