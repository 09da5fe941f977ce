/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of activity: monotone, bounded, lively, the same again.  One thread.
 */
#include "plugins/simulated/activity.h"

#include <glib.h>

#define SECOND INT64_C(1000000000)
#define START (INT64_C(1767225600) * SECOND)

static void test_monotone(void)
{
	static const int64_t steps[] = { 1, 999, 1000000, SECOND, 10 * SECOND, 300 * SECOND };

	for (uint64_t key = 1; key < 20; key++) {
		for (size_t s = 0; s < G_N_ELEMENTS(steps); s++) {
			double spread = (double)(key % 4) / 10;
			int64_t t = START, before = activity_at(key, spread, t);

			for (int i = 0; i < 3000; i++) {
				int64_t now = activity_at(key, spread, t += steps[s]);

				g_assert_cmpint(now, >=, before);
				g_assert_cmpint(
					now - before, <=,
					(int64_t)((double)steps[s] * activity_peak(spread)) + 2000);
				before = now;
			}
		}
	}
}

/* One per nanosecond in the long run: over whole days exactly. */
static void test_mean(void)
{
	for (uint64_t key = 1; key < 50; key++) {
		int64_t grown = activity_at(key, 0.3, START + 5 * 86400 * SECOND) -
				activity_at(key, 0.3, START);

		g_assert_cmpint(llabs(grown - 5 * 86400 * SECOND), <, 300 * SECOND);
	}
}

static void test_lively(void)
{
	int64_t least = INT64_MAX, most = 0;

	for (int i = 0; i < 360; i++) {
		int64_t t = START + i * 10 * SECOND;
		int64_t grown = activity_at(3, 0.25, t + 10 * SECOND) - activity_at(3, 0.25, t);

		least = MIN(least, grown);
		most = MAX(most, grown);
	}
	g_assert_cmpint(most, >, 5 * least);
}

static void test_level(void)
{
	double before = activity_level(9, START);

	for (int i = 1; i < 5000; i++) {
		double now = activity_level(9, START + i * SECOND);

		g_assert_cmpfloat(now, >=, 0);
		g_assert_cmpfloat(now, <, 1);
		g_assert_cmpfloat(ABS(now - before), <, 1.0 / 100);
		before = now;
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/activity/monotone", test_monotone);
	g_test_add_func("/activity/mean", test_mean);
	g_test_add_func("/activity/lively", test_lively);
	g_test_add_func("/activity/level", test_level);
	return g_test_run();
}
