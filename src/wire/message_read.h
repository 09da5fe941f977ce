/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample messages from outside, read, verified and made into frames.  What is taken:
 *
 *   - a signed sample, or a list of them, as JSON;
 *   - the same as a notification's payload (a list, or {"samples": [...]}, as the polling agent has it), or
 *     as the argument `data` of the call record_metering_data; bare, or in the 2.0 envelope of
 *     oslo.messaging, whose message is a string of JSON;
 *   - a signed sample as msgpack.
 *
 * Nothing that comes in is trusted: lengths are checked before anything is taken from the heap, and every
 * sample that cannot be taken is counted by its reason.  Samples are gathered until a frame is made of them,
 * those of one meter as one batch.  One thread at a time; in the steady state (the same resources again)
 * nothing is taken from the heap.
 */
#ifndef WIRE_MESSAGE_READ_H
#define WIRE_MESSAGE_READ_H

#include "model/batch.h"

enum message_reject {
	REJECT_FORMAT, /* neither JSON nor msgpack, cut short, or nested too deep */
	REJECT_SIZE, /* longer than is taken */
	REJECT_ENVELOPE, /* another version, call or kind of message */
	REJECT_SHAPE, /* a member is missing, or what should be a sample is none */
	REJECT_TYPE, /* a member is of another type, or is a word that is not known */
	REJECT_RANGE, /* a number that does not fit, or is not finite */
	REJECT_TIME, /* the time cannot be read */
	REJECT_FUTURE, /* more than a day ahead */
	REJECT_OLD, /* older than samples are kept */
	REJECT_UNSIGNED, /* has no signature */
	REJECT_SIGNATURE, /* has a wrong one */
	MESSAGE_REJECTS
};

/* "format", "size"… for status. */
const char *message_reject_name(enum message_reject reason);

struct message_read_options {
	const char *secret; /* UTF-8; "": signatures are not looked at */
	bool accept_unsigned; /* samples without a signature are taken */
	int64_t keep_ns; /* older samples are not taken; 0: all are */
	size_t bytes_max; /* of a message, and at most MESSAGE_BYTES_MAX */
};

#define MESSAGE_BYTES_MAX ((size_t)64 << 20)

/* What became of a message, in samples; one that could not be read counts as one sample. */
struct message_tally {
	uint64_t taken, rejected[MESSAGE_REJECTS];
};

struct message_reader;

/* Options are copied.  NULL when the library has no HMAC-SHA256. */
struct message_reader *message_reader_new(const struct message_read_options *o);
void message_reader_free(struct message_reader *r); /* NULL is fine; wipes the secret */

/* Reads a message and gathers its samples; `now_ns` is Unix time.  Adds to *tally.  0, or -EBADMSG: of the
 * message something was rejected. */
int message_read_json(struct message_reader *r, const void *text, size_t n, int64_t now_ns,
		      struct message_tally *tally);
int message_read_msgpack(struct message_reader *r, const void *bytes, size_t n, int64_t now_ns,
			 struct message_tally *tally);

/* How many are gathered. */
size_t message_reader_rows(const struct message_reader *r);

/* A frame of what was gathered, with one reference; NULL when there is nothing.  `profile` is the frame's. */
struct frame *message_reader_frame(struct message_reader *r, struct frame_builder *b,
				   enum vmt_profile profile, int64_t now_ns);

#endif
