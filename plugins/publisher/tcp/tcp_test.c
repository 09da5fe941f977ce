/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp:// against receivers of the test on loopback: one that reads, one that closes, one that never reads.
 */
#include <errno.h>
#include <pthread.h>

#include "../fixture_net.h"

extern const struct vmt_plugin vmt_plugin_publisher_tcp;

enum { RESOURCES = 200, METERS = 4, ALL = RESOURCES * METERS };

struct scene {
	struct fixture_scene x;
	int listener, port;
	/* of the receiver */
	pthread_t thread;
	int connections; /* to accept, one after the other */
	size_t cut_after; /* bytes of the first connection, then it is reset; 0: never */
	int messages;
	bool ids[ALL]; /* seen, by the message's counter */
};

static void scene_open(struct scene *s, int64_t seconds)
{
	s->port = 0;
	s->listener = fixture_socket(AF_INET, SOCK_STREAM, &s->port);
	g_assert_cmpint(s->listener, >=, 0);
	fixture_scene_init(&s->x, &vmt_plugin_publisher_tcp, RESOURCES, METERS, seconds);
	fixture_set(&vmt_plugin_publisher_tcp, s->x.conf, "host", "cmp-01");
	fixture_scene_open(
		&s->x, (struct vmt_url){ .scheme = "tcp", .host = "127.0.0.1", .port = s->port });
}

static void scene_close(struct scene *s)
{
	fixture_scene_fini(&s->x);
	if (s->listener >= 0) {
		close(s->listener);
	}
}

static bool read_all(int fd, void *to, size_t n)
{
	char *at = to;

	while (n > 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got <= 0) {
			return false;
		}
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* Which sample it is: meter from byte 7 of the id, row from the time field's lowest (fixture.h). */
static void note_id(struct scene *s, const char *message, size_t len)
{
	const char *id = memmem(message, len, "message_id\xd9\x24", 12);
	char text[37] = "", digits[3] = "";
	guint64 low, meter;

	g_assert_nonnull(id);
	memcpy(text, id + 12, 36);
	low = g_ascii_strtoull(text, NULL, 16) & 0xffffff;
	memcpy(digits, text + 16, 2);
	meter = g_ascii_strtoull(digits, NULL, 16);
	g_assert_cmpuint(meter, <, METERS);
	g_assert_cmpuint(low, <, RESOURCES);
	s->ids[meter * RESOURCES + low] = true;
}

static void receive(struct scene *s, int fd, size_t limit)
{
	static char message[1 << 20];
	size_t bytes = 0;
	uint64_t len;

	while ((limit == 0 || bytes < limit) && read_all(fd, &len, sizeof(len))) {
		len = GUINT64_FROM_LE(len);
		g_assert_cmpuint(len, <, sizeof(message));
		if (!read_all(fd, message, len)) {
			return;
		}
		g_assert_cmpint((unsigned char)message[0], ==, 0xde); /* map16: 16 members */
		g_assert_nonnull(memmem(message, len,
					"publisher_id\xa6"
					"cmp-01",
					19));
		note_id(s, message, len);
		s->messages++;
		bytes += len;
	}
}

static void *receiver(void *data)
{
	struct scene *s = data;

	for (int i = 0; i < s->connections; i++) {
		int fd = accept(s->listener, NULL, NULL);
		struct linger reset = { 1, 0 };

		memset(s->ids, 0, sizeof(s->ids));
		receive(s, fd, i == 0 ? s->cut_after : 0);
		if (i == 0 && s->cut_after) {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		}
		close(fd);
	}
	return NULL;
}

static int seen(const struct scene *s)
{
	int n = 0;

	for (int i = 0; i < ALL; i++) {
		n += s->ids[i];
	}
	return n;
}

static void test_all(void)
{
	struct scene s = { .connections = 1 };

	scene_open(&s, 60);
	pthread_create(&s.thread, NULL, receiver, &s);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL);
	delivery_end(&s.x.delivery);
	fixture_cycle(&s.x.f, 0, FIXTURE_TIME); /* the same connection again */
	s.x.f.frame.sequence++;
	delivery_begin(&s.x.delivery, &s.x.f.frame, 1);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	fixture_scene_close(&s.x);
	pthread_join(s.thread, NULL);
	g_assert_cmpint(s.messages, ==, 2 * ALL);
	g_assert_cmpint(seen(&s), ==, ALL);
	scene_close(&s);
}

/* The far side resets in the middle: what its kernel had not acknowledged comes over a new connection. */
static void test_cut(void)
{
	struct scene s = { .connections = 2, .cut_after = 50000 };
	bool before[ALL];
	int failures = 0;

	scene_open(&s, 60);
	pthread_create(&s.thread, NULL, receiver, &s);
	do {
		for (uint32_t i = 0; i < ALL; i++) {
			before[i] =
				vmt_delivery_settled(&s.x.delivery, i / RESOURCES, i % RESOURCES);
		}
		g_assert_cmpint(failures++, <, 5);
	} while (fixture_scene_publish(&s.x) < 0 &&
		 g_str_has_prefix(s.x.error.text, "tcp://127.0.0.1:x: "));
	g_assert_cmpint(failures, >, 1);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL);
	fixture_scene_close(&s.x);
	pthread_join(s.thread, NULL);
	for (int i = 0; i < ALL; i++) {
		g_assert_true(before[i] || s.ids[i]);
	}
	scene_close(&s);
}

/* It takes the connection and never reads: noticed by the deadline, what its kernel has not acknowledged
 * stays. */
static void test_stalled(void)
{
	struct scene s = { .connections = 0 };
	int small = 4096;

	scene_open(&s, 60);
	setsockopt(s.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (uint32_t i = 0; i < RESOURCES; i++) { /* more than any buffer takes */
		char *metadata = g_strdup_printf("{\"k\": \"%050000d\"}", 1);

		fixture_metadata(&s.x.f.resource[i], metadata);
		g_free(metadata);
	}
	s.x.call.deadline_ns = vmt_clock_monotonic() + INT64_C(700000000);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, -ETIMEDOUT);
	g_assert_nonnull(strstr(s.x.error.text, "the far side does not "));
	g_assert_cmpuint(s.x.delivery.confirmed, <, ALL);
	scene_close(&s);
}

static void test_refused_connection(void)
{
	struct scene s = { .connections = 0 };

	scene_open(&s, 60);
	close(s.listener);
	s.listener = -1;
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, -ECONNREFUSED);
	g_assert_nonnull(strstr(s.x.error.text, "connect: Connection refused; nobody listens"));
	g_assert_cmpuint(s.x.delivery.confirmed, ==, 0);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/tcp/all", test_all);
	g_test_add_func("/publisher/tcp/cut", test_cut);
	g_test_add_func("/publisher/tcp/stalled", test_stalled);
	g_test_add_func("/publisher/tcp/refused-connection", test_refused_connection);
	return g_test_run();
}
