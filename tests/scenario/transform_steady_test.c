/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transformers in the steady state take nothing from the heap, by a count of all calls of the heap in the
 * process: 2000 instances, 30 meters, match, rate_of_change and unit_conversion.
 */
#include "tests/scenario/transform_load.h"

#include "model/alloc_count.h"

enum { INSTANCES = 2000, METERS = 30, WARM = 3, CYCLES = 8 };

static void test_steady(void)
{
	struct load l;
	struct pipeline_ledger ledger;

	load_init(&l, INSTANCES, METERS);
	for (unsigned c = 0; c < CYCLES; c++) {
		struct frame *in = load_frame(&l), *out;
		uint64_t calls;

		alloc_count_begin();
		out = pipeline_route(l.set, in, &l.out);
		calls = alloc_count();
		if (c == 0) {
			g_assert_cmpuint(calls, >, 0); /* it does count */
			g_assert_null(out); /* no series has a second sample yet */
		} else {
			g_assert_cmpuint(out->rows, ==, INSTANCES * METERS);
			g_assert_cmpstr(out->public.batch[7].name, ==, "rate.7");
			g_assert_cmpstr(out->public.batch[7].unit, ==, "KiB/s");
			/* 60 s: 1000003 × (i + 1) / 60 × 100 / (10⁹ × vCPUs) / 1024 */
			g_assert_true(out->public.batch[7].value[1].d ==
				      100.0 / 2e9 * (2000006 / 60.0) / 1024);
		}
		if (c >= WARM) {
			g_assert_cmpuint(calls, ==, 0);
		}
		frame_unref(in);
		frame_unref(out);
	}
	pipeline_ledger(l.pipeline, &ledger);
	g_assert_cmpuint(ledger.in, ==, CYCLES * INSTANCES * METERS);
	g_assert_cmpuint(ledger.out, ==, (CYCLES - 1) * INSTANCES * METERS);
	g_assert_cmpuint(ledger.in, ==,
			 ledger.out + ledger.filtered + ledger.consumed - ledger.made);
	load_fini(&l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/transform/steady", test_steady);
	return g_test_run();
}
