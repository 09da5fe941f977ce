/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages encoded and signed, and decoded and verified, beside a bare HMAC-SHA256 over the same bytes, a cycle of
 * 1000 instances out of cache.  Prints CPU time per sample, and the share of the bare rate; exit status 1 when a
 * target is missed.
 * Usage: message-bench [ROUNDS]
 */
#include "bare_hmac.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cycle_fixture.h"
#include "model/frame.h"
#include "wire/message.h"
#include "wire/message_read.h"

#include <stdlib.h>

enum { CHUNK = 256 << 10, SAMPLES = (METERS + DEVICE_METERS) * INSTANCES, LIST = 50 };

static const double target = 0.5; /* of the bare rate, encoded */
static const double most = 3.0; /* times the bare time, decoded */

static void cycle(struct message_encoder *e, struct buf *out, size_t keep)
{
	for (int m = 0; m < METERS + DEVICE_METERS; m++) {
		struct vmt_batch b = bench_batch(m);

		message_encoder_batch(e, &b);
		for (uint32_t row = 0; row < b.count; row++) {
			if (message_encoder_put(e, row, out)) {
				abort();
			}
			if (out->len >= keep) {
				message_encoder_finish(e);
				buf_reset(out);
			}
		}
	}
	message_encoder_finish(e);
}

/* Each message's worth of bytes, keyed once, from memory that no cache holds. */
static void bare(EVP_MAC_CTX *mac, const struct buf *bytes)
{
	size_t each = bytes->len / SAMPLES;

	for (size_t i = 0; i < SAMPLES; i++) {
		bare_hmac(mac, bytes->data + i * each, each);
	}
}

static double best(double known, int64_t begin_ns)
{
	double ns = (double)(clock_cpu_thread() - begin_ns) / SAMPLES;

	return known == 0 || ns < known ? ns : known;
}

static bool measure(const char *what, enum message_form form, int rounds)
{
	struct message_options o = {
		.form = form, .profile = VMT_PROFILE_26, .dialect = FLATTEN_PY3, .secret = "secret"
	};
	struct message_encoder *e = message_encoder_new(&o);
	struct buf whole = BUF_INIT, out = BUF_INIT;
	EVP_MAC_CTX *mac = bare_hmac_new();
	double ours = 0, theirs = 0, ratio;

	cycle(e, &whole, SIZE_MAX); /* fills what is kept, too */
	for (int i = 0; i < rounds; i++) {
		int64_t begin = clock_cpu_thread();

		buf_reset(&out);
		cycle(e, &out, CHUNK);
		ours = best(ours, begin);
		begin = clock_cpu_thread();
		bare(mac, &whole);
		theirs = best(theirs, begin);
	}
	ratio = theirs / ours;
	printf("%-8s %5zu bytes  bare HMAC-SHA256 %6.0f ns, encoded and signed %6.0f ns: %.2f of its "
	       "rate  >= %.1f  %s\n",
	       what, whole.len / SAMPLES, theirs, ours, ratio, target,
	       ratio >= target ? "met" : "MISSED");
	EVP_MAC_CTX_free(mac);
	message_encoder_free(e);
	buf_fini(&whole);
	buf_fini(&out);
	return ratio >= target;
}

/* The cycle in lists of LIST samples of one meter, as a publisher sends them; where each ends in `ends`. */
static void lists(struct message_encoder *e, struct buf *out, size_t ends[SAMPLES / LIST])
{
	size_t n = 0;

	for (int m = 0; m < METERS + DEVICE_METERS; m++) {
		struct vmt_batch b = bench_batch(m);

		message_encoder_batch(e, &b);
		for (uint32_t row = 0; row < b.count; row++) {
			buf_putc(out, row % LIST ? ',' : '[');
			if (message_encoder_row(e, row, out)) {
				abort();
			}
			if (row % LIST == LIST - 1) {
				buf_putc(out, ']');
				ends[n++] = out->len;
			}
		}
	}
}

/* Read, verified, and made into frames. */
static void decode(struct message_reader *r, struct frame_builder *builder, const struct buf *bytes,
		   const size_t ends[SAMPLES / LIST], int64_t now_ns)
{
	struct message_tally tally = { 0 };

	for (size_t i = 0; i < SAMPLES / LIST; i++) {
		size_t from = i ? ends[i - 1] : 0;

		if (message_read_json(r, bytes->data + from, ends[i] - from, now_ns, &tally)) {
			abort();
		}
		frame_unref(message_reader_frame(r, builder, VMT_PROFILE_26, now_ns));
	}
	if (tally.taken != SAMPLES) {
		abort();
	}
}

static bool measure_decode(int rounds)
{
	const struct message_options o = { .form = MESSAGE_JSON,
					   .profile = VMT_PROFILE_26,
					   .dialect = FLATTEN_PY3,
					   .secret = "secret" };
	const struct message_read_options in = { .secret = "secret",
						 .bytes_max = MESSAGE_BYTES_MAX };
	struct message_encoder *e = message_encoder_new(&o);
	struct message_reader *r = message_reader_new(&in);
	struct frame_pool *pool = frame_pool_new(1);
	size_t *ends = g_new(size_t, SAMPLES / LIST);
	struct frame_builder builder;
	struct buf whole = BUF_INIT;
	EVP_MAC_CTX *mac = bare_hmac_new();
	double ours = 0, theirs = 0;

	frame_builder_init(&builder, pool);
	lists(e, &whole, ends);
	for (int i = 0; i < rounds; i++) {
		int64_t begin = clock_cpu_thread();

		decode(r, &builder, &whole, ends, bench_batch(0).time_ns + NS_PER_S);
		ours = best(ours, begin);
		begin = clock_cpu_thread();
		bare(mac, &whole);
		theirs = best(theirs, begin);
	}
	printf("%-8s %5zu bytes  bare HMAC-SHA256 %6.0f ns, decoded and verified %6.0f ns: %.2f times "
	       " <= %.1f  %s\n",
	       "JSON", whole.len / SAMPLES, theirs, ours, ours / theirs, most,
	       ours <= most * theirs ? "met" : "MISSED");
	frame_builder_fini(&builder);
	frame_pool_free(pool);
	EVP_MAC_CTX_free(mac);
	message_reader_free(r);
	message_encoder_free(e);
	buf_fini(&whole);
	g_free(ends);
	return ours <= most * theirs;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	bool met;

	fill();
	met = measure("JSON", MESSAGE_JSON, rounds);
	met &= measure("msgpack", MESSAGE_MSGPACK, rounds);
	met &= measure_decode(rounds);
	unfill();
	return met ? 0 : 1;
}
