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
	struct daemon_arguments daemon;
	double idle_exit_s;
};

static int parse(int argc, char **argv, struct arguments *args)
{
	const GOptionEntry entries[] = {
		DAEMON_OPTIONS(args->daemon),
		{ "idle-exit", 0, 0, G_OPTION_ARG_DOUBLE, &args->idle_exit_s,
		  "stop when nothing has come in for so long, queues flushed", "S" },
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

int cmd_collector(int argc, char **argv)
{
	struct arguments args = { .idle_exit_s = 0 };
	struct agent_options options = { .builtin = builtin_plugins,
					 .own_plugins = builtin_plugin_folder() };
	struct agent *agent = NULL;
	struct vmt_error error = { .text = "" };
	char *text;
	int status = parse(argc, argv, &args);

	if (status >= 0) {
		daemon_arguments_fini(&args.daemon);
		return status;
	}
	text = daemon_overrides(&args.daemon);
	options.idle_exit_ns = (int64_t)(args.idle_exit_s * 1e9);
	options.plan = (struct plan_options){
		.search = cmd_search(args.daemon.config_files, args.daemon.config_dirs),
		.ini_text = text,
		.collector = true,
		.publishers = (const char *const *)args.daemon.publishers,
	};
	if (agent_new(&options, &agent, &error) < 0) {
		fprintf(stderr, "virtmeter collector: %s\n", error.text);
		status = CMD_FAILED;
	} else {
		status = daemon_run(agent, "collector", args.daemon.control);
		agent_free(agent);
	}
	log_fini();
	g_free(text);
	daemon_arguments_fini(&args.daemon);
	return status;
}
