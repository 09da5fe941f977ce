/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a broker says: librabbitmq takes them to frames, plugins/amqp makes confirms, returns and
 * closes of them.  No message is settled twice, none that was not sent, and memory stays as small as the
 * input.
 */
#include <amqp.h>
#include <glib.h>

#include "plugins/amqp/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 12, FRAMES_MOST = 4096 };

static void on_settled(void *arg, const struct inflight_message *m, enum inflight_fate fate)
{
	unsigned *seen = arg;

	g_assert_cmpuint(m->count, ==, 1);
	g_assert_cmpuint(m->rows[0].first, <, MESSAGES);
	g_assert_false(*seen & 1u << m->rows[0].first);
	g_assert_cmpint(fate, <=, INFLIGHT_OVERSIZED);
	*seen |= 1u << m->rows[0].first;
}

/* Messages of one to three copies; the body of message i is i letters. */
static void send_all(struct inflight *f)
{
	static const char body[] = "abcdefghijklmnop";

	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct inflight_message *m = inflight_begin(f);

		inflight_rows(m, 0, i);
		for (uint32_t copy = 0; copy <= i % 3; copy++) {
			inflight_sent(f, m, frames_hash(body, i), i, copy == 0);
		}
		inflight_end(f, m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	amqp_connection_state_t c = amqp_new_connection();
	struct inflight inflight;
	struct frames frames;
	unsigned seen = 0, taken = 0;
	size_t at = 0;

	g_assert(c);
	inflight_init(&inflight, 64, on_settled, &seen);
	frames_init(&frames, &inflight);
	send_all(&inflight);
	while (at < size && taken++ < FRAMES_MOST && frames.state == FRAMES_OPEN) {
		amqp_bytes_t rest = { size - at, (void *)(uintptr_t)(data + at) };
		amqp_frame_t frame;
		int n = amqp_handle_input(c, rest, &frame);

		if (n <= 0) {
			break;
		}
		at += (size_t)n;
		if (frame.frame_type != 0 && frame.frame_type != 'A' &&
		    frames_take(&frames, &frame) < 0) {
			g_assert(frames.text[0]);
			break;
		}
		amqp_maybe_release_buffers(c);
	}
	g_assert_cmpuint(inflight.count, <=, 64);
	inflight_fini(&inflight);
	amqp_destroy_connection(c);
	return 0;
}
