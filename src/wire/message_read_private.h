/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the message reader: message_read.c finds the samples in a message, message_sample.c reads
 * one, message_gather.c gathers them. */
#ifndef WIRE_MESSAGE_READ_PRIVATE_H
#define WIRE_MESSAGE_READ_PRIVATE_H

#include "wire/json.h"
#include "wire/message_read.h"
#include "wire/signature.h"

/* ---- message_gather.c */

/* A sample, read.  The texts are the reader's, until the next one. */
struct message_sample {
	const char *name, *unit;
	enum vmt_meter_type type;
	enum vmt_kind kind;
	union vmt_num value;
	int64_t time_ns, mono_ns; /* the latter INT64_MIN: none */
	uint8_t id[16];
	const char *resource_id, *source;
	const char *user_id, *project_id, *user_name, *project_name; /* NULL for null */
	const char *metadata; /* JSON, an object */
	size_t metadata_len;
};

struct message_gather;

struct message_gather *message_gather_new(void);
void message_gather_free(struct message_gather *rows); /* NULL is fine */
/* -E2BIG: too many different meters for one frame. */
int message_gather_add(struct message_gather *rows, const struct message_sample *sample);
/* What follows is of another message. */
void message_gather_end(struct message_gather *rows);
size_t message_gather_count(const struct message_gather *rows);
struct frame *message_gather_frame(struct message_gather *rows, struct frame_builder *b,
				   enum vmt_profile profile, int64_t now_ns);

/* ---- message_sample.c */

struct message_sample_reader {
	struct message_read_options o; /* its secret is owned */
	struct signer *signer[FLATTEN_DIALECTS]; /* none with an empty secret */
	int dialect; /* the one that was right last */
	struct buf texts, metadata, text;
};

int message_sample_init(struct message_sample_reader *r, const struct message_read_options *o);
void message_sample_fini(struct message_sample_reader *r);
/* Reads and verifies the sample that the n bytes of JSON are, which a reader has been through before.  0, or a reason as -1 - enum message_reject. */
int message_sample_read(struct message_sample_reader *r, const char *json, size_t n, int64_t now_ns,
			struct message_sample *ret_sample);

#endif
