/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons, agent and collector, have in common: signals, control socket, service manager.  Main thread. */
#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include <stdbool.h>

struct agent;

/* What --debug, --log-file and --log-dir (NULL: not given) come to as configuration, to be read after the files; to be
 * freed with g_free(). */
char *daemon_overrides(bool debug, const char *log_file, const char *log_dir);

/* Runs until it is told to stop: the exit status.  `role`: "agent", "collector"; `socket`: path of the control
 * socket, NULL: as configured.  Leaves the process by itself when a thread does not come back. */
int daemon_run(struct agent *agent, const char *role, const char *socket);

#endif
