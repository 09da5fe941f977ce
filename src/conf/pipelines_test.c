/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of which files count and where samples go, for the files of each era. */
#include "conf/pipelines.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/arena.h"

static char *folder;

static void put(const char *name, const char *text)
{
	char *path = g_build_filename(folder, name, NULL);

	if (text) {
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
	} else {
		g_unlink(path);
	}
	g_free(path);
}

/* The YAML files have names of their own, which no /etc of any machine has. */
static void put_conf(const char *text)
{
	char *whole = g_strconcat("[DEFAULT]\npipeline_cfg_file = test-pipeline.yaml\n"
				  "[polling]\ncfg_file = test-polling.yaml\n",
				  text, NULL);

	put("virtmeter.conf", whole);
	g_free(whole);
}

#define SOURCES "sources: [{name: a, interval: 60, meters: [cpu], sinks: [s]}]\n"
#define POLLING "sources: [{name: a, interval: 60, meters: [cpu]}]\n"
#define PIPELINE "sources: [{name: a, meters: ['*'], sinks: [s]}]\n"
#define LEFTOVER "sources: [{name: a, interval: 5, meters: ['*'], sinks: [s]}]\n"
#define SOME_LEFTOVER                                                                              \
	"sources: [{name: a, interval: 5, meters: ['*'], sinks: [s]}, {name: b, meters: [x], "     \
	"sinks: [s]}]\n"
#define FLAT "- {name: a, interval: 60, meters: ['*'], transformers: , publishers: ['file:///x']}\n"
#define SINKS(url) "sinks: [{name: s, transformers: , publishers: ['" url "']}]\n"
#define BUS "[DEFAULT]\ntransport_url = rabbit://u:p@h//\n"

static const struct {
	const char *conf, *polling, *pipeline; /* NULL: no such file */
	const char *error; /* or NULL: */
	const char *way; /* "file" or "deliver", where the sinks are from */
	bool notify; /* and beside them */
	size_t files;
} rows[] = {
	/* Juno: one file, whatever bus there is */
	{ BUS, NULL, SOURCES SINKS("notifier://"), NULL, "file", false, 1 },
	{ BUS, "not: even", SOURCES SINKS("notifier://"), NULL, "file", false, 1 },
	/* a pair whose pipeline still has some of what Juno's had: polling.yaml counts */
	{ BUS, POLLING, LEFTOVER "sinks: [{name: s, publishers: ['notifier://']}]\n", NULL, "file",
	  false, 2 },
	{ BUS, POLLING, SOME_LEFTOVER SINKS("notifier://"), NULL, "file", false, 2 },
	{ BUS, POLLING, FLAT, NULL, "file", false, 1 },
	/* our pair */
	{ "", POLLING, PIPELINE SINKS("file:///x"), NULL, "file", false, 2 },
	{ BUS, POLLING, PIPELINE SINKS("file:///x"), NULL, "file", false, 2 },
	{ BUS, POLLING, PIPELINE SINKS("notifier://"), NULL, "file", false, 2 },
	/* a compute host of today: pipeline.yaml is for the notification agent, or is not there */
	{ BUS, POLLING, PIPELINE SINKS("gnocchi://"), NULL, "deliver", false, 2 },
	{ BUS, POLLING, NULL, NULL, "deliver", false, 1 },
	{ "[oslo_messaging_notifications]\ntransport_url = rabbit://h//\n", POLLING, NULL, NULL,
	  "deliver", false, 1 },
	{ "", POLLING, PIPELINE SINKS("gnocchi://"), NULL, "file", false, 2 },
	{ "", POLLING, NULL, "test-pipeline.yaml: no such file", NULL, false, 0 },
	{ BUS "[polling]\nenable_notifications = false\n", POLLING, NULL,
	  "test-pipeline.yaml: no such file", NULL, false, 0 },
	{ BUS, NULL, NULL, "test-polling.yaml: no such file", NULL, false, 0 },
	/* said so */
	{ "[virtmeter]\ndeliver = notifications\n", POLLING, PIPELINE SINKS("file:///x"), NULL,
	  "deliver", false, 1 },
	{ "[virtmeter]\ndeliver = both\n", POLLING, PIPELINE SINKS("file:///x"), NULL, "file", true,
	  2 },
	{ "[virtmeter]\ndeliver = both\n", NULL, SOURCES SINKS("file:///x"), NULL, "file", true,
	  1 },
	{ BUS "[virtmeter]\ndeliver = sinks\n", POLLING, PIPELINE SINKS("gnocchi://"), NULL, "file",
	  false, 2 },
};

