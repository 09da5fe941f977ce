/* SPDX-License-Identifier: Apache-2.0 */
/* Confirms, returns and what a hostile broker may say; by RabbitMQ's "Consumer Acknowledgements and Publisher
 * Confirms" and the AMQP 0-9-1 reference. */
#include <amqp.h>
#include <errno.h>
#include <glib.h>

#include "plugins/amqp/frames.h"

struct scene {
	struct inflight f;
	struct frames s;
	GString *fates; /* "c" confirmed, "n", "r", "o", with the first row */
};

static void on_settled(void *arg, const struct inflight_message *m, enum inflight_fate fate)
{
	struct scene *p = arg;

	g_string_append_printf(p->fates, "%c%u ", "cnro"[fate], m -> rows[0].first);
}

static void scene_init(struct scene *p, unsigned window)
{
	p->fates = g_string_new(NULL);
	inflight_init(&p->f, window, on_settled, p);
	frames_init(&p->s, &p->f);
}

static void scene_fini(struct scene *p)
{
	inflight_fini(&p->f);
	g_string_free(p->fates, TRUE);
}

/* A message of one row in `copies` copies whose bodies are the letter `row`. */
static void send(struct scene *p, uint32_t row, unsigned copies)
{
	struct inflight_message *m = inflight_begin(&p->f);
	char body = (char)('a' + row);

	inflight_rows(m, 0, row);
	for (unsigned i = 0; i < copies; i++) {
		inflight_sent(&p->f, m, frames_hash(&body, 1), 1, i == 0);
	}
	inflight_end(&p->f, m);
}

#define SAID(p, text)                                                                              \
	do {                                                                                       \
		g_assert_cmpstr((p)->fates->str, ==, text);                                        \
		g_string_truncate((p)->fates, 0);                                                  \
	} while (0)

static int method(struct scene *p, int channel, amqp_method_number_t id, void *decoded)
{
	const amqp_frame_t frame = { .frame_type = AMQP_FRAME_METHOD,
				     .channel = (amqp_channel_t)channel,
				     .payload.method = { .id = id, .decoded = decoded } };

	return frames_take(&p->s, &frame);
}

static int ack(struct scene *p, uint64_t tag, bool multiple)
{
	amqp_basic_ack_t m = { .delivery_tag = tag, .multiple = multiple };

	return method(p, 1, AMQP_BASIC_ACK_METHOD, &m);
}

static void test_confirms(void)
{
	struct scene p;

	scene_init(&p, 4);
	for (uint32_t i = 0; i < 4; i++) {
		send(&p, i, 1);
	}
	g_assert_cmpint(ack(&p, 3, false), ==, 0); /* out of order */
	SAID(&p, "c2 ");
	g_assert_cmpuint(p.f.count, ==, 4);
	g_assert_cmpint(ack(&p, 2, true), ==, 0);
	SAID(&p, "c0 c1 ");
	g_assert_cmpuint(p.f.count, ==, 1);
	send(&p, 4, 3); /* round the ring */
	g_assert_cmpint(ack(&p, 6, true), ==, 0);
	SAID(&p, "c3 ");
	g_assert_cmpint(ack(&p, 0, true), ==, 0); /* all there are */
	SAID(&p, "c4 ");
	g_assert_cmpuint(p.f.count, ==, 0);
	scene_fini(&p);
	inflight_fini(NULL);
}

static void test_refusals(void)
{
	amqp_basic_nack_t nack = { .delivery_tag = 2 };
	struct scene p;

	scene_init(&p, 8);
	send(&p, 0, 1);
	send(&p, 1, 2);
	g_assert_cmpint(method(&p, 1, AMQP_BASIC_NACK_METHOD, &nack), ==, 0);
	SAID(&p, ""); /* its other copy is still on its way */
	g_assert_cmpint(ack(&p, 3, true), ==, 0);
	SAID(&p, "c0 n1 ");
	g_assert_cmpint(inflight_oversized(&p.f, 1), ==, 0);
	send(&p, 2, 1);
	g_assert_cmpint(inflight_oversized(&p.f, 1), ==, 1);
	SAID(&p, "o2 ");
	scene_fini(&p);
}

static int give(struct scene *p, int type, uint64_t size, const char *body)
{
	amqp_frame_t frame = { .frame_type = (uint8_t)type, .channel = 1 };

	if (type == AMQP_FRAME_HEADER) {
		frame.payload.properties.body_size = size;
	} else {
		frame.payload.body_fragment = amqp_cstring_bytes(body);
	}
	return frames_take(&p->s, &frame);
}

static amqp_basic_return_t no_route(void)
{
	return (amqp_basic_return_t){ .reply_code = 312,
				      .reply_text = amqp_cstring_bytes("NO_ROUTE"),
				      .exchange = amqp_cstring_bytes("x"),
				      .routing_key = amqp_cstring_bytes("k\n") };
}

