/* SPDX-License-Identifier: Apache-2.0 */
/* tcp:// as a receiver, against connections of the test on loopback. */
#include "plugins/receiver/fixture.h"

extern const struct vmt_plugin vmt_plugin_receiver_tcp;
static const struct vmt_plugin *const plugin = &vmt_plugin_receiver_tcp;

struct bench {
	struct kept kept;
	void *self;
	int port;
};

static void *open_at(int port)
{
	struct {
		const char *address;
		int64_t port;
	} conf = { .address = "127.0.0.1", .port = port };
	struct vmt_url url = { .text = "tcp://", .host = "", .path = "" };
	struct vmt_error error = { .text = "" };
	void *self = NULL;

	g_assert_cmpint(plugin->ops.receiver->open(&conf, &url, &self, &error), ==, 0);
	return self;
}

static void bench_init(struct bench *b)
{
	b->port = free_port(SOCK_STREAM);
	b->self = open_at(b->port);
	kept_init(&b->kept);
	receive(plugin, b->self, &b->kept, 1);
}

static void bench_fini(struct bench *b)
{
	kept_fini(&b->kept);
	plugin->ops.receiver->close(b->self);
}

static void put_length(int fd, uint64_t n)
{
	unsigned char prefix[8];

	for (int i = 0; i < 8; i++) {
		prefix[i] = (unsigned char)(n >> 8 * i);
	}
	g_assert_cmpint(send(fd, prefix, sizeof(prefix), 0), ==, sizeof(prefix));
}

static void put_text(int fd, const char *text)
{
	put_length(fd, strlen(text));
	g_assert_cmpint(send(fd, text, strlen(text), 0), ==, (int)strlen(text));
}

/* Whole, several at once, and in pieces; from two connections. */
static void test_messages(void)
{
	char *large = g_strnfill(400000, 'x');
	struct bench b;
	int one, two;

	bench_init(&b);
	one = connect_to(SOCK_STREAM, b.port);
	two = connect_to(SOCK_STREAM, b.port);
	put_text(one, "a");
	put_text(one, "");
	put_text(one, "b");
	put_length(two, 5);
	receive_all(plugin, b.self, &b.kept, 3);
	g_assert_cmpuint(b.kept.messages->len, ==, 3);
	g_assert_cmpstr(message_at(&b.kept, 0), ==, "a");
	g_assert_cmpstr(message_at(&b.kept, 1), ==, "");
	g_assert_cmpstr(message_at(&b.kept, 2), ==, "b");
	g_assert_cmpint(send(two, "tw", 2, 0), ==, 2);
	receive(plugin, b.self, &b.kept, 20);
	g_assert_cmpint(send(two, "ice", 3, 0), ==, 3);
	put_text(one, large);
	close(one);
	receive_all(plugin, b.self, &b.kept, 5);
	g_assert_cmpuint(b.kept.messages->len, ==, 5);
	g_assert_cmpuint(b.kept.lost, ==, 0);
	put_length(two, 5);
	close(two);
	receive_all(plugin, b.self, &b.kept, 6);
	g_assert_cmpuint(b.kept.lost, ==, 1);
	g_free(large);
	bench_fini(&b);
}

/* A length beyond the limit ends the connection, and no other; nothing is taken from the heap for it. */
static void test_too_long(void)
{
	struct bench b;
	char byte;
	int bad, good;

	bench_init(&b);
	bad = connect_to(SOCK_STREAM, b.port);
	good = connect_to(SOCK_STREAM, b.port);
	put_text(bad, "a");
	put_length(bad, UINT64_MAX);
	put_text(good, "b");
	receive_all(plugin, b.self, &b.kept, 3);
	g_assert_cmpuint(b.kept.too_long, ==, 1);
	g_assert_cmpuint(b.kept.messages->len, ==, 2);
	g_assert_cmpint(recv(bad, &byte, 1, 0), <=, 0);
	put_text(good, "c");
	receive_all(plugin, b.self, &b.kept, 4);
	g_assert_cmpstr(message_at(&b.kept, 2), ==, "c");
	close(bad);
	close(good);
	bench_fini(&b);
}

/* While the intake is full the sender waits; then all comes, in order, each once. */
static void test_full(void)
{
	struct bench b;
	int fd;

	bench_init(&b);
	b.kept.full_after = 3;
	fd = connect_to(SOCK_STREAM, b.port);
	for (int i = 0; i < 50; i++) {
		char text[16];

		g_snprintf(text, sizeof(text), "m%d", i);
		put_text(fd, text);
	}
	close(fd);
	receive_all(plugin, b.self, &b.kept, 3);
	g_assert_cmpuint(b.kept.messages->len, ==, 3);
	b.kept.full_after = UINT_MAX;
	receive_all(plugin, b.self, &b.kept, 50);
	g_assert_cmpuint(b.kept.messages->len, ==, 50);
	g_assert_cmpstr(message_at(&b.kept, 3), ==, "m3");
	g_assert_cmpstr(message_at(&b.kept, 49), ==, "m49");
	bench_fini(&b);
}

/* More connections than are served at once: those beyond wait for their turn. */
static void test_many(void)
{
	enum { MANY = 300 };
	int fd[MANY];
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < MANY; i++) {
		fd[i] = connect_to(SOCK_STREAM, b.port);
		put_text(fd[i], "x");
		if (i % 100 == 99) {
			receive_all(plugin, b.self, &b.kept, MIN(i + 1U, 256U));
		}
	}
	g_assert_cmpuint(b.kept.messages->len, ==, 256);
	for (int i = 0; i < MANY; i++) {
		close(fd[i]);
	}
	receive_all(plugin, b.self, &b.kept, MANY);
	g_assert_cmpuint(b.kept.messages->len, ==, MANY);
	bench_fini(&b);
}

static void send_one(int port)
{
	int fd = connect_to(SOCK_STREAM, port);

	put_text(fd, "one");
	close(fd);
}

/* A reload opens the new receiver before the old one goes: whom the old one has not accepted is the new one's. */
static void test_reload(void)
{
	struct bench b;
	void *new;

	bench_init(&b);
	new = open_at(b.port);
	atomic_store(&b.kept.public.closing, true);
	send_one(b.port);
	receive(plugin, b.self, &b.kept, 20);
	plugin->ops.receiver->close(b.self);
	b.self = new;
	send_one(b.port);
	g_assert_cmpuint(b.kept.messages->len, ==, 0);
	atomic_store(&b.kept.public.closing, false);
	receive_all(plugin, new, &b.kept, 2);
	g_assert_cmpuint(b.kept.messages->len, ==, 2);
	bench_fini(&b);
}

/* The last one takes what has come before it goes. */
static void test_end(void)
{
	struct bench b;
	int fd;

	bench_init(&b);
	fd = connect_to(SOCK_STREAM, b.port);
	put_text(fd, "one");
	receive_all(plugin, b.self, &b.kept, 1);
	for (int i = 0; i < 50; i++) {
		put_text(fd, "two");
	}
	send_one(b.port);
	atomic_store(&b.kept.public.closing, true);
	receive(plugin, b.self, &b.kept, 1000);
	g_assert_cmpuint(b.kept.messages->len, ==, 52);
	close(fd);
	bench_fini(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/receiver/tcp/messages", test_messages);
	g_test_add_func("/receiver/tcp/too-long", test_too_long);
	g_test_add_func("/receiver/tcp/full", test_full);
	g_test_add_func("/receiver/tcp/many", test_many);
	g_test_add_func("/receiver/tcp/reload", test_reload);
	g_test_add_func("/receiver/tcp/end", test_end);
	return g_test_run();
}
