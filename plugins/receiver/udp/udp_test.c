/* SPDX-License-Identifier: Apache-2.0 */
/* udp:// as a receiver, against datagrams of the test on loopback. */
#include "plugins/receiver/fixture.h"

extern const struct vmt_plugin vmt_plugin_receiver_udp;
static const struct vmt_plugin *const plugin = &vmt_plugin_receiver_udp;

struct conf {
	const char *address;
	int64_t port;
};

static void *open_at(const struct conf *conf, const struct vmt_url *url)
{
	struct vmt_error error = { .text = "" };
	void *self = NULL;

	g_assert_cmpint(plugin->ops.receiver->open(conf, url, &self, &error), ==, 0);
	return self;
}

static void test_datagrams(void)
{
	struct conf conf = { .address = "127.0.0.1", .port = free_port(SOCK_DGRAM) };
	struct vmt_url url = { .text = "udp://", .host = "", .path = "" };
	char *large = g_strnfill(65000, 'x');
	void *self = open_at(&conf, &url);
	struct kept k;
	int fd;

	kept_init(&k);
	receive(plugin, self, &k, 1); /* binds */
	fd = connect_to(SOCK_DGRAM, (int)conf.port);
	for (int i = 0; i < 200; i++) {
		char text[16];

		g_snprintf(text, sizeof(text), "m%d", i);
		g_assert_cmpint(send(fd, text, strlen(text), 0), ==, (int)strlen(text));
	}
	g_assert_cmpint(send(fd, large, 65000, 0), ==, 65000);
	receive_all(plugin, self, &k, 201);
	g_assert_cmpuint(k.messages->len, ==, 201);
	g_assert_cmpstr(message_at(&k, 0), ==, "m0");
	g_assert_cmpstr(message_at(&k, 199), ==, "m199");
	g_assert_cmpstr(message_at(&k, 200), ==, large);
	g_assert_cmpuint(k.flushes, >, 0);
	g_assert_cmpuint(k.lost, ==, 0);
	close(fd);
	g_free(large);
	kept_fini(&k);
	plugin->ops.receiver->close(self);
}

/* While the intake is full nothing is lost but what the kernel drops, and that is counted. */
static void test_full(void)
{
	enum { SENT = 2000, SIZE = 60000 };
	struct conf conf = { .address = "0.0.0.0", .port = 1 };
	struct vmt_url url = { .text = "udp://127.0.0.1", .host = "127.0.0.1", .path = "" };
	char *large = g_strnfill(SIZE, 'x');
	unsigned sent = 0;
	struct kept k;
	void *self;
	int fd;

	url.port = free_port(SOCK_DGRAM);
	self = open_at(&conf, &url);
	kept_init(&k);
	k.full_after = 10;
	receive(plugin, self, &k, 1);
	fd = connect_to(SOCK_DGRAM, url.port);
	for (int i = 0; i < SENT; i++) {
		g_assert_cmpint(send(fd, large, SIZE, 0), ==, SIZE);
	}
	receive_all(plugin, self, &k, 10);
	g_assert_cmpuint(k.messages->len, ==, 10);
	k.full_after = UINT_MAX;
	receive_all(plugin, self, &k, 11);
	for (int i = 0; i < 500 && k.lost == 0;
	     i++) { /* until the kernel has room: with it comes its counter */
		g_assert_cmpint(send(fd, "x", 1, 0), ==, 1);
		sent++;
		receive(plugin, self, &k, 20);
	}
	receive_all(plugin, self, &k, SENT + sent);
	g_assert_cmpuint(k.messages->len, <, SENT);
	g_assert_cmpuint(k.messages->len + k.lost, ==, SENT + sent);
	close(fd);
	g_free(large);
	kept_fini(&k);
	plugin->ops.receiver->close(self);
}

static void test_addresses(void)
{
	struct conf off = { .address = "", .port = 4952 };
	struct vmt_url url = { .text = "udp://", .host = "", .path = "" },
		       name = { .text = "udp://here", .host = "here", .path = "" },
		       path = { .text = "udp:///x", .host = "", .path = "/x" };
	struct vmt_error error = { .text = "" };
	void *self = open_at(&off, &url);
	struct kept k;

	kept_init(&k);
	receive(plugin, self, &k, 10);
	kept_fini(&k);
	plugin->ops.receiver->close(self);
	plugin->ops.receiver->close(NULL);
	self = NULL;
	g_assert_cmpint(plugin->ops.receiver->open(&off, &name, &self, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "udp://here: here is no address"));
	g_assert_cmpint(plugin->ops.receiver->open(&off, &path, &self, &error), ==, -EINVAL);
	g_assert_null(self);
}

static void send_some(int port, int n)
{
	int fd = connect_to(SOCK_DGRAM, port);

	for (int i = 0; i < n; i++) {
		g_assert_cmpint(send(fd, "x", 1, 0), ==, 1);
	}
	close(fd);
}

/* A reload opens the new receiver before the old one goes: what waits in the kernel is the new one's. */
static void test_reload(void)
{
	struct conf conf = { .address = "127.0.0.1", .port = free_port(SOCK_DGRAM) };
	struct vmt_url url = { .text = "udp://", .host = "", .path = "" };
	void *old = open_at(&conf, &url), *new;
	struct kept k;

	kept_init(&k);
	receive(plugin, old, &k, 1); /* binds */
	new = open_at(&conf, &url);
	send_some((int)conf.port, 100);
	atomic_store(&k.public.closing, true);
	receive(plugin, old, &k, 20);
	plugin->ops.receiver->close(old);
	send_some((int)conf.port, 100);
	atomic_store(&k.public.closing, false);
	receive_all(plugin, new, &k, 200);
	g_assert_cmpuint(k.messages->len, ==, 200);
	kept_fini(&k);
	plugin->ops.receiver->close(new);
}

/* The last one takes what waits in the kernel before it goes. */
static void test_end(void)
{
	struct conf conf = { .address = "127.0.0.1", .port = free_port(SOCK_DGRAM) };
	struct vmt_url url = { .text = "udp://", .host = "", .path = "" };
	void *self = open_at(&conf, &url);
	struct kept k;

	kept_init(&k);
	receive(plugin, self, &k, 1);
	send_some((int)conf.port, 200);
	atomic_store(&k.public.closing, true);
	receive(plugin, self, &k, 1000);
	g_assert_cmpuint(k.messages->len, ==, 200);
	kept_fini(&k);
	plugin->ops.receiver->close(self);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/receiver/udp/datagrams", test_datagrams);
	g_test_add_func("/receiver/udp/full", test_full);
	g_test_add_func("/receiver/udp/addresses", test_addresses);
	g_test_add_func("/receiver/udp/reload", test_reload);
	g_test_add_func("/receiver/udp/end", test_end);
	return g_test_run();
}
