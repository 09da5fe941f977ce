/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp:// with sockets of the test on loopback; what is in a datagram is tested with the messages
 * (src/wire) and by Ceilometer's own reader (tests/integration).
 */
#include <errno.h>

#include "../fixture_net.h"

extern const struct vmt_plugin vmt_plugin_publisher_udp;

enum { RESOURCES = 50, METERS = 3, ALL = RESOURCES * METERS };

struct scene {
	struct fixture_scene x;
	int fd; /* the receiver's; -1: closed */
};

static void scene_open(struct scene *s, const char *host, int port, const char *strings)
{
	fixture_scene_init(&s->x, &vmt_plugin_publisher_udp, RESOURCES, METERS, 60);
	fixture_set(&vmt_plugin_publisher_udp, s->x.conf, "strings", strings);
	fixture_scene_open(&s->x, (struct vmt_url){ .scheme = "udp", .host = host, .port = port });
}

static void scene_close(struct scene *s)
{
	fixture_scene_fini(&s->x);
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

	while ((len = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
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
		int port = 0;

		s.fd = fixture_socket(ways[i].family, SOCK_DGRAM, &port);
		if (s.fd < 0) { /* a machine without it */
			g_assert_cmpint(ways[i].family, ==, AF_INET6);
			g_test_message("no IPv6 here");
			continue;
		}
		scene_open(&s, ways[i].host, port, "auto");
		s.x.f.batch[1].publishers = 2; /* another's */
		delivery_begin(&s.x.delivery, &s.x.f.frame, 1);
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
		g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - RESOURCES);
		g_assert_cmpint(received(&s, 15), ==, ALL - RESOURCES);
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
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
		int port = 0;

		s.fd = fixture_socket(AF_INET, SOCK_DGRAM, &port);
		scene_open(&s, "127.0.0.1", port, cases[i].strings);
		s.x.f.frame.profile = (uint8_t)cases[i].profile;
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
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
	int port = 0;

	s.fd = fixture_socket(AF_INET, SOCK_DGRAM, &port);
	scene_open(&s, "127.0.0.1", port, "auto");
	fixture_metadata(&s.x.f.resource[7], metadata);
	fixture_metadata(&s.x.f.resource[9], "{\"a\" 1}");
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.refused, ==, 2 * METERS);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - 2 * METERS);
	g_assert_cmpuint(s.x.delivery.letters, ==, 2 * METERS);
	for (size_t i = 0; i < s.x.delivery.letters; i++) {
		const struct delivery_letter *letter = &s.x.delivery.letter[i];
		bool large = s.x.delivery.row[letter->first_row].first == 7;

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
	uint64_t before;
	int port = 0, fd = fixture_socket(AF_INET, SOCK_DGRAM, &port);

	scene_open(&s, "127.0.0.1", port, "auto");
	close(fd);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, -ECONNREFUSED);
	g_assert_nonnull(strstr(s.x.error.text, "nobody listens"));
	before = s.x.delivery.confirmed;
	g_assert_cmpuint(before, <, ALL);
	s.fd = fixture_socket(AF_INET, SOCK_DGRAM, &port);
	g_assert_cmpint(s.fd, >=, 0);
	while (fixture_scene_publish(&s.x) == -ECONNREFUSED) {
	}
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL);
	g_assert_cmpint(received(&s, 15), ==, (int)(ALL - before));
	scene_close(&s);
}

static void test_unresolvable(void)
{
	struct scene s = { .fd = -1 };

	scene_open(&s, "no-such-host.invalid", 4952, "auto");
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, -EHOSTUNREACH);
	g_assert_true(g_str_has_prefix(s.x.error.text, "udp://no-such-host.invalid:x: looking up"));
	g_assert_cmpuint(s.x.delivery.confirmed + s.x.delivery.refused, ==, 0);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/udp/one-each", test_one_each);
	g_test_add_func("/publisher/udp/strings", test_strings);
	g_test_add_func("/publisher/udp/refused", test_refused);
	g_test_add_func("/publisher/udp/nobody-there", test_nobody_there);
	g_test_add_func("/publisher/udp/unresolvable", test_unresolvable);
	return g_test_run();
}
