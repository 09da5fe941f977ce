/* SPDX-License-Identifier: Apache-2.0 */
/*
 * basic.publish written to a socket by ourselves: all frames of a message in one call of the kernel, without the copy
 * that librabbitmq makes of the body.  On plain TCP alone: TLS has its own buffers.  Any thread, one at a time for
 * a socket.
 */
#ifndef AMQP_OUTGOING_H
#define AMQP_OUTGOING_H

#include <amqp.h>
#include <stdbool.h>
#include <stddef.h>

#include <virtmeter/plugin.h>

struct outgoing {
	amqp_channel_t channel;
	const char *exchange, *key; /* at most OUTGOING_NAME bytes each */
	bool mandatory;
	const char *body;
	size_t size;
};

enum { OUTGOING_NAME = 255 };

/* With oslo.messaging's properties: JSON in UTF-8, no headers, persistent, priority 0.  Waits for room until the call is
 * over.  AMQP_STATUS_OK, or what librabbitmq's own would answer: part of the message may have gone, give the connection
 * up. */
int outgoing_send(int fd, size_t frame_max, const struct outgoing *m, const struct vmt_call *call);

#endif
