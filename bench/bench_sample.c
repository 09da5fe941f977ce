/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of samples beside a bare copy of the same bytes: a cycle of 1000 instances with two disks
 * and a NIC each, ten meters of the instance and 28 of its devices, so that text and metadata come
 * from far beyond the caches.  Prints ns per sample.  Usage: sample-bench [ROUNDS]
 */
#include "base/buf.h"
#include "base/clock.h"
#include "cycle_fixture.h"
#include "wire/sample.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 256 << 10 };

static void one_batch(struct sample_encoder *e, struct buf *out, const struct vmt_batch *b,
		      size_t keep)
{
	sample_encoder_batch(e, b);
	for (uint32_t row = 0; row < b->count; row++) {
		sample_encoder_row(e, row, out);
		buf_putc(out, '\n');
		if (out->len >= keep) {
			buf_reset(out);
		}
	}
}

/* All samples of a cycle, into one buffer that is begun anew past `keep` bytes; answers their number. */
static int cycle(struct sample_encoder *e, struct buf *out, size_t keep)
{
	for (int m = 0; m < METERS + DEVICE_METERS; m++) {
		struct vmt_batch b = bench_batch(m);

		one_batch(e, out, &b, keep);
	}
	return (METERS + DEVICE_METERS) * INSTANCES;
}

/* The best of so many rounds, ns per sample. */
static double measure(enum sample_form form, struct buf *out, size_t keep, int rounds)
{
	struct sample_encoder e;
	double best = 0;

	sample_encoder_init(&e, form, VMT_PROFILE_26);
	for (int i = 0; i <= rounds; i++) { /* the first fills what is kept */
		int64_t start = clock_monotonic();
		double ns;
		int n;

		buf_reset(out);
		n = cycle(&e, out, keep);
		ns = (double)(clock_monotonic() - start) / n;
		if (i > 0 && (best == 0 || ns < best)) {
			best = ns;
		}
	}
	sample_encoder_fini(&e);
	return best;
}

/* A bare copy of the bytes, a sample at a time. */
static double measure_copy(const struct buf *from, int samples, int rounds)
{
	char *to = g_malloc0(from->len);
	size_t each = from->len / (size_t)samples;
	double best = 0;

	for (int i = 0; i < rounds; i++) {
		int64_t start = clock_monotonic();
		double ns;

		for (size_t at = 0; at + each <= from->len; at += each) {
			memcpy(to + at, from->data + at, each);
		}
		ns = (double)(clock_monotonic() - start) / samples;
		if (best == 0 || ns < best) {
			best = ns;
		}
	}
	g_free(to);
	return best;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	int samples = (METERS + DEVICE_METERS) * INSTANCES;
	struct buf out = BUF_INIT;
	double copy, json, chunk, text;

	fill();
	json = measure(SAMPLE_JSON, &out, SIZE_MAX, rounds);
	copy = measure_copy(&out, samples, rounds);
	printf("samples of %zu bytes, out of cache      ns/sample   beside memcpy\n",
	       out.len / (size_t)samples);
	printf("memcpy                                  %9.0f\n", copy);
	printf("JSON, a cycle in one buffer             %9.0f       %.1f x\n", json, json / copy);
	chunk = measure(SAMPLE_JSON, &out, CHUNK, rounds);
	printf("JSON, a buffer of 256 KiB               %9.0f       %.1f x\n", chunk, chunk / copy);
	text = measure(SAMPLE_PYTEXT, &out, CHUNK, rounds);
	printf("Python text, a buffer of 256 KiB        %9.0f       %.1f x\n", text, text / copy);
	buf_fini(&out);
	unfill();
	return 0;
}
