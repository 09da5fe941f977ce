/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-off: the pauses from the first failure on, where they end, and what is chosen by chance.  One thread.
 */
#include "base/backoff.h"
#include "base/clock.h"

#include <glib.h>

static const struct backoff_limits minute = { NS_PER_S, 60 * NS_PER_S };

static void test_next(void)
{
	static const int64_t want_s[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	int64_t pause_ns = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(want_s); i++) {
		pause_ns = backoff_next(pause_ns, &minute);
		g_assert_cmpint(pause_ns, ==, want_s[i] * NS_PER_S);
		g_assert_cmpint(backoff_after(i, &minute), ==, pause_ns);
	}
	g_assert_cmpint(backoff_after(UINT64_MAX, &minute), ==, 60 * NS_PER_S);
}

/* Pauses that did not come from here: those that the far side asked for, or of another interval. */
static void test_foreign(void)
{
	g_assert_cmpint(backoff_next(1, &minute), ==, NS_PER_S);
	g_assert_cmpint(backoff_next(NS_PER_S / 2, &minute), ==, NS_PER_S);
	g_assert_cmpint(backoff_next(NS_PER_S / 2 + 1, &minute), ==, NS_PER_S + 2);
	g_assert_cmpint(backoff_next(30 * NS_PER_S, &minute), ==, 60 * NS_PER_S);
	g_assert_cmpint(backoff_next(3600 * NS_PER_S, &minute), ==, 60 * NS_PER_S);
}

static void test_one_length(void)
{
	static const struct backoff_limits same = { NS_PER_S, NS_PER_S };

	g_assert_cmpint(backoff_next(0, &same), ==, NS_PER_S);
	g_assert_cmpint(backoff_next(NS_PER_S, &same), ==, NS_PER_S);
	g_assert_cmpint(backoff_after(7, &same), ==, NS_PER_S);
}

static void test_overflow(void)
{
	static const struct backoff_limits endless = { NS_PER_S, INT64_MAX },
					   odd = { 1, 2 * (INT64_C(1) << 61) + 1 };
	struct backoff b = { 0 };

	g_assert_cmpint(backoff_next(INT64_MAX, &minute), ==, 60 * NS_PER_S);
	g_assert_cmpint(backoff_next(INT64_MAX / 2, &endless), ==, INT64_MAX - 1);
	g_assert_cmpint(backoff_next(INT64_MAX / 2 + 1, &endless), ==, INT64_MAX);
	g_assert_cmpint(backoff_next(INT64_MAX, &endless), ==, INT64_MAX);
	g_assert_cmpint(backoff_next(INT64_C(1) << 61, &odd), ==, INT64_C(1) << 62);
	g_assert_cmpint(backoff_after(64, &endless), ==, INT64_MAX);

	backoff_fail(&b, &minute, INT64_MAX - NS_PER_S);
	g_assert_cmpint(b.until_ns, ==, INT64_MAX);
	backoff_fail(&b, &minute, INT64_MAX - NS_PER_S);
	g_assert_cmpint(b.pause_ns, ==, 2 * NS_PER_S);
	g_assert_cmpint(b.until_ns, ==, INT64_MAX);
}

static void test_reset(void)
{
	struct backoff b = { 0 };

	backoff_fail(&b, &minute, 100 * NS_PER_S);
	g_assert_cmpint(b.pause_ns, ==, NS_PER_S);
	g_assert_cmpint(b.until_ns, ==, 101 * NS_PER_S);
	backoff_fail(&b, &minute, 103 * NS_PER_S);
	g_assert_cmpint(b.pause_ns, ==, 2 * NS_PER_S);
	g_assert_cmpint(b.until_ns, ==, 105 * NS_PER_S);
	b = (struct backoff){ 0 };
	backoff_fail(&b, &minute, 200 * NS_PER_S);
	g_assert_cmpint(b.pause_ns, ==, NS_PER_S);
	g_assert_cmpint(b.until_ns, ==, 201 * NS_PER_S);
}

static void test_spread(void)
{
	const int64_t pause_ns = 8 * NS_PER_S, less_ns = 2 * NS_PER_S, more_ns = 3 * NS_PER_S;
	const uint64_t width = 5 * NS_PER_S;

	g_assert_cmpint(backoff_spread(pause_ns, less_ns, more_ns, 0), ==, 6 * NS_PER_S);
	g_assert_cmpint(backoff_spread(pause_ns, less_ns, more_ns, width - 1), ==,
			11 * NS_PER_S - 1);
	g_assert_cmpint(backoff_spread(pause_ns, less_ns, more_ns, width), ==, 6 * NS_PER_S);
	g_assert_cmpint(backoff_spread(pause_ns, less_ns, more_ns, 7 + width * 3), ==,
			6 * NS_PER_S + 7);
	g_assert_cmpint(backoff_spread(pause_ns, 0, more_ns, 2), ==, pause_ns + 2);
	g_assert_cmpint(backoff_spread(pause_ns, 0, 0, UINT64_MAX), ==, pause_ns);
	g_assert_cmpint(backoff_spread(3, 3 / 4, 3 / 4, UINT64_MAX), ==, 3);
	g_assert_cmpint(backoff_spread(INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2, UINT64_MAX), <,
			INT64_MAX);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/backoff/next", test_next);
	g_test_add_func("/backoff/foreign", test_foreign);
	g_test_add_func("/backoff/one-length", test_one_length);
	g_test_add_func("/backoff/overflow", test_overflow);
	g_test_add_func("/backoff/reset", test_reset);
	g_test_add_func("/backoff/spread", test_spread);
	return g_test_run();
}
