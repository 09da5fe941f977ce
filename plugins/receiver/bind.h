/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receivers that listen share: where they do, and the sockets.  Addresses are numbers, so that nothing here asks a name server.
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

/* A bound socket, not blocking.  Who listens at the same address in this process shares it, so that a receiver that
 * takes another one's place over a reload has what came meanwhile.  Other processes may be bound there as well: the
 * kernel shares between them what comes in.  Any thread. */
struct bound;

/* The caller's reference; NULL with *ret_err = -errno and the reason. */
struct bound *bound_open(const struct bind_address *b, int socktype, int *ret_err,
			 struct vmt_error *error);
/* The same if somebody has it already, else NULL. */
struct bound *bound_find(const struct bind_address *b, int socktype);
void bound_unref(struct bound *b); /* NULL is fine */
int bound_fd(const struct bound *b); /* NULL: -1 */
bool bound_is_shared(struct bound *b); /* somebody else has it, too */
/* The kernel's counter of datagrams that it dropped stands at `now`: by how much that is more than before. */
uint32_t bound_dropped(struct bound *b, uint32_t now);

/* Waits for input on `fd` (-1: for none) and for the intake, until the deadline; 1: there is something. */
int bind_wait(int fd, struct vmt_intake *intake, const struct vmt_call *call);

#endif
