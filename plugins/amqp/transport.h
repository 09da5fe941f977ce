/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oslo.messaging's transport URLs, which name several hosts:
 *
 *     driver://[user[:password]@]host[:port][,[user[:password]@]host[:port]]…/[virtual host][?key=value…]
 *
 * As oslo.messaging of today reads them: user and password are what stands before the last '@' of a host,
 * percent-decoded, and are not handed on to the hosts behind it; the port is 5672 by default, with
 * TLS too.  Any thread; blocks on nothing.
 */
#ifndef AMQP_TRANSPORT_H
#define AMQP_TRANSPORT_H

#include <stddef.h>
#include <virtmeter/plugin.h>

enum { TRANSPORT_PORT = 5672, TRANSPORT_HOSTS = 64, TRANSPORT_KEYS = 64 };

struct transport_host {
	char *user, *password; /* "" when the URL has none */
	char *host; /* without brackets */
	int port;
};

struct transport {
	struct transport_host *host;
	size_t hosts; /* 0: the URL names none */
	char *vhost; /* "/" for the empty one, as py-amqp has it */
	struct vmt_pair *query; /* decoded; ends with `key` NULL */
};

/* -EINVAL with the reason, in which no password stands: no "://", a driver other than rabbit and kombu, a
 * port out of range, a '[' without ']', more hosts or keys than the bounds above, a zero byte. */
int transport_parse(const char *text, struct transport *ret, struct vmt_error *error);

/* The same of parts: `authority` ("user:password@host:port,…") as written, `path` decoded. */
int transport_of(const char *authority, const char *path, struct transport *ret,
		 struct vmt_error *error);

void transport_fini(struct transport *t); /* NULL is fine; wipes the passwords */

#endif
