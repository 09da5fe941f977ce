/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a broker with one channel in confirm mode: opened on the first of several hosts that
 * answers, watched by a guard, closed and opened anew when anything is wrong with it.
 *
 *     link_begin(l, call);  …anything below…  link_end(l);
 *
 * One thread at a time; between calls the guard's looks after it.
 */
#ifndef AMQP_LINK_H
#define AMQP_LINK_H

#include "plugins/amqp/frames.h"
#include "plugins/amqp/guard.h"
#include "plugins/amqp/settings.h"

struct link;

/* *settings must outlive the link.  `settled` is told of messages (inflight.h).  `program` names the connection
 * at the broker.  Touches no network. */
struct link *link_new(const struct amqp_settings *settings, const char *program,
		      inflight_fn settled, void *arg);
void link_free(
	struct link *l); /* NULL is fine; says good-bye to the broker, for a second at most */

/* Around each use.  Threads and all: 0 or -errno. */
int link_begin(struct link *l, const struct vmt_call *call, struct vmt_error *error);
void link_end(struct link *l);

/* Opens connection and channel unless they are open and its certificates unchanged.  0; 1: newly opened, so
 * that nothing is declared yet; -errno. */
int link_open(struct link *l, struct vmt_error *error);
/* Without good-bye; what is on its way is forgotten. */
void link_close(struct link *l);

struct link_entity {
	const char *name;
	const char *type; /* of an exchange; NULL: topic */
	bool durable, auto_delete, passive;
	const amqp_table_t *arguments; /* NULL for none */
};
/* 0; 1: refused by the broker with *ret_code (404, 406, …), the channel is open again; -errno: the connection is
 * gone. */
int link_exchange(struct link *l, const struct link_entity *e, int *ret_code,
		  struct vmt_error *error);
int link_queue(struct link *l, const struct link_entity *e, int *ret_code, struct vmt_error *error);
int link_bind(struct link *l, const char *queue, const char *exchange, const char *key,
	      int *ret_code, struct vmt_error *error);

/* A message to be sent in one or more copies (inflight.h), and that there are no further ones. */
struct inflight_message *link_message(struct link *l);
void link_message_end(struct link *l, struct inflight_message *m);

/* Sends a copy of a message, waiting for room in the window first.  The properties are those of oslo.messaging.
 * -errno as link_wait(). */
int link_publish(struct link *l, struct inflight_message *m, const char *exchange, const char *key,
		 const void *body, size_t size, bool mandatory, struct vmt_error *error);

/* Takes what the broker says, until at most `left` messages are on their way.
 * -EBUSY: blocked by the broker; -ENOTCONN, -ECONNRESET, -ETIMEDOUT, -ECANCELED, -EPROTO: the connection is
 * closed; what was on its way was not settled. */
int link_wait(struct link *l, unsigned left, struct vmt_error *error);

/* The broker's max_message_size, once it has refused something for it; 0: not known. */
size_t link_size_limit(const struct link *l);
/* Where a message came back from, last: "312 NO_ROUTE, exchange x, key y". */
const char *link_returned(const struct link *l);

#endif
