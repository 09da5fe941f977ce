/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration changes while the agent runs: other meters, another interval beside the first, another
 * publisher; then a broken file, which changes nothing.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#include "base/buf.h"

static uint64_t confirmed_before;

static void add_things(struct stage *stage)
{
	struct buf answer = BUF_INIT;

	confirmed_before = stage_outlet(stage, 0).ledger.confirmed;
	stage_write(stage, "polling.yaml",
		    "sources:\n  - name: a\n    interval: 60\n    meters: [cpu]\n"
		    "  - name: b\n    interval: 10\n    meters: ['network.*']\n");
	stage_write(stage, "pipeline.yaml",
		    "sources:\n  - name: all\n    meters: ['*']\n    sinks: [one, two]\n"
		    "sinks:\n  - name: one\n    publishers: ['test://?keep=1000000']\n"
		    "  - name: two\n    publishers: ['test://?keep=1000001']\n");
	g_assert_cmpint(agent_reload(stage->agent, &answer), ==, 0);
	g_assert_cmpuint(stage->agent->tasks->len, ==, 2);
	g_assert_cmpuint(stage->agent->outlets->len, ==, 2);
	/* the publisher that is named again keeps its ledger */
	g_assert_cmpuint(stage_outlet(stage, 0).ledger.confirmed, ==, confirmed_before);
	buf_fini(&answer);
}

static void break_it(struct stage *stage)
{
	struct buf answer = BUF_INIT;

	stage_write(
		stage, "pipeline.yaml",
		"sources:\n  - name: all\n    meters: ['*']\n    sinks: [nowhere]\nsinks: []\n");
	stage_write(stage, "polling.yaml",
		    "sources:\n  - name: b\n    interval: 0\n    meters: [cpu]\n");
	g_assert_cmpint(agent_reload(stage->agent, &answer), <, 0);
	g_assert_nonnull(strstr(answer.data, "pipeline.yaml:"));
	g_assert_nonnull(strstr(answer.data, "polling.yaml:3:15: Interval value should > 0"));
	g_assert_nonnull(strstr(answer.data, "the old configuration stays in force"));
	g_assert_cmpuint(stage->agent->tasks->len, ==, 2);
	buf_fini(&answer);
}

static void remove_things(struct stage *stage)
{
	struct buf answer = BUF_INIT;

	stage_write(stage, "polling.yaml",
		    "sources:\n  - name: b\n    interval: 10\n    meters: [cpu, cpuu]\n");
	stage_write(stage, "pipeline.yaml",
		    "sources:\n  - name: all\n    meters: ['*']\n    sinks: [one]\n"
		    "sinks:\n  - name: one\n    publishers: ['test://?keep=1000000']\n");
	g_assert_cmpint(agent_reload(stage->agent, &answer), ==, 0);
	g_assert_true(g_str_has_prefix(
		answer.data,
		"{\"reloaded\":true,\"message\":\"the new configuration is in force\","));
	g_assert_nonnull(strstr(answer.data, "polling.yaml:4:19: no meter matches cpuu"));
	g_assert_cmpuint(stage->agent->tasks->len, ==, 1);
	g_assert_cmpuint(stage->agent->outlets->len, ==, 1);
	buf_fini(&answer);
}

static void test_reload(void)
{
	struct stage stage = { NULL };
	struct outlet_status st;
	unsigned counts[3] = { 0 };
	const void *store;

	stage_open(&stage, "[simulated]\ninstances = 1\nstopped = 0\ndisks = 1\nnics = 1\n", 60,
		   "'test://?keep=1000000'");
	stage_at(&stage, HOUR, add_things);
	stage_at(&stage, 2 * HOUR, break_it);
	stage_at(&stage, 3 * HOUR, remove_things);
	g_assert_cmpint(stage_run(&stage, 4 * HOUR), ==, 0);
	st = stage_outlet(&stage, 0);
	g_assert_cmpuint(st.ledger.confirmed, ==, st.ledger.produced);
	store = stage_test(&stage, 0);
	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		counts[0] += strcmp(s->name, "cpu") == 0;
		counts[1] += strcmp(s->name, "network.incoming.bytes") == 0;
		counts[2] += strcmp(s->name, "vm.outcome") == 0;
	}
	/* cpu: three hours a minute apart, one hour ten seconds apart */
	g_assert_cmpint(ABS((int)counts[0] - (3 * 60 + 360)), <=, 4);
	/* network: one hour a minute apart, two hours ten seconds apart */
	g_assert_cmpint(ABS((int)counts[1] - (60 + 2 * 360)), <=, 4);
	g_assert_cmpint(ABS((int)counts[2] - 60), <=, 1);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/reload", test_reload);
	return g_test_run();
}
