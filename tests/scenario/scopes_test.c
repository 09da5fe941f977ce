/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that look at different instances at one interval, in Juno's shape: one has all meters of a named
 * instance, one the CPU of all, one a discovery that does not exist and so, as in Ceilometer, the agent's
 * own.  Each instance is polled once a cycle, and each source's samples go to its own sink only.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#include "agent/instances.h"
#include "base/buf.h"
#include "model/snapshot.h"

static char *named; /* id of the instance that a source names */

static unsigned count(const void *store, const char *meter, bool of_named)
{
	unsigned n = 0;

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		n += strcmp(s->name, meter) == 0 &&
		     g_str_has_prefix(s->resource, named) == of_named;
	}
	return n;
}

static void test_scopes(void)
{
	struct stage stage = { NULL };
	struct buf answer = BUF_INIT;
	const struct basis *basis;
	struct snapshot *list;
	atomic_bool cancel = false;
	const struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &cancel };
	struct vmt_error error = { .text = "" };
	const void *one, *two, *three;
	unsigned cycles, other;

	stage_open(&stage, "[simulated]\ninstances = 5\nstopped = 0\ndisks = 1\nnics = 1\n", 60,
		   "'test://?keep=1000000'");
	basis = g_ptr_array_index(stage.agent->bases, 0);
	list = instances_get(basis->list[0].instances, &call, &error);
	g_assert_nonnull(list);
	named = g_strdup(list->list.instances[2].id);
	snapshot_unref(list);
	stage_write(
		&stage, "pipeline.yaml",
		"sources:\n"
		"- {name: a, interval: 60, meters: ['*'], resources: ['%s', nobody], sinks: [one]}\n"
		"- {name: b, interval: 60, meters: [cpu], sinks: [two]}\n"
		"- {name: c, interval: 60, meters: [memory.usage], discovery: ['nosuch://x'], "
		"sinks: [three]}\n"
		"sinks:\n- {name: one, transformers: , publishers: ['test://?keep=1000000']}\n"
		"- {name: two, transformers: , publishers: ['test://?keep=1000001']}\n"
		"- {name: three, transformers: , publishers: ['test://?keep=1000002']}\n",
		named);
	g_assert_cmpint(agent_reload(stage.agent, &answer), ==, 0);
	g_assert_cmpuint(stage.agent->tasks->len, ==, 1);
	g_assert_cmpint(stage_run(&stage, HOUR), ==, 0);
	cycles = (unsigned)stage_task(&stage, 0).cycles;
	g_assert_cmpuint(cycles, >=, 59);
	/* what was read: five instances a cycle, not seven or ten */
	other = 0;
	for (unsigned o = 0; o < VMT_OUTCOMES; o++) {
		other += (unsigned)stage_task(&stage, 0).last.outcome[o];
	}
	g_assert_cmpuint(other, ==, 5);
	one = stage_test(&stage, 0);
	two = stage_test(&stage, 1);
	three = stage_test(&stage, 2);
	g_assert_cmpuint(count(one, "cpu", true), ==, cycles);
	g_assert_cmpuint(count(one, "memory.usage", true), ==, cycles);
	g_assert_cmpuint(count(one, "network.incoming.bytes", false), >, 0); /* a NIC's own id */
	g_assert_cmpuint(count(one, "cpu", false), ==, 0);
	g_assert_cmpuint(count(one, "memory.usage", false), ==, 0);
	g_assert_cmpuint(count(two, "cpu", true), ==, cycles);
	g_assert_cmpuint(count(two, "cpu", false), ==, 4 * cycles);
	g_assert_cmpuint(count(two, "memory.usage", true), ==, 0);
	g_assert_cmpuint(count(three, "memory.usage", false), ==, 4 * cycles);
	g_assert_cmpuint(count(three, "memory.usage", true), ==, cycles);
	g_assert_cmpuint(count(three, "cpu", true), ==, 0);
	stage_close(&stage);
	buf_fini(&answer);
	g_free(named);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/scopes", test_scopes);
	return g_test_run();
}