static bool tells(const struct problems *problems, const char *what)
{
	for (size_t i = 0; i < problems_count(problems); i++) {
		if (strstr(problems_at(problems, i)->text, what)) {
			return true;
		}
	}
	return false;
}

static void check(size_t i, const struct pipelines *p, int ret, const struct problems *problems)
{
	if (rows[i].error) {
		g_assert_cmpint(ret, <, 0);
		g_assert_nonnull(strstr(problems_first_error(problems), rows[i].error));
		return;
	}
	g_assert_cmpstr(problems_first_error(problems), ==, "");
	g_assert_cmpint(ret, ==, 0);
	g_assert_nonnull(p->polling);
	g_assert_cmpint(p->polling->sources[0].interval_ns, ==, INT64_C(60000000000));
	if (strcmp(rows[i].way, "deliver") == 0) {
		g_assert_cmpstr(p->pipeline->sinks[0].publishers.item[0].text, ==, "polling://");
	} else {
		g_assert_true(g_str_has_suffix(p->pipeline->file, "test-pipeline.yaml"));
	}
	g_assert_cmpint(p->beside != NULL, ==, rows[i].notify);
	g_assert_cmpint(tells(problems, "deliver: no transport_url says where the bus is"), ==,
			strstr(rows[i].conf, "deliver = notifications") ||
				strstr(rows[i].conf, "deliver = both"));
	g_assert_cmpuint(p->files, ==, rows[i].files);
	if (rows[i].polling && p->polling == p->pipeline) {
		const char *last = problems_at(problems, problems_count(problems) - 1)->text;

		g_assert_nonnull(strstr(last, "test-polling.yaml is not read"));
	}
}

static void test_ways(void)
{
	char *conf = g_build_filename(folder, "virtmeter.conf", NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct problems *problems = problems_new();
		struct ini *ini = ini_new();
		struct arena *arena = arena_new(1024);
		struct settings settings;
		struct pipelines p;
		int ret;

		g_test_message("row %zu", i);
		put_conf(rows[i].conf);
		put("test-polling.yaml", rows[i].polling);
		put("test-pipeline.yaml", rows[i].pipeline);
		g_assert_cmpint(ini_read_file(ini, conf, problems), ==, 0);
		g_assert_cmpint(settings_read(&settings, ini, problems), ==, 0);
		ret = pipelines_read(ini, &settings, 0, arena, problems, &p);
		check(i, &p, ret, problems);
		pipelines_fini(&p);
		settings_fini(&settings);
		arena_free(arena);
		ini_free(ini);
		problems_free(problems);
	}
	g_free(conf);
}

/* Both files are wrong: both are told. */
static void test_both_wrong(void)
{
	struct problems *problems = problems_new();
	struct ini *ini = ini_new();
	struct arena *arena = arena_new(1024);
	char *conf = g_build_filename(folder, "virtmeter.conf", NULL);
	struct settings settings;
	struct pipelines p;

	put_conf("");
	put("test-polling.yaml", "sources: [{name: a, meters: [cpu]}]\n");
	put("test-pipeline.yaml", PIPELINE "sinks: []\n");
	g_assert_cmpint(ini_read_file(ini, conf, problems), ==, 0);
	g_assert_cmpint(settings_read(&settings, ini, problems), ==, 0);
	g_assert_cmpint(pipelines_read(ini, &settings, 0, arena, problems, &p), ==, -EINVAL);
	g_assert_cmpuint(problems_of(problems, PROBLEM_ERROR), ==, 2);
	pipelines_fini(&p);
	pipelines_fini(NULL);
	settings_fini(&settings);
	arena_free(arena);
	ini_free(ini);
	problems_free(problems);
	g_free(conf);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("virtmeter-pipelines-XXXXXX", NULL);
	g_assert_cmpint(g_chdir(folder), ==, 0);
	g_test_add_func("/pipelines/ways", test_ways);
	g_test_add_func("/pipelines/both-wrong", test_both_wrong);
	ret = g_test_run();
	put("virtmeter.conf", NULL);
	put("test-polling.yaml", NULL);
	put("test-pipeline.yaml", NULL);
	g_rmdir(folder);
	g_free(folder);
	return ret;
}
