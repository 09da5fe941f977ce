/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets to an address, tuned, that never block but in a wait for them within a call.  Any thread. */
#ifndef BASE_SOCKET_H
#define BASE_SOCKET_H

#include <netdb.h>

struct vmt_call;

/* A connected stream socket that does not block, tuned, or -errno; -ETIMEDOUT, -ECANCELED: `call` came to its
 * end. */
int socket_connect(const struct addrinfo *address, unsigned user_timeout_ms,
		   const struct vmt_call *call);
/* TCP_NODELAY, keepalive and TCP_USER_TIMEOUT (0: none) for a socket. */
void socket_tune(int fd, unsigned user_timeout_ms);
/* Until it has one of poll(2)'s `events`: 0, or -errno as above. */
int socket_wait(int fd, short events, const struct vmt_call *call);

#endif
