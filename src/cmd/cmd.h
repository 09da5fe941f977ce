/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of virtmeter: each is a function and a row in main.c.  It gets its own arguments
 * (argv[0] is the command's name) and answers the exit status: CMD_OK, CMD_FAILED (the reason is on
 * stderr, one line), CMD_USAGE.  samples.c and statistics.c have those that read a store, status.c those that ask a daemon.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

int cmd_agent(int argc, char **argv);
int cmd_collector(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_meters(int argc, char **argv);
int cmd_poll(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_resources(int argc, char **argv);
int cmd_samples(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_spool(int argc, char **argv);
int cmd_statistics(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
