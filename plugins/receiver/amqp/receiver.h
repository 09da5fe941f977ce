/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples from RabbitMQ.  Queues are declared as oslo.messaging's servers and listeners do it, and consumed with a
 * prefetch.  A message is acknowledged when the intake has settled it; what has to come again is given back, and
 * what was not settled when the connection ends, the broker sends again by itself.
 */
#ifndef AMQP_RECEIVER_H
#define AMQP_RECEIVER_H

#include "plugins/amqp/settings.h"

enum receiver_kind {
	RECEIVER_RPC, /* casts of record_metering_data: queues TOPIC, TOPIC.HOST and a fanout's */
	RECEIVER_NOTIFICATIONS, /* queues TOPIC.sample of every topic, bound to every exchange */
};

/* The host fills it. */
struct receiver_conf {
	struct rabbit_conf rabbit; /* first */
	const char *host; /* NULL: the system's name */
	const char *rpc_topic, *notifier_topic;
	const char *const *topics, *const *exchanges; /* of notifications */
	const char *notification_url; /* NULL: none of its own */
	int64_t prefetch;
	bool exclusive;
};

int amqp_receiver_open(enum receiver_kind kind, const struct receiver_conf *conf,
		       const struct vmt_url *url, void **ret_self, struct vmt_error *error);
int amqp_receiver_receive(void *self, struct vmt_intake *out, const struct vmt_call *call,
			  struct vmt_error *error);
bool amqp_receiver_shared(const void *self);
void amqp_receiver_close(void *self);

#endif
