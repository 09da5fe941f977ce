/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receivers that listen share: where they do.  Addresses are numbers, so that nothing here asks a name server.
 */
#ifndef RECEIVER_BIND_H
#define RECEIVER_BIND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <virtmeter/plugin.h>

struct bind_address {
	struct sockaddr_storage address;
	socklen_t len;
	char *text; /* the URL, for messages */
};

/* The URL's host and port, or `host` and `port` where it has none.  An IPv4 or IPv6 address; with "::" IPv4 is
 * taken too.  -EINVAL with the reason. */
int bind_init(struct bind_address *b, const struct vmt_url *url, const char *host, int64_t port,
	      struct vmt_error *error);
void bind_fini(struct bind_address *b);

/* A bound socket, not blocking: >= 0, or -errno with the reason.  Others may be bound to the same address: the
 * kernel shares between them what comes in. */
int bind_socket(const struct bind_address *b, int socktype, struct vmt_error *error);

/* Waits for input on `fd` (-1: for none) and for the intake, until the deadline; 1: there is something. */
int bind_wait(int fd, struct vmt_intake *intake, const struct vmt_call *call);

#endif
