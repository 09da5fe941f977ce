/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of when memory is given back. */
#include "agent/trim.h"

#include <glib.h>

#define MB ((size_t)1 << 20)

static void test_soon(void)
{
	struct trim t;

	trim_begin(&t, 100 * NS_PER_S, 160 * NS_PER_S);
	g_assert_cmpint(t.look_ns, ==, 100 * NS_PER_S + NS_PER_S / 2);
	g_assert_true(trim_look(&t, t.look_ns, 160 * NS_PER_S, 2 * MB));
	trim_begin(&t, 160 * NS_PER_S, 220 * NS_PER_S);
	g_assert_false(trim_look(&t, t.look_ns, 220 * NS_PER_S, MB / 32)); /* not worth it */
	g_assert_true(trim_look(&t, t.look_ns, 220 * NS_PER_S, MB / 8));
}

/* An answer that comes after the first look is given back by a later one, and what stays free is not gone after
 * again. */
static void test_late(void)
{
	const int64_t next_ns = 160 * NS_PER_S;
	struct trim t;
	int looks = 0;

	trim_begin(&t, 100 * NS_PER_S, next_ns);
	g_assert_true(trim_look(&t, t.look_ns, next_ns, MB));
	t.kept = MB;
	g_assert_false(trim_look(&t, t.look_ns, next_ns, MB));
	g_assert_true(trim_look(&t, t.look_ns, next_ns, 3 * MB));
	t.kept = 3 * MB;
	while (t.look_ns != INT64_MAX) {
		g_assert_false(trim_look(&t, t.look_ns, next_ns, 3 * MB));
		looks++;
	}
	g_assert_cmpint(looks, <=, 5); /* each twice as far away */
}

static void test_close(void)
{
	struct trim t;

	trim_begin(&t, 100 * NS_PER_S, 104 * NS_PER_S);
	g_assert_cmpint(t.look_ns, ==, INT64_MAX);
	trim_begin(&t, 100 * NS_PER_S, INT64_MAX); /* none comes */
	g_assert_cmpint(t.look_ns, <, 101 * NS_PER_S);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/trim/soon", test_soon);
	g_test_add_func("/trim/late", test_late);
	g_test_add_func("/trim/close", test_close);
	return g_test_run();
}
