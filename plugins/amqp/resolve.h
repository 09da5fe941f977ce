/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses with a deadline: getaddrinfo(3) has none, so it runs in a thread that is left behind when
 * it takes too long (four at most in a process).  And connections to addresses.
 */
#ifndef AMQP_RESOLVE_H
#define AMQP_RESOLVE_H

#include <virtmeter/plugin.h>

enum { ADDRESS_TEXT = 64, RESOLVE_LEFT = 4 };

/* Hands the addresses of `host`, a name or an address, to `fn` until one is good (0).  Else what `fn` answered
 * last (which has written the reason), or -errno with "HOST: reason of the name service". */
struct addrinfo;
typedef int (*resolve_fn)(void *arg, const struct addrinfo *address, const char *text);
int resolve_each(const char *host, int port, const struct vmt_call *call, resolve_fn fn, void *arg,
		 struct vmt_error *error);

/* A connected socket that does not block, or -errno. */
int resolve_connect(const struct addrinfo *address, unsigned user_timeout_ms,
		    const struct vmt_call *call);

/* TCP_NODELAY, keepalive and TCP_USER_TIMEOUT (0: none) for a socket. */
void resolve_tune(int fd, unsigned user_timeout_ms);

#endif
