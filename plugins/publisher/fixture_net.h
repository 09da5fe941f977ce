/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of publishers that send over a network: sockets of the test on loopback, and a publisher opened
 * towards one, with a frame to send and what became of it.
 */
#ifndef PUBLISHER_FIXTURE_NET_H
#define PUBLISHER_FIXTURE_NET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "model/delivery.h"

/* A socket of `type` on loopback at `*port` (0: one that is free), which is written back; a stream's
 * listens.  -1: no such family here, or the port is taken. */
static inline int fixture_socket(int family, int type, int *port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				   .sin6_port = htons((uint16_t)*port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)*port) };
	struct sockaddr *a = family == AF_INET6 ? (void *)&a6 : (void *)&a4;
	socklen_t len = family == AF_INET6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd >= 0 && type == SOCK_STREAM) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	if (fd < 0 || bind(fd, a, len) < 0 || (type == SOCK_STREAM && listen(fd, 8) < 0)) {
		close(fd);
		return -1;
	}
	g_assert_cmpint(getsockname(fd, a, &len), ==, 0);
	*port = ntohs(family == AF_INET6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

struct fixture_scene {
	const struct vmt_plugin *plugin;
	const struct vmt_publisher_ops *ops;
	void *conf, *self; /* defaults, until fixture_scene_open */
	struct fixture f;
	struct vmt_delivery delivery;
	struct vmt_call call;
	struct vmt_error error;
};

/* One frame of so much, `seconds` for all calls. */
static inline void fixture_scene_init(struct fixture_scene *s, const struct vmt_plugin *plugin,
				      uint32_t resources, uint32_t meters, int64_t seconds)
{
	*s = (struct fixture_scene){ .plugin = plugin, .ops = plugin->ops.publisher };
	s->conf = fixture_conf(plugin);
	fixture_init(&s->f, resources, meters);
	fixture_cycle(&s->f, 0, FIXTURE_TIME);
	delivery_init(&s->delivery);
	delivery_begin(&s->delivery, &s->f.frame, 1);
	s->call = fixture_call(seconds);
	s->call.delivery = &s->delivery;
}

/* With the parts of `url`; without a text it is SCHEME://HOST:x. */
static inline void fixture_scene_open(struct fixture_scene *s, struct vmt_url url)
{
	char *text = g_strdup_printf("%s://%s:x", url.scheme, url.host);

	url.text = url.text ? url.text : text;
	url.path = url.path ? url.path : "";
	g_assert_cmpint(s->ops->open(s->conf, &url, false, &s->self, &s->error), ==, 0);
	g_free(text);
}

static inline int fixture_scene_publish(struct fixture_scene *s)
{
	s->error.text[0] = '\0';
	return s->ops->publish(s->self, &s->f.frame, 1, &s->call, &s->error);
}

/* Early, where a thread of the far side has to see the end. */
static inline void fixture_scene_close(struct fixture_scene *s)
{
	s->ops->close(s->self);
	s->self = NULL;
}

static inline void fixture_scene_fini(struct fixture_scene *s)
{
	fixture_scene_close(s);
	delivery_fini(&s->delivery);
	fixture_fini(&s->f);
	g_free(s->conf);
}

#endif
