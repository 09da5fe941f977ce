/* SPDX-License-Identifier: Apache-2.0 */
/* Dry tests of pipelines: what passes, what fails and how that is told, and files that are none. */
#include "cmd/dry.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "builtin.h"

const struct vmt_plugin *const builtin_plugins[] = { NULL };

#define PIPELINE                                                                                   \
	"pipeline: |\n"                                                                            \
	"  sources:\n  - {name: s, meters: [cpu, \"disk.*\"], sinks: [t, u]}\n"                    \
	"  sinks:\n  - {name: t, publishers: ['a://']}\n  - {name: u, publishers: ['b://']}\n"

/* What the file's tests say, and what is wrong with it. */
static char *run(const char *text, enum table_format format, int *ret)
{
	char *folder = g_dir_make_tmp("virtmeter-dry-XXXXXX", NULL), *path, *out = NULL, *all;
	struct registry *registry = registry_new(NULL);
	struct problems *problems = problems_new();
	struct settings settings;
	struct dry dry = { .registry = registry, .settings = &settings, .format = format };
	struct ini *ini = ini_new();
	size_t size = 0;
	FILE *stream;
	GString *said;

	g_assert_nonnull(folder);
	settings_read(&settings, ini, problems);
	path = g_build_filename(folder, "t.yaml", NULL);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	stream = open_memstream(&out, &size);
	*ret = dry_run(&dry, path, stream, problems);
	fclose(stream);
	said = g_string_new(out);
	for (size_t i = 0; i < problems_count(problems); i++) {
		g_string_append_printf(said, "%s\n", problems_at(problems, i)->text);
	}
	g_string_replace(said, folder, "", 0);
	all = g_string_free(said, FALSE);
	free(out);
	g_unlink(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	settings_fini(&settings);
	ini_free(ini);
	problems_free(problems);
	registry_free(registry);
	return all;
}

static void check_as(enum table_format format, const char *text, int ret, const char *said)
{
	int got;
	char *all = run(text, format, &got);

	g_assert_cmpstr(all, ==, said);
	g_assert_cmpint(got, ==, ret);
	g_free(all);
}

static void check(const char *text, int ret, const char *said)
{
	check_as(TABLE_TEXT, text, ret, said);
}

static void test_passes(void)
{
	check(PIPELINE
	      "tests:\n"
	      "- name: goes to both\n"
	      "  samples:\n"
	      "  - {name: cpu, type: cumulative, unit: ns, volume: 7, resource_id: r, project_id: p}\n"
	      "  - {name: memory, volume: 8}\n"
	      "  - cycle\n"
	      "  - {name: disk.x, volume: 0.5, timestamp: '2026-01-01T00:00:01', resource_metadata: {a: "
	      "[1, 'x', true, null, 0.5]}}\n"
	      "  expect:\n"
	      "  - {name: disk.x, volume: 0.5, resource_metadata: {a: [1, 'x', true, null, 0.5]}, publishers: "
	      "['b://', 'a://']}\n"
	      "  - {name: cpu, type: cumulative, unit: ns, volume: 7, resource_id: r, project_id: p, user_id: "
	      "null, source: openstack, monotonic_time: null, timestamp: 2026-01-01T00:00:00}\n"
	      "- name: only some meters\n"
	      "  meters: [\"disk.*\"]\n"
	      "  samples: [{name: cpu, volume: 1}]\n"
	      "  expect: []\n",
	      0, "ok goes to both\nok only some meters\n2 passed, 0 failed\n");
}

static void test_fails(void)
{
	check(PIPELINE "tests:\n"
		       "- name: all wrong\n"
		       "  samples:\n"
		       "  - {name: cpu, unit: ns, volume: 7}\n"
		       "  - {name: disk.x, volume: 1.5}\n"
		       "  expect:\n"
		       "  - {name: cpu, unit: s, volume: 8, user_id: u}\n"
		       "- name: too few\n"
		       "  samples: []\n"
		       "  expect:\n"
		       "  - {name: cpu}\n",
	      1,
	      "FAILED all wrong\n"
	      "  /t.yaml:13:5: unit is ns, expected s; user_id is null, expected u; volume is 7, expected 8\n"
	      "  not expected: disk.x of resource at 2026-01-01T00:00:00: 1.5 \n"
	      "FAILED too few\n"
	      "  /t.yaml:17:5: no such sample came out\n"
	      "0 passed, 2 failed\n");
}

static void test_wrong(void)
{
	check("tests: []\n", -EINVAL, "/t.yaml:1:1: pipeline: none is configured; name one here\n");
	check(PIPELINE "tests: []\n", -EINVAL, "/t.yaml:1:1: tests: there are none\n");
	check(PIPELINE "profile: kilo\ntests: [{}]\n", -EINVAL,
	      "0 passed, 0 failed, 1 could not be run\n"
	      "/t.yaml:7:10: profile: juno, 19 or 26 is needed\n"
	      "/t.yaml:8:9: samples: a list is needed\n/t.yaml:8:9: expect: a list is needed\n");
	check("[]\n", -EINVAL, "/t.yaml:1:1: a file of dry tests is a mapping: pipeline, tests\n");
	check("pipeline: no-such.yaml\ntests: [{}]\n", -EINVAL,
	      "/no-such.yaml: there is no such file; check the path\n");
	check(PIPELINE
	      "tests:\n- samples: [{name: cpu, volume: many}, {volume: 1}, cycles, {name: a, volum: 1}]\n"
	      "  expect: [{name: cpu, type: counter}, {nam: x}]\n",
	      -EINVAL,
	      "0 passed, 0 failed, 1 could not be run\n"
	      "/t.yaml:9:30: type is cumulative, gauge or delta\n"
	      "/t.yaml:9:41: nam: no field of a sample\n"
	      "/t.yaml:8:33: volume: a number is needed\n"
	      "/t.yaml:8:40: name: a sample needs one\n"
	      "/t.yaml:8:53: a sample is a mapping: name, volume and so on\n"
	      "/t.yaml:8:71: volum: no field of a sample\n");
	check(PIPELINE
	      "tests:\n- samples: [{name: cpu, volume: many}, {volume: 1}, cycles, {name: a, volum: 1}]\n"
	      "  expect: []\n",
	      -EINVAL,
	      "0 passed, 0 failed, 1 could not be run\n"
	      "/t.yaml:8:33: volume: a number is needed\n"
	      "/t.yaml:8:40: name: a sample needs one\n"
	      "/t.yaml:8:53: a sample is a mapping: name, volume and so on\n"
	      "/t.yaml:8:71: volum: no field of a sample\n");
	check(PIPELINE "tests:\n- {samples: 3, expect: x}\n", -EINVAL,
	      "0 passed, 0 failed, 1 could not be run\n"
	      "/t.yaml:8:13: samples: a list is needed\n/t.yaml:8:24: expect: a list is needed\n");
}

/* What is wrong in one test is no reason not to run the others. */
static void test_others(void)
{
	check(PIPELINE "tests:\n- {samples: [{volume: 1}], expect: []}\n"
		       "- {name: good, samples: [{name: cpu, volume: 1}], expect: [{volume: 1}]}\n"
		       "- {nam: x, samples: [], expect: []}\nprofil: 19\n",
	      -EINVAL,
	      "ok good\n1 passed, 0 failed, 2 could not be run\n"
	      "/t.yaml:11:1: profil: no such key here; did you mean profile?\n"
	      "/t.yaml:8:14: name: a sample needs one\n"
	      "/t.yaml:10:4: nam: no such key here; did you mean name?\n");
}

/* An expectation that says little does not take the sample that another one needs. */
static void test_match(void)
{
	check(PIPELINE
	      "tests:\n- name: any order\n"
	      "  samples: [{name: cpu, volume: 1}, {name: cpu, volume: 2}, {name: cpu, volume: 3}]\n"
	      "  expect: [{name: cpu}, {name: cpu, volume: 1}, {volume: 2}]\n",
	      0, "ok any order\n1 passed, 0 failed\n");
	check(PIPELINE "tests:\n- name: one too many\n"
		       "  samples: [{name: cpu, volume: 1}]\n"
		       "  expect: [{name: cpu}, {name: cpu, volume: 1}]\n",
	      1,
	      "FAILED one too many\n  /t.yaml:10:25: no such sample came out\n0 passed, 1 failed\n");
}

/* A pipeline within the file: faults have the file's places. */
static void test_block(void)
{
	check("pipeline: |\n\n    sources:\n      - {name: s, meters: [cpu], sinks: [x]}\n"
	      "    sinks:\n      - {name: t, publishers: ['a://']}\ntests: []\n",
	      -EINVAL, "/t.yaml:4:42: Dangling sink x from source s\n");
	check("pipeline: '{sources: [], sinks: 1}'\ntests: []\n", -EINVAL,
	      "/t.yaml:1:11: sinks should be a list\n"
	      "/t.yaml:1:11: Both sources & sinks are required\n");
	check("pipeline: \"sources: []\\nsinks: 1\"\ntests: []\n", -EINVAL,
	      "/t.yaml:1:11: sinks should be a list\n"
	      "/t.yaml:1:11: Both sources & sinks are required\n");
}

/* For scripts: an object a line. */
static void test_json(void)
{
	check_as(
		TABLE_JSON,
		PIPELINE
		"tests:\n- name: \"a \\\"b\\\"\"\n  samples: [{name: cpu, volume: 7}]\n"
		"  expect: [{name: cpu, volume: 7}]\n"
		"- samples: [{name: cpu, volume: 1}]\n  expect: [{name: cpu, volume: 2}, {name: x}]\n"
		"- {samples: [], expect: 1}\n",
		-EINVAL,
		"{\"test\":\"a \\\"b\\\"\",\"file\":\"/t.yaml\",\"line\":8,\"passed\":true,\"differences\":[]}\n"
		"{\"test\":\"(without name)\",\"file\":\"/t.yaml\",\"line\":11,\"passed\":false,\"differences\":["
		"\"/t.yaml:12:12: volume is 1, expected 2\",\"/t.yaml:12:36: no such sample came out\"]}\n"
		"{\"tests\":\"/t.yaml\",\"passed\":1,\"failed\":1,\"unusable\":1}\n"
		"/t.yaml:13:25: expect: a list is needed\n");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dry/passes", test_passes);
	g_test_add_func("/dry/fails", test_fails);
	g_test_add_func("/dry/wrong", test_wrong);
	g_test_add_func("/dry/others", test_others);
	g_test_add_func("/dry/match", test_match);
	g_test_add_func("/dry/block", test_block);
	g_test_add_func("/dry/json", test_json);
	return g_test_run();
}
