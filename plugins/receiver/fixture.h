/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of receivers: an intake that keeps what it is given, and a call that lasts so long. */
#ifndef RECEIVER_FIXTURE_H
#define RECEIVER_FIXTURE_H

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/intake.h"

struct kept {
	struct vmt_intake public; /* first */
	GPtrArray *messages; /* char *, texts */
	unsigned full_after; /* takes so many, then is full */
	unsigned too_long, flushes;
	uint64_t lost;
};

static inline int kept_message(struct vmt_intake *intake, enum vmt_message_form form,
			       const void *bytes, size_t len, uint64_t tag)
{
	struct kept *k = (struct kept *)intake;

	g_assert_cmpint(form, ==, VMT_MESSAGE_MSGPACK);
	if (k->messages->len >= k->full_after) {
		return -EAGAIN;
	}
	if (len > intake->limit) {
		k->too_long++;
		return 0;
	}
	g_ptr_array_add(k->messages, g_strndup(bytes, len));
	return 0;
}

static inline void kept_flush(struct vmt_intake *intake)
{
	((struct kept *)intake)->flushes++;
}

static inline size_t kept_settled(struct vmt_intake *intake, struct vmt_settled *ret, size_t max)
{
	eventfd_t n;

	(void)eventfd_read(intake->fd, &n);
	return 0;
}

static inline void kept_lost(struct vmt_intake *intake, uint64_t messages)
{
	((struct kept *)intake)->lost += messages;
}

static inline void kept_init(struct kept *k)
{
	static const struct intake_ops ops = { .message = kept_message,
					       .flush = kept_flush,
					       .settled = kept_settled,
					       .lost = kept_lost };

	*k = (struct kept){ .public = { .ops = &ops, .limit = 1 << 19 }, .full_after = UINT_MAX };
	k->public.fd = eventfd(0, EFD_NONBLOCK);
	k->messages = g_ptr_array_new_with_free_func(g_free);
}

static inline void kept_fini(struct kept *k)
{
	close(k->public.fd);
	g_ptr_array_unref(k->messages);
}

/* Lets it receive, so many milliseconds. */
static inline void receive(const struct vmt_plugin *p, void *self, struct kept *k, int ms)
{
	static const atomic_bool never;
	struct vmt_call call = { .deadline_ns = clock_monotonic() + ms * NS_PER_MS,
				 .cancel = &never };
	struct vmt_error error = { .text = "" };
	int ret = p->ops.receiver->receive(self, &k->public, &call, &error);

	g_assert_cmpstr(error.text, ==, "");
	g_assert_cmpint(ret, ==, 0);
}

/* Lets it receive until so many messages have come, were refused or were lost, for 30 s at most. */
static inline void receive_all(const struct vmt_plugin *p, void *self, struct kept *k, uint64_t n)
{
	int64_t end = clock_monotonic() + 30 * NS_PER_S;

	while (k->messages->len + k->too_long + k->lost < n && clock_monotonic() < end) {
		receive(p, self, k, 20);
	}
	receive(p, self, k, 20); /* nothing more comes */
}

static inline int free_port(int socktype)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, socktype, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&a, &len), ==, 0);
	close(fd);
	return ntohs(a.sin_port);
}

static inline int connect_to(int socktype, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, socktype, 0);

	g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	return fd;
}

static inline const char *message_at(const struct kept *k, unsigned i)
{
	return g_ptr_array_index(k->messages, i);
}

#endif
