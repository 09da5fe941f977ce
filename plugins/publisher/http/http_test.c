/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http:// against a server of the test on loopback that reads requests strictly and answers by a script: as
 * a good one, a busy one, one that hangs, cuts, or talks nonsense.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "../fixture_net.h"
#include "reply.h"
#include "wire/sample_fixture.h"

extern const struct vmt_plugin vmt_plugin;

enum { RESOURCES = 10, METERS = 3, ALL = RESOURCES * METERS };

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
/* so that what follows is a connection of its own, on which libcurl does not try again by itself */
#define OK_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 4\r\n\r\nwhy\n"

/* One answer of the script, the last one again and again. */
struct answer {
	const char *text; /* "" : none */
	bool close; /* after it */
	bool hang; /* until the client goes */
	bool endless; /* goes on with a body */
};

struct scene {
	struct fixture_scene x;
	int listener, port;
	const struct answer *script;
	size_t steps;
	pthread_t thread;
	/* what came */
	size_t requests, connections;
	struct buf head, bodies; /* the first request's head; bodies, a line each */
};

static const struct vmt_publisher_ops *ops;

/* ------------------------------------------------------------------ the server */

static bool read_head(int fd, struct buf *head)
{
	char c;

	buf_reset(head);
	while (recv(fd, &c, 1, 0) == 1) {
		buf_putc(head, c);
		if (g_str_has_suffix(head->data, "\r\n\r\n")) {
			return true;
		}
	}
	g_assert_cmpuint(head->len, ==, 0); /* a whole request or none */
	return false;
}

static bool read_body(struct scene *s, int fd, const struct buf *head)
{
	const char *length = strstr(head->data, "\r\nContent-Length: ");
	size_t n = length ? strtoul(length + 18, NULL, 10) : 0;
	char *at = buf_reserve(&s->bodies, n + 1);

	g_assert_true(g_str_has_prefix(head->data, "POST "));
	g_assert_nonnull(length);
	while (n > 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got <= 0) {
			return false;
		}
		at += got;
		n -= (size_t)got;
		buf_commit(&s->bodies, (size_t)got);
	}
	buf_putc(&s->bodies, '\n');
	return true;
}

static void send_endless(int fd)
{
	static const char zeros[65536];

	while (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0) {
	}
}

static void serve(struct scene *s, int fd)
{
	struct buf head = BUF_INIT;
	char c;

	while (read_head(fd, &head) && read_body(s, fd, &head)) {
		const struct answer *a = &s->script[MIN(s->requests, s->steps - 1)];

		if (s->requests++ == 0) {
			buf_add(&s->head, head.data, head.len);
		}
		if (*a->text) {
			g_assert_cmpint(send(fd, a->text, strlen(a->text), MSG_NOSIGNAL), >, 0);
		}
		if (a->endless) {
			send_endless(fd);
		}
		if (a->hang) {
			while (recv(fd, &c, 1, 0) > 0) {
			}
		}
		if (a->close || a->hang || a->endless) {
			break;
		}
	}
	buf_fini(&head);
	close(fd);
}

static void *server(void *data)
{
	struct scene *s = data;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		s->connections++;
		serve(s, fd);
	}
	return NULL;
}

/* ------------------------------------------------------------------ scenes */

static void open_publisher(struct scene *s, const char *user, const char *password,
			   const struct vmt_pair *query)
{
	struct vmt_url url = { .text = "http://127.0.0.1:x/samples",
			       .scheme = "http",
			       .host = "127.0.0.1",
			       .port = s->port,
			       .path = "/sam ples",
			       .user = user,
			       .password = password,
			       .query = query };

	fixture_scene_open(&s->x, url);
}

static void scene_init(struct scene *s, const struct answer *script, size_t steps)
{
	*s = (struct scene){
		.script = script, .steps = steps, .head = BUF_INIT, .bodies = BUF_INIT
	};
	s->listener = fixture_socket(AF_INET, SOCK_STREAM, &s->port);
	g_assert_cmpint(s->listener, >=, 0);
	fixture_scene_init(&s->x, &vmt_plugin, RESOURCES, METERS, 60);
	pthread_create(&s->thread, NULL, server, s);
}

/* Until here the server may still write to the scene. */
static void end(struct scene *s)
{
	if (s->x.self) {
		fixture_scene_close(&s->x);
		shutdown(s->listener, SHUT_RDWR);
		pthread_join(s->thread, NULL);
		close(s->listener);
	}
}

