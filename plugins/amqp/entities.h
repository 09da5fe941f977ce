/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges and queues as oslo.messaging declares them, for senders and receivers.  What is there with other
 * properties is used as it is, and told of once.  The connection's thread; blocks on the broker.
 */
#ifndef AMQP_ENTITIES_H
#define AMQP_ENTITIES_H

#include "plugins/amqp/link.h"

struct entities {
	struct link *link;
	const struct amqp_settings *settings;
	const char *url; /* for messages */
	bool told_exchange, told_queue;
};

/* 0 or -errno.  The exchange is durable and auto-delete as configured, once not durable, as oslo.messaging does it,
 * else as it is. */
int entities_exchange(struct entities *e, const char *name, struct vmt_error *error);
/* A queue and how it is bound. */
int entities_queue(struct entities *e, const char *queue, const char *exchange, const char *key,
		   struct vmt_error *error);
/* The exchange TOPIC_fanout and a queue of our own bound to it, both gone with their last user. */
int entities_fanout(struct entities *e, const char *exchange, const char *queue,
		    struct vmt_error *error);

#endif
