/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three days of a quiet host at the usual ten minutes: no cycle is missed, all are on the host's phase,
 * every sample arrives once, counters only grow, and nothing is retried.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#define INTERVAL 600

/* For every series: time and value of its last sample. */
static void check_series(const void *store)
{
	GHashTable *last = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i), *before;
		char *key = g_strdup_printf("%s %s", s->name, s->resource);
		char *id = g_strdup_printf("%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
					   ((const uint64_t *)(const void *)s->id)[0],
					   ((const uint64_t *)(const void *)s->id)[1]);

		g_assert_true(g_hash_table_add(ids, id)); /* no message id twice */
		before = g_hash_table_lookup(last, key);
		if (before) {
			g_assert_cmpint(s->time_ns, >, before->time_ns);
			if (s->type == VMT_CUMULATIVE && s->kind == VMT_UINT64) {
				g_assert_cmpuint(s->value.u, >=, before->value.u);
			}
		}
		g_hash_table_replace(last, key, (void *)(uintptr_t)s);
	}
	g_hash_table_destroy(last);
	g_hash_table_destroy(ids);
}

static void test_days(void)
{
	struct stage stage = { NULL };
	struct outlet_status st;
	struct task_status task;
	const void *store;
	int64_t phase = -1, time = 0;

	stage_open(&stage, "[simulated]\ninstances = 3\nstopped = 1\n", INTERVAL,
		   "'test://?keep=1000000'");
	g_assert_cmpint(stage_run(&stage, 3 * DAY), ==, 0);
	task = stage_task(&stage, 0);
	/* one at once, the others at the phase: one more or less by where the phase lies */
	g_assert_cmpuint(task.cycles, >=, 3 * 86400 / INTERVAL);
	g_assert_cmpuint(task.cycles, <=, 3 * 86400 / INTERVAL + 1);
	g_assert_cmpuint(task.overruns, ==, 0);
	st = stage_outlet(&stage, 0);
	g_assert_cmpuint(st.ledger.confirmed, ==, st.ledger.produced);
	g_assert_cmpint(st.state, ==, OUTLET_OK);
	store = stage_test(&stage, 0);
	g_assert_cmpuint(test_publisher_count(store), ==, st.ledger.produced);
	check_series(store);
	for (size_t i = 0, cycle = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		if (s->time_ns / NS_PER_S == time) {
			continue;
		}
		time = s->time_ns / NS_PER_S;
		if (cycle++ > 0) {
			phase = phase < 0 ? time % INTERVAL : phase;
			g_assert_cmpint(time % INTERVAL, ==, phase);
		}
	}
	g_assert_cmpint(phase, >=, 0);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/days", test_days);
	return g_test_run();
}
