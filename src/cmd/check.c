/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter check`: reads all configuration, says what is wrong with it and what it means.  Plugins are opened as far
 * as they look at their configuration; nothing is connected to, and no hypervisor is asked.  Main thread; blocks on reading
 * files and shared objects.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/plan.h"
#include "agent/vet.h"
#include "base/arena.h"
#include "builtin.h"
#include "cmd/answer.h"
#include "cmd/cmd.h"
#include "cmd/dry.h"
#include "cmd/explain.h"
#include "cmd/parse.h"
#include "conf/dispatchers.h"
#include "conf/ini.h"
#include "conf/option.h"
#include "conf/pipelines.h"
#include "conf/read.h"
#include "conf/settings.h"
#include "conf/url.h"
#include "pipeline/sink.h"
#include "plugin/object.h"
#include "plugin/registry.h"
#include "spool/spool.h"

struct check {
	char **config_files, **config_dirs;
	gboolean explain;
	char *format_name;
	enum table_format format;
	char **tests;
	struct ini *ini;
	struct endpoints endpoints;
	struct settings settings;
	struct registry *registry;
	struct polling *polling, *pipeline; /* the same in Juno's shapes; NULL: could not be read */
	struct polling *notify; /* the way to a notification agent beside `pipeline`, or NULL */
	struct polling *dispatchers; /* a collector's sinks beside `pipeline`, or NULL */
	struct problems *problems;
	struct arena *arena;
	GPtrArray *yaml; /* paths of the YAML files read */
	GHashTable *publishers; /* URLs that can be used, as text of the pipelines */
};

/* ---- YAML files */

static void read_yaml(struct check *c, const char *path, enum polling_role role)
{
	struct polling **to = role == POLLING_FILE ? &c->polling : &c->pipeline;
	struct polling *polling;

	if (g_file_test(path, G_FILE_TEST_IS_REGULAR) && access(path, R_OK) == 0) {
		g_ptr_array_add(c->yaml, arena_strdup(c->arena, path));
	}
	polling_read_file(path, role, &polling, c->problems);
	if (polling) {
		polling_free(*to);
		*to = polling;
	}
}

/* The YAML files that the agent would read. */
static void read_searched(struct check *c)
{
	struct pipelines p;

	/* who has dry tests alone need not have a configuration */
	unsigned without = c->tests && !c->config_files && !c->config_dirs ? PIPELINES_OPTIONAL : 0;

	pipelines_read(c->ini, &c->settings, without, c->arena, c->problems, &p);
	c->polling = p.polling;
	c->pipeline = p.pipeline;
	c->notify = p.beside;
	for (size_t i = 0; i < p.files; i++) {
		g_ptr_array_add(c->yaml, (void *)(uintptr_t)p.file[i]);
	}
}

/* Whether it has a key of that name, at a line's beginning or within braces: not a word in a comment. */
static bool has_key(const struct buf *text, const char *name)
{
	char *pattern = g_strdup_printf("(^|[{,])[ \\t-]*['\"]?%s['\"]?[ \\t]*:", name);
	bool has = g_regex_match_simple(pattern, text->data, G_REGEX_MULTILINE | G_REGEX_RAW, 0);

	g_free(pattern);
	return has;
}

/* A pipeline has sinks, or (Juno's list) publishers of its own and no sources. */
static enum polling_role role_of(const char *path)
{
	struct buf text = BUF_INIT;
	enum polling_role role = POLLING_FILE;

	if (conf_read(path, POLLING_FILE_MAX, &text) == 0 &&
	    (has_key(&text, "sinks") ||
	     (has_key(&text, "publishers") && !has_key(&text, "sources")))) {
		role = PIPELINE_FILE;
	}
	buf_fini(&text);
	return role;
}

static bool is_yaml(const char *path)
{
	return g_str_has_suffix(path, ".yaml") || g_str_has_suffix(path, ".yml");
}

/* A pipeline named beside a polling.yaml makes a pair with it. */
static void read_named_yaml(struct check *c, char **files)
{
	bool pair = false;

	for (char **f = files; *f; f++) {
		pair = pair || (is_yaml(*f) && role_of(*f) == POLLING_FILE);
	}
	for (char **f = files; *f; f++) {
		enum polling_role role = is_yaml(*f) ? role_of(*f) : POLLING_FILE;

		if (is_yaml(*f)) {
			read_yaml(c, *f, role == PIPELINE_FILE && pair ? PIPELINE_OF_PAIR : role);
		}
	}
}

/* ---- configuration files */

static void read_named(struct check *c, char **files)
{
	ini_know_settings(c->ini);
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
	const struct ini_search search = cmd_search(c->config_files, c->config_dirs);

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
	read_named_yaml(c, files);
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

/* Whether the publisher is one that the sink can use.  Each URL is one publisher, however many sinks name it. */
static bool check_publisher(struct check *c, const struct polling_text *text)
{
	struct vmt_error error = { .text = "" };
	struct plugin_object *object;

	if (plugin_object_open_sink(c->registry, c->ini, text->text, &text->at, &object,
				    c->problems, &error) < 0) {
		return false;
	}
	plugin_object_close(object);
	g_hash_table_add(c->publishers, (void *)(uintptr_t)text->text);
	if (g_hash_table_size(c->publishers) > SPOOL_CURSORS) {
		g_hash_table_remove(c->publishers, text->text);
		problems_add_failed(c->problems, &text->at,
				    "more publishers than %d; its sink goes on without",
				    SPOOL_CURSORS);
		return false;
	}
	return true;
}

/* Folders that are not there. */
static void check_folder(struct check *c, const char *group, const char *option, const char *path)
{
	const struct ini_value *v = ini_find(c->ini, group, option, NULL);

	v = v ? v : ini_find(c->ini, NULL, option, NULL);
	if (v && path && *path && !g_file_test(path, G_FILE_TEST_IS_DIR)) {
		problems_add(c->problems, PROBLEM_ERROR, &v->value_at,
			     "%s: %s: there is no such folder; make it or name another", option,
			     path);
	}
}

static void check_folders(struct check *c)
{
	const struct settings *s = &c->settings;
	struct log_settings log;
	char *folder;

	settings_log(s, "virtmeter-agent", &log);
	if (log.file) {
		folder = g_path_get_dirname(log.file);
		check_folder(c, NULL, s->log_file ? "log_file" : "log_dir", folder);
		g_free(folder);
	}
	if (s->queue_dir && *s->queue_dir) { /* it is made in what is there */
		folder = g_path_get_dirname(s->queue_dir);
		check_folder(c, "virtmeter", "queue_dir", folder);
		g_free(folder);
	}
	check_folder(c, "virtmeter", "plugin_dir", s->plugin_dir);
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
static void run_tests(struct check *c, struct answer *answer)
{
	const struct dry dry = { .registry = c->registry,
				 .settings = &c->settings,
				 .pipeline = c->pipeline,
				 .format = c->format };

	for (char **t = c->tests; t && *t; t++) {
		if (dry_run(&dry, *t, answer->out, c->problems) != 0) {
			answer->tests_failed = true;
		}
		answer_findings(answer);
	}
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
				   .publishers = c->publishers,
				   .profile = c->settings.meter_profile };

	explain_print(stdout, c->format, &e);
}

static int run(struct check *c, char **files)
{
	struct answer answer = { .out = stdout, .format = c->format, .yaml = c->yaml };
	int status;

	read_files(c, files);
	check_folders(c);
	check_plugins(c);
	endpoints_init(&c->endpoints, c->settings.inspectors, NULL, &c->settings, c->ini,
		       c->problems);
	vet_endpoints(c->registry, &c->endpoints, c->ini, c->problems);
	vet_hypervisors(c->registry, &c->endpoints, c->ini, c->problems);
	check_sinks(c, c->pipeline);
	check_sinks(c, c->notify);
	(void)dispatchers_read(&c->settings, c->ini, c->problems, &c->dispatchers);
	check_sinks(c, c->dispatchers);
	vet_pollsters(c->registry, c->ini, &c->settings, c->problems);
	if (c->polling) {
		vet_sources(c->registry, c->polling, &c->endpoints, c->problems);
		vet_joined(c->registry, &c->endpoints, c->ini, &c->settings, c->problems);
		vet_lookups(c->registry, &c->endpoints, c->ini, &c->settings, c->problems);
	}
	if (c->pipeline && c->pipeline != c->polling) {
		vet_pipeline(c->registry, c->pipeline, c->problems);
	}
	vet_coordination(c->registry, c->ini, &c->settings, c->problems);
	vet_receivers(c->registry, c->ini, &c->settings, c->pipeline, c->problems);
	answer.ini = c->ini;
	answer.problems = c->problems;
	answer_files(&answer);
	answer_findings(&answer);
	run_tests(c, &answer);
	status = answer_verdict(&answer);
	if (c->explain && c->polling && c->pipeline) {
		explain(c);
	} else if (c->explain) {
		fprintf(stderr,
			"virtmeter check: --explain needs what is polled and a pipeline; %s\n",
			c->polling ? "name a pipeline.yaml too" : "name a polling.yaml too");
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
		CMD_CONFIG_OPTIONS(c.config_files, c.config_dirs),
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
	if (status < 0 && cmd_format("check", c.format_name, &c.format) < 0) {
		status = CMD_USAGE;
	}
	if (status < 0) {
		c.ini = ini_new();
		c.problems = problems_new();
		c.arena = arena_new(4096);
		c.yaml = g_ptr_array_new();
		c.publishers = g_hash_table_new(g_str_hash, g_str_equal);
		status = run(&c, argv + 1);
		if (c.polling != c.pipeline) {
			polling_free(c.polling);
		}
		polling_free(c.pipeline);
		polling_free(c.notify);
		polling_free(c.dispatchers);
		registry_free(c.registry);
		endpoints_fini(&c.endpoints);
		settings_fini(&c.settings);
		ini_free(c.ini);
		problems_free(c.problems);
		g_ptr_array_unref(c.yaml);
		g_hash_table_unref(c.publishers);
		arena_free(c.arena);
	}
	g_free(c.format_name);
	g_strfreev(c.config_files);
	g_strfreev(c.config_dirs);
	g_strfreev(c.tests);
	return status;
}
