/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker says unasked: confirms, returned messages, blocked and unblocked, the end of the channel or
 * of the connection.  Takes decoded frames, in whatever order a hostile peer may send them.  One thread.
 */
#ifndef AMQP_FRAMES_H
#define AMQP_FRAMES_H

#include <amqp.h>
#include <stdbool.h>

#include "plugins/amqp/inflight.h"

enum { FRAMES_CHANNEL = 1, FRAMES_BODY_MAX = 128 << 20, FRAMES_HASHED = 4096 };

enum frames_state {
	FRAMES_OPEN,
	FRAMES_CHANNEL_CLOSED, /* by the broker; it waits for close-ok */
	FRAMES_CLOSED, /* the connection, likewise */
};

struct frames {
	struct inflight *inflight;
	enum frames_state state;
	int code; /* of the close */
	char text[256]; /* of the close, of the last return, of blocked */
	bool blocked;
	/* a returned message that comes in */
	enum { RETURN_NONE, RETURN_HEADER, RETURN_BODY } returning;
	uint64_t left, size;
	unsigned char head[FRAMES_HASHED]; /* of its body: frames cut it anywhere */
	char returned[160]; /* "312 NO_ROUTE, exchange ceilometer, key metering" */
};

void frames_init(struct frames *s, struct inflight *inflight);
/* 0, or -EPROTO with the reason in `text`: the peer does not keep to AMQP; give the connection up. */
int frames_take(struct frames *s, const amqp_frame_t *frame);

/* Hash of a body, as it is compared. */
uint64_t frames_hash(const void *body, size_t size);

#endif
