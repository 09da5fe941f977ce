/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed sample messages, as Ceilometer's agents send them (its publisher/utils.py,
 * meter_message_from_counter): a map with the keys counter_name, resource_metadata… and
 * message_signature, as JSON or msgpack.  One thread at a time for an encoder; in the steady state
 * nothing is taken from the heap.
 *
 *     e = message_encoder_new(&options);
 *     for each batch:  message_encoder_batch(e, batch);
 *                      for each row: status = message_encoder_row(e, row, &out);
 *     message_encoder_free(e);
 *
 * Keys by profile: 26 has all; 19 has no user_name and project_name; juno has no monotonic_time either
 * and gives the time as "…Z".
 *
 * Only whole and valid messages leave: one that a receiver could not read is refused, row by row, and
 * `out` is as before.  What comes in is checked when a piece of messages is made of it, once for a batch or a
 * resource version, so that there is nothing left to look for in what goes out; fuzz_encode.c holds that against a
 * strict reader.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/buf.h"
#include "wire/flatten.h"

#include <virtmeter/plugin.h>

enum message_form {
	MESSAGE_JSON, /* an object on one line, UTF-8, laid out as Python's json does */
	MESSAGE_JSON_QUOTED, /* the same as it stands within a JSON string: escaped once more */
	MESSAGE_MSGPACK, /* strings as str, str8 too: Ceilometer 15 and later */
	MESSAGE_MSGPACK_RAW, /* strings as raw of the older msgpack, without str8: before that */
};

struct message_options {
	enum message_form form;
	enum vmt_profile profile;
	enum flatten_dialect dialect; /* of the signature */
	const char *secret; /* UTF-8; what "" means: signature.h */
	const char *publisher_id; /* NULL: no such key (only tcp:// has it) */
};

struct message_encoder;

/* Options are copied.  NULL when the library has no HMAC-SHA256. */
struct message_encoder *message_encoder_new(const struct message_options *o);
void message_encoder_free(struct message_encoder *e); /* NULL is fine; wipes the secret */

/* Takes up a batch, which the caller keeps until its last row is encoded. */
void message_encoder_batch(struct message_encoder *e, const struct vmt_batch *batch);

/* Appends the message of one row.  0, or why this row can never be sent:
 *   -EBADMSG  metadata is not a JSON object, or a text is missing or not UTF-8
 *   -EDOM     the volume is not finite
 *   -EILSEQ   a metadata key that a peer of 2014.2.0 cannot sign (not ASCII)
 *   -ERANGE   a number in the metadata that the form or the peer cannot hold
 *   -E2BIG    metadata past the bounds of flatten_json()
 *   -EIO      the cryptographic library failed: the only one worth another try */
int message_encoder_row(struct message_encoder *e, uint32_t row, struct buf *out);

/* The same, but the signature may come later: with the next row, for two are signed in less time than one after the
 * other, or with message_encoder_finish().  Until then `out` stays, and nothing before the row's end is moved. */
int message_encoder_put(struct message_encoder *e, uint32_t row, struct buf *out);
/* Signs what message_encoder_put() left unsigned. */
void message_encoder_finish(struct message_encoder *e);

/* The reason as words: "its metadata is not a JSON object", to follow "sample of … refused: ". */
const char *message_refusal(int status);

/* The dialect that peers of a profile speak: juno py2, else py3. */
enum flatten_dialect message_dialect(enum vmt_profile profile);

#endif
