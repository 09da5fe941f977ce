/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons, agent and collector, have in common: signals, control socket, service manager.  Main thread. */
#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include <glib.h>

#include "cmd/parse.h"

struct agent;

/* What may stand on the command line of each. */
struct daemon_arguments {
	char **config_files, **config_dirs, **publishers;
	char *log_file, *log_dir, *control;
	gboolean debug, no_debug, syslog, journal;
};

/* Their entries for cmd_parse(); `a` is a struct daemon_arguments.  Hidden: what oslo.log takes as well. */
#define DAEMON_OPTIONS(a)                                                                               \
	CMD_CONFIG_OPTIONS((a).config_files, (a).config_dirs),                                          \
		{ "publish",                                                                            \
		  'p',                                                                                  \
		  0,                                                                                    \
		  G_OPTION_ARG_STRING_ARRAY,                                                            \
		  &(a).publishers,                                                                      \
		  "Publish there, instead of what pipeline.yaml says; may be repeated",                 \
		  "URL" },                                                                              \
		{ "socket", 0, 0, G_OPTION_ARG_FILENAME, &(a).control, "Path of the control socket",    \
		  "PATH" },                                                                             \
		{ "debug", 'd', 0, G_OPTION_ARG_NONE, &(a).debug, "Log at level DEBUG", NULL },         \
		{ "nodebug", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &(a).no_debug, NULL, NULL },   \
		{ "log-file", 0, 0, G_OPTION_ARG_FILENAME, &(a).log_file, "Log to this file", "FILE" }, \
		{ "logfile", 0,     G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &(a).log_file,         \
		  NULL,      "FILE" },                                                                  \
		{ "log-dir",                                                                            \
		  0,                                                                                    \
		  0,                                                                                    \
		  G_OPTION_ARG_FILENAME,                                                                \
		  &(a).log_dir,                                                                         \
		  "Log to a file in this folder",                                                       \
		  "FOLDER" },                                                                           \
		{ "logdir", 0,       G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &(a).log_dir,         \
		  NULL,     "FOLDER" },                                                                 \
		{ "use-syslog", 0, 0, G_OPTION_ARG_NONE, &(a).syslog, "Log to syslog", NULL },          \
	{                                                                                               \
		"use-journal", 0, 0, G_OPTION_ARG_NONE, &(a).journal, "Log to systemd's journal",       \
			NULL                                                                            \
	}

void daemon_arguments_fini(struct daemon_arguments *arguments);
/* What the options of the log come to as configuration, to be read after the files; to be freed with g_free(). */
char *daemon_overrides(const struct daemon_arguments *arguments);

/* Runs until it is told to stop: the exit status.  `role`: "agent", "collector"; `socket`: path of the control
 * socket, NULL: as configured.  Leaves the process by itself when a thread does not come back. */
int daemon_run(struct agent *agent, const char *role, const char *socket);

#endif
