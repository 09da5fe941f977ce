/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter collector`: the receiving daemon in the foreground.  The main thread; it blocks only in the main loop.
 */
#include <glib.h>
#include <stdio.h>

#include "agent/agent.h"
#include "base/log.h"
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/parse.h"

struct arguments {
	char **config_files, **config_dirs, **publishers;
	char *log_file, *log_dir, *control;
	double idle_exit_s;
	gboolean debug;
};

static int parse(int argc, char **argv, struct arguments *args)
{
	const GOptionEntry entries[] = {
		{ "config-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args->config_files,
		  "Read this configuration file; may be repeated, later files win", "FILE" },
		{ "config-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args->config_dirs,
		  "Read *.conf of this folder; later files win", "FOLDER" },
		{ "publish", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &args->publishers,
		  "publish there, instead of what pipeline.yaml says; may be repeated", "URL" },
		{ "idle-exit", 0, 0, G_OPTION_ARG_DOUBLE, &args->idle_exit_s,
		  "stop when nothing has come in for so long, queues flushed", "S" },
		{ "socket", 0, 0, G_OPTION_ARG_FILENAME, &args->control,
		  "path of the control socket", "PATH" },
		{ "debug", 'd', 0, G_OPTION_ARG_NONE, &args->debug, "log at level DEBUG", NULL },
		{ "log-file", 0, 0, G_OPTION_ARG_FILENAME, &args->log_file, "log to this file",
		  "FILE" },
		{ "log-dir", 0, 0, G_OPTION_ARG_FILENAME, &args->log_dir,
		  "log to a file in this folder", "DIR" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	int ret = cmd_parse(
		&argc, &argv, entries, NULL,
		"The collector, in the foreground: receives samples, verifies them and hands "
		"them to the publishers of the pipelines.");

	if (ret >= 0) {
		return ret;
	}
	if (argc > 1) {
		return cmd_usage("collector", "%s: unexpected word", argv[1]);
	}
	if (args->idle_exit_s < 0 || args->idle_exit_s > 1e9) {
		return cmd_usage("collector", "--idle-exit takes a number above 0");
	}
	return -1;
}

static void arguments_fini(struct arguments *args)
{
	g_strfreev(args->config_files);
	g_strfreev(args->config_dirs);
	g_strfreev(args->publishers);
	g_free(args->log_file);
	g_free(args->log_dir);
	g_free(args->control);
}

int cmd_collector(int argc, char **argv)
{
	struct arguments args = { .debug = FALSE };
	struct agent_options options = { .builtin = builtin_plugins,
					 .own_plugins = builtin_plugin_folder() };
	struct agent *agent = NULL;
	struct vmt_error error = { .text = "" };
	char *text;
	int status = parse(argc, argv, &args);

	if (status >= 0) {
		arguments_fini(&args);
		return status;
	}
	text = daemon_overrides(args.debug, args.log_file, args.log_dir);
	options.idle_exit_ns = (int64_t)(args.idle_exit_s * 1e9);
	options.plan = (struct plan_options){
		.search = cmd_search(args.config_files, args.config_dirs),
		.ini_text = text,
		.collector = true,
		.publishers = (const char *const *)args.publishers,
	};
	if (agent_new(&options, &agent, &error) < 0) {
		fprintf(stderr, "virtmeter collector: %s\n", error.text);
		status = CMD_FAILED;
	} else {
		status = daemon_run(agent, "collector", args.control);
		agent_free(agent);
	}
	log_fini();
	g_free(text);
	arguments_fini(&args);
	return status;
}
