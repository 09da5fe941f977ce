/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages encoded and signed beside a bare HMAC-SHA256 over the same bytes, a cycle of 1000 instances out of
 * cache.  Prints CPU time per sample, and the share of the bare rate; exit status 1 when a target is missed.
 * Usage: message-bench [ROUNDS]
 */
#include "bare_hmac.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cycle_fixture.h"
#include "wire/message.h"

#include <stdlib.h>

enum { CHUNK = 256 << 10, SAMPLES = (METERS + DEVICE_METERS) * INSTANCES };

static const double target = 0.5;

static void cycle(struct message_encoder *e, struct buf *out, size_t keep)
{
	for (int m = 0; m < METERS + DEVICE_METERS; m++) {
		struct vmt_batch b = bench_batch(m);

		message_encoder_batch(e, &b);
		for (uint32_t row = 0; row < b.count; row++) {
			if (message_encoder_row(e, row, out)) {
				abort();
			}
			if (out->len >= keep) {
				buf_reset(out);
			}
		}
	}
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

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	bool met;

	fill();
	met = measure("JSON", MESSAGE_JSON, rounds);
	met &= measure("msgpack", MESSAGE_MSGPACK, rounds);
	unfill();
	return met ? 0 : 1;
}
