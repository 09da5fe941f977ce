/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two days full of trouble, a minute apart: instances restart, hang, come and go, discovery fails, the
 * hypervisor goes away and is slow, the wall clock is set.  What can be metered is metered all the time,
 * what happened is counted, and no delta is ever taken over a restart.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#define INTERVAL 60
#define INSTANCES 6

static const char conf[] =
	"[simulated]\ninstances = 6\nstopped = 0\n"
	"script = +1h restart 0; +2h..+3h stuck 1; +4h..+5h gone 2; +6h..+8h blind; "
	"+9h..+10h down; +11h..+12h slow 150s; +13h..+14h partial 3; +15h..+16h vanish 4; "
	"+17h..+18h shuffle; +19h..+20h stop 5; +30h restart\n";

static size_t outcome_at[48][VMT_OUTCOMES];
static unsigned hour;

static void note_outcomes(struct stage *stage)
{
	struct task_status st = stage_task(stage, 0);

	memcpy(outcome_at[hour++], st.last.outcome, sizeof(st.last.outcome));
	/* the equation holds at any moment, not only at the end */
	stage_outlet(stage, 0);
}

static void set_clock_forward(struct stage *stage)
{
	clock_simulate_step(HOUR / 2);
}

static void set_clock_back(struct stage *stage)
{
	clock_simulate_step(-HOUR / 2);
}

/* Whole cycles of `vm.outcome`, the largest gap between them on the monotonic clock. */
static int64_t largest_gap(const void *store, const char *id)
{
	int64_t last = 0, gap = 0;

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		if (strcmp(s->name, "cpu") == 0 && g_str_has_prefix(s->resource, id)) {
			gap = last && s->mono_ns - last > gap ? s->mono_ns - last : gap;
			last = s->mono_ns;
		}
	}
	return gap;
}

static void check_deltas(const void *store)
{
	size_t deltas = 0;

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		if (s->type == VMT_DELTA) {
			deltas++;
			/* more than the simulated line can carry in a gap of hours would be a mistaken reset */
			g_assert_cmpuint(s->value.u, <, UINT64_C(1) << 50);
		}
	}
	g_assert_cmpuint(deltas, >, 1000);
}

static void test_trouble(void)
{
	struct stage stage = { NULL };
	struct outlet_status st;
	struct task_status task;
	const void *store;

	stage_open(&stage, conf, INTERVAL, "'test://?keep=10000000'");
	for (unsigned h = 0; h < 48; h++) {
		stage_at(&stage, h * HOUR + HOUR / 2, note_outcomes);
	}
	stage_at(&stage, 22 * HOUR, set_clock_forward);
	stage_at(&stage, 26 * HOUR, set_clock_back);
	g_assert_cmpint(stage_run(&stage, 2 * DAY), ==, 0);

	g_assert_cmpuint(outcome_at[0][VMT_OK], ==, INSTANCES);
	g_assert_cmpuint(outcome_at[1][VMT_OK], ==, INSTANCES);
	g_assert_cmpuint(outcome_at[2][VMT_STUCK], ==, 1);
	g_assert_cmpuint(outcome_at[2][VMT_OK], ==, INSTANCES - 1);
	g_assert_cmpuint(outcome_at[4][VMT_OK], ==, INSTANCES - 1); /* not listed: not there */
	g_assert_cmpuint(outcome_at[6][VMT_OK], ==, INSTANCES); /* the last good list serves */
	g_assert_cmpuint(outcome_at[9][VMT_UNREACHABLE], ==, INSTANCES);
	g_assert_cmpuint(outcome_at[13][VMT_PARTIAL], ==, 1);
	g_assert_cmpuint(outcome_at[15][VMT_GONE], ==, 1);
	g_assert_cmpuint(outcome_at[19][VMT_STOPPED], ==, 1);
	g_assert_cmpuint(outcome_at[40][VMT_OK], ==, INSTANCES);

	task = stage_task(&stage, 0);
	/* an hour of answers that take two and a half intervals: two of three runs are skipped, and told */
	g_assert_cmpuint(task.overruns, >=, 30);
	g_assert_cmpuint(task.overruns, <=, 60);
	g_assert_cmpuint(task.cycles + task.overruns, >=, 2 * 24 * 60 - 5);
	st = stage_outlet(&stage, 0);
	g_assert_cmpuint(st.ledger.confirmed, ==, st.ledger.produced);
	store = stage_test(&stage, 0);
	check_deltas(store);
	/* an instance that nothing happened to but the hour without hypervisor */
	g_assert_cmpint(largest_gap(store, test_publisher_at(store, 0)->resource), >=,
			HOUR - 2 * INTERVAL * NS_PER_S);
	g_assert_cmpint(largest_gap(store, test_publisher_at(store, 0)->resource), <=,
			HOUR + 2 * INTERVAL * NS_PER_S);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/trouble", test_trouble);
	return g_test_run();
}
