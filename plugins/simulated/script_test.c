/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script: what it takes, what it refuses, what holds when.  One thread.
 */
#include "plugins/simulated/script.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define S INT64_C(1000000000)
#define START (INT64_C(1767225600) * S)

static unsigned at(const struct script *s, uint32_t instance, int64_t seconds)
{
	return script_state(s, instance, START + seconds * S);
}

static void test_holds(void)
{
	struct script s;

	g_assert_cmpint(
		script_parse(
			" +10m..+20m stuck 3,5-6 ;; +1h restart 0-4;..+30s gone 7;"
			"@1767225700 partial; +10..+1.5m shuffle *; +2m.. blind; +90000ms slow 1.5s",
			START, &s, NULL),
		==, 0);
	g_assert_cmpuint(at(&s, 3, 599), ==,
			 SCRIPT_BIT(SCRIPT_PARTIAL) | SCRIPT_BIT(SCRIPT_BLIND) |
				 SCRIPT_BIT(SCRIPT_SLOW));
	g_assert_true(at(&s, 3, 600) & SCRIPT_BIT(SCRIPT_STUCK));
	g_assert_true(at(&s, 6, 1199) & SCRIPT_BIT(SCRIPT_STUCK));
	g_assert_false(at(&s, 4, 600) & SCRIPT_BIT(SCRIPT_STUCK));
	g_assert_false(at(&s, 3, 1200) & SCRIPT_BIT(SCRIPT_STUCK));
	g_assert_true(at(&s, 7, -1000000) & SCRIPT_BIT(SCRIPT_GONE));
	g_assert_cmpuint(at(&s, 7, 30), ==, SCRIPT_BIT(SCRIPT_SHUFFLE));
	g_assert_cmpuint(at(&s, 1, 99), ==, SCRIPT_BIT(SCRIPT_SLOW));
	g_assert_true(at(&s, 1, 100) & SCRIPT_BIT(SCRIPT_PARTIAL));
	g_assert_cmpint(script_slow(&s, START + 89 * S), ==, 0);
	g_assert_cmpint(script_slow(&s, START + 90 * S), ==, 3 * S / 2);
	g_assert_cmpint(script_restart(&s, 4, START + 3599 * S), ==, INT64_MIN);
	g_assert_cmpint(script_restart(&s, 4, START + 9999 * S), ==, START + 3600 * S);
	g_assert_cmpint(script_restart(&s, 5, START + 9999 * S), ==, INT64_MIN);
	g_assert_cmpint(script_next(&s, SCRIPT_BIT(SCRIPT_GONE), START), ==, START + 30 * S);
	g_assert_cmpint(script_next(&s, SCRIPT_BIT(SCRIPT_STUCK), START + 600 * S), ==,
			START + 1200 * S);
	g_assert_cmpint(script_next(&s, SCRIPT_BIT(SCRIPT_GONE), START + 30 * S), ==, INT64_MAX);
	script_fini(&s);
	script_fini(NULL);
}

static void test_empty(void)
{
	struct script s;

	g_assert_cmpint(script_parse(NULL, START, &s, NULL), ==, 0);
	g_assert_cmpuint(s.count, ==, 0);
	g_assert_cmpuint(at(&s, 0, 0), ==, 0);
	script_fini(&s);
	g_assert_cmpint(script_parse(" ; ", START, &s, NULL), ==, 0);
	g_assert_cmpuint(s.count, ==, 0);
	script_fini(&s);
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "explode 3", "\"explode 3\": no such verb" },
	{ "gone 1; +10x gone", "\"+10x gone\": no such verb" },
	{ "+m gone", "time not understood" },
	{ "+20m..+10m gone", "time not understood" },
	{ "@x gone", "time not understood" },
	{ "+999999999d gone", "time not understood" },
	{ "gone 5-3", "instances not understood" },
	{ "gone 1,", "instances not understood" },
	{ "gone 99999999999", "instances not understood" },
	{ "gone 1 2", "something stands behind it" },
	{ "slow", "slow needs a length" },
};

static void test_refuse(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct script s = { NULL, 42 };
		struct vmt_error e;

		g_assert_cmpint(script_parse(bad[i].text, START, &s, &e), ==, -EINVAL);
		g_assert_nonnull(strstr(e.text, bad[i].says));
		g_assert_cmpuint(s.count, ==, 42);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/script/holds", test_holds);
	g_test_add_func("/script/empty", test_empty);
	g_test_add_func("/script/refuse", test_refuse);
	return g_test_run();
}