static void test_returns(void)
{
	amqp_basic_return_t r = no_route();
	struct scene p;

	scene_init(&p, 8);
	send(&p, 0, 1);
	send(&p, 1, 1);
	g_assert_cmpint(method(&p, 1, AMQP_BASIC_RETURN_METHOD, &r), ==, 0);
	g_assert_cmpint(give(&p, AMQP_FRAME_HEADER, 1, NULL), ==, 0);
	g_assert_cmpint(give(&p, AMQP_FRAME_BODY, 0, "b"), ==, 0);
	g_assert_cmpint(ack(&p, 2, true), ==, 0);
	SAID(&p, "c0 r1 ");
	g_assert_cmpstr(p.s.returned, ==, "312 NO_ROUTE, exchange x, key k?");
	scene_fini(&p);
}

/* A peer that breaks the rules is told so; nothing is settled by it. */
static void test_hostile(void)
{
	amqp_basic_return_t r = no_route();
	struct scene p;

	scene_init(&p, 8);
	send(&p, 0, 1);
	g_assert_cmpint(ack(&p, 2, false), ==, -EPROTO);
	g_assert_cmpint(ack(&p, 2, true), ==, -EPROTO);
	g_assert_cmpint(ack(&p, 0, false), ==, -EPROTO);
	g_assert_cmpint(ack(&p, UINT64_MAX, true), ==, -EPROTO);
	g_assert_cmpint(give(&p, AMQP_FRAME_HEADER, 1, NULL), ==, -EPROTO);
	g_assert_cmpint(give(&p, AMQP_FRAME_BODY, 0, "x"), ==, -EPROTO);
	g_assert_cmpint(method(&p, 1, AMQP_BASIC_DELIVER_METHOD, NULL), ==, -EPROTO);
	g_assert_cmpint(method(&p, 7, AMQP_BASIC_ACK_METHOD, NULL), ==, -EPROTO);
	g_assert_cmpint(method(&p, 1, AMQP_BASIC_RETURN_METHOD, &r), ==, 0);
	g_assert_cmpint(ack(&p, 1, false), ==, -EPROTO); /* amid a returned message */
	g_assert_cmpint(give(&p, AMQP_FRAME_HEADER, UINT64_MAX, NULL), ==, -EPROTO);
	g_assert_cmpint(give(&p, AMQP_FRAME_HEADER, 1, NULL), ==, 0);
	g_assert_cmpint(give(&p, AMQP_FRAME_BODY, 0, "zz"), ==, -EPROTO);
	g_assert_cmpint(give(&p, AMQP_FRAME_BODY, 0, "z"), ==, -EPROTO); /* never sent */
	SAID(&p, "");
	g_assert_cmpint(ack(&p, 1, false), ==, 0);
	g_assert_cmpint(ack(&p, 1, false), ==, -EPROTO);
	SAID(&p, "c0 ");
	scene_fini(&p);
}

static void test_states(void)
{
	amqp_connection_blocked_t blocked = { .reason = amqp_cstring_bytes("low on memory") };
	amqp_channel_close_t close = { .reply_code = 404,
				       .reply_text = amqp_cstring_bytes("NOT_FOUND") };
	struct scene p;

	scene_init(&p, 8);
	g_assert_cmpint(method(&p, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked), ==, 0);
	g_assert_true(p.s.blocked);
	g_assert_cmpstr(p.s.text, ==, "low on memory");
	g_assert_cmpint(method(&p, 0, AMQP_CONNECTION_UNBLOCKED_METHOD, NULL), ==, 0);
	g_assert_false(p.s.blocked);
	g_assert_cmpint(method(&p, 1, AMQP_CHANNEL_CLOSE_METHOD, &close), ==, 0);
	g_assert_cmpint(p.s.state, ==, FRAMES_CHANNEL_CLOSED);
	g_assert_cmpint(p.s.code, ==, 404);
	g_assert_cmpint(ack(&p, 9, false), ==, 0); /* too late to matter */
	scene_fini(&p);
}

/* A new channel forgets what was on its way, and uses its memory again. */
static void test_reset(void)
{
	struct scene p;

	scene_init(&p, 4);
	send(&p, 0, 2);
	send(&p, 1, 1);
	g_assert_cmpint(ack(&p, 1, false), ==, 0);
	inflight_reset(&p.f);
	SAID(&p, "");
	g_assert_cmpuint(p.f.count, ==, 0);
	send(&p, 2, 1);
	g_assert_cmpint(ack(&p, 1, false), ==, 0);
	SAID(&p, "c2 ");
	scene_fini(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amqp/inflight/confirms", test_confirms);
	g_test_add_func("/amqp/inflight/refusals", test_refusals);
	g_test_add_func("/amqp/inflight/returns", test_returns);
	g_test_add_func("/amqp/inflight/hostile", test_hostile);
	g_test_add_func("/amqp/inflight/states", test_states);
	g_test_add_func("/amqp/inflight/reset", test_reset);
	return g_test_run();
}
