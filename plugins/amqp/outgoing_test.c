/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as they are written, beside what librabbitmq makes of the same: byte for byte.  A thread reads what
 * comes out of the other end of a pair of sockets, slowly at first.
 */
#include "plugins/amqp/outgoing.h"

#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"

enum { FRAME_MAX = 4096, CHANNEL = 7, PIECE = 3000, PIPE = 4096 };

struct pair {
	int end[2];
	struct buf received;
	pthread_t reader;
};

static void *read_all(void *arg)
{
	struct pair *p = arg;
	ssize_t n;

	do {
		n = read(p->end[1], buf_reserve(&p->received, PIECE), PIECE);
		buf_commit(&p->received, n > 0 ? (size_t)n : 0);
	} while (n > 0);
	return NULL;
}

static void pair_open(struct pair *p, bool blocking)
{
	int size = PIPE;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0,
				   p->end),
			==, 0);
	g_assert_cmpint(fcntl(p->end[1], F_SETFL, 0), ==, 0);
	setsockopt(p->end[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	buf_init(&p->received);
	g_assert_cmpint(thread_start(&p->reader, "reader", read_all, p), ==, 0);
}

/* Waits for all that was sent. */
static void pair_close(struct pair *p)
{
	close(p->end[0]);
	thread_join(p->reader);
	close(p->end[1]);
}

static void send_theirs(int fd, const struct outgoing *m)
{
	const amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
			  AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
			  AMQP_BASIC_PRIORITY_FLAG,
		.content_type = amqp_cstring_bytes("application/json"),
		.content_encoding = amqp_cstring_bytes("utf-8"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
	};
	amqp_connection_state_t c = amqp_new_connection();
	char hello[] = "AMQP\0\0\x09\x01";
	amqp_frame_t frame;

	/* Nothing is asked for but the frames: it is told of a server as if one had answered. */
	g_assert_cmpint(amqp_handle_input(c, (amqp_bytes_t){ 8, hello }, &frame), ==, 8);
	amqp_tcp_socket_set_sockfd(amqp_tcp_socket_new(c), dup(fd));
	g_assert_cmpint(amqp_tune_connection(c, 0, FRAME_MAX, 0), ==, AMQP_STATUS_OK);
	g_assert_cmpint(amqp_basic_publish(c, m->channel, amqp_cstring_bytes(m->exchange),
					   amqp_cstring_bytes(m->key), m->mandatory, false,
					   &properties,
					   (amqp_bytes_t){ m->size, (void *)(uintptr_t)m->body }),
			==, AMQP_STATUS_OK);
	amqp_destroy_connection(c);
}

static struct vmt_call call_of(int64_t ns, const atomic_bool *cancel)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + ns, .cancel = cancel };
}

static void check(const struct outgoing *m, bool blocking)
{
	static const atomic_bool go_on;
	const struct vmt_call call = call_of(60 * NS_PER_S, &go_on);
	struct pair ours, theirs;

	pair_open(&ours, blocking);
	g_assert_cmpint(outgoing_send(ours.end[0], FRAME_MAX, m, &call), ==, AMQP_STATUS_OK);
	pair_close(&ours);
	pair_open(&theirs, true);
	send_theirs(theirs.end[0], m);
	pair_close(&theirs);
	g_assert_cmpmem(ours.received.data, ours.received.len, theirs.received.data,
			theirs.received.len);
	buf_fini(&ours.received);
	buf_fini(&theirs.received);
}

/* Bodies around the sizes of frames, and one of more frames than are written at once. */
static void test_bytes(void)
{
	const size_t part = FRAME_MAX - 8;
	const size_t sizes[] = {
		0,        1,         part - 1,      part,          part + 1,
		2 * part, 64 * part, 64 * part + 1, 64 * part - 1, 200 * part + 5
	};
	char *body = g_malloc(200 * part + 5);
	char *longest = g_strnfill(OUTGOING_NAME, 'k');

	for (size_t i = 0; i < 200 * part + 5; i++) {
		body[i] = (char)(i * 31 + i / 251);
	}
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
		const struct outgoing m = { .channel = CHANNEL,
					    .exchange = i % 3 ? "ceilometer" : longest,
					    .key = i % 5 ? "notifications.sample" : longest,
					    .mandatory = i % 2,
					    .body = body,
					    .size = sizes[i / 2] };

		check(&m, true);
		check(&m, false);
	}
	g_free(longest);
	g_free(body);
}

/* A peer that reads nothing, or is gone. */
static void test_ends(void)
{
	static const atomic_bool go_on;
	atomic_bool cancelled = true;
	struct vmt_call past = call_of(-1, &go_on), cancel = call_of(60 * NS_PER_S, &cancelled);
	char *body = g_malloc0(1 << 20);
	const struct outgoing m = {
		.channel = 1, .exchange = "e", .key = "k", .body = body, .size = 1 << 20
	};
	int end[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, end), ==, 0);
	g_assert_cmpint(outgoing_send(end[0], FRAME_MAX, &m, &past), ==, AMQP_STATUS_TIMEOUT);
	g_assert_cmpint(outgoing_send(end[0], FRAME_MAX, &m, &cancel), ==, AMQP_STATUS_TIMEOUT);
	close(end[1]);
	g_assert_cmpint(outgoing_send(end[0], FRAME_MAX, &m, &cancel), ==,
			AMQP_STATUS_CONNECTION_CLOSED);
	close(end[0]);
	g_assert_cmpint(outgoing_send(-1, FRAME_MAX, &m, &cancel), ==, AMQP_STATUS_SOCKET_ERROR);
	g_free(body);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amqp/outgoing/bytes", test_bytes);
	g_test_add_func("/amqp/outgoing/ends", test_ends);
	return g_test_run();
}
