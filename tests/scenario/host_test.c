/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources whose discovery is local_node, the host itself: they have the host's own meters and no instances but those
 * they name, beside sources of the same interval that have them all, and by themselves.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#include "agent/instances.h"
#include "base/buf.h"
#include "model/snapshot.h"

extern const struct vmt_plugin vmt_plugin_discovery_local_node;

enum { INSTANCES = 5 };

/* Samples of the meter, and how many samples there are that are none of the host's meters. */
static unsigned count(const void *store, const char *meter, unsigned *ret_others)
{
	unsigned n = 0;

	*ret_others = 0;
	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);

		n += strcmp(s->name, meter) == 0;
		*ret_others += !g_str_has_prefix(s->name, "vm.host.");
	}
	return n;
}

static char *third_instance(const struct stage *stage)
{
	const struct basis *basis = g_ptr_array_index(stage->agent->bases, 0);
	atomic_bool cancel = false;
	const struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &cancel };
	struct vmt_error error = { .text = "" };
	struct snapshot *list = instances_get(basis->list[0].instances, &call, &error);
	char *id;

	g_assert_nonnull(list);
	g_assert_cmpuint(list->list.count, ==, INSTANCES);
	id = g_strdup(list->list.instances[2].id);
	snapshot_unref(list);
	return id;
}

static unsigned asked(struct stage *stage, guint task)
{
	struct task_status st = stage_task(stage, task);
	unsigned n = 0;

	for (unsigned o = 0; o < VMT_OUTCOMES; o++) {
		n += (unsigned)st.last.outcome[o];
	}
	return n;
}

static void test_host(void)
{
	struct stage stage = { NULL };
	struct buf answer = BUF_INIT;
	unsigned cycles, alone, others;
	char *named;

	stage_add_plugin(&vmt_plugin_discovery_local_node);
	stage_open(&stage, "[simulated]\ninstances = 5\nstopped = 0\ndisks = 1\nnics = 1\n", 60,
		   "'test://?keep=1000000'");
	named = third_instance(&stage);
	stage_write(&stage, "pipeline.yaml",
		    "sources:\n"
		    "- {name: a, interval: 60, meters: ['*', 'vm.*'], discovery: [local_node], "
		    "sinks: [one]}\n"
		    "- {name: b, interval: 60, meters: [cpu], sinks: [two]}\n"
		    "- {name: c, interval: 60, meters: [cpu, vm.host.lateness], "
		    "discovery: ['local_node://'], resources: ['%s'], sinks: [three]}\n"
		    "- {name: d, interval: 600, meters: ['*', 'vm.*'], discovery: [local_node], "
		    "sinks: [four]}\n"
		    "sinks:\n"
		    "- {name: one, transformers: , publishers: ['test://?keep=1000000']}\n"
		    "- {name: two, transformers: , publishers: ['test://?keep=1000001']}\n"
		    "- {name: three, transformers: , publishers: ['test://?keep=1000002']}\n"
		    "- {name: four, transformers: , publishers: ['test://?keep=1000003']}\n",
		    named);
	g_assert_cmpint(agent_reload(stage.agent, &answer), ==, 0);
	g_assert_cmpuint(stage.agent->tasks->len, ==, 2);
	g_assert_cmpint(stage_run(&stage, HOUR), ==, 0);
	cycles = (unsigned)stage_task(&stage, 0).cycles;
	alone = (unsigned)stage_task(&stage, 1).cycles;
	g_assert_cmpuint(cycles, >=, 59);
	g_assert_cmpuint(alone, >=, 5);
	g_assert_cmpuint(cycles, >, alone);
	g_assert_cmpuint(asked(&stage, 0), ==, INSTANCES);
	g_assert_cmpuint(asked(&stage, 1), ==, 0);

	/* the host alone */
	g_assert_cmpuint(count(stage_test(&stage, 0), "vm.host.lateness", &others), ==, cycles);
	g_assert_cmpuint(others, ==, 0);
	/* all instances: another source's discovery takes nothing from them */
	g_assert_cmpuint(count(stage_test(&stage, 1), "cpu", &others), ==, INSTANCES * cycles);
	g_assert_cmpuint(others, ==, INSTANCES * cycles);
	/* the host, and the instance that is named */
	g_assert_cmpuint(count(stage_test(&stage, 2), "vm.host.lateness", &others), ==, cycles);
	g_assert_cmpuint(others, ==, cycles);
	/* nobody of the same interval looks at an instance */
	g_assert_cmpuint(count(stage_test(&stage, 3), "vm.host.lateness", &others), ==, alone);
	g_assert_cmpuint(others, ==, 0);
	stage_close(&stage);
	buf_fini(&answer);
	g_free(named);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/host", test_host);
	return g_test_run();
}
