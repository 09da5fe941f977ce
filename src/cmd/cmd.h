/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of virtmeter: one file each, one constant entry, one row in main.c.
 * A command's `run` gets its own arguments (argv[0] is the command's name) and answers the exit
 * status: CMD_OK, CMD_FAILED (the reason is on stderr, one line), CMD_USAGE.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

struct cmd {
	const char *name;
	const char *summary; /* for `virtmeter --help` */
	int (*run)(int argc, char **argv);
};

extern const struct cmd cmd_agent_entry, cmd_poll_entry, cmd_status_entry, cmd_reload_entry;

/* In check.c, list.c, samples.c. */
int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_samples(int argc, char **argv);
int cmd_resources(int argc, char **argv);
int cmd_meters(int argc, char **argv);

#endif
