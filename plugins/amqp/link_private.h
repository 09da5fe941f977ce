/* SPDX-License-Identifier: Apache-2.0 */
/* Between link.c, which opens and closes, and link_send.c, which sends and takes. */
#ifndef AMQP_LINK_PRIVATE_H
#define AMQP_LINK_PRIVATE_H

#include "plugins/amqp/link.h"

struct link {
	const struct amqp_settings *s;
	char *name; /* of the connection, at the broker */
	struct guard *guard; /* NULL until the first call */
	const struct vmt_call *call; /* under way */
	struct vmt_error *error; /* while it is opened */
	amqp_connection_state_t c; /* NULL: closed */
	unsigned host; /* index, in use or to be tried next */
	struct resolver **resolver; /* one per host */
	char peer[128]; /* "broker 192.0.2.1:5672" */
	struct tls_handshake handshake;
	struct tls_stamp stamp;
	struct frames frames;
	size_t size_limit;
	bool consuming; /* messages come in: consume.c looks after the connection */
	struct inflight inflight;
	unsigned look; /* so many unconfirmed, and it is time to look for confirms */
};

/* An answer to a question of ours.  0; 1: the channel was closed (it is open again), with *ret_code; -errno. */
int link_check(struct link *l, const char *what, int *ret_code, struct vmt_error *error);
/* Takes what the broker says unasked.  0; -errno: the connection is closed. */
int link_take_frame(struct link *l, const amqp_frame_t *frame, struct vmt_error *error);
/* Gives the connection up: -errno with the reason. */
int link_lost(struct link *l, const char *what, int status, struct vmt_error *error);
/* Takes all that is there, waiting at most `wait_ns` for the first.  0; -errno: as link_wait(). */
int link_take(struct link *l, int64_t wait_ns, struct vmt_error *error);

#endif