static void scene_fini(struct scene *s)
{
	end(s);
	fixture_scene_fini(&s->x);
	buf_fini(&s->head);
	buf_fini(&s->bodies);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ what is sent */

/* Message ids are not part of the comparison. */
static char *without_ids(const char *text)
{
	GRegex *id = g_regex_new("\"id\": \"[-0-9a-f]{36}\"", 0, 0, NULL);
	char *out = g_regex_replace_literal(id, text, -1, 0, "ID", 0, NULL);

	g_regex_unref(id);
	return out;
}

/* The list that Ceilometer 19.0.0 sent, taken apart, comes out again to the byte. */
static void test_golden(void)
{
	static const struct answer script[] = { { OK, .close = false } };
	struct one one[16];
	const struct vmt_resource *column[16];
	union vmt_num values[16];
	struct json_reader r;
	struct vmt_batch b;
	struct scene s;
	char *golden, *expected, *got;
	uint32_t n = 0;

	g_assert_true(g_file_get_contents(GOLDEN "/sample/http-19.json", &golden, NULL, NULL));
	json_reader_init(&r, golden, strlen(golden));
	g_assert_cmpint(json_next(&r), ==, JSON_ARRAY);
	while (json_next(&r) == JSON_OBJECT) {
		const char *start = r.start;
		char *text;

		g_assert_cmpint(json_skip(&r, JSON_OBJECT), ==, 0);
		text = g_strndup(start, (gsize)(r.at - start));
		one_init(&one[n], text);
		/* what one_init points to */
		one[n].resource.meta_head =
			g_string_chunk_insert(one[n].strings, one[n].resource.meta_head);
		one[n].resource.meta_tail =
			one[n].resource.meta_head + one[n].resource.meta_head_len;
		column[n] = &one[n].resource;
		values[n] = one[n].value;
		n++;
		g_free(text);
	}
	g_assert_cmpuint(n, ==, 5);
	b = one[0].batch;
	b.count = n;
	b.resource = column;
	b.value = values;
	b.publishers = 1;
	scene_init(&s, script, 1);
	open_publisher(&s, NULL, NULL, NULL);
	s.x.f.frame.profile = VMT_PROFILE_19;
	s.x.f.frame.batch = &b;
	s.x.f.frame.count = 1;
	s.x.f.frame.sequence = 99;
	delivery_end(&s.x.delivery);
	delivery_begin(&s.x.delivery, &s.x.f.frame, 1);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, n);
	end(&s);
	g_strchomp(s.bodies.data);
	expected = without_ids(golden);
	got = without_ids(s.bodies.data);
	g_assert_cmpstr(got, ==, expected);
	g_assert_true(g_str_has_prefix(s.head.data, "POST /sam%20ples HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(s.head.data, "\r\nContent-type: application/json\r\n"));
	g_assert_nonnull(strstr(s.head.data, "\r\nAccept: */*\r\n"));
	g_assert_null(strstr(s.head.data, "Expect"));
	for (uint32_t i = 0; i < n; i++) {
		one_fini(&one[i]);
	}
	g_free(golden);
	g_free(expected);
	g_free(got);
	scene_fini(&s);
}

/* A request a meter, over one connection; user and password; what is not ours stays in the query. */
static void test_requests(void)
{
	static const struct answer script[] = { { OK, .close = false } };
	static const struct vmt_pair query[] = { { "token", "a b&c", false },
						 { NULL, NULL, false } };
	struct scene s;

	scene_init(&s, script, 1);
	open_publisher(&s, "user", "secret", query);
	s.x.f.batch[1].publishers = 2; /* another's */
	delivery_begin(&s.x.delivery, &s.x.f.frame, 1);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - RESOURCES);
	end(&s);
	g_assert_cmpuint(s.requests, ==, 2);
	g_assert_cmpuint(s.connections, ==, 1);
	g_assert_cmpuint(count(s.bodies.data, "\"meter.0\""), ==, RESOURCES);
	g_assert_cmpuint(count(s.bodies.data, "\"meter.1\""), ==, 0);
	g_assert_true(
		g_str_has_prefix(s.head.data, "POST /sam%20ples?token=a%20b%26c HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(s.head.data, "\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
	scene_fini(&s);
}

static void test_each(void)
{
	static const struct answer script[] = { { OK, .close = false } };
	struct scene s;

	scene_init(&s, script, 1);
	fixture_set(&vmt_plugin, s.x.conf, "batch", "false");
	open_publisher(&s, NULL, NULL, NULL);
	fixture_metadata(&s.x.f.resource[3], "{\"a\" 1}"); /* never sent */
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - METERS);
	g_assert_cmpuint(s.x.delivery.refused, ==, METERS);
	end(&s);
	g_assert_cmpuint(s.requests, ==, ALL - METERS);
	g_assert_true(g_str_has_prefix(s.bodies.data, "{\"name\": \"meter.0\""));
	scene_fini(&s);
}

/* Signed messages, as they come to a collector. */
static void test_message(void)
{
	static const struct answer script[] = { { OK, .close = false } };
	struct scene s;

	scene_init(&s, script, 1);
	fixture_set(&vmt_plugin, s.x.conf, "form", "message");
	open_publisher(&s, NULL, NULL, NULL);
	fixture_metadata(&s.x.f.resource[3], "{\"a\" 1}"); /* never sent */
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - METERS);
	g_assert_cmpuint(s.x.delivery.refused, ==, METERS);
	end(&s);
	g_assert_cmpuint(s.requests, ==, METERS);
	g_assert_cmpuint(count(s.bodies.data, "\"counter_name\": \"meter.0\""), ==, RESOURCES - 1);
	g_assert_cmpuint(count(s.bodies.data, "\"message_signature\": \""), ==, ALL - METERS);
	g_assert_cmpuint(count(s.bodies.data, "\"name\": \"meter.0\""), ==, 0);
	scene_fini(&s);
}

/* ------------------------------------------------------------------ answers */

/* Each is told, and what was not taken comes again and arrives. */
static void test_later(void)
{
	const struct {
		struct answer bad;
		const char *told;
		int ret;
	} cases[] = {
		{ { STATUS("500 Oh"), .close = false },
		  "HTTP status 500 (internal server error): why",
		  -EAGAIN },
		{ { STATUS("404 No"), .close = false }, "check the URL's path", -EAGAIN },
		{ { STATUS("401 No"), .close = false }, "check user and password", -EAGAIN },
		{ { STATUS("302 There"), .close = false }, "write that address", -EAGAIN },
		{ { STATUS("599 What"), .close = false }, "HTTP status 599: why", -EAGAIN },
		{ { "", .close = true }, "", -EIO },
		{ { "HTTP/1.1 200 OK\r\nContent-Le", .close = true }, "", -EIO },
		{ { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", .close = true }, "", -EIO },
		{ { "\x16\x03garbage\r\n\r\n", .close = true }, "", -EIO },
		{ { "HTTP/1.1 abc\r\n\r\n", .close = true }, "", -EIO },
		{ { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", .close = true }, "", -EIO },
		{ { "", .hang = true }, "no answer in time", -ETIMEDOUT },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct answer script[] = { { OK_CLOSE, .close = true },
						 cases[i].bad,
						 { OK, .close = false } };
		struct scene s;

		scene_init(&s, script, 3);
		fixture_set(&vmt_plugin, s.x.conf, "timeout", "1");
		open_publisher(&s, NULL, NULL, NULL);
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, cases[i].ret);
		g_test_message("%s", s.x.error.text);
		g_assert_true(g_str_has_prefix(s.x.error.text, "http://127.0.0.1:x/samples: "));
		g_assert_nonnull(strstr(s.x.error.text, cases[i].told));
		g_assert_cmpuint(s.x.delivery.confirmed, ==, RESOURCES);
		g_assert_cmpuint(s.x.delivery.refused, ==, 0);
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
		g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL);
		end(&s);
		g_assert_cmpuint(count(s.bodies.data, "\"meter.0\""), ==, RESOURCES);
		g_assert_cmpuint(count(s.bodies.data, "\"meter.1\""), ==, 2 * RESOURCES);
		scene_fini(&s);
	}
}

static void test_retry_after(void)
{
	static const struct answer script[] = {
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n",
		  .close = false },
		{ "HTTP/1.1 503 Slow\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n",
		  .close = false },
		{ "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
		  .close = false },
	};
	static const int64_t expected[] = { 17, 3600, 0 };
	struct scene s;

	scene_init(&s, script, 3);
	open_publisher(&s, NULL, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		delivery_begin(&s.x.delivery, &s.x.f.frame, 1);
		g_assert_cmpint(fixture_scene_publish(&s.x), ==, -EAGAIN);
		g_assert_cmpint(s.x.delivery.pause_ns, ==, expected[i] * INT64_C(1000000000));
	}
	scene_fini(&s);
}

/* What is refused for good does not hold up the rest. */
static void test_refused(void)
{
	static const struct answer script[] = { { OK, .close = false },
						{ STATUS("400 Bad"), .close = false },
						{ OK, .close = false } };
	struct scene s;

	scene_init(&s, script, 3);
	open_publisher(&s, NULL, NULL, NULL);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - RESOURCES);
	g_assert_cmpuint(s.x.delivery.refused, ==, RESOURCES);
	g_assert_cmpuint(s.x.delivery.letters, ==, 1);
	g_assert_nonnull(
		strstr(s.x.delivery.letter[0].reason, "HTTP status 400 (bad request): why"));
	g_assert_true(g_str_has_prefix(s.x.delivery.bytes.data, "[{\"name\": \"meter.1\""));
	scene_fini(&s);
}

/* 413: half of it, and half again; in the end one sample alone is refused. */
static void test_too_large(void)
{
	static const struct answer script[] = {
		{ STATUS("413 Much"), .close = false },
		{ STATUS("413 Much"), .close = false },
		{ STATUS("413 Much"), .close = false },
		{ STATUS("413 Much"), .close = false },
		{ OK, .close = false },
	};
	struct scene s;

	scene_init(&s, script, 5);
	open_publisher(&s, NULL, NULL, NULL);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.refused, ==, 1); /* 10, 5, 2, 1 samples */
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL - 1);
	scene_fini(&s);
}

