/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing.  The publisher's thread; blocks on the socket until the call is over. */
#include "plugins/amqp/outgoing.h"

#include <amqp_framing.h>
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"

enum {
	FRAME_HEAD = 7, /* type, channel, size */
	FRAME_END = 1,
	HEAD_MAX = 2 * OUTGOING_NAME + 128, /* of all before the body */
	PARTS = 64, /* frames of the body that are written at once */
	SLICE_MS = 200, /* the longest wait without a look at the call */
};

/* Bits of the properties in a header, class basic (AMQP 0-9-1, 4.2.6.1). */
static const uint16_t flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
			      AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
			      AMQP_BASIC_PRIORITY_FLAG;

static unsigned char *put(unsigned char *at, uint64_t number, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--) {
		*at++ = (unsigned char)(number >> (8 * i));
	}
	return at;
}

static unsigned char *put_short(unsigned char *at, const char *name)
{
	amqp_bytes_t text = amqp_cstring_bytes(name);

	g_assert(text.len <= OUTGOING_NAME);
	at = put(at, text.len, 1);
	memcpy(at, text.bytes, text.len);
	return at + text.len;
}

static unsigned char *begin_frame(unsigned char *at, uint8_t type, amqp_channel_t channel,
				  size_t size)
{
	return put(put(put(at, type, 1), channel, 2), size, 4);
}

/* The frame whose head stands at `head` ends here. */
static unsigned char *end_frame(unsigned char *head, unsigned char *at)
{
	put(head + FRAME_HEAD - 4, (size_t)(at - head) - FRAME_HEAD, 4);
	return put(at, AMQP_FRAME_END, FRAME_END);
}

/* The method and the header. */
static unsigned char *put_head(unsigned char *at, const struct outgoing *m)
{
	unsigned char *head = at;

	at = begin_frame(at, AMQP_FRAME_METHOD, m->channel, 0);
	at = put(put(at, AMQP_BASIC_PUBLISH_METHOD, 4), 0, 2);
	at = put_short(put_short(at, m->exchange), m->key);
	at = put(at, m->mandatory, 1);
	at = end_frame(head, at);
	head = at;
	at = begin_frame(at, AMQP_FRAME_HEADER, m->channel, 0);
	at = put(put(put(at, AMQP_BASIC_CLASS, 2), 0, 2), m->size, 8);
	at = put(at, flags, 2);
	at = put_short(put_short(at, "application/json"), "utf-8");
	at = put(at, 0, 4); /* of headers */
	at = put(put(at, AMQP_DELIVERY_PERSISTENT, 1), 0, 1);
	return end_frame(head, at);
}

/* AMQP_STATUS_OK: there may be room. */
static int wait_room(int fd, const struct vmt_call *call)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (atomic_load(call->cancel) || clock_monotonic() >= call->deadline_ns) {
		return AMQP_STATUS_TIMEOUT;
	}
	return poll(&p, 1, SLICE_MS) < 0 && errno != EINTR ? AMQP_STATUS_SOCKET_ERROR
							   : AMQP_STATUS_OK;
}

/* Leaves out the first n bytes; answers what is left of the list. */
static size_t advance(struct iovec *v, size_t count, size_t n)
{
	size_t gone = 0;

	while (gone < count && n >= v[gone].iov_len) {
		n -= v[gone++].iov_len;
	}
	memmove(v, v + gone, (count - gone) * sizeof(*v));
	if (gone < count) {
		v[0].iov_base = (char *)v[0].iov_base + n;
		v[0].iov_len -= n;
	}
	return count - gone;
}

static int write_all(int fd, struct iovec *v, size_t count, bool more, const struct vmt_call *call)
{
	int status = AMQP_STATUS_OK;

	while (count > 0 && status == AMQP_STATUS_OK) {
		struct msghdr h = { .msg_iov = v, .msg_iovlen = count };
		ssize_t n = sendmsg(fd, &h, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

		if (n >= 0) {
			count = advance(v, count, (size_t)n);
		} else if (errno == EAGAIN) {
			status = wait_room(fd, call);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			status = AMQP_STATUS_CONNECTION_CLOSED;
		} else if (errno != EINTR) {
			status = AMQP_STATUS_SOCKET_ERROR;
		}
	}
	return status;
}

/* The parts of the body from *sent on, as many as are written at once; the end of the last one, too. */
static size_t add_parts(const struct outgoing *m, size_t part_max, size_t *sent,
			unsigned char frames[PARTS][FRAME_END + FRAME_HEAD], struct iovec *v)
{
	static unsigned char end = AMQP_FRAME_END;
	struct iovec *to = v;

	for (int i = 0; i < PARTS && *sent < m->size; i++) {
		size_t part = MIN(m->size - *sent, part_max);
		unsigned char *at = frames[i];

		if (*sent > 0) {
			at = put(at, AMQP_FRAME_END, FRAME_END);
		}
		at = begin_frame(at, AMQP_FRAME_BODY, m->channel, part);
		*to++ = (struct iovec){ frames[i], (size_t)(at - frames[i]) };
		*to++ = (struct iovec){ (char *)(uintptr_t)m->body + *sent, part };
		*sent += part;
	}
	if (to > v && *sent == m->size) {
		*to++ = (struct iovec){ &end, FRAME_END };
	}
	return (size_t)(to - v);
}

int outgoing_send(int fd, size_t frame_max, const struct outgoing *m, const struct vmt_call *call)
{
	unsigned char head[HEAD_MAX], frames[PARTS][FRAME_END + FRAME_HEAD];
	size_t part_max = frame_max - FRAME_HEAD - FRAME_END, sent = 0, count = 1;
	struct iovec v[1 + 2 * PARTS + 1] = { { head, (size_t)(put_head(head, m) - head) } };
	int status;

	do {
		count += add_parts(m, part_max, &sent, frames, v + count);
		status = write_all(fd, v, count, sent < m->size, call);
		count = 0;
	} while (status == AMQP_STATUS_OK && sent < m->size);
	return status;
}
