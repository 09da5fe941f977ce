/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher tcp://HOST[:PORT]: a signed message in msgpack for each sample, behind its length as eight
 * bytes, lowest first, as Ceilometer's since release 20.  The receiver answers nothing: what the far
 * kernel has acknowledged (SIOCOUTQ) counts as delivered, so that a connection that breaks or stalls costs
 * no sample.  On the publisher's thread; blocks on the network and on name servers, until the deadline.
 */
#include <errno.h>
#include <glib.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../peer.h"
#include "base/clock.h"
#include "base/socket.h"
#include "base/thread.h"

enum {
	CHUNK = 256 << 10, /* bytes encoded before they are sent */
	FLIGHT = 8192, /* messages sent and not yet acknowledged, at most */
	PREFIX = 8, /* bytes of the length */
	WAIT_MS = 100, /* for the network, between two looks at the clock */
	ACK_WAIT_MS = 5, /* for acknowledgements: nothing wakes us up for these */
};

struct tcp_conf {
	struct message_conf message;
	const char *host; /* NULL: the system's name */
	int64_t port;
};

struct tcp_publisher {
	struct tcp_conf conf;
	struct peer peer;
	char *publisher_id;
	int fd; /* -1: not connected */
	struct buf out; /* encoded, its first `sent` bytes in the kernel's hands */
	size_t sent;
	/* messages that are not acknowledged yet: a ring */
	struct vmt_rows *row;
	uint64_t *end; /* of each, in bytes since the connection began */
	size_t first, count;
	uint64_t taken, encoded; /* bytes that the kernel took, bytes encoded, likewise */
};

static const struct vmt_option options[] = {
	MESSAGE_OPTIONS(tcp_conf),
	{ .group = NULL,
	  .name = "host",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct tcp_conf, host),
	  .help = "Name of this host, the publisher_id of its messages; without it the system's." },
	PEER_PORT("tcp_port", tcp_conf, "tcp"),
	{ 0 },
};

/* ------------------------------------------------------------------ messages in flight */

static void forget_all(struct tcp_publisher *p)
{
	p->first = p->count = 0;
	p->taken = p->encoded = 0;
	p->sent = 0;
	buf_reset(&p->out);
}

static void remember(struct tcp_publisher *p, const struct vmt_rows *row)
{
	size_t at = (p->first + p->count++) % FLIGHT;

	p->row[at] = *row;
	p->end[at] = p->encoded;
}

/* Confirms what the far kernel has. */
static void confirm(struct tcp_publisher *p, struct vmt_delivery *delivery)
{
	struct vmt_rows rows[64];
	size_t n = 0;
	uint64_t acknowledged;
	int queued;

	if (ioctl(p->fd, SIOCOUTQ, &queued) < 0) {
		return;
	}
	acknowledged = p->taken - (uint64_t)queued;
	while (p->count > 0 && p->end[p->first] <= acknowledged) {
		message_rows_add(rows, &n, &p->row[p->first]);
		p->first = (p->first + 1) % FLIGHT;
		p->count--;
		if (n == G_N_ELEMENTS(rows)) {
			vmt_delivery_confirm(delivery, rows, n);
			n = 0;
		}
	}
	vmt_delivery_confirm(delivery, rows, n);
}

/* ------------------------------------------------------------------ socket */

static void disconnect(struct tcp_publisher *p)
{
	if (p->fd >= 0) {
		close(p->fd);
		p->fd = -1;
	}
	forget_all(p);
}

/* 1: the socket has one of `events`; 0: not after so long. */
static int wait_for(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ready;

	thread_block_begin();
	ready = poll(&p, 1, ms);
	thread_block_end();
	return ready > 0;
}

