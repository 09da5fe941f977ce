/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the message that comes in.  The connection's thread; blocks on the broker where it asks it something. */
#include "plugins/amqp/consume.h"

#include <amqp.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "plugins/amqp/link_private.h"

void consume_init(struct consume *c, struct link *link, size_t limit)
{
	*c = (struct consume){ .link = link, .limit = limit, .body = BUF_INIT };
}

void consume_fini(struct consume *c)
{
	buf_fini(&c->body);
}

int consume_begin(struct consume *c, unsigned prefetch, struct vmt_error *error)
{
	struct link *l = c->link;

	consume_done(c);
	l->consuming = true;
	amqp_basic_qos(l->c, FRAMES_CHANNEL, 0, (uint16_t)prefetch, 0);
	return link_check(l, "basic.qos", NULL, error);
}

int consume_queue(struct consume *c, const char *queue, bool alone, struct vmt_error *error)
{
	struct link *l = c->link;
	char what[300];

	g_snprintf(what, sizeof(what), "consuming from queue %s", queue);
	amqp_basic_consume(l->c, FRAMES_CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0,
			   alone, amqp_empty_table);
	return link_check(l, what, NULL, error);
}

static int offend(struct consume *c, const char *what, struct vmt_error *error)
{
	vmt_error_set(error, 0, "%s: the broker breaks the protocol: %s", c->link->peer, what);
	link_close(c->link);
	return -EPROTO;
}

/* The queue is gone, or its node is: a new connection declares it anew. */
static int cancelled(struct consume *c, struct vmt_error *error)
{
	vmt_error_set(error, 0, "%s: a queue was deleted, or its node went away", c->link->peer);
	link_close(c->link);
	return -ECONNRESET;
}

static int on_header(struct consume *c, uint64_t size, struct vmt_error *error)
{
	if (c->state != CONSUME_HEADER) {
		return offend(c, "a header that belongs to nothing", error);
	}
	c->size = c->left = size;
	buf_reset(&c->body);
	c->state = size == 0 ? CONSUME_WHOLE : CONSUME_BODY;
	return 0;
}

static int on_body(struct consume *c, amqp_bytes_t part, struct vmt_error *error)
{
	if (c->state != CONSUME_BODY || part.len > c->left) {
		return offend(c, "a body that belongs to nothing", error);
	}
	if (c->size <= c->limit) {
		buf_add(&c->body, part.bytes, part.len);
	}
	c->left -= part.len;
	c->state = c->left == 0 ? CONSUME_WHOLE : CONSUME_BODY;
	return 0;
}

/* A frame of a message is ours, others are the link's. */
static int take_frame(struct consume *c, const amqp_frame_t *frame, struct vmt_error *error)
{
	bool method = frame->frame_type == AMQP_FRAME_METHOD && frame->channel == FRAMES_CHANNEL;
	const amqp_basic_deliver_t *deliver = frame->payload.method.decoded;

	if (method && frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD) {
		if (c->state != CONSUME_NONE) {
			return offend(c, "a message amid another", error);
		}
		c->tag = deliver->delivery_tag;
		c->state = CONSUME_HEADER;
		return 0;
	}
	if (method && frame->payload.method.id == AMQP_BASIC_CANCEL_METHOD) {
		return cancelled(c, error);
	}
	if (frame->channel == FRAMES_CHANNEL && frame->frame_type == AMQP_FRAME_HEADER) {
		return on_header(c, frame->payload.properties.body_size, error);
	}
	if (frame->channel == FRAMES_CHANNEL && frame->frame_type == AMQP_FRAME_BODY) {
		return on_body(c, frame->payload.body_fragment, error);
	}
	return link_take_frame(c->link, frame, error);
}

int consume_take(struct consume *c, struct vmt_error *error)
{
	struct link *l = c->link;
	int ret = 0;

	while (ret == 0 && c->state != CONSUME_WHOLE) {
		struct timeval none = { 0 };
		amqp_frame_t frame;
		int status = amqp_simple_wait_frame_noblock(l->c, &frame, &none);

		if (status == AMQP_STATUS_TIMEOUT) {
			return 0;
		}
		if (status != AMQP_STATUS_OK) {
			return link_lost(l, "receive", status, error);
		}
		ret = take_frame(c, &frame, error);
		if (ret == 0) {
			amqp_maybe_release_buffers(l->c);
		}
	}
	return ret < 0 ? ret : 1;
}

void consume_done(struct consume *c)
{
	c->state = CONSUME_NONE;
	buf_reset(&c->body);
}

int consume_answer(struct consume *c, uint64_t tag, bool again, struct vmt_error *error)
{
	struct link *l = c->link;
	int status = again ? amqp_basic_nack(l->c, FRAMES_CHANNEL, tag, false, true)
			   : amqp_basic_ack(l->c, FRAMES_CHANNEL, tag, false);

	return status == AMQP_STATUS_OK ? 0 : link_lost(l, "acknowledge", status, error);
}

int consume_socket(const struct consume *c)
{
	return c->link->c ? amqp_get_sockfd(c->link->c) : -1;
}
