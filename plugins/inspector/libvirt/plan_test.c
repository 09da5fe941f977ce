/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of time limits and of the dealing of domains to calls. */
#include "plugins/inspector/libvirt/plan.h"

#include "base/clock.h"

#include <glib.h>

static void test_timeout(void)
{
	struct plan_durations d = { 0 };

	g_assert_cmpint(plan_median(&d), ==, 0);
	g_assert_cmpint(plan_timeout(&d, 0, 10 * NS_PER_S, false), ==, 30 * NS_PER_S);
	g_assert_cmpint(plan_timeout(&d, 7 * NS_PER_S, 10 * NS_PER_S, true), ==, 7 * NS_PER_S);
	plan_took(&d, 20 * NS_PER_MS);
	g_assert_cmpint(plan_timeout(&d, 0, 10 * NS_PER_S, false), ==, 1 * NS_PER_S);
	g_assert_cmpint(plan_timeout(&d, 0, 10 * NS_PER_S, true), ==, 30 * NS_PER_S);
	plan_took(&d, 300 * NS_PER_MS);
	plan_took(&d, 300 * NS_PER_MS);
	g_assert_cmpint(plan_median(&d), ==, 300 * NS_PER_MS);
	g_assert_cmpint(plan_timeout(&d, 0, 10 * NS_PER_S, false), ==, 3 * NS_PER_S);
	g_assert_cmpint(plan_timeout(&d, 0, 4 * NS_PER_S, false), ==, 2 * NS_PER_S);
	g_assert_cmpint(plan_timeout(&d, 0, 1 * NS_PER_S, false), ==, 1 * NS_PER_S);
	/* Only the last calls count. */
	for (int i = 0; i < PLAN_DURATIONS; i++) {
		plan_took(&d, 500 * NS_PER_MS);
	}
	g_assert_cmpint(plan_timeout(&d, 0, 600 * NS_PER_S, false), ==, 5 * NS_PER_S);
	for (int i = 0; i < PLAN_DURATIONS; i++) {
		plan_took(&d, INT64_MAX);
	}
	g_assert_cmpint(plan_timeout(&d, 0, 600 * NS_PER_S, false), ==, 300 * NS_PER_S);
}

static void test_lists(void)
{
	g_assert_cmpuint(plan_lists(0, 0, 1, PLAN_MESSAGE), ==, 1);
	g_assert_cmpuint(plan_lists(200 * 60, 200, 1, PLAN_MESSAGE), ==, 1);
	g_assert_cmpuint(plan_lists(200 * 60, 200, 4, PLAN_MESSAGE), ==, 4);
	g_assert_cmpuint(plan_lists(120, 2, 4, PLAN_MESSAGE), ==, 2);
	g_assert_cmpuint(plan_lists(PLAN_MESSAGE, 2, 1, PLAN_MESSAGE), ==, 1);
	g_assert_cmpuint(plan_lists(PLAN_MESSAGE + 1, 2, 1, PLAN_MESSAGE), ==, 2);
	g_assert_cmpuint(plan_lists(10 * PLAN_MESSAGE, 5, 1, PLAN_MESSAGE), ==, 5);
	g_assert_cmpuint(plan_lists(1, PLAN_LIST + 1, 1, PLAN_MESSAGE), ==, 2);
}

static void test_deal(void)
{
	enum { DOMAINS = 101, LISTS = 4 };

	uint32_t cost[DOMAINS];
	uint16_t list[DOMAINS];
	uint64_t sum[LISTS] = { 0 }, least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < DOMAINS; i++) {
		cost[i] = i % 10 == 0 ? 700 : 40 + (uint32_t)(i * 7919 % 50);
	}
	plan_deal(cost, DOMAINS, LISTS, list);
	for (size_t i = 0; i < DOMAINS; i++) {
		g_assert_cmpuint(list[i], <, LISTS);
		sum[list[i]] += cost[i];
	}
	for (size_t k = 0; k < LISTS; k++) {
		least = MIN(least, sum[k]);
		most = MAX(most, sum[k]);
	}
	g_assert_cmpuint(most - least, <, 90); /* less than one of the cheap ones makes */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/timeout", test_timeout);
	g_test_add_func("/plan/lists", test_lists);
	g_test_add_func("/plan/deal", test_deal);
	return g_test_run();
}
