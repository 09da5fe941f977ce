/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver udp://[ADDRESS][:PORT]: a signed sample in msgpack a datagram, as Ceilometer's collector took them.
 * Datagrams are taken in batches; while the intake is full they wait in the kernel, and what the kernel drops
 * then is counted.  On the receiver's thread; blocks on the network, until the deadline.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "plugins/receiver/bind.h"

enum {
	BATCH = 64, /* datagrams taken at once */
	DATAGRAM = 65536, /* bytes, the longest there is */
	KERNEL_BYTES = 8 << 20, /* of datagrams that wait */
};

struct udp_conf {
	const char *address;
	int64_t port;
};

struct udp_receiver {
	struct bind_address bind;
	bool off; /* an empty address: nothing is received */
	struct bound *bound; /* NULL: not yet */
	unsigned count, next; /* datagrams at hand, the first not handed over */
	size_t drained; /* bytes taken since it was to close */
	struct mmsghdr message[BATCH];
	struct iovec part[BATCH];
	char control[BATCH][CMSG_SPACE(sizeof(uint32_t))];
	char *bytes; /* BATCH * DATAGRAM */
};

static const struct vmt_option options[] = {
	{ .group = "collector",
	  .name = "udp_address",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct udp_conf, address),
	  .def = "0.0.0.0",
	  .help = "Address that datagrams are received at, where the URL has none; empty: none are." },
	{ .group = "collector",
	  .name = "udp_port",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct udp_conf, port),
	  .def = "4952",
	  .min = 1,
	  .max = 65535,
	  .help = "Port of udp:// where the URL has none." },
	{ 0 },
};

/* ------------------------------------------------------------------ datagrams */

static void prepare(struct udp_receiver *u)
{
	for (unsigned i = 0; i < BATCH; i++) {
		u->part[i] = (struct iovec){ .iov_base = u->bytes + (size_t)i * DATAGRAM,
					     .iov_len = DATAGRAM };
		u->message[i].msg_hdr = (struct msghdr){ .msg_iov = &u->part[i],
							 .msg_iovlen = 1,
							 .msg_control = u->control[i],
							 .msg_controllen = sizeof(u->control[i]) };
	}
}

/* The kernel says with each datagram how many it has dropped so far. */
static void count_dropped(struct udp_receiver *u, struct msghdr *header, struct vmt_intake *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		uint32_t dropped;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&dropped, CMSG_DATA(c), sizeof(dropped));
			dropped = bound_dropped(u->bound, dropped);
			if (dropped) {
				vmt_intake_lost(out, dropped);
			}
		}
	}
}

/* Hands over what is at hand: 0, or -EAGAIN when the intake is full. */
static int hand_over(struct udp_receiver *u, struct vmt_intake *out)
{
	for (; u->next < u->count; u->next++) {
		if (vmt_intake_message(out, VMT_MESSAGE_MSGPACK, u->part[u->next].iov_base,
				       u->message[u->next].msg_len, 0) < 0) {
			return -EAGAIN;
		}
	}
	return 0;
}

/* Takes what is there: how many, 0 for none. */
static int take(struct udp_receiver *u, struct vmt_intake *out)
{
	int n;

	prepare(u);
	u->next = u->count = 0;
	n = recvmmsg(bound_fd(u->bound), u->message, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	u->count = (unsigned)n;
	for (unsigned i = 0; i < u->count; i++) {
		count_dropped(u, &u->message[i].msg_hdr, out);
	}
	return n;
}

/* What is in the kernel would be lost with the socket, unless another receiver has it, too.  There is no more of it than
 * the kernel holds: what comes after that comes too late. */
static int drain(struct udp_receiver *u, struct vmt_intake *out)
{
	int n;

	if (!u->bound || bound_is_shared(u->bound) || u->drained > KERNEL_BYTES) {
		return 0;
	}
	n = take(u, out);
	for (int i = 0; i < n; i++) {
		u->drained += u->message[i].msg_len;
	}
	return n;
}

static int open_socket(struct udp_receiver *u, struct vmt_error *error)
{
	const int on = 1, bytes = KERNEL_BYTES;
	int fd, ret;

	if (u->bound || u->off) {
		return 0;
	}
	u->bound = bound_open(&u->bind, SOCK_DGRAM, &ret, error);
	if (!u->bound) {
		return ret;
	}
	fd = bound_fd(u->bound);
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	}
	return 0;
}

/* ------------------------------------------------------------------ operations */

static int udp_receive(void *self, struct vmt_intake *out, const struct vmt_call *call,
		       struct vmt_error *error)
{
	struct udp_receiver *u = self;
	int ret = open_socket(u, error);

	while (ret >= 0 && !atomic_load(call->cancel) && clock_monotonic() < call->deadline_ns) {
		struct vmt_settled none;
		bool full, closing = vmt_intake_closing(out);

		(void)vmt_intake_settled(out, &none, 1);
		full = hand_over(u, out) < 0;
		ret = full || u->off ? 0 : closing ? drain(u, out) : take(u, out);
		if (ret == 0) {
			vmt_intake_flush(out);
			if (closing && !full) {
				break;
			}
			(void)bind_wait(full || closing ? -1 : bound_fd(u->bound), out, call);
		}
	}
	return ret < 0 && !error->text[0] ? vmt_error_set(error, ret, "%s: receive: %s",
							  u->bind.text, g_strerror(-ret))
					  : MIN(ret, 0);
}

static void udp_close(void *self)
{
	struct udp_receiver *u = self;

	if (u) {
		bound_unref(u->bound);
		bind_fini(&u->bind);
		g_free(u->bytes);
		g_free(u);
	}
}

static int udp_open(const void *conf, const struct vmt_url *url, void **ret_self,
		    struct vmt_error *error)
{
	const struct udp_conf *c = conf;
	struct udp_receiver *u = g_new0(struct udp_receiver, 1);
	int ret;

	u->off = !url->host[0] && (!c->address || !c->address[0]);
	ret = bind_init(&u->bind, url, u->off ? "0.0.0.0" : c->address, c->port, error);
	if (ret < 0) {
		udp_close(u);
		return ret;
	}
	u->bound = u->off ? NULL : bound_find(&u->bind, SOCK_DGRAM);
	u->bytes = g_malloc((size_t)BATCH * DATAGRAM);
	*ret_self = u;
	return 0;
}

static const struct vmt_receiver_ops ops = {
	.open = udp_open,
	.receive = udp_receive,
	.close = udp_close,
};

VMT_PLUGIN(receiver, udp) = {
	.abi = VMT_ABI,
	.ns = VMT_RECEIVER,
	.name = "udp",
	.version = "1",
	.help = "Receives samples as msgpack datagrams.",
	.options = options,
	.conf_size = sizeof(struct udp_conf),
	.ops.receiver = &ops,
};
