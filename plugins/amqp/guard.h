/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches over a connection with a thread of its own: librabbitmq waits for ever on a peer that stops
 * reading, so when the deadline of a call is over (or the call is cancelled) the guard shuts the socket
 * down, and whoever waits on it comes back with an error.  Between calls it looks after the connection
 * from time to time (heartbeats).
 */
#ifndef AMQP_GUARD_H
#define AMQP_GUARD_H

#include <virtmeter/plugin.h>

struct guard;

/* `tick` is called on the guard's thread every `tick_ns` (0: never), never while a call is under way; it must
 * be short.  The thread starts here.  0 or -errno. */
int guard_new(void (*tick)(void *arg), void *arg, int64_t tick_ns, struct guard **ret);
void guard_free(struct guard *g); /* NULL is fine; waits for the thread */

/* A call begins; waits for a tick that runs. */
void guard_begin(struct guard *g, const struct vmt_call *call);
/* The socket in use; -1: none.  Must be told before the socket is closed.  Also from a tick. */
void guard_socket(struct guard *g, int fd);
/* The call is over: true when its socket was shut down. */
bool guard_end(struct guard *g);
/* Whether it was, so far. */
bool guard_fired(struct guard *g);

#endif
