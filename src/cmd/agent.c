/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter agent`: the polling daemon in the foreground.  The main thread; it blocks only in the main loop.
 */
#include "agent/agent.h"

#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/parse.h"
#include "cmd/watch.h"

#define DEMO_INTERVAL_S 10.0
#define NOT_GIVEN INT64_MIN /* --cycles, --interval */

struct arguments {
	struct daemon_arguments daemon;
	char **meters, **namespaces, *inspector;
	double interval_s;
	gint64 cycles;
	gboolean demo, table, verbose;
};

struct running {
	struct agent *agent;
	struct watch *watch;
};

static void on_cycle(void *context, const struct poll_cycle *cycle, const struct frame *frame,
		     const struct poll_cycle_result *result)
{
	struct running *r = context;

	if (poll_cycle_snapshot(cycle)) {
		watch_print(r->watch, poll_cycle_snapshot(cycle), poll_cycle_inspection(cycle),
			    result->samples);
	}
}

static unsigned terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

/* --demo alone is a show: simulated instances, a table, nothing stored. */
static void complete(struct arguments *args)
{
	static const char *const nowhere[] = { "null://", NULL };

	if (args->demo && !args->daemon.config_files && !args->daemon.config_dirs) {
		args->interval_s = args->interval_s > 0 ? args->interval_s : DEMO_INTERVAL_S;
		if (!args->daemon.publishers) {
			args->daemon.publishers = g_strdupv((char **)(uintptr_t)nowhere);
			args->table = TRUE;
		}
	}
}

static int parse(int argc, char **argv, struct arguments *args)
{
	const GOptionEntry entries[] = {
		DAEMON_OPTIONS(args->daemon),
		{ "cycles", 'n', 0, G_OPTION_ARG_INT64, &args->cycles,
		  "stop after so many polling cycles of every task, queues flushed", "N" },
		{ "demo", 0, 0, G_OPTION_ARG_NONE, &args->demo,
		  "simulated instances instead of a hypervisor's", NULL },
		{ "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &args->interval_s,
		  "poll every S seconds, instead of what polling.yaml says", "S" },
		{ "meter", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &args->meters,
		  "meters for --interval, a pattern, may be repeated (all)", "PATTERN" },
		{ "inspector", 0, 0, G_OPTION_ARG_STRING, &args->inspector, "inspector to use",
		  "NAME" },
		{ "table", 't', 0, G_OPTION_ARG_NONE, &args->table,
		  "print a table of the instances after each cycle", NULL },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &args->verbose, "accepted, without effect",
		  NULL },
		{ "polling-namespaces", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args->namespaces,
		  "accepted for ceilometer-polling's sake; only `compute` is polled", "NAME" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	static const char *const ceilometer_namespaces[] = { "compute", "central", "ipmi", NULL };
	bool compute = false;
	int ret = cmd_parse(
		&argc, &argv, entries, NULL,
		"The polling agent, in the foreground: discovers the instances of this host, polls "
		"their meters and publishes the samples.");

	if (ret >= 0) {
		return ret;
	}
	/* oslo takes several words behind the option */
	for (int i = 1; i < argc; i++) {
		if (!args->namespaces || !g_strv_contains(ceilometer_namespaces, argv[i])) {
			return cmd_usage("agent", "%s: unexpected word", argv[i]);
		}
		compute = compute || strcmp(argv[i], "compute") == 0;
	}
	for (size_t i = 0; args->namespaces && args->namespaces[i]; i++) {
		if (!g_strv_contains(ceilometer_namespaces, args->namespaces[i])) {
			return cmd_usage(
				"agent",
				"--polling-namespaces %s: there is no such; `compute` is polled",
				args->namespaces[i]);
		}
		compute = compute || strcmp(args->namespaces[i], "compute") == 0;
	}
	if (args->namespaces && !compute) {
		return cmd_usage("agent", "--polling-namespaces: only `compute` is polled here");
	}
	if ((args->cycles < 1 && args->cycles != NOT_GIVEN) ||
	    (!(args->interval_s * 1e9 >= 1) && args->interval_s != (double)NOT_GIVEN) ||
	    args->interval_s > 1e9) {
		return cmd_usage("agent", "--cycles and --interval take numbers above 0");
	}
	args->cycles = MAX(args->cycles, 0);
	args->interval_s = MAX(args->interval_s, 0);
	return -1;
}

static void arguments_fini(struct arguments *args)
{
	daemon_arguments_fini(&args->daemon);
	g_strfreev(args->meters);
	g_strfreev(args->namespaces);
	g_free(args->inspector);
}

int cmd_agent(int argc, char **argv)
{
	struct arguments args = { .cycles = NOT_GIVEN, .interval_s = (double)NOT_GIVEN };
	struct running r = { .agent = NULL };
	struct agent_options options = { .builtin = builtin_plugins,
					 .own_plugins = builtin_plugin_folder(),
					 .context = &r };
	struct vmt_error error = { .text = "" };
	char *text;
	int status = parse(argc, argv, &args);

	if (status >= 0) {
		arguments_fini(&args);
		return status;
	}
	complete(&args);
	text = daemon_overrides(&args.daemon);
	if (args.table) {
		r.watch = watch_new(stdout, terminal_width());
		options.on_cycle = on_cycle;
	}
	options.cycles = (uint64_t)args.cycles;
	options.plan = (struct plan_options){
		.search = cmd_search(args.daemon.config_files, args.daemon.config_dirs),
		.ini_text = text,
		.demo = args.demo,
		.interval_ns = (int64_t)(args.interval_s * 1e9),
		.meters = (const char *const *)args.meters,
		.publishers = (const char *const *)args.daemon.publishers,
		.inspector = args.inspector,
	};
	if (agent_new(&options, &r.agent, &error) < 0) {
		fprintf(stderr, "virtmeter agent: %s\n", error.text);
		status = CMD_FAILED;
	} else {
		status = daemon_run(r.agent, "agent", args.daemon.control);
		agent_free(r.agent);
	}
	watch_free(r.watch);
	log_fini();
	g_free(text);
	arguments_fini(&args);
	return status;
}
