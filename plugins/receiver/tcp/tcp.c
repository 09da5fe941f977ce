/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver tcp://[ADDRESS][:PORT]: signed samples in msgpack, each behind its length as eight bytes, lowest
 * first, as Ceilometer's publisher tcp:// sends them since release 20.  Nothing is answered.  While the intake is
 * full nothing is read, so that senders wait.  A connection that sends what is too long is closed: it cannot be
 * told where the next message begins.  On the receiver's thread; blocks on the network, until the deadline.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "plugins/receiver/bind.h"

enum {
	CONNECTIONS = 256,
	PREFIX = 8, /* bytes of the length */
	MESSAGE_MAX = 1 << 20, /* bytes */
	CHUNK = 64 << 10, /* bytes read at once */
	BACKLOG = 128,
	ROUNDS = 128, /* of reading, once it is to close: more than the kernel holds */
};

struct tcp_conf {
	const char *address;
	int64_t port;
};

struct connection {
	int fd;
	struct buf in; /* what is not handed over yet */
	bool ended; /* the far side closed, or sent what cannot be read */
};

struct tcp_receiver {
	struct bind_address bind;
	struct bound *bound; /* NULL: not yet */
	bool listens;
	unsigned rounds; /* since it was to close */
	struct connection connection[CONNECTIONS];
	unsigned count;
	struct pollfd poll[CONNECTIONS + 2];
};

static const struct vmt_option options[] = {
	{ .group = "collector",
	  .name = "tcp_address",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct tcp_conf, address),
	  .def = "0.0.0.0",
	  .help = "Address that connections are accepted at, where the URL has none." },
	{ .group = "collector",
	  .name = "tcp_port",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct tcp_conf, port),
	  .def = "4952",
	  .min = 1,
	  .max = 65535,
	  .help = "Port of tcp:// where the URL has none." },
	{ 0 },
};

/* ------------------------------------------------------------------ messages */

static uint64_t length_of(const struct buf *in)
{
	uint64_t n = 0;

	for (int i = PREFIX - 1; i >= 0; i--) {
		n = n << 8 | (uint8_t)in->data[i];
	}
	return n;
}

/* Hands over the whole messages of a connection: 0, or -EAGAIN when the intake is full. */
static int hand_over(struct connection *c, struct vmt_intake *out)
{
	size_t limit = MIN((size_t)MESSAGE_MAX, vmt_intake_limit(out)), at = 0;
	int ret = 0;

	while (ret == 0 && c->in.len - at >= PREFIX) {
		struct buf rest = { .data = c->in.data + at };
		uint64_t n = length_of(&rest);

		if (n > limit) {
			ret = vmt_intake_message(out, VMT_MESSAGE_MSGPACK, NULL, SIZE_MAX, 0);
			if (ret == 0) {
				c->ended = true;
				at = c->in.len;
			}
			break;
		}
		if (c->in.len - at - PREFIX < n) {
			break;
		}
		ret = vmt_intake_message(out, VMT_MESSAGE_MSGPACK, rest.data + PREFIX, n, 0);
		at += ret == 0 ? PREFIX + (size_t)n : 0;
	}
	buf_consume(&c->in, at);
	return ret;
}

