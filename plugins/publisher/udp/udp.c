/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher udp://HOST[:PORT]: a signed message in msgpack for each sample, one datagram each, as
 * Ceilometer's.  A datagram that the kernel took counts as delivered; one that is too large for the way is
 * refused.  That nobody listens is noticed where the far side says so (ICMP), and samples then wait.
 * On the publisher's thread; blocks on a full send buffer and on name servers, until the deadline.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../peer.h"
#include "base/clock.h"
#include "base/thread.h"

enum {
	BURST = 64, /* datagrams handed to the kernel at a time */
	WAIT_MS = 100, /* for room in the send buffer, between two looks at the clock */
};

struct udp_conf {
	struct message_conf message;
	int64_t port;
	const char *strings; /* "auto", "str", "raw" */
};

struct udp_publisher {
	struct udp_conf conf;
	struct peer peer;
	int fd; /* -1: not open */
	struct sockaddr_storage address; /* that `fd` is connected to */
	/* the burst in hand */
	struct buf out;
	struct vmt_rows row[BURST];
	size_t end[BURST]; /* of each datagram in `out` */
	size_t count;
};

static const char *const strings[] = { "auto", "str", "raw", NULL };

static const struct vmt_option options[] = {
	MESSAGE_OPTIONS(udp_conf),
	PEER_PORT("udp_port", udp_conf, "udp"),
	{ .group = "publisher_udp",
	  .name = "strings",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct udp_conf, strings),
	  .def = "auto",
	  .flags = VMT_OPT_URL,
	  .choices = strings,
	  .help = "Strings in msgpack's form of today (str), in that of before 2013 (raw), or as the "
		  "profile's release sends them." },
	{ 0 },
};

/* ------------------------------------------------------------------ socket */

static void close_socket(struct udp_publisher *p)
{
	if (p->fd >= 0) {
		close(p->fd);
		p->fd = -1;
	}
}

static bool same_peer(const struct udp_publisher *p, const struct addrinfo *a)
{
	return p->fd >= 0 && memcmp(&p->address, a->ai_addr, a->ai_addrlen) == 0;
}

/* The first address that there is a way to. */
static int open_socket(struct udp_publisher *p, const struct addrinfo *list,
		       struct vmt_error *error)
{
	int code = EHOSTUNREACH;

	if (same_peer(p, list)) {
		return 0;
	}
	close_socket(p);
	for (const struct addrinfo *a = list; a && p->fd < 0; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
			p->fd = fd;
			memset(&p->address, 0, sizeof(p->address));
			memcpy(&p->address, a->ai_addr, a->ai_addrlen);
		} else {
			code = errno;
			if (fd >= 0) {
				close(fd);
			}
		}
	}
	return p->fd >= 0 ? 0
			  : vmt_error_set(error, -code, "%s: %s", p->peer.text, g_strerror(code));
}

static int get_ready(struct udp_publisher *p, const struct vmt_call *call, struct vmt_error *error)
{
	const struct addrinfo *list;
	int ret = peer_addresses(&p->peer, call, &list, error);

	return ret < 0 ? ret : open_socket(p, list, error);
}

/* Until there is room in the send buffer. */
static int wait_for_room(const struct udp_publisher *p, const struct vmt_call *call,
			 struct vmt_error *error)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLOUT };
	int ready, ret;

	do {
		ret = peer_over(&p->peer, call, "the send buffer stays full; is the network up?",
				error);
		if (ret < 0) {
			return ret;
		}
		thread_block_begin();
		ready = poll(&fd, 1, WAIT_MS);
		thread_block_end();
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return 0;
}

/* ------------------------------------------------------------------ bursts */

static size_t begin_of(const struct udp_publisher *p, size_t i)
{
	return i > 0 ? p->end[i - 1] : 0;
}

static void confirm(const struct udp_publisher *p, struct vmt_delivery *delivery, size_t first,
		    size_t count)
{
	struct vmt_rows rows[BURST];
	size_t n = 0;

	for (size_t i = first; i < first + count; i++) {
		message_rows_add(rows, &n, &p->row[i]);
	}
	vmt_delivery_confirm(delivery, rows, n);
}

static void refuse(const struct udp_publisher *p, struct vmt_delivery *delivery, size_t i)
{
	size_t begin = begin_of(p, i), len = p->end[i] - begin;
	char reason[256];

	g_snprintf(reason, sizeof(reason),
		   "%.128s: a sample of %" G_GSIZE_FORMAT " bytes is too large for a datagram",
		   p->peer.text, len);
	vmt_log(VMT_LOG_WARNING, "%s; it is dropped", reason);
	vmt_delivery_refuse(delivery, &p->row[i], 1, reason, p->out.data + begin, len);
}