/* The far side never answers: what can be read is its end, or noise. */
static bool is_alive(const struct tcp_publisher *p)
{
	char noise[512];
	ssize_t n;

	do {
		n = recv(p->fd, noise, sizeof(noise), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static int get_connected(struct tcp_publisher *p, const struct vmt_call *call,
			 struct vmt_error *error)
{
	const struct addrinfo *list;
	int ret;

	if (p->fd >= 0 && is_alive(p)) {
		return 0;
	}
	disconnect(p);
	ret = peer_addresses(&p->peer, call, &list, error);
	if (ret < 0) {
		return ret;
	}
	ret = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && ret < 0; a = a->ai_next) {
		ret = socket_connect(a, 0, call);
	}
	if (ret < 0) {
		return vmt_error_set(error, ret, "%s: connect: %s%s", p->peer.text,
				     g_strerror(-ret),
				     ret == -ECONNREFUSED ? "; nobody listens there, start the "
							    "receiver"
							  : "");
	}
	p->fd = ret;
	return 0;
}

/* ------------------------------------------------------------------ sending */

/* Hands what is encoded to the kernel. */
static int send_encoded(struct tcp_publisher *p, const struct vmt_call *call,
			struct vmt_error *error)
{
	int ret = 0;

	while (p->sent < p->out.len && ret == 0) {
		ssize_t n = send(p->fd, p->out.data + p->sent, p->out.len - p->sent, MSG_NOSIGNAL);

		if (n > 0) {
			p->sent += (size_t)n;
			p->taken += (uint64_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			confirm(p, call->delivery);
			ret = peer_over(&p->peer, call, "the far side does not read", error);
			if (ret == 0) {
				wait_for(p->fd, POLLOUT, WAIT_MS);
			}
		} else if (errno != EINTR) {
			ret = vmt_error_set(error, -errno, "%s: %s", p->peer.text,
					    g_strerror(errno));
		}
	}
	if (ret == 0) {
		buf_reset(&p->out);
		p->sent = 0;
		confirm(p, call->delivery);
	}
	return ret;
}

/* Waits until no more than `left` messages are without acknowledgement. */
static int drain(struct tcp_publisher *p, size_t left, const struct vmt_call *call,
		 struct vmt_error *error)
{
	int ret = 0;

	confirm(p, call->delivery);
	while (p->count > left && ret == 0) {
		if (!is_alive(p)) {
			return vmt_error_set(error, -ECONNRESET,
					     "%s: the far side closed the connection",
					     p->peer.text);
		}
		ret = peer_over(&p->peer, call, "the far side does not acknowledge", error);
		if (ret == 0) {
			wait_for(p->fd, POLLRDHUP, ACK_WAIT_MS);
			confirm(p, call->delivery);
		}
	}
	return ret;
}

/* The length, once the message behind it is known. */
static void put_length(struct buf *out, size_t at)
{
	uint64_t len = GUINT64_TO_LE((uint64_t)(out->len - at - PREFIX));

	memcpy(out->data + at, &len, PREFIX);
}

static int send_all(struct tcp_publisher *p, struct message_feed *feed, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int more = 1, ret = 0;

	while (ret == 0 && more > 0) {
		size_t at = p->out.len;
		struct vmt_rows row;

		buf_add(&p->out, "\0\0\0\0\0\0\0", PREFIX);
		more = message_feed_next(feed, &p->out, &row);
		if (more <= 0) {
			buf_cut(&p->out, at);
			break;
		}
		put_length(&p->out, at);
		p->encoded += p->out.len - at;
		remember(p, &row);
		if (p->out.len >= CHUNK || p->count == FLIGHT) {
			message_feed_finish(feed);
			ret = send_encoded(p, call, error);
			ret = ret == 0 ? drain(p, FLIGHT / 2, call, error) : ret;
		}
	}
	message_feed_finish(feed);
	ret = ret == 0 ? send_encoded(p, call, error) : ret;
	ret = ret == 0 ? drain(p, 0, call, error) : ret;
	return ret == 0 ? peer_end(&p->peer, more, error) : ret;
}

static int tcp_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		       const struct vmt_call *call, struct vmt_error *error)
{
	struct tcp_publisher *p = self;
	struct message_feed feed;
	int ret = peer_set_up(&p->peer, &p->conf.message, MESSAGE_MSGPACK, frame->profile,
			      p->publisher_id, error);

	ret = ret == 0 ? peer_over(&p->peer, call, "no time is left", error) : ret;
	if (ret == 0) {
		ret = get_connected(p, call, error);
	}
	if (ret < 0) {
		return ret;
	}
	message_feed_init(&feed, p->peer.encoder, frame, bit, call->delivery);
	ret = send_all(p, &feed, call, error);
	if (ret < 0) { /* part of a message may have gone: no going on after that */
		disconnect(p);
	}
	return ret;
}

/* ------------------------------------------------------------------ life */

static int tcp_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		    struct vmt_error *error)
{
	struct tcp_publisher *p;
	int ret = peer_check(url, read_only,
			     "signature_dialect, policy, max_queue_length, max_retry", error);

	if (ret < 0) {
		return ret;
	}
	p = g_new0(struct tcp_publisher, 1);
	p->conf = *(const struct tcp_conf *)conf;
	p->publisher_id = g_strdup(p->conf.host ? p->conf.host : g_get_host_name());
	p->fd = -1;
	buf_init(&p->out);
	p->row = g_new0(struct vmt_rows, FLIGHT);
	p->end = g_new0(uint64_t, FLIGHT);
	peer_init(&p->peer, url, p->conf.port, SOCK_STREAM);
	*ret_self = p;
	return 0;
}

static void tcp_shape(void *self, struct vmt_message_shape *ret_shape)
{
	*ret_shape = (struct vmt_message_shape){ .samples = 1 };
}

static void tcp_close(void *self)
{
	struct tcp_publisher *p = self;

	if (p) {
		disconnect(p);
		peer_fini(&p->peer);
		buf_fini(&p->out);
		g_free(p->row);
		g_free(p->end);
		g_free(p->publisher_id);
		g_free(p);
	}
}

static const struct vmt_publisher_ops ops = {
	.open = tcp_open,
	.publish = tcp_publish,
	.close = tcp_close,
	.shape = tcp_shape,
};

VMT_PLUGIN(publisher, tcp) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "tcp",
	.version = "1",
	.help = "A stream of signed messages in msgpack: tcp://HOST:4952",
	.options = options,
	.conf_size = sizeof(struct tcp_conf),
	.ops.publisher = &ops,
};
