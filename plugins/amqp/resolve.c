/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns look-ups of names.  Any thread; blocks until the deadline of the call.  A look-up under way belongs to
 * two: the thread that asks the name service and the one that waits for it; the last one frees it.
 */
#include "plugins/amqp/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wait.h"

#define SLICE_NS (100 * NS_PER_MS) /* how soon a cancelled call is noticed */

struct lookup {
	struct wait wait;
	char *host;
	char port[8];
	struct addrinfo *list; /* from here on under `wait` */
	int code;
	int owners;
	bool done;
};

static atomic_int running;

static bool is_over(const struct vmt_call *call)
{
	return clock_monotonic() >= call->deadline_ns || atomic_load(call->cancel);
}

static void lookup_unref(struct lookup *l)
{
	bool last;

	wait_lock(&l->wait);
	last = --l->owners == 0;
	wait_unlock(&l->wait);
	if (last) {
		if (l->list) {
			freeaddrinfo(l->list);
		}
		wait_fini(&l->wait);
		g_free(l->host);
		g_free(l);
	}
}

static void *lookup_run(void *arg)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					       .ai_socktype = SOCK_STREAM,
					       .ai_flags = AI_ADDRCONFIG };
	struct lookup *l = arg;
	struct addrinfo *list = NULL;
	int code = getaddrinfo(l->host, l->port, &hints, &list);

	wait_lock(&l->wait);
	l->code = code;
	l->list = code ? NULL : list;
	l->done = true;
	wait_unlock(&l->wait);
	wait_wake(&l->wait);
	lookup_unref(l);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* Not thread_start(): nobody joins it, and name services may want more stack. */
static int start(struct lookup *l)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int code;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&thread, &attr, lookup_run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -code;
}

/* The addresses, for freeaddrinfo. */
static int look_up(const char *host, const char *port, const struct vmt_call *call,
		   struct addrinfo **ret, struct vmt_error *error)
{
	const struct addrinfo numeric = { .ai_family = AF_UNSPEC,
					  .ai_socktype = SOCK_STREAM,
					  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct lookup *l;
	int code;
	bool done;

	if (getaddrinfo(host, port, &numeric, ret) == 0) {
		return 0;
	}
	if (atomic_fetch_add(&running, 1) >= RESOLVE_LEFT) {
		atomic_fetch_sub(&running, 1);
		return vmt_error_set(error, -EBUSY,
				     "%s: the name service does not answer earlier questions",
				     host);
	}
	l = g_new0(struct lookup, 1);
	wait_init(&l->wait);
	l->host = g_strdup(host);
	g_snprintf(l->port, sizeof(l->port), "%s", port);
	l->owners = 2;
	code = start(l);
	if (code < 0) {
		l->owners = 1;
		lookup_unref(l);
		atomic_fetch_sub(&running, 1);
		return vmt_error_set(error, code, "%s: %s", host, g_strerror(-code));
	}
	wait_lock(&l->wait);
	while (!l->done && !is_over(call)) {
		wait_until(&l->wait, MIN(call->deadline_ns, clock_monotonic() + SLICE_NS));
	}
	done = l->done;
	code = l->code;
	*ret = l->list;
	l->list = NULL;
	wait_unlock(&l->wait);
	lookup_unref(l);
	if (!done) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: the name service does not answer",
				     host);
	}
	return code == 0 ? 0
			 : vmt_error_set(error, -EHOSTUNREACH, "%s: %s", host, gai_strerror(code));
}

void resolve_tune(int fd, unsigned user_timeout_ms)
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
static int await(int fd, const struct vmt_call *call)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int code = 0;

	while (!is_over(call)) {
		int64_t left = MIN(call->deadline_ns - clock_monotonic(), SLICE_NS);
		int n = poll(&p, 1, (int)MAX(left / NS_PER_MS, 1));

		if (n > 0) {
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
			return -code;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
	}
	return atomic_load(call->cancel) ? -ECANCELED : -ETIMEDOUT;
}

int resolve_connect(const struct addrinfo *a, unsigned user_timeout_ms, const struct vmt_call *call)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0) {
		return -errno;
	}
	resolve_tune(fd, user_timeout_ms);
	code = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -errno : 0;
	if (code == -EINPROGRESS) {
		code = await(fd, call);
	}
	if (code < 0) {
		close(fd);
		return code;
	}
	return fd;
}

int resolve_each(const char *host, int port, const struct vmt_call *call, resolve_fn fn, void *arg,
		 struct vmt_error *error)
{
	struct addrinfo *list = NULL;
	char service[8], text[ADDRESS_TEXT];
	int ret;

	g_snprintf(service, sizeof(service), "%d", port);
	ret = look_up(host, service, call, &list, error);
	if (ret < 0) {
		return ret;
	}
	ret = vmt_error_set(error, -EHOSTUNREACH, "%s: no address", host);
	for (const struct addrinfo *a = list; a && ret < 0; a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST) == 0) {
			ret = fn(arg, a, text);
		}
	}
	freeaddrinfo(list);
	return ret;
}
