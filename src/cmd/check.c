/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter check`: reads all configuration, says what is wrong with it and what it means.  Opens no
 * publisher and asks no hypervisor.  Main thread; blocks on reading files and shared objects.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "builtin.h"
#include "cmd/answer.h"
#include "cmd/cmd.h"
#include "cmd/dry.h"
#include "cmd/explain.h"
#include "cmd/parse.h"
#include "conf/ini.h"
#include "conf/option.h"
#include "conf/pipelines.h"
#include "conf/read.h"
#include "conf/settings.h"
#include "conf/url.h"
#include "pipeline/sink.h"
#include "plugin/object.h"
#include "plugin/registry.h"

struct check {
	char **config_files, **config_dirs;
	gboolean explain;
	char *format_name;
	enum table_format format;
	char **tests;
	struct ini *ini;
	struct settings settings;
	struct registry *registry;
	struct polling *polling, *pipeline; /* the same in Juno's shapes; NULL: could not be read */
	struct polling *notify; /* the way to a notification agent beside `pipeline`, or NULL */
	struct problems *problems;
	struct arena *arena;
	GPtrArray *yaml; /* paths of the YAML files read */
};

/* ---- YAML files */

static void read_yaml(struct check *c, const char *path, enum polling_role role)
{
	struct polling **to = role == POLLING_FILE ? &c->polling : &c->pipeline;
	struct polling *polling;

	g_ptr_array_add(c->yaml, arena_strdup(c->arena, path));
	if (polling_read_file(path, role, &polling, c->problems) == 0) {
		polling_free(*to);
		*to = polling;
	}
}

/* The YAML files that the agent would read. */
static void read_searched(struct check *c)
{
	struct pipelines p;

	pipelines_read(c->ini, &c->settings, 0, c->arena, c->problems, &p);
	c->polling = p.polling;
	c->pipeline = p.pipeline;
	c->notify = p.notify;
	for (size_t i = 0; i < p.files; i++) {
		g_ptr_array_add(c->yaml, (void *)(uintptr_t)p.file[i]);
	}
}

/* A pipeline has sinks, or (Juno's list) publishers of its own. */
static enum polling_role role_of(const char *path)
{
	struct buf text = BUF_INIT;
	enum polling_role role = POLLING_FILE;

	/* a key of that name, at a line's beginning or within braces: not a word in a comment */
	if (conf_read(path, POLLING_FILE_MAX, &text) == 0 &&
	    g_regex_match_simple("(^|[{,])[ \\t-]*['\"]?(sinks|publishers)['\"]?[ \\t]*:",
				 text.data, G_REGEX_MULTILINE | G_REGEX_RAW, 0)) {
		role = PIPELINE_FILE;
	}
	buf_fini(&text);
	return role;
}

static bool is_yaml(const char *path)
{
	return g_str_has_suffix(path, ".yaml") || g_str_has_suffix(path, ".yml");
}

/* ---- configuration files */

static void read_named(struct check *c, char **files)
{
	for (char **f = files; *f; f++) {
		if (is_yaml(*f)) {
			continue;
		}
		if (g_file_test(*f, G_FILE_TEST_IS_DIR)) {
			ini_read_dir(c->ini, *f, c->problems);
		} else {
			ini_read_file(c->ini, *f, c->problems);
		}
	}
	ini_read_environment(c->ini, (const char *const *)environ);
}

/* The files named on the command line, or (none) those that the agent would read. */
static void read_files(struct check *c, char **files)
{
	const struct ini_search search = { .files = (const char *const *)c->config_files,
					   .dirs = (const char *const *)c->config_dirs };

	if (files[0]) {
		read_named(c, files);
	} else {
		ini_search(c->ini, &search, c->problems);
	}
	settings_read(&c->settings, c->ini, c->problems);
	if (!files[0]) {
		read_searched(c);
		return;
	}
	for (char **f = files; *f; f++) {
		if (is_yaml(*f)) {
			read_yaml(c, *f, role_of(*f));
		}
	}
	if (c->pipeline && polling_has_intervals(c->pipeline)) {
		polling_free(c->polling);
		c->polling = c->pipeline;
	}
}

/* ---- plugins and publishers */

static void check_plugins(struct check *c)
{
	const char **inspectors;
	const struct vmt_option **tables;

	c->registry = registry_new(builtin_plugins);
	registry_load_dir(c->registry, builtin_plugin_folder(), c->problems);
	registry_load_dir(c->registry, c->settings.plugin_dir, c->problems);
	registry_load_all(c->registry, c->problems);
	inspectors = registry_names(c->registry, VMT_INSPECTOR);
	settings_check_inspector(&c->settings, c->ini, inspectors, c->problems);
	g_free(inspectors);
	tables = registry_options(c->registry);
	options_check_unknown(c->ini, tables, c->problems);
	g_free(tables);
	for (size_t i = 0; i < registry_count(c->registry); i++) {
		const struct vmt_plugin *p = registry_at(c->registry, i);
		void *conf = arena_alloc0(c->arena, p->conf_size ? p->conf_size : 1);

		if (p->ns == VMT_TRANSFORMER) {
			continue; /* its options are parameters in pipeline.yaml */
		}
		options_decode(p->options, c->ini, NULL, NULL, c->arena, conf, c->problems);
	}
}

/* Whether the publisher is one that the sink can use. */
static bool check_publisher(struct check *c, const struct polling_text *text)
{
	struct vmt_error error;
	const struct vmt_plugin *plugin =
		registry_find_url(c->registry, VMT_PUBLISHER, text->text, &error);

	if (!plugin) {
		problems_add_failed(c->problems, &text->at, "%s; its sink goes on without",
				    error.text);
	}
	return plugin &&
	       plugin_object_check(plugin, c->ini, text->text, &text->at, c->problems) == 0;
}

/* Opens the transformers, which look at no more than their parameters. */
static void check_transformers(struct check *c, const struct pipeline_sink *conf)
{
	struct sink_settings settings = { .profile = c->settings.meter_profile,
					  .source = c->settings.sample_source };
	struct sink *sink;

	if (sink_open(c->registry, conf, &settings, c->problems, &sink) == 0) {
		sink_unref(sink);
	}
}

/* Runs the dry tests of all files named. */
static int run_tests(struct check *c, const struct answer *answer)
{
	const struct dry dry = { .registry = c->registry,
				 .settings = &c->settings,
				 .pipeline = c->pipeline };
	size_t before = problems_count(c->problems), size;
	int status = CMD_OK;
	char *text;
	FILE *out = open_memstream(&text, &size);

	for (char **t = c->tests; out && t && *t; t++) {
		if (dry_run(&dry, *t, out, c->problems) != 0) {
			status = CMD_FAILED;
		}
		for (; before < problems_count(c->problems); before++) {
			fprintf(out, "%s\n", problems_at(c->problems, before)->text);
		}
	}
	if (!out || fclose(out) != 0) {
		return CMD_FAILED; /* out of memory */
	}
	answer_tests(answer, text);
	free(text);
	return status;
}

static void check_sinks(struct check *c, const struct polling *pipeline)
{
	for (size_t i = 0; pipeline && i < pipeline->sink_count; i++) {
		const struct pipeline_sink *sink = &pipeline->sinks[i];
		size_t good = 0;
		bool later = false;

		check_transformers(c, sink);
		for (size_t k = 0; k < sink->publishers.count; k++) {
			good += check_publisher(c, &sink->publishers.item[k]);
			later |= registry_comes_later(sink->publishers.item[k].text);
		}
		if (good == 0 && !later) {
			problems_add(c->problems, PROBLEM_ERROR, &sink->at,
				     "sink %s is left with no publisher", sink->name);
		}
	}
}

/* ---- the answer */

static void explain(const struct check *c)
{
	const struct explain e = { .polling = c->polling,
				   .ways = { c->pipeline, c->notify },
				   .registry = c->registry,
				   .profile = c->settings.meter_profile };

	explain_print(stdout, c->format, &e);
}

static int run(struct check *c, char **files)
{
	struct answer answer = { .out = stdout, .format = c->format, .yaml = c->yaml };
	int status;

	read_files(c, files);
	check_plugins(c);
	check_sinks(c, c->pipeline);
	check_sinks(c, c->notify);
	if (c->polling) {
		explain_patterns(c->polling, c->registry, c->problems);
	}
	answer.ini = c->ini;
	answer.problems = c->problems;
	status = answer_tell(&answer);
	if (run_tests(c, &answer) != CMD_OK) {
		status = CMD_FAILED;
	}
	if (c->explain && c->polling && c->pipeline) {
		explain(c);
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "virtmeter check: standard output: %s\n", g_strerror(errno));
		status = CMD_FAILED;
	}
	return status;
}

int cmd_check(int argc, char **argv)
{
	struct check c = { .config_files = NULL };
	const GOptionEntry entries[] = {
		{ "config-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &c.config_files,
		  "Read this configuration file; may be repeated, later files win", "FILE" },
		{ "config-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &c.config_dirs,
		  "Then read *.conf of this folder", "FOLDER" },
		{ "explain", 0, 0, G_OPTION_ARG_NONE, &c.explain,
		  "Print which meters flow from which source to which publisher", NULL },
		{ "test", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &c.tests,
		  "Run the dry tests of this file through the pipeline; may be repeated", "FILE" },
		{ "format", 0, 0, G_OPTION_ARG_STRING, &c.format_name,
		  "table (default) or json, an object a line", "FORMAT" },
		{ NULL },
	};
	int status = cmd_parse(
		&argc, &argv, entries, "[FILE...]",
		"Says what is wrong with the configuration that the agent would read, or with the files\n"
		"given (*.yaml: polling or pipeline; others: configuration), or \"ok\".");

	if (status < 0 && argc > 1 && (c.config_files || c.config_dirs)) {
		status = cmd_usage(
			"check",
			"files beside --config-file or --config-dir; give one or the other");
	}
	if (status < 0 && cmd_format(c.format_name, &c.format) < 0) {
		status = CMD_USAGE;
	}
	if (status < 0) {
		c.ini = ini_new();
		c.problems = problems_new();
		c.arena = arena_new(4096);
		c.yaml = g_ptr_array_new();
		status = run(&c, argv + 1);
		if (c.polling != c.pipeline) {
			polling_free(c.polling);
		}
		polling_free(c.pipeline);
		polling_free(c.notify);
		registry_free(c.registry);
		settings_fini(&c.settings);
		ini_free(c.ini);
		problems_free(c.problems);
		g_ptr_array_unref(c.yaml);
		arena_free(c.arena);
	}
	g_free(c.format_name);
	g_strfreev(c.config_files);
	g_strfreev(c.config_dirs);
	g_strfreev(c.tests);
	return status;
}
