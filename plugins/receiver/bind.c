/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing but an address.  Main thread for init and fini, else the receiver's; only bind_wait blocks. */
#include "plugins/receiver/bind.h"

#include <errno.h>
#include <glib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

int bind_init(struct bind_address *b, const struct vmt_url *url, const char *host, int64_t port,
	      struct vmt_error *error)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char service[16];
	const char *name = url->host[0] ? url->host : host;

	if (url->path[0] && strcmp(url->path, "/") != 0) {
		return vmt_error_set(error, -EINVAL, "%s: takes no path", url->text);
	}
	if (url->query && url->query[0].key) {
		return vmt_error_set(error, -EINVAL, "%s: unknown parameter %s", url->text,
				     url->query[0].key);
	}
	g_snprintf(service, sizeof(service), "%d", url->port ? url->port : (int)port);
	if (getaddrinfo(name, service, &hints, &list) != 0) {
		return vmt_error_set(
			error, -EINVAL,
			"%s: %s is no address to listen at; write one as 0.0.0.0 or ::", url->text,
			name);
	}
	memcpy(&b->address, list->ai_addr, list->ai_addrlen);
	b->len = list->ai_addrlen;
	b->text = g_strdup(url->text);
	freeaddrinfo(list);
	return 0;
}

void bind_fini(struct bind_address *b)
{
	g_free(b->text);
	b->text = NULL;
}

int bind_socket(const struct bind_address *b, int socktype, struct vmt_error *error)
{
	const int on = 1, off = 0;
	int fd = socket(b->address.ss_family, socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0) {
		return vmt_error_set(error, -errno, "%s: socket: %s", b->text, g_strerror(errno));
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (b->address.ss_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (bind(fd, (const struct sockaddr *)&b->address, b->len) < 0) {
		ret = vmt_error_set(error, -errno, "%s: bind: %s", b->text, g_strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}

int bind_wait(int fd, struct vmt_intake *intake, const struct vmt_call *call)
{
	struct pollfd p[] = { { .fd = vmt_intake_fd(intake), .events = POLLIN },
			      { .fd = fd, .events = POLLIN } };
	int64_t left_ns = call->deadline_ns - clock_monotonic();
	int ready;

	thread_block_begin();
	ready = poll(p, fd < 0 ? 1 : 2, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0);
	thread_block_end();
	return ready > 0;
}
