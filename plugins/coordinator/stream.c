/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets with deadlines.  The coordination thread; blocks in base/socket, until a call's end. */
#include "plugins/coordinator/stream.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/resolve.h"
#include "base/socket.h"

#define ADDRESS_AGE_NS (60 * NS_PER_S)

void stream_init(struct stream *s)
{
	*s = (struct stream){ .fd = -1 };
}

bool stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}

const char *stream_reason(int code)
{
	return code == -ETIMEDOUT    ? "does not answer in time"
	       : code == -ECONNRESET ? "closed the connection"
	       : code == -EBADMSG    ? "answers what makes no sense"
	       : code == -ECANCELED  ? "given up"
				     : g_strerror(-code);
}

/* ---- connecting */

static int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		return -ENAMETOOLONG;
	}
	g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	/* such a socket connects at once, or fails, also with a full backlog (EAGAIN) */
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		int code = -errno;

		close(fd);
		return code;
	}
	return fd;
}

static int connect_host(struct resolver *resolver, const char *subject, const struct vmt_call *call,
			struct vmt_error *error)
{
	const struct addrinfo *list;
	int ret = resolver_get(resolver, ADDRESS_AGE_NS, call, subject, &list, error);

	if (ret < 0) {
		return ret;
	}
	ret = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		ret = socket_connect(a, 0, call);
		if (ret >= 0 || ret == -ECANCELED || ret == -ETIMEDOUT) {
			break;
		}
	}
	return ret < 0 ? vmt_error_set(error, ret, "%s: connect: %s", subject, stream_reason(ret))
		       : ret;
}

int stream_open(struct stream *s, struct resolver *resolver, const char *path, const char *subject,
		const struct vmt_call *call, struct vmt_error *error)
{
	int fd = resolver ? connect_host(resolver, subject, call, error) : connect_unix(path);

	if (fd < 0) {
		return resolver ? fd
				: vmt_error_set(error, fd, "%s: %s: %s", subject, path,
						g_strerror(-fd));
	}
	stream_init(s);
	s->fd = fd;
	return 0;
}

void stream_close(struct stream *s)
{
	if (s->layer) {
		s->layer->close(s->layer_self);
	}
	if (s->fd >= 0) {
		close(s->fd);
	}
	stream_init(s);
}

/* ---- bytes */

static ssize_t write_some(struct stream *s, const void *data, size_t len, short *ret_events)
{
	ssize_t n;

	if (s->layer) {
		return s->layer->write(s->layer_self, data, len, ret_events);
	}
	*ret_events = POLLOUT;
	n = send(s->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t read_some(struct stream *s, void *data, size_t size, short *ret_events)
{
	ssize_t n;

	if (s->layer) {
		return s->layer->read(s->layer_self, data, size, ret_events);
	}
	*ret_events = POLLIN;
	n = recv(s->fd, data, size, 0);
	return n < 0 ? -errno : n;
}

int stream_write(struct stream *s, const void *data, size_t len, const struct vmt_call *call)
{
	const char *at = data;

	while (len > 0) {
		short events = POLLOUT;
		ssize_t n = write_some(s, at, len, &events);

		if (n == -EAGAIN) {
			n = socket_wait(s->fd, events, call);
			if (n < 0) {
				return (int)n;
			}
			continue;
		}
		if (n < 0 && n != -EINTR) {
			return (int)n;
		}
		at += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	return 0;
}

ssize_t stream_read(struct stream *s, void *data, size_t size, const struct vmt_call *call)
{
	for (;;) {
		short events = POLLIN;
		ssize_t n = read_some(s, data, size, &events);

		if (n == -EAGAIN) {
			n = socket_wait(s->fd, events, call);
			if (n < 0) {
				return n;
			}
			continue;
		}
		if (n != -EINTR) {
			return n == 0 ? -ECONNRESET : n;
		}
	}
}