static int send_error(const struct udp_publisher *p, int code, struct vmt_error *error)
{
	const char *way_out = code == ECONNREFUSED ? "; nobody listens there, start the receiver"
			      : code == EPERM      ? "; a packet filter forbids it"
						   : "";

	return vmt_error_set(error, -code, "%s: %s%s", p->peer.text, g_strerror(code), way_out);
}

static int flush(struct udp_publisher *p, const struct vmt_call *call, struct vmt_error *error)
{
	struct mmsghdr header[BURST];
	struct iovec piece[BURST];
	size_t done = 0;
	int ret = 0;

	for (size_t i = 0; i < p->count; i++) {
		piece[i] = (struct iovec){ .iov_base = p->out.data + begin_of(p, i),
					   .iov_len = p->end[i] - begin_of(p, i) };
		header[i] =
			(struct mmsghdr){ .msg_hdr.msg_iov = &piece[i], .msg_hdr.msg_iovlen = 1 };
	}
	while (done < p->count && ret == 0) {
		int n = sendmmsg(p->fd, header + done, (unsigned)(p->count - done), MSG_NOSIGNAL);

		if (n > 0) {
			confirm(p, call->delivery, done, (size_t)n);
			done += (size_t)n;
		} else if (errno == EMSGSIZE) {
			refuse(p, call->delivery, done++);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			ret = wait_for_room(p, call, error);
		} else if (errno != EINTR) {
			ret = send_error(p, errno, error);
		}
	}
	p->count = 0;
	buf_reset(&p->out);
	return ret;
}

static int send_all(struct udp_publisher *p, struct message_feed *feed, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int more, ret = 0;

	while (ret == 0 && (more = message_feed_next(feed, &p->out, &p->row[p->count])) > 0) {
		p->end[p->count++] = p->out.len;
		if (p->count == BURST) {
			message_feed_finish(feed);
			ret = flush(p, call, error);
		}
	}
	if (ret == 0) {
		message_feed_finish(feed);
		ret = flush(p, call, error);
	}
	return ret == 0 ? peer_end(&p->peer, more, error) : ret;
}

/* As the profile's release sends strings, or as the URL says. */
static enum message_form form_of(const struct udp_conf *conf, enum vmt_profile profile)
{
	bool raw = strcmp(conf->strings, "raw") == 0 ||
		   (strcmp(conf->strings, "auto") == 0 && profile == VMT_PROFILE_JUNO);

	return raw ? MESSAGE_MSGPACK_RAW : MESSAGE_MSGPACK;
}

static int udp_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		       const struct vmt_call *call, struct vmt_error *error)
{
	struct udp_publisher *p = self;
	struct message_feed feed;
	int ret = peer_set_up(&p->peer, &p->conf.message, form_of(&p->conf, frame->profile),
			      frame->profile, NULL, error);

	if (ret == 0) {
		ret = get_ready(p, call, error);
	}
	if (ret < 0) {
		return ret;
	}
	p->count = 0;
	buf_reset(&p->out);
	message_feed_init(&feed, p->peer.encoder, frame, bit, call->delivery);
	return send_all(p, &feed, call, error);
}

/* ------------------------------------------------------------------ life */

static int udp_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		    struct vmt_error *error)
{
	struct udp_publisher *p;
	int ret = peer_check(url, read_only,
			     "strings, signature_dialect, policy, max_queue_length, max_retry",
			     error);

	if (ret < 0) {
		return ret;
	}
	p = g_new0(struct udp_publisher, 1);
	p->conf = *(const struct udp_conf *)conf;
	p->fd = -1;
	buf_init(&p->out);
	peer_init(&p->peer, url, p->conf.port, SOCK_DGRAM);
	*ret_self = p;
	return 0;
}

static void udp_shape(void *self, struct vmt_message_shape *ret_shape)
{
	*ret_shape = (struct vmt_message_shape){ .samples = 1 };
}

static void udp_close(void *self)
{
	struct udp_publisher *p = self;

	if (p) {
		close_socket(p);
		peer_fini(&p->peer);
		buf_fini(&p->out);
		g_free(p);
	}
}

static const struct vmt_publisher_ops ops = {
	.open = udp_open,
	.publish = udp_publish,
	.close = udp_close,
	.shape = udp_shape,
};

VMT_PLUGIN(publisher, udp) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "udp",
	.version = "1",
	.help = "A signed datagram in msgpack for each sample: udp://HOST:4952",
	.options = options,
	.conf_size = sizeof(struct udp_conf),
	.ops.publisher = &ops,
};