/* A body without end: taken by its status, and no more of it read than is needed. */
static void test_endless(void)
{
	static const struct answer script[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", .endless = true },
	};
	struct scene s;

	scene_init(&s, script, 1);
	open_publisher(&s, NULL, NULL, NULL);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, 0);
	g_assert_cmpuint(s.x.delivery.confirmed, ==, ALL);
	scene_fini(&s);
}

static void test_not_there(void)
{
	static const struct answer script[] = { { OK, .close = false } };
	struct scene s;

	scene_init(&s, script, 1);
	open_publisher(&s, NULL, NULL, NULL);
	shutdown(s.listener, SHUT_RDWR);
	pthread_join(s.thread, NULL);
	close(s.listener);
	g_assert_cmpint(fixture_scene_publish(&s.x), ==, -EIO);
	g_assert_nonnull(strstr(s.x.error.text, "onnect"));
	g_assert_cmpuint(s.x.delivery.confirmed, ==, 0);
	fixture_scene_close(&s.x);
	scene_fini(&s);
}

static void test_bad_urls(void)
{
	void *conf = fixture_conf(&vmt_plugin), *self = NULL;
	struct vmt_url url = { .text = "https://", .scheme = "https", .host = "", .path = "" };
	struct vmt_error error;

	g_assert_cmpint(ops->open(conf, &url, false, &self, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "names no host; write https://HOST/PATH"));
	url.host = "h";
	g_assert_cmpint(ops->open(conf, &url, true, &self, &error), ==, -ENOTSUP);
	fixture_set(&vmt_plugin, conf, "verify_ssl", "/no/such/ca.pem");
	g_assert_cmpint(ops->open(conf, &url, false, &self, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "verify_ssl: /no/such/ca.pem: No such file"));
	fixture_set(&vmt_plugin, conf, "verify_ssl", "true");
	fixture_set(&vmt_plugin, conf, "clientkey", "/dev/null");
	g_assert_cmpint(ops->open(conf, &url, false, &self, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "clientkey without clientcert"));
	g_free(conf);
}

