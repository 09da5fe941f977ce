/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oslo.messaging's messages, as its drivers of 2014 and of today put them on the wire: a notification or a
 * cast, and around it the envelope of version 2.0 (the inner message as a JSON string) or none (driver
 * `messaging`).  One thread at a time for an object; in the steady state nothing is taken from the heap.
 *
 * Today's notification agent stops for ever at a message that it cannot read.  None leaves here, as long as samples
 * are an encoder's (wire/message.h) and the texts beside them are UTF-8: see envelope_text().
 *
 *     envelope_begin(e);  out = envelope_add(e) for each sample;  body = envelope_close(e, &copy, &n) for each copy
 */
#ifndef AMQP_ENVELOPE_H
#define AMQP_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/message.h"

enum envelope_kind {
	ENVELOPE_POLLING, /* notification, payload {"samples": […]} */
	ENVELOPE_NOTIFIER, /* notification, payload […] */
	ENVELOPE_CAST, /* cast, args {"data": […]} */
};

struct envelope {
	enum envelope_kind kind;
	bool bare; /* without the envelope of version 2.0 */
	bool context; /* with the context of the agents of 2014 */
	const char *publisher_id; /* of notifications */
	/* private */
	struct buf body; /* room for the head, samples, and a tail when it is closed */
	struct buf head, inner;
	size_t room, count;
	size_t end; /* of the samples, when it is closed; 0: it is not */
	char message_id[37];
	unsigned char random[256]; /* for ids; the kernel is asked for all of it at once */
	unsigned random_left;
};

/* What differs between the copies of a message. */
struct envelope_copy {
	const char *event; /* event_type of a notification, method of a cast */
	int64_t time_ns; /* of sending */
};

/* Whether the text may stand in a message. */
bool envelope_text(const char *text);

void envelope_init(struct envelope *e);
void envelope_fini(struct envelope *e); /* NULL is fine */

void envelope_begin(struct envelope *e);
/* Begins another sample of the message: where to add it, in the form envelope_form(). */
struct buf *envelope_add(struct envelope *e);
/* How samples stand in the message: as JSON, or as JSON in a JSON string. */
enum message_form envelope_form(const struct envelope *e);
/* Bytes of the samples so far, as they go on the wire. */
size_t envelope_size(const struct envelope *e);
/* Takes the last sample out again; `size` is envelope_size() of before it was added. */
void envelope_cut(struct envelope *e, size_t size);
/* The message, with a zero behind its *ret_n bytes; the envelope's, until the next call. */
const char *envelope_close(struct envelope *e, const struct envelope_copy *copy, size_t *ret_n);

#endif
