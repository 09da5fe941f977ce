/* SPDX-License-Identifier: Apache-2.0 */
/* The far sides: a thread that serves one connection after the other, until its socket is shut down. */
#include "far.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/buf.h"
#include "publisher/fixture_net.h"
#include "publisher/postgresql/server.h"

enum { QUIET_US = 50000 }; /* so long without another sample is the end */

struct far {
	enum far_kind kind;
	int fd; /* that listens, or receives datagrams */
	pthread_t thread;
	atomic_bool stop;
	atomic_uint samples;
};

/* Names are there also in texts with zeros and with quoted quotes. */
static void count(struct far *far, const char *bytes, size_t len)
{
	const char *at = bytes, *end = bytes + len;

	while ((at = memmem(at, (size_t)(end - at), "meter.", 6)) != NULL) {
		at += 6;
		atomic_fetch_add(&far->samples, at < end && g_ascii_isdigit(*at));
	}
}

static bool take(int fd, void *to, size_t len)
{
	for (char *at = to; len > 0;) {
		ssize_t n = recv(fd, at, len, 0);

		if (n <= 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool take_counted(struct far *far, int fd, size_t len)
{
	char *bytes = g_malloc(len);
	bool whole = take(fd, bytes, len);

	if (whole) {
		count(far, bytes, len);
	}
	g_free(bytes);
	return whole;
}

static uint64_t number(const unsigned char *at, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++) {
		v = v << 8 | at[i];
	}
	return v;
}

/* ------------------------------------------------------------------ udp, tcp, http */

static void serve_udp(struct far *far)
{
	char bytes[65536];
	ssize_t n;

	while (!atomic_load(&far->stop) && (n = recv(far->fd, bytes, sizeof(bytes), 0)) >= 0) {
		count(far, bytes, (size_t)n);
	}
}

static void serve_tcp(struct far *far, int fd)
{
	uint64_t len;

	while (take(fd, &len, sizeof(len)) && take_counted(far, fd, GUINT64_FROM_LE(len))) {
	}
}

static void serve_http(struct far *far, int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	struct buf head = BUF_INIT;
	char c;

	while (take(fd, &c, 1)) {
		const char *length;

		buf_putc(&head, c);
		if (!g_str_has_suffix(head.data, "\r\n\r\n")) {
			continue;
		}
		length = strstr(head.data, "\r\nContent-Length: ");
		if (!length || !take_counted(far, fd, strtoul(length + 18, NULL, 10)) ||
		    send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) {
			break;
		}
		buf_reset(&head);
	}
	buf_fini(&head);
}

/* ------------------------------------------------------------------ amqp */

/* A method and the broker's answer to it; class and method in one number. */
static const struct {
	uint32_t asked, answered; /* 0: nothing */
	const char *arguments;
	size_t len;
} methods[] = {
	{ 10 << 16 | 11, 10 << 16 | 30, "\x07\xff\0\2\0\0\0\0", 8 }, /* start-ok: tune */
	{ 10 << 16 | 31, 0, "", 0 }, /* tune-ok */
	{ 10 << 16 | 40, 10 << 16 | 41, "\0", 1 }, /* open */
	{ 10 << 16 | 50, 10 << 16 | 51, "", 0 }, /* close */
	{ 20 << 16 | 10, 20 << 16 | 11, "\0\0\0\0", 4 }, /* channel.open */
	{ 20 << 16 | 40, 20 << 16 | 41, "", 0 }, /* channel.close */
	{ 40 << 16 | 10, 40 << 16 | 11, "", 0 }, /* exchange.declare */
	{ 50 << 16 | 10, 50 << 16 | 11, "\1q\0\0\0\0\0\0\0\0", 10 }, /* queue.declare */
	{ 50 << 16 | 20, 50 << 16 | 21, "", 0 }, /* queue.bind */
	{ 60 << 16 | 40, 0, "", 0 }, /* basic.publish */
	{ 85 << 16 | 10, 85 << 16 | 11, "", 0 }, /* confirm.select */
};

static void send_method(int fd, uint16_t channel, uint32_t method, const char *arguments,
			size_t len)
{
	struct buf b = BUF_INIT;
	const uint16_t c = htons(channel);
	const uint32_t size = htonl((uint32_t)(4 + len)), m = htonl(method);

	buf_putc(&b, 1);
	buf_add(&b, &c, 2);
	buf_add(&b, &size, 4);
	buf_add(&b, &m, 4);
	buf_add(&b, arguments, len);
	buf_putc(&b, '\xce');
	send(fd, b.data, b.len, MSG_NOSIGNAL); /* who has gone is noticed by reading */
	buf_fini(&b);
}

static void answer_method(int fd, uint16_t channel, uint32_t method)
{
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
		if (methods[i].asked == method) {
			if (methods[i].answered) {
				send_method(fd, channel, methods[i].answered, methods[i].arguments,
					    methods[i].len);
			}
			return;
		}
	}
	g_error("method %u.%u is not expected", method >> 16, method & 0xffff);
}

static void serve_amqp(struct far *far, int fd)
{
	unsigned char head[8];
	char ack[9] = "";
	uint64_t left = 0; /* of a message's body */

	if (!take(fd, head, 8)) {
		return;
	}
	g_assert_cmpmem(head, 8, "AMQP\0\0\x09\x01", 8);
	send_method(fd, 0, 10 << 16 | 10, "\0\x09\0\0\0\0\0\0\0\5PLAIN\0\0\0\5en_US", 24);
	while (take(fd, head, 7)) {
		uint16_t channel = (uint16_t)number(head + 1, 2);
		size_t size = number(head + 3, 4);
		unsigned char *payload = g_malloc(size + 1);

		if (!take(fd, payload, size + 1)) {
			g_free(payload);
			return;
		}
		g_assert_cmpint(payload[size], ==, 0xce);
		if (head[0] == 1) {
			answer_method(fd, channel, (uint32_t)number(payload, 4));
		} else if (head[0] == 2) {
			left = number(payload + 4, 8);
		} else if (head[0] == 3) {
			count(far, (char *)payload, size);
			left -= size;
			if (left == 0) {
				ack[7]++; /* so many are not sent here that it would wrap */
				g_assert_cmpint((unsigned char)ack[7], >, 0);
				send_method(fd, channel, 60 << 16 | 80, ack, 9);
			}
		}
		g_free(payload);
	}
}

/* ------------------------------------------------------------------ postgresql */

/* One server for all tests; a place is a schema of it. */
static struct server server;

static void server_there(void)
{
	if (!server.folder) {
		server_init(&server, "-c fsync=off");
	} else if (!server.pid) {
		server_start(&server);
	}
}

const char *far_missing(enum far_kind kind)
{
	return kind == FAR_POSTGRESQL ? server_missing() : NULL;
}

char *far_url(enum far_kind kind, const char *form, int port)
{
	const char *gap = strchr(form, '%');

	if (kind == FAR_POSTGRESQL) {
		if (!server.folder) {
			server_there();
		}
		return g_strdup_printf("%.*s%s%s%d", (int)(gap - form), form, server.folder,
				       gap + 2, port);
	}
	return g_strdup_printf("%.*s%d%s", (int)(gap - form), form, port, gap + 2);
}

void far_end(enum far_kind kind)
{
	if (kind == FAR_POSTGRESQL && server.folder) {
		server_stop(&server, SIGINT);
	} else if (kind == FAR_NONE && server.folder) {
		server_fini(&server);
	}
}

/* ------------------------------------------------------------------ life */

static void *run(void *arg)
{
	struct far *far = arg;
	int fd;

	if (far->kind == FAR_UDP) {
		serve_udp(far);
		return NULL;
	}
	while ((fd = accept(far->fd, NULL, NULL)) >= 0) {
		if (far->kind == FAR_TCP) {
			serve_tcp(far, fd);
		} else if (far->kind == FAR_HTTP) {
			serve_http(far, fd);
		} else {
			serve_amqp(far, fd);
		}
		close(fd);
	}
	return NULL;
}

static int type_of(enum far_kind kind)
{
	return kind == FAR_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

int far_port(enum far_kind kind)
{
	static int schemas;
	int port = 0, fd;

	if (kind == FAR_POSTGRESQL) {
		return ++schemas;
	}
	fd = fixture_socket(AF_INET, type_of(kind), &port);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	return port;
}

struct far *far_new(enum far_kind kind, int port)
{
	struct far *far = g_new0(struct far, 1);

	far->kind = kind;
	if (kind == FAR_POSTGRESQL) {
		server_there();
		return far;
	}
	far->fd = fixture_socket(AF_INET, type_of(kind), &port);
	g_assert_cmpint(far->fd, >=, 0);
	g_assert_cmpint(pthread_create(&far->thread, NULL, run, far), ==, 0);
	return far;
}

/* Datagrams that its thread has still to take; of streams the sender waits for the answer. */
static bool is_behind(const struct far *far)
{
	int waiting = 0;

	return far->kind == FAR_UDP && ioctl(far->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

unsigned far_samples(struct far *far)
{
	unsigned before, now = atomic_load(&far->samples);

	do {
		before = now;
		g_usleep(QUIET_US);
		now = atomic_load(&far->samples);
	} while (now != before || is_behind(far));
	return now;
}

void far_free(struct far *far)
{
	if (far && far->kind == FAR_POSTGRESQL) {
		g_free(far);
	} else if (far) {
		atomic_store(&far->stop, true);
		shutdown(far->fd, SHUT_RDWR);
		pthread_join(far->thread, NULL);
		close(far->fd);
		g_free(far);
	}
}
