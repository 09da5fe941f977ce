/* SPDX-License-Identifier: Apache-2.0 */
/* Between sender.c, which opens and publishes, and declare.c. */
#ifndef AMQP_SENDER_PRIVATE_H
#define AMQP_SENDER_PRIVATE_H

#include "plugins/amqp/entities.h"
#include "sender.h"

struct sender {
	const struct sender_conf *conf;
	char *url; /* for messages */
	struct amqp_settings *settings;
	struct link *link;
	struct envelope envelope;
	struct message_encoder *encoder; /* for `profile`; NULL: none yet */
	enum vmt_profile profile;
	char *host, *publisher_id;
	char *key[SENDER_TOPICS]; /* routing keys of the main copies */
	size_t keys;
	struct buf row, meter_key, meter_event;
	uint64_t batch_size; /* UINT64_MAX: no bound */
	/* the attempt under way */
	const struct vmt_frame *frame;
	struct vmt_delivery *delivery;
	struct vmt_error *error;
	struct inflight_message *message; /* being filled; NULL: none */
	uint64_t filled;
	unsigned nacked, returned;
	size_t limit; /* bytes of a message that the broker takes; 0: not known */
	struct entities entities;
	bool declared;
};

/* Declares what messages need, once a connection.  0 or -errno. */
int sender_declare(struct sender *s, struct vmt_error *error);

#endif
