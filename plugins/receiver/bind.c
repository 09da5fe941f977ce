/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns an address, and the sockets that this process listens at.  Main thread for bind_init and bind_fini; bound_* any;
 * only bind_wait blocks.
 */
#include "plugins/receiver/bind.h"

#include <errno.h>
#include <glib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

struct bound {
	struct bound *next;
	unsigned refs;
	int socktype, fd;
	struct sockaddr_storage address;
	socklen_t len;
	_Atomic uint32_t dropped; /* as last heard */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct bound *all; /* guarded by all_lock, with their `refs` and `next` */

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

/* ------------------------------------------------------------------ sockets */

static int open_socket(const struct bind_address *b, int socktype, struct vmt_error *error)
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

/* Locked; with a reference for the caller. */
static struct bound *find(const struct bind_address *b, int socktype)
{
	for (struct bound *k = all; k; k = k->next) {
		if (k->socktype == socktype && k->len == b->len &&
		    memcmp(&k->address, &b->address, b->len) == 0) {
			k->refs++;
			return k;
		}
	}
	return NULL;
}

struct bound *bound_find(const struct bind_address *b, int socktype)
{
	struct bound *found;

	pthread_mutex_lock(&all_lock);
	found = find(b, socktype);
	pthread_mutex_unlock(&all_lock);
	return found;
}

struct bound *bound_open(const struct bind_address *b, int socktype, int *ret_err,
			 struct vmt_error *error)
{
	struct bound *k;
	int fd;

	pthread_mutex_lock(&all_lock);
	k = find(b, socktype);
	fd = k ? 0 : open_socket(b, socktype, error);
	if (!k && fd >= 0) {
		k = g_new0(struct bound, 1);
		*k = (struct bound){ .next = all,
				     .refs = 1,
				     .socktype = socktype,
				     .fd = fd,
				     .address = b->address,
				     .len = b->len };
		all = k;
	}
	pthread_mutex_unlock(&all_lock);
	*ret_err = MIN(fd, 0);
	return k;
}

void bound_unref(struct bound *b)
{
	bool last;

	if (!b) {
		return;
	}
	pthread_mutex_lock(&all_lock);
	last = --b->refs == 0;
	for (struct bound **at = &all; last && *at; at = &(*at)->next) {
		if (*at == b) {
			*at = b->next;
			break;
		}
	}
	pthread_mutex_unlock(&all_lock);
	if (last) {
		close(b->fd);
		g_free(b);
	}
}

int bound_fd(const struct bound *b)
{
	return b ? b->fd : -1;
}

bool bound_is_shared(struct bound *b)
{
	bool shared;

	pthread_mutex_lock(&all_lock);
	shared = b->refs > 1;
	pthread_mutex_unlock(&all_lock);
	return shared;
}

uint32_t bound_dropped(struct bound *b, uint32_t now)
{
	uint32_t before = atomic_load(&b->dropped);

	while ((int32_t)(now - before) > 0) {
		if (atomic_compare_exchange_weak(&b->dropped, &before, now)) {
			return now - before;
		}
	}
	return 0; /* another thread has heard of it already */
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