/* Reads what is there, a chunk at most. */
static void read_some(struct connection *c)
{
	ssize_t n = read(c->fd, buf_reserve(&c->in, CHUNK), CHUNK);

	if (n > 0) {
		buf_commit(&c->in, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->ended = true;
	}
}

/* ------------------------------------------------------------------ connections */

static void drop_connection(struct tcp_receiver *t, unsigned i, struct vmt_intake *out)
{
	struct connection *c = &t->connection[i];

	if (c->in.len && out) {
		vmt_intake_lost(out, 1); /* a message that was cut short */
	}
	close(c->fd);
	buf_fini(&c->in);
	t->connection[i] = t->connection[--t->count];
}

static void accept_all(struct tcp_receiver *t)
{
	const int on = 1;
	int fd;

	while (t->count < CONNECTIONS &&
	       (fd = accept4(bound_fd(t->bound), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		t->connection[t->count++] = (struct connection){ .fd = fd, .in = BUF_INIT };
	}
}

static int open_socket(struct tcp_receiver *t, struct vmt_error *error)
{
	int ret = 0;

	if (t->listens) {
		return 0;
	}
	if (!t->bound) {
		t->bound = bound_open(&t->bind, SOCK_STREAM, &ret, error);
	}
	if (t->bound && listen(bound_fd(t->bound), BACKLOG) < 0) {
		ret = vmt_error_set(error, -errno, "%s: listen: %s", t->bind.text,
				    g_strerror(errno));
		bound_unref(t->bound);
		t->bound = NULL;
	}
	t->listens = t->bound != NULL;
	return ret;
}

/* Waits for something; the listening socket is [1], connections follow.  Whether one of these has something.  At the
 * end it does not wait, and connections that nobody has accepted are its own unless another receiver has the socket. */
static bool wait_for_input(struct tcp_receiver *t, struct vmt_intake *out, bool full,
			   const struct vmt_call *call)
{
	int64_t left_ns = MAX(call->deadline_ns - clock_monotonic(), 0);
	bool closing = vmt_intake_closing(out);
	bool deaf = t->count == CONNECTIONS || (closing && bound_is_shared(t->bound));
	int ready;

	t->poll[0] = (struct pollfd){ .fd = vmt_intake_fd(out), .events = POLLIN };
	t->poll[1] = (struct pollfd){ .fd = deaf ? -1 : bound_fd(t->bound), .events = POLLIN };
	for (unsigned i = 0; i < t->count; i++) {
		t->poll[2 + i] =
			(struct pollfd){ .fd = full ? -1 : t->connection[i].fd, .events = POLLIN };
	}
	thread_block_begin();
	ready = poll(t->poll, t->count + 2, closing && !full ? 0 : (int)(left_ns / NS_PER_MS) + 1);
	thread_block_end();
	return ready > (t->poll[0].revents != 0);
}

/* Whether any connection had something, and whether the intake is full. */
static bool serve(struct tcp_receiver *t, struct vmt_intake *out, bool *ret_full)
{
	unsigned count = t->count;
	bool any = false;

	*ret_full = false;
	for (unsigned i = count; i-- > 0;) {
		struct connection *c = &t->connection[i];

		if (t->poll[2 + i].revents) {
			read_some(c);
			any = true;
		}
		if (hand_over(c, out) < 0) {
			*ret_full = true;
			break;
		}
		if (c->ended) {
			drop_connection(t, i, out);
		}
	}
	if (t->poll[1].revents) {
		accept_all(t);
		any = true;
	}
	return any;
}

/* ------------------------------------------------------------------ operations */

static int tcp_receive(void *self, struct vmt_intake *out, const struct vmt_call *call,
		       struct vmt_error *error)
{
	struct tcp_receiver *t = self;
	int ret = open_socket(t, error);

	memset(t->poll, 0, sizeof(t->poll));
	while (ret == 0 && !atomic_load(call->cancel) && clock_monotonic() < call->deadline_ns) {
		struct vmt_settled none;
		bool full, closing = vmt_intake_closing(out), any;

		(void)vmt_intake_settled(out, &none, 1);
		any = serve(t, out, &full);
		if (!any) {
			vmt_intake_flush(out);
		}
		t->rounds += closing && !full;
		any |= wait_for_input(t, out, full, call);
		if (closing && !full && (!any || t->rounds > ROUNDS)) {
			break;
		}
	}
	return ret;
}

static void tcp_close(void *self)
{
	struct tcp_receiver *t = self;

	if (t) {
		while (t->count > 0) {
			drop_connection(t, 0, NULL);
		}
		bound_unref(t->bound);
		bind_fini(&t->bind);
		g_free(t);
	}
}

static int tcp_open(const void *conf, const struct vmt_url *url, void **ret_self,
		    struct vmt_error *error)
{
	const struct tcp_conf *c = conf;
	struct tcp_receiver *t = g_new0(struct tcp_receiver, 1);
	int ret;

	ret = bind_init(&t->bind, url, c->address, c->port, error);
	if (ret < 0) {
		tcp_close(t);
		return ret;
	}
	t->bound = bound_find(&t->bind, SOCK_STREAM);
	*ret_self = t;
	return 0;
}

static const struct vmt_receiver_ops ops = {
	.open = tcp_open,
	.receive = tcp_receive,
	.close = tcp_close,
};

VMT_PLUGIN(receiver, tcp) = {
	.abi = VMT_ABI,
	.ns = VMT_RECEIVER,
	.name = "tcp",
	.version = "1",
	.help = "Receives samples as msgpack over connections.",
	.options = options,
	.conf_size = sizeof(struct tcp_conf),
	.ops.receiver = &ops,
};
