/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default files of Juno, 19.0.0 and today, in our words (tests/golden/eras), mean what they meant: what
 * is polled how often, and which meter goes through which pipeline and transformers where.
 * Usage: conf_eras_test FOLDER
 */
#include <glib.h>
#include <string.h>

#include "conf/polling.h"
#include "conf/yaml_tree.h"

static const char *folder;

static struct polling *load(const char *name, enum polling_role role)
{
	char *path = g_build_filename(folder, name, NULL);
	struct problems *problems = problems_new();
	struct polling *p = NULL;
	int ret = polling_read_file(path, role, &p, problems);

	g_assert_cmpstr(problems_first_error(problems), ==, "");
	g_assert_cmpint(ret, ==, 0);
	g_assert_cmpuint(problems_count(problems), ==, 0);
	problems_free(problems);
	g_free(path);
	return p;
}

/* "pipeline,…" of those that take the meter. */
static char *ways(const struct polling *p, const char *meter)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < p->pair_count; i++) {
		if (pattern_match(p->pairs[i].source->match, meter)) {
			g_string_append_printf(text, "%s%s", text->len ? "," : "",
					       p->pairs[i].name);
		}
	}
	return g_string_free(text, FALSE);
}

static const char *text_at(const struct yaml_node *n, const char *a, const char *b, const char *c)
{
	n = yaml_get(yaml_get(n, a), b);
	n = c ? yaml_get(n, c) : n;
	return n ? n->text : NULL;
}

static void test_juno(void)
{
	static const struct {
		const char *meter, *ways;
	} rows[] = {
		{ "cpu", "meter_source:meter_sink,cpu_source:cpu_sink" },
		{ "disk.read.bytes", "meter_source:meter_sink,disk_source:disk_sink" },
		{ "disk.write.requests", "meter_source:meter_sink,disk_source:disk_sink" },
		{ "disk.device.read.bytes", "meter_source:meter_sink" },
		{ "network.outgoing.packets",
		  "meter_source:meter_sink,network_source:network_sink" },
		{ "network.incoming.bytes", "meter_source:meter_sink,network_source:network_sink" },
		{ "instance:m1.tiny", "meter_source:meter_sink" },
		{ "memory.usage", "meter_source:meter_sink" },
	};
	struct polling *p = load("juno/pipeline.yaml", PIPELINE_FILE);
	const struct yaml_node *cpu, *disk;

	g_assert_cmpint(p->shape, ==, PIPELINE_JUNO);
	g_assert_cmpuint(p->source_count, ==, 4);
	g_assert_cmpuint(p->pair_count, ==, 4);
	for (size_t i = 0; i < p->source_count; i++) {
		g_assert_cmpint(p->sources[i].interval_ns, ==, INT64_C(600000000000));
	}
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *got = ways(p, rows[i].meter);

		g_assert_cmpstr(got, ==, rows[i].ways);
		g_free(got);
	}
	for (size_t i = 0; i < p->sink_count; i++) {
		g_assert_cmpuint(p->sinks[i].transformer_count, ==, i > 0);
		g_assert_cmpuint(p->sinks[i].publishers.count, ==, 1);
		g_assert_cmpstr(p->sinks[i].publishers.item[0].text, ==, "notifier://");
	}
	cpu = p->sinks[1].transformers[0].parameters;
	g_assert_cmpstr(p->sinks[1].transformers[0].name, ==, "rate_of_change");
	g_assert_cmpstr(text_at(cpu, "target", "name", NULL), ==, "cpu_util");
	g_assert_cmpstr(text_at(cpu, "target", "unit", NULL), ==, "%");
	g_assert_cmpstr(text_at(cpu, "target", "scale", NULL), ==,
			"100.0 / (10**9 * (resource_metadata.cpu_number or 1))");
	disk = p->sinks[2].transformers[0].parameters;
	g_assert_cmpstr(text_at(disk, "source", "map_from", "name"), ==,
			"disk\\.(read|write)\\.(bytes|requests)");
	g_assert_cmpstr(text_at(disk, "target", "map_to", "name"), ==, "disk.\\1.\\2.rate");
	g_assert_cmpstr(text_at(disk, "target", "map_to", "unit"), ==, "\\1/s");
	polling_free(p);
}

static void check_today(const char *era, const char *const *polled, const char *const *left)
{
	char *polling = g_build_filename(era, "polling.yaml", NULL),
	     *pipeline = g_build_filename(era, "pipeline.yaml", NULL), *got;
	struct polling *p = load(polling, POLLING_FILE);

	g_assert_cmpint(p->shape, ==, POLLING_TODAY);
	g_assert_cmpuint(p->source_count, ==, 1);
	g_assert_cmpstr(p->sources[0].name, ==, "some_pollsters");
	g_assert_cmpint(p->sources[0].interval_ns, ==, INT64_C(300000000000));
	for (; *polled; polled++) {
		g_assert_true(pattern_match(p->sources[0].match, *polled));
	}
	for (; *left; left++) {
		g_assert_false(pattern_match(p->sources[0].match, *left));
	}
	polling_free(p);
	p = load(pipeline, PIPELINE_FILE);
	g_assert_cmpint(p->shape, ==, PIPELINE_TODAY);
	got = ways(p, "cpu");
	g_assert_cmpstr(got, ==, "meter_source:meter_sink");
	g_assert_cmpstr(p->sinks[0].publishers.item[0].text, ==, "gnocchi://");
	g_free(got);
	polling_free(p);
	g_free(polling);
	g_free(pipeline);
}

static void test_19(void)
{
	check_today("19",
		    (const char *[]){ "cpu", "cpu_l3_cache", "memory.usage",
				      "network.outgoing.packets", "disk.device.write.requests",
				      "hardware.cpu.util", NULL },
		    (const char *[]){ "power.state", "disk.read.bytes", "memory.available",
				      "instance", NULL });
}

static void test_26(void)
{
	check_today("26",
		    (const char *[]){ "power.state", "cpu", "memory.available", "memory.usage",
				      "network.incoming.bytes", "disk.device.read.bytes",
				      "volume.size", NULL },
		    (const char *[]){ "cpu_l3_cache", "disk.read.bytes", "hardware.cpu.util",
				      "disk.device.capacity", NULL });
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, ==, 2);
	folder = argv[1];
	g_test_add_func("/eras/juno", test_juno);
	g_test_add_func("/eras/19", test_19);
	g_test_add_func("/eras/26", test_26);
	return g_test_run();
}
