/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that come unasked.  The publisher's thread, or the guard's between calls; blocks on nothing. */
#include "plugins/amqp/frames.h"

#include <amqp.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/hash.h"

#define HASH_SEED UINT64_C(0xcbf29ce484222325)

void frames_init(struct frames *s, struct inflight *inflight)
{
	*s = (struct frames){ .inflight = inflight };
}

/* The beginning is enough: a message's id stands there. */
uint64_t frames_hash(const void *body, size_t size)
{
	return hash64(body, MIN(size, FRAMES_HASHED), HASH_SEED);
}

static void copy_text(char *out, size_t size, amqp_bytes_t text)
{
	size_t n = MIN(text.len, size - 1);

	memcpy(out, text.bytes ? text.bytes : "", text.bytes ? n : 0);
	out[text.bytes ? n : 0] = '\0';
	for (char *p = out; *p; p++) {
		*p = (unsigned char)*p < ' ' || (unsigned char)*p > '~' ? '?' : *p;
	}
}

static int offend(struct frames *s, const char *what)
{
	g_snprintf(s->text, sizeof(s->text), "the broker breaks the protocol: %s", what);
	return -EPROTO;
}

static void on_close(struct frames *s, enum frames_state state, int code, amqp_bytes_t text)
{
	s->state = state;
	s->code = code;
	copy_text(s->text, sizeof(s->text), text);
}

static int on_return(struct frames *s, const amqp_basic_return_t *m)
{
	char text[64], exchange[48], key[64];

	copy_text(text, sizeof(text), m->reply_text);
	copy_text(exchange, sizeof(exchange), m->exchange);
	copy_text(key, sizeof(key), m->routing_key);
	g_snprintf(s->returned, sizeof(s->returned), "%d %s, exchange %s, key %s", m->reply_code,
		   text, exchange, key);
	s->returning = RETURN_HEADER;
	return 0;
}

static int on_ack(struct frames *s, uint64_t tag, bool multiple, bool negative)
{
	return inflight_ack(s->inflight, tag, multiple, negative) < 0
		       ? offend(s, "it confirms a message that is not on its way")
		       : 0;
}

static int on_channel_method(struct frames *s, const amqp_method_t *m)
{
	const amqp_basic_ack_t *ack = m->decoded;
	const amqp_basic_nack_t *nack = m->decoded;
	const amqp_channel_close_t *close = m->decoded;

	switch (m->id) {
	case AMQP_BASIC_ACK_METHOD:
		return on_ack(s, ack->delivery_tag, ack->multiple, false);
	case AMQP_BASIC_NACK_METHOD:
		return on_ack(s, nack->delivery_tag, nack->multiple, true);
	case AMQP_BASIC_RETURN_METHOD:
		return on_return(s, m->decoded);
	case AMQP_CHANNEL_CLOSE_METHOD:
		on_close(s, FRAMES_CHANNEL_CLOSED, close->reply_code, close->reply_text);
		return 0;
	default:
		return offend(s, "a method that was not asked for");
	}
}

static int on_connection_method(struct frames *s, const amqp_method_t *m)
{
	const amqp_connection_close_t *close = m->decoded;
	const amqp_connection_blocked_t *blocked = m->decoded;

	switch (m->id) {
	case AMQP_CONNECTION_CLOSE_METHOD:
		on_close(s, FRAMES_CLOSED, close->reply_code, close->reply_text);
		return 0;
	case AMQP_CONNECTION_BLOCKED_METHOD:
		s->blocked = true;
		copy_text(s->text, sizeof(s->text), blocked->reason);
		return 0;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		s->blocked = false;
		return 0;
	default:
		return offend(s, "a method of the connection that was not asked for");
	}
}

static int end_return(struct frames *s)
{
	s->returning = RETURN_NONE;
	return inflight_return(s->inflight, frames_hash(s->head, (size_t)s->size),
			       (size_t)s->size) < 0
		       ? offend(s, "it returns a message that is not on its way")
		       : 0;
}

static int on_header(struct frames *s, uint64_t size)
{
	if (s->returning != RETURN_HEADER) {
		return offend(s, "a header that belongs to nothing");
	}
	if (size > FRAMES_BODY_MAX) {
		return offend(s, "it returns more than was ever sent");
	}
	s->returning = RETURN_BODY;
	s->left = s->size = size;
	return size == 0 ? end_return(s) : 0;
}

static int on_body(struct frames *s, amqp_bytes_t part)
{
	size_t seen = (size_t)(s->size - s->left);

	if (s->returning != RETURN_BODY || part.len > s->left) {
		return offend(s, "a body that belongs to nothing");
	}
	if (seen < FRAMES_HASHED && part.len > 0) {
		memcpy(s->head + seen, part.bytes, MIN(part.len, FRAMES_HASHED - seen));
	}
	s->left -= part.len;
	return s->left == 0 ? end_return(s) : 0;
}

int frames_take(struct frames *s, const amqp_frame_t *frame)
{
	if (frame->frame_type == AMQP_FRAME_HEARTBEAT || s->state == FRAMES_CLOSED) {
		return 0;
	}
	if (frame->channel == 0 && frame->frame_type == AMQP_FRAME_METHOD) {
		return on_connection_method(s, &frame->payload.method);
	}
	if (frame->channel != FRAMES_CHANNEL) {
		return offend(s, "a frame on a channel that is not open");
	}
	if (s->state == FRAMES_CHANNEL_CLOSED) {
		return 0;
	}
	switch (frame->frame_type) {
	case AMQP_FRAME_METHOD:
		return s->returning == RETURN_NONE ? on_channel_method(s, &frame->payload.method)
						   : offend(s, "a method amid a returned message");
	case AMQP_FRAME_HEADER:
		return on_header(s, frame->payload.properties.body_size);
	case AMQP_FRAME_BODY:
		return on_body(s, frame->payload.body_fragment);
	default:
		return offend(s, "a frame of unknown type");
	}
}