static void test_excerpt(void)
{
	struct reply r;
	char told[400];

	reply_reset(&r);
	r.status = 500;
	g_assert_true(reply_body(&r, "\n\n <html>\t\x1b[31mno\0\xff", 20));
	reply_tell(&r, told, sizeof(told));
	g_assert_cmpstr(told, ==, "HTTP status 500 (internal server error): <html> [31mno");
	for (int i = 0; i < 1000; i++) {
		reply_body(&r, "0123456789", 10);
	}
	g_assert_cmpuint(strlen(r.excerpt), ==, REPLY_EXCERPT);
	g_assert_cmpuint(r.bytes, ==, 10020);
}

int main(int argc, char **argv)
{
	ops = vmt_plugin.ops.publisher;
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/http/golden", test_golden);
	g_test_add_func("/publisher/http/requests", test_requests);
	g_test_add_func("/publisher/http/each", test_each);
	g_test_add_func("/publisher/http/message", test_message);
	g_test_add_func("/publisher/http/later", test_later);
	g_test_add_func("/publisher/http/retry-after", test_retry_after);
	g_test_add_func("/publisher/http/refused", test_refused);
	g_test_add_func("/publisher/http/too-large", test_too_large);
	g_test_add_func("/publisher/http/endless", test_endless);
	g_test_add_func("/publisher/http/not-there", test_not_there);
	g_test_add_func("/publisher/http/bad-urls", test_bad_urls);
	g_test_add_func("/publisher/http/excerpt", test_excerpt);
	return g_test_run();
}
