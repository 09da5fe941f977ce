/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp:// with sockets of the test on loopback; what is in a datagram is tested with the messages
 * (src/wire) and by Ceilometer's own reader (tests/integration).
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../fixture.h"
#include "model/delivery.h"

extern const struct vmt_plugin vmt_plugin_publisher_udp;

enum { RESOURCES = 50, METERS = 3, ALL = RESOURCES * METERS };

struct scene {
	int fd; /* the receiver's; -1: closed */
	struct fixture f;
	struct vmt_delivery delivery;
	struct vmt_call call;
	struct vmt_error error;
	void *conf, *self;
};

static const struct vmt_publisher_ops *ops;

static int receiver(int family, int *ret_port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *a = family == AF_INET6 ? (void *)&a6 : (void *)&a4;
	socklen_t len = family == AF_INET6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, a, len) < 0) {
		g_assert_true(family == AF_INET6); /* a machine without it */
		close(fd);
		return -1;
	}
	g_assert_cmpint(getsockname(fd, a, &len), ==, 0);
	*ret_port = ntohs(family == AF_INET6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

static void scene_open(struct scene *s, const char *host, int port, const char *strings)
{
	char *text = g_strdup_printf("udp://%s:%d", host, port);
	struct vmt_url url = {
		.text = text, .scheme = "udp", .host = host, .port = port, .path = ""
	};

	s->conf = fixture_conf(&vmt_plugin_publisher_udp);
	fixture_set(&vmt_plugin_publisher_udp, s->conf, "strings", strings);
	g_assert_cmpint(ops->open(s->conf, &url, false, &s->self, &s->error), ==, 0);
	g_free(text);
	fixture_init(&s->f, RESOURCES, METERS);
	fixture_cycle(&s->f, 0, FIXTURE_TIME);
	delivery_init(&s->delivery);
	delivery_begin(&s->delivery, &s->f.frame, 1);
	s->call = fixture_call(60);
	s->call.delivery = &s->delivery;
}

static void scene_close(struct scene *s)
{
	ops->close(s->self);
	delivery_fini(&s->delivery);
	fixture_fini(&s->f);
	g_free(s->conf);
	if (s->fd >= 0) {
		close(s->fd);
	}
}

/* Datagrams that lie there; the first byte of each is the map of `members`. */
static int received(const struct scene *s, int members)
{
	unsigned char bytes[65536];
	int n = 0;
	ssize_t len;

	while ((len = recv(s->fd, bytes, sizeof(bytes), 0)) > 0) {
		g_assert_cmpint(bytes[0], ==, 0x80 + members);
		g_assert_cmpint(len, >, 400);
		n++;
	}
	return n;
}

static void test_one_each(void)
{
	const struct {
		int family;
		const char *host;
	} ways[] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "::1" } };

	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		struct scene s = { .fd = -1 };
		int port;

		s.fd = receiver(ways[i].family, &port);
		if (s.fd < 0) {
			g_test_message("no IPv6 here");
			continue;
		}
		scene_open(&s, ways[i].host, port, "auto");
		s.f.batch[1].publishers = 2; /* another's */
		delivery_begin(&s.delivery, &s.f.frame, 1);
		g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, 0);
		g_assert_cmpuint(s.delivery.confirmed, ==, ALL - RESOURCES);
		g_assert_cmpint(received(&s, 15), ==, ALL - RESOURCES);
		g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, 0);
		g_assert_cmpint(received(&s, 15), ==, 0); /* all were settled */
		scene_close(&s);
	}
}

