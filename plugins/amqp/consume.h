/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that come in over a link.  A message is put together from its frames within a bound; one that is longer
 * is told of without its bytes.
 *
 *     consume_begin(&c, prefetch, …)  then for each queue  consume_queue(&c, queue, …)
 *     while (consume_take(&c, …) == 1)  … the message is in c.tag, c.body, c.size …
 *
 * The connection's thread, within link_begin and link_end.
 */
#ifndef AMQP_CONSUME_H
#define AMQP_CONSUME_H

#include "base/buf.h"
#include "plugins/amqp/link.h"

struct consume {
	struct link *link;
	size_t limit; /* bytes of a message that are kept */
	/* the message in hand */
	uint64_t tag;
	uint64_t size, left; /* bytes of it; not yet here */
	struct buf body; /* empty when `size` is beyond the limit */
	enum { CONSUME_NONE, CONSUME_HEADER, CONSUME_BODY, CONSUME_WHOLE } state;
};

void consume_init(struct consume *c, struct link *link, size_t limit);
void consume_fini(struct consume *c);

/* On a channel just opened.  At most `prefetch` messages of each queue come before they are answered.  0 or -errno. */
int consume_begin(struct consume *c, unsigned prefetch, struct vmt_error *error);
/* `alone`: the broker refuses it while others consume, and others from then on. */
int consume_queue(struct consume *c, const char *queue, bool alone, struct vmt_error *error);

/* Takes what is there without waiting.  1: a message is whole; it stays in hand until consume_done(); 0: nothing
 * more is there; -errno: the connection is closed. */
int consume_take(struct consume *c, struct vmt_error *error);
void consume_done(struct consume *c);
/* Answers: it is done with, or it is to come again.  0 or -errno. */
int consume_answer(struct consume *c, uint64_t tag, bool again, struct vmt_error *error);
/* The socket to wait for; -1: closed. */
int consume_socket(const struct consume *c);

#endif
