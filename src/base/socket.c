/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets within a call's deadline.  Any thread; blocks in poll(2), until the call's end. */
#include "base/socket.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <virtmeter/plugin.h>

#define LOOK_NS (50 * NS_PER_MS) /* between two looks at `cancel` */

int socket_wait(int fd, short events, const struct vmt_call *call)
{
	struct pollfd p = { .fd = fd, .events = events };

	while (!atomic_load(call->cancel)) {
		int64_t left = MIN(call->deadline_ns - clock_monotonic(), LOOK_NS);
		int ready;

		if (left <= 0) {
			return -ETIMEDOUT;
		}
		thread_block_begin();
		ready = poll(&p, 1, (int)MAX(left / NS_PER_MS, 1));
		thread_block_end();
		if (ready > 0) {
			return 0;
		}
		if (ready < 0 && errno != EINTR) {
			return -errno;
		}
	}
	return -ECANCELED;
}

void socket_tune(int fd, unsigned user_timeout_ms)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (user_timeout_ms > 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
			   sizeof(user_timeout_ms));
	}
}

/* Until it is connected; 0 or -errno. */
static int await_connection(int fd, const struct vmt_call *call)
{
	socklen_t size = sizeof(int);
	int code = 0, ret = socket_wait(fd, POLLOUT, call);

	if (ret < 0) {
		return ret;
	}
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 ? -errno : -code;
}

int socket_connect(const struct addrinfo *a, unsigned user_timeout_ms, const struct vmt_call *call)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0) {
		return -errno;
	}
	socket_tune(fd, user_timeout_ms);
	code = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -errno : 0;
	if (code == -EINPROGRESS) {
		code = await_connection(fd, call);
	}
	if (code < 0) {
		close(fd);
		return code;
	}
	return fd;
}
