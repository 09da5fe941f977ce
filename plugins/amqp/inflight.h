/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that are on their way to a broker and not yet confirmed: publisher confirms by delivery tag, single
 * or "all up to", negative ones, and returns (basic.return comes before the confirm of the same message
 * and has no tag: it is recognised by size and hash of the body).  One thread.
 *
 * A message may be sent in several copies (one a topic, one a meter); it is settled when all of them are.
 */
#ifndef AMQP_INFLIGHT_H
#define AMQP_INFLIGHT_H

#include <virtmeter/plugin.h>

enum inflight_fate {
	INFLIGHT_CONFIRMED,
	INFLIGHT_NACKED, /* the broker could not keep it */
	INFLIGHT_RETURNED, /* no queue took it */
	INFLIGHT_OVERSIZED, /* larger than the broker allows */
};

struct inflight_message {
	struct vmt_rows *rows; /* what it holds */
	size_t count, room;
	/* private */
	unsigned copies;
	bool open; /* more copies may follow */
	enum inflight_fate fate;
	struct inflight_message *next;
};

struct inflight_copy {
	struct inflight_message *message;
	uint64_t hash;
	size_t size;
	bool settled, mandatory, returned;
};

/* Called once a message; `message` is the owner's again after it. */
typedef void (*inflight_fn)(void *arg, const struct inflight_message *message,
			    enum inflight_fate fate);

struct inflight {
	struct inflight_copy *copy; /* ring of `window` */
	unsigned window, count;
	uint64_t first; /* tag of the oldest one on its way */
	struct inflight_message *free;
	inflight_fn settled;
	void *arg;
	uint64_t returns, nacks;
};

void inflight_init(struct inflight *f, unsigned window, inflight_fn settled, void *arg);
void inflight_fini(struct inflight *f); /* NULL is fine */
/* A new channel: tags begin at 1, what was on its way is forgotten without a word. */
void inflight_reset(struct inflight *f);

/* A message to be sent: its rows are added by inflight_rows(). */
struct inflight_message *inflight_begin(struct inflight *f);
void inflight_rows(struct inflight_message *m, uint32_t batch, uint32_t row);
/* A copy was handed to the broker; fewer than `window` are on their way. */
void inflight_sent(struct inflight *f, struct inflight_message *m, uint64_t hash, size_t size,
		   bool mandatory);
/* No further copies; one without any is forgotten. */
void inflight_end(struct inflight *f, struct inflight_message *m);

/* basic.ack, basic.nack.  -EPROTO: a tag that is not on its way (hostile or mistaken peer). */
int inflight_ack(struct inflight *f, uint64_t tag, bool multiple, bool negative);
/* basic.return of a body.  Several alike: the oldest not returned yet.  -EPROTO: no such message. */
int inflight_return(struct inflight *f, uint64_t hash, size_t size);
/* The broker closed the channel for a body of that size: the message will never pass.  How many were hit. */
unsigned inflight_oversized(struct inflight *f, size_t size);

#endif
