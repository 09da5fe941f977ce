/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rpc://, notifier:// and polling:// have in common: samples to messages, messages to a broker, confirms
 * to the host.  The three differ in the envelope, in the routing keys, and in what is declared.
 */
#ifndef AMQP_SENDER_H
#define AMQP_SENDER_H

#include "envelope.h"
#include "plugins/amqp/settings.h"
#include "wire/message_conf.h"

enum { SENDER_TOPICS = 32, SENDER_KEY = 255, SENDER_SPLIT = 8 << 20, SENDER_BODY_MAX = 100 << 20 };

/* Configuration of any of the three. */
struct sender_conf {
	struct rabbit_conf rabbit; /* first, see amqp/options.h */
	struct message_conf message;
	const char *host; /* [DEFAULT] host; NULL: the system's name */
	/* rpc, notifier */
	bool per_meter_topic;
	const char *target; /* rpc: the method */
	const char *rpc_topic,
		*notifier_topic; /* metering_topic of [publisher_rpc], [publisher_notifier] */
	const char *const *topic; /* of the URL, repeated */
	const char *driver; /* of the URL */
	/* notifications */
	const char *telemetry_driver;
	const char *const *topics; /* [oslo_messaging_notifications] */
	const char *notification_url; /* its transport_url */
	int64_t batch_size; /* [polling] */
};

/* As vmt_publisher_ops.open for one kind of messages. */
int sender_open(enum envelope_kind kind, const struct sender_conf *conf, const struct vmt_url *url,
		bool read_only, void **ret_self, struct vmt_error *error);
/* As vmt_publisher_ops.publish, .shape and .close. */
int sender_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		   const struct vmt_call *call, struct vmt_error *error);
void sender_shape(void *self, struct vmt_message_shape *ret_shape);
void sender_close(void *self);

#endif
