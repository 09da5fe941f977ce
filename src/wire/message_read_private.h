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
	const char *tail; /* the metadata, JSON, an object, without its '{' */
	size_t tail_len;
	/* the metadata as they were sent, and what of them is signed; NULL and 0: not known */
	const char *raw;
	size_t raw_len;
	const struct message_known *known; /* they are those of an earlier sample */
	const char *flat;
	size_t flat_len;
	int dialect;
	bool owed; /* its signature is to be looked at (message_sample_owe()) */
};

/* Metadata of a resource as an earlier sample had them. */
struct message_known {
	struct resource *resource; /* one reference */
	uint64_t hash; /* of the resource's id */
	const char *raw; /* as sent, without the '{' */
	const char *flat; /* what is signed of them, NULL: not known */
	uint32_t raw_len, flat_len;
	char *texts; /* where those of them are that the resource does not have */
	int dialect; /* of `flat` */
};

struct message_gather;

struct message_gather *message_gather_new(void);
void message_gather_free(struct message_gather *rows); /* NULL is fine */
/* -E2BIG: too many different meters for one frame. */
int message_gather_add(struct message_gather *rows, const struct message_sample *sample);
/* Takes the row out again; those behind it move up. */
void message_gather_remove(struct message_gather *rows, size_t row);
/* What is known of the resource with metadata that the text, `room` bytes, begins with; valid until the next row.  NULL:
 * nothing.  What a sample knows has to come from here. */
const struct message_known *message_gather_known(const struct message_gather *rows,
						 const char *resource_id, const char *text,
						 size_t room);
/* What follows is of another message. */
void message_gather_end(struct message_gather *rows);
/* Forgets the rows of the message in hand. */
void message_gather_drop(struct message_gather *rows);
size_t message_gather_count(const struct message_gather *rows);
struct frame *message_gather_frame(struct message_gather *rows, struct frame_builder *b,
				   enum vmt_profile profile, int64_t now_ns);

/* ---- message_sample.c */

enum { MESSAGE_MEMBERS = 15 };

/* A sample that was read, but for its signature: two are looked at together. */
struct message_owed {
	struct buf text; /* what is signed */
	char signature[SIGNATURE_TEXT - 1];
	const char *json; /* the sample, in the message */
	size_t len;
	size_t row;
};

struct message_sample_reader {
	struct message_read_options o; /* its secret is owned */
	struct signer *signer[FLATTEN_DIALECTS]; /* none with an empty secret */
	int dialect; /* the one that was right last */
	struct flatten flatten;
	struct buf texts, metadata, text, flat;
	bool defers; /* signatures may be looked at later, where that pays */
	struct message_owed owed[2];
	int owed_dialect; /* of both */
	unsigned owes;
	uint8_t next[MESSAGE_MEMBERS +
		     1]; /* which member came behind that one last time; the last row: first */
	/* the time that was read last */
	struct buf time;
	int64_t time_ns;
};

int message_sample_init(struct message_sample_reader *r, const struct message_read_options *o);
void message_sample_fini(struct message_sample_reader *r);
/* Reads and verifies a sample, unless its signature is owed: the reader's last event is its JSON_OBJECT, and the next will be what follows the sample,
 * rejected or not; JSON_ERROR when it is not JSON.  0, or a reason as -1 - enum message_reject. */
int message_sample_read(struct message_sample_reader *r, struct json_reader *json,
			const struct message_gather *rows, int64_t now_ns,
			struct message_sample *ret_sample);
/* The sample just read, whose signature is owed, is that row.  true: it is time to look. */
bool message_sample_owe(struct message_sample_reader *r, size_t row);
/* Looks at the signatures that are owed: how many are wrong, their rows in *ret_row, the last row first. */
unsigned message_sample_settle(struct message_sample_reader *r, size_t ret_row[2]);

#endif
