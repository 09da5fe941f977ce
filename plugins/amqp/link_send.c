/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and confirms.  Publisher's thread (link_take: also the guard's, between calls); blocks until the
 * deadline of the call.
 */
#include <amqp.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "plugins/amqp/link_private.h"
#include "plugins/amqp/outgoing.h"

#define SLICE_NS (200 * NS_PER_MS) /* the longest wait without a look at deadline and cancel */

static size_t number_behind(const char *text, const char *mark)
{
	const char *at = strstr(text, mark);

	return at ? (size_t)g_ascii_strtoull(at + strlen(mark), NULL, 10) : 0;
}

/* "message size 2000100 is larger than configured max size 1000000": the size; 0: not of that kind. */
static size_t oversize(struct link *l)
{
	size_t size = number_behind(l->frames.text, "message size ");
	size_t limit = number_behind(l->frames.text, "max size ");

	if (l->frames.code != AMQP_PRECONDITION_FAILED || size == 0 || limit == 0) {
		return 0;
	}
	l->size_limit = limit;
	return size;
}

/* The broker closed the channel or the connection: says yes to it, the reason, and gives it up. */
static int closed(struct link *l, struct vmt_error *error)
{
	amqp_connection_close_ok_t connection_ok = { .dummy = '\0' };
	amqp_channel_close_ok_t channel_ok = { .dummy = '\0' };
	size_t size = oversize(l);

	if (l->frames.state == FRAMES_CLOSED) {
		amqp_send_method(l->c, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &connection_ok);
	} else {
		amqp_send_method(l->c, FRAMES_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &channel_ok);
	}
	if (size > 0) {
		inflight_oversized(&l->inflight, size);
	}
	vmt_error_set(error, 0, "%s: %s closed by the broker: %d %s", l->peer,
		      l->frames.state == FRAMES_CLOSED ? "connection" : "channel", l->frames.code,
		      l->frames.text);
	link_close(l);
	return -ECONNRESET;
}

int link_take_frame(struct link *l, const amqp_frame_t *frame, struct vmt_error *error)
{
	int ret = frames_take(&l->frames, frame);

	amqp_maybe_release_buffers(l->c);
	if (ret < 0) {
		vmt_error_set(error, ret, "%s: %s", l->peer, l->frames.text);
		link_close(l);
		return ret;
	}
	return l->frames.state == FRAMES_OPEN ? 0 : closed(l, error);
}

int link_take(struct link *l, int64_t wait_ns, struct vmt_error *error)
{
	struct timeval tv = { .tv_sec = wait_ns / NS_PER_S,
			      .tv_usec = wait_ns % NS_PER_S / NS_PER_US };
	amqp_frame_t frame;
	int ret = 0;

	while (ret == 0) {
		int status = amqp_simple_wait_frame_noblock(l->c, &frame, &tv);

		if (status == AMQP_STATUS_TIMEOUT) {
			return 0;
		}
		if (status != AMQP_STATUS_OK) {
			return link_lost(l, "receive", status, error);
		}
		ret = link_take_frame(l, &frame, error);
		tv = (struct timeval){ 0 };
	}
	return ret;
}

/* The call is over with messages still on their way. */
static int late(struct link *l, int code, struct vmt_error *error)
{
	if (l->frames.blocked) {
		vmt_error_set(error, -EBUSY, "%s: blocked by the broker: %s", l->peer,
			      l->frames.text);
		code = -EBUSY;
	} else {
		vmt_error_set(error, code, "%s: %u messages not confirmed %s", l->peer,
			      l->inflight.count, code == -ECANCELED ? "when cancelled" : "in time");
	}
	link_close(l);
	return code;
}

int link_wait(struct link *l, unsigned left, struct vmt_error *error)
{
	int ret = 0;

	while (ret == 0 && l->inflight.count > left) {
		int64_t rest = l->call->deadline_ns - clock_monotonic();

		if (atomic_load(l->call->cancel)) {
			return late(l, -ECANCELED, error);
		}
		if (rest <= 0) {
			return late(l, -ETIMEDOUT, error);
		}
		ret = link_take(l, MIN(rest, SLICE_NS), error);
	}
	return ret;
}

enum { LOOKS = 16 }; /* for confirms, in a window's worth of messages */

/* Takes confirms when half of the window is used up, so that sending seldom stops, and from there on now and then. */
static int make_room(struct link *l, struct vmt_error *error)
{
	unsigned window = l->inflight.window;
	int ret = 0;

	if (l->frames.blocked || l->inflight.count == window) {
		ret = link_wait(l, l->frames.blocked ? 0 : window - 1, error);
	} else if (l->inflight.count >= l->look || amqp_frames_enqueued(l->c)) {
		ret = link_take(l, 0, error);
		l->look = MAX(window / 2, l->inflight.count + window / LOOKS);
	}
	if (ret == 0 && l->frames.blocked) {
		return vmt_error_set(error, -EBUSY, "%s: blocked by the broker: %s", l->peer,
				     l->frames.text);
	}
	return ret;
}

/* librabbitmq's way, for TLS. */
static int publish(struct link *l, const struct outgoing *m)
{
	const amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
			  AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
			  AMQP_BASIC_PRIORITY_FLAG,
		.content_type = amqp_cstring_bytes("application/json"),
		.content_encoding = amqp_cstring_bytes("utf-8"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
		.priority = 0,
	};

	return amqp_basic_publish(l->c, m->channel, amqp_cstring_bytes(m->exchange),
				  amqp_cstring_bytes(m->key), m->mandatory, false, &properties,
				  (amqp_bytes_t){ m->size, (void *)(uintptr_t)m->body });
}

static int post(struct link *l, const struct outgoing *m)
{
	bool plain = !l->s->ssl && strlen(m->exchange) <= OUTGOING_NAME &&
		     strlen(m->key) <= OUTGOING_NAME;

	return plain ? outgoing_send(amqp_get_sockfd(l->c), (size_t)amqp_get_frame_max(l->c), m,
				     l->call)
		     : publish(l, m);
}

int link_publish(struct link *l, struct inflight_message *m, const char *exchange, const char *key,
		 const void *body, size_t size, bool mandatory, struct vmt_error *error)
{
	const struct outgoing out = { .channel = FRAMES_CHANNEL,
				      .exchange = exchange,
				      .key = key,
				      .mandatory = mandatory,
				      .body = body,
				      .size = size };
	int ret = make_room(l, error), status;

	if (ret < 0) {
		return ret;
	}
	if (atomic_load(l->call->cancel) || clock_monotonic() >= l->call->deadline_ns) {
		return late(l, atomic_load(l->call->cancel) ? -ECANCELED : -ETIMEDOUT, error);
	}
	status = post(l, &out);
	if (status != AMQP_STATUS_OK) {
		return link_lost(l, "send", status, error);
	}
	inflight_sent(&l->inflight, m, frames_hash(body, size), size, mandatory);
	return 0;
}
