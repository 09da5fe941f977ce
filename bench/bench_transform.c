/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 2000 instances × 30 meters through a source's patterns, rate_of_change and unit_conversion, beside a memcpy
 * of the columns that come out, from memory that no cache holds.  Prints ns per sample and stage; exit status
 * 1 when the target is missed.  Usage: transform-bench [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/scenario/transform_load.h"

enum { INSTANCES = 2000, METERS = 30, STAGES = 3, TARGET = 10 };

static double best(double known, int64_t begin_ns, double parts)
{
	double ns = (double)(clock_monotonic() - begin_ns) / parts;

	return known == 0 || ns < known ? ns : known;
}

/* The columns of a frame: what any stage at least has to move. */
static double copy(const struct frame *f, char *to, double known)
{
	size_t row = sizeof(*f->resource) + sizeof(*f->value) + sizeof(*f->index);
	int64_t begin = clock_monotonic();

	memcpy(to, f->resource, f->rows * sizeof(*f->resource));
	memcpy(to + f->rows * sizeof(*f->resource), f->value, f->rows * sizeof(*f->value));
	memcpy(to + f->rows * (row - sizeof(*f->index)), f->index, f->rows * sizeof(*f->index));
	return best(known, begin, (double)f->rows);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 30;
	double samples = (double)INSTANCES * METERS, all = 0, limit = 0, stage;
	char *to = g_malloc0(64 << 20), *flush = g_malloc0(64 << 20);
	const struct log_settings quiet = { .level = VMT_LOG_ERROR };
	struct vmt_error error;
	struct load l;

	log_init(&quiet, &error); /* first samples have no predecessor, in each meter */
	load_init(&l, INSTANCES, METERS);
	for (int i = -2; i < rounds; i++) {
		struct frame *in = load_frame(&l), *out;
		int64_t begin;

		memset(flush, i, 64 << 20); /* what the caches held */
		begin = clock_monotonic();
		out = pipeline_route(l.set, in, &l.out);
		all = i < 0 ? 0 : best(all, begin, samples);
		memset(flush, i, 64 << 20);
		limit = out ? copy(out, to, limit) : limit;
		frame_unref(in);
		frame_unref(out);
	}
	stage = all / STAGES;
	printf("%d instances, %d meters                     ns/sample   beside memcpy\n", INSTANCES,
	       METERS);
	printf("memcpy of the columns, out of cache     %9.2f\n", limit);
	printf("match, rate_of_change, unit_conversion  %9.2f       %.1f x\n", all, all / limit);
	printf("  each stage                            %9.2f       %.1f x  <= %d ns  %s\n", stage,
	       stage / limit, TARGET, stage <= TARGET ? "met" : "MISSED");
	load_fini(&l);
	g_free(flush);
	g_free(to);
	return stage <= TARGET ? 0 : 1;
}
