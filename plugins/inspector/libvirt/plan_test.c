/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of time limits and of the dealing of domains to calls. */
#include "plugins/inspector/libvirt/plan.h"

#include "base/clock.h"

#include <glib.h>

static void test_patience(void)
{
	struct plan_durations d = { 0 };

	g_assert_cmpint(plan_limit(0, 5 * NS_PER_S), ==, 1250 * NS_PER_MS);
	g_assert_cmpint(plan_limit(0, 1 * NS_PER_S), ==, 1 * NS_PER_S);
	g_assert_cmpint(plan_limit(0, 600 * NS_PER_S), ==, 5 * NS_PER_S);
	g_assert_cmpint(plan_limit(7 * NS_PER_S, 10 * NS_PER_S), ==, 7 * NS_PER_S);
	g_assert_cmpint(plan_median(&d), ==, 0);
	g_assert_cmpint(plan_patience(&d, false), ==, 500 * NS_PER_MS);
	plan_took(&d, 20 * NS_PER_MS);
	g_assert_cmpint(plan_patience(&d, false), ==, 500 * NS_PER_MS);
	plan_took(&d, 300 * NS_PER_MS);
	plan_took(&d, 300 * NS_PER_MS);
	g_assert_cmpint(plan_median(&d), ==, 300 * NS_PER_MS);
	g_assert_cmpint(plan_patience(&d, false), ==, 600 * NS_PER_MS);
	g_assert_cmpint(plan_patience(&d, true), ==, 250 * NS_PER_MS);
	/* Only the last calls count. */
	for (int i = 0; i < PLAN_DURATIONS; i++) {
		plan_took(&d, NS_PER_S);
	}
	g_assert_cmpint(plan_patience(&d, false), ==, 2 * NS_PER_S);
	for (int i = 0; i < PLAN_DURATIONS; i++) {
		plan_took(&d, 60 * NS_PER_S);
	}
	g_assert_cmpint(plan_patience(&d, false), ==, PLAN_PATIENCE_MOST);
	/* A small list is an eighth, but no more than eight. */
	g_assert_cmpuint(plan_small(0), ==, 1);
	g_assert_cmpuint(plan_small(49), ==, 7);
	g_assert_cmpuint(plan_small(3), ==, 1);
	g_assert_cmpuint(plan_small(500), ==, 8);
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
	g_test_add_func("/plan/patience", test_patience);
	g_test_add_func("/plan/lists", test_lists);
	g_test_add_func("/plan/deal", test_deal);
	return g_test_run();
}