/* The form of strings follows the profile, or the URL. */
static void test_strings(void)
{
	const struct {
		const char *strings;
		enum vmt_profile profile;
		int members;
		bool str8;
	} cases[] = {
		{ "auto", VMT_PROFILE_JUNO, 12, false },
		{ "auto", VMT_PROFILE_19, 13, true },
		{ "str", VMT_PROFILE_JUNO, 12, true },
		{ "raw", VMT_PROFILE_26, 15, false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct scene s = { .fd = -1 };
		char bytes[2048];
		ssize_t len;
		int port;

		s.fd = receiver(AF_INET, &port);
		scene_open(&s, "127.0.0.1", port, cases[i].strings);
		s.f.frame.profile = (uint8_t)cases[i].profile;
		g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, 0);
		len = recv(s.fd, bytes, sizeof(bytes), 0);
		g_assert_cmpint(len, >, 0);
		g_assert_cmpint((unsigned char)bytes[0], ==, 0x80 + cases[i].members);
		g_assert_cmpint(!!memmem(bytes, (size_t)len, "message_id\xd9\x24", 12), ==,
				cases[i].str8);
		g_assert_cmpint(!!memmem(bytes, (size_t)len, "message_id\xda\0\x24", 13), ==,
				!cases[i].str8);
		scene_close(&s);
	}
}

/* One sample that no datagram can hold, and one that can't be a message, are dropped; the rest goes. */
static void test_refused(void)
{
	struct scene s = { .fd = -1 };
	char *metadata = g_strdup_printf("{\"k\": \"%070000d\"}", 1);
	int port;

	s.fd = receiver(AF_INET, &port);
	scene_open(&s, "127.0.0.1", port, "auto");
	fixture_metadata(&s.f.resource[7], metadata);
	fixture_metadata(&s.f.resource[9], "{\"a\" 1}");
	g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, 0);
	g_assert_cmpuint(s.delivery.refused, ==, 2 * METERS);
	g_assert_cmpuint(s.delivery.confirmed, ==, ALL - 2 * METERS);
	g_assert_cmpuint(s.delivery.letters, ==, 2 * METERS);
	for (size_t i = 0; i < s.delivery.letters; i++) {
		const struct delivery_letter *letter = &s.delivery.letter[i];
		bool large = s.delivery.row[letter->first_row].first == 7;

		g_test_message("%s", letter->reason);
		g_assert_nonnull(strstr(letter->reason, large ? "too large" : "not a JSON object"));
		g_assert_cmpuint(letter->len, >=, large ? 70000 : 0);
	}
	g_assert_cmpint(received(&s, 15), ==, ALL - 2 * METERS);
	g_free(metadata);
	scene_close(&s);
}

/* Nobody listens: told, and samples wait; when somebody does, the rest comes. */
static void test_nobody_there(void)
{
	struct scene s = { .fd = -1 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t before;
	int port, fd = receiver(AF_INET, &port);

	scene_open(&s, "127.0.0.1", port, "auto");
	close(fd);
	g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, -ECONNREFUSED);
	g_assert_nonnull(strstr(s.error.text, "nobody listens"));
	before = s.delivery.confirmed;
	g_assert_cmpuint(before, <, ALL);
	s.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	a.sin_port = htons((uint16_t)port);
	g_assert_cmpint(bind(s.fd, (void *)&a, sizeof(a)), ==, 0);
	while (ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error) == -ECONNREFUSED) {
	}
	g_assert_cmpuint(s.delivery.confirmed, ==, ALL);
	g_assert_cmpint(received(&s, 15), ==, (int)(ALL - before));
	scene_close(&s);
}

static void test_unresolvable(void)
{
	struct scene s = { .fd = -1 };

	scene_open(&s, "no-such-host.invalid", 4952, "auto");
	g_assert_cmpint(ops->publish(s.self, &s.f.frame, 1, &s.call, &s.error), ==, -EHOSTUNREACH);
	g_assert_true(
		g_str_has_prefix(s.error.text, "udp://no-such-host.invalid:4952: looking up"));
	g_assert_cmpuint(s.delivery.confirmed + s.delivery.refused, ==, 0);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	ops = vmt_plugin_publisher_udp.ops.publisher;
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/udp/one-each", test_one_each);
	g_test_add_func("/publisher/udp/strings", test_strings);
	g_test_add_func("/publisher/udp/refused", test_refused);
	g_test_add_func("/publisher/udp/nobody-there", test_nobody_there);
	g_test_add_func("/publisher/udp/unresolvable", test_unresolvable);
	return g_test_run();
}
