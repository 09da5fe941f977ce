/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a subcommand, by GLib's option parser; main thread. */
#ifndef CMD_PARSE_H
#define CMD_PARSE_H

#include <glib.h>

#include "cmd/table.h"
#include "conf/ini.h"

/* Two entries, where the command reads the configuration: &files and &dirs are char **, to be freed with g_strfreev();
 * cmd_search() takes them. */
#define CMD_CONFIG_OPTIONS(files, dirs)                                                            \
	{ "config-file",                                                                           \
	  0,                                                                                       \
	  0,                                                                                       \
	  G_OPTION_ARG_FILENAME_ARRAY,                                                             \
	  &(files),                                                                                \
	  "Read this configuration file; may be repeated, later files win",                        \
	  "FILE" },                                                                                \
	{                                                                                          \
		"config-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(dirs),                          \
			"Read *.conf of this folder; later files win", "FOLDER"                    \
	}

/* Parses; `entries` ends with an empty one.  `usage` stands behind the name ("[FILE…]"), `about` is shown
 * below it by --help.  -1: go on, with what is no option left in argv[1] to argv[argc-1].  Else the exit
 * status: 0 after --help, 2 after one line about what is wrong. */
int cmd_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *usage,
	      const char *about);
/* What --config-file and --config-dir name, in the order of the command line that was parsed last. */
struct ini_search cmd_search(char *const *files, char *const *dirs);
/* "table" (or NULL) or "json"; else the line of cmd_usage() and -EINVAL. */
int cmd_format(const char *command, const char *text, enum table_format *ret_format);
/* One line "virtmeter COMMAND: …" on stderr; answers 2. */
int cmd_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
