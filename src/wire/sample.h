/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples for people and files: the unsigned form with the internal names of the fields ("as_dict" in
 * Ceilometer).  One thread at a time for an encoder; in steady state nothing is taken from the heap.
 *
 *     sample_encoder_init(&e, SAMPLE_JSON, frame->profile);
 *     for each batch:  sample_encoder_batch(&e, batch);
 *                      for each row: sample_encoder_row(&e, row, &out); buf_putc(&out, '\n');
 *     sample_encoder_fini(&e);
 *
 * Fields by profile: 26 has all; 19 has no user_name and project_name; juno has no monotonic_time
 * either and gives the time as "…Z".
 */
#ifndef WIRE_SAMPLE_H
#define WIRE_SAMPLE_H

#include "base/buf.h"
#include "wire/sample_time.h"

#include <virtmeter/plugin.h>

enum sample_form {
	SAMPLE_JSON, /* an object on one line; a volume that is not finite is null */
	SAMPLE_PYTEXT /* the Python text of the dict; of Python 2 in profile juno, where what comes from
		       * outside (ids, metadata) has a u and what the agent itself writes has none */
};

struct text_cache;

struct sample_encoder {
	enum sample_form form;
	enum vmt_profile profile;
	/* private, for the batch in hand */
	const struct vmt_batch *batch;
	struct sample_time clock;
	struct buf prefix; /* up to the volume */
	struct buf owner; /* from the user to the resource's id, for the ids in owner_of */
	const char *owner_of[4];
	struct buf source; /* from the metadata to the message id, for source_of */
	const char *source_of;
	size_t middle_len, mono_len; /* texts below */
	char middle[96]; /* from the resource's id to the metadata, with the time */
	char mono[64]; /* behind the message id */
	struct text_cache *cache; /* metadata as Python text */
};

void sample_encoder_init(struct sample_encoder *e, enum sample_form form, enum vmt_profile profile);
void sample_encoder_fini(struct sample_encoder *e); /* NULL is fine */

/* Takes up a batch, which the caller keeps until its last row is encoded. */
void sample_encoder_batch(struct sample_encoder *e, const struct vmt_batch *batch);

/* Appends the sample of one row, without a newline. */
void sample_encoder_row(struct sample_encoder *e, uint32_t row, struct buf *out);

#endif
