/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager's watchdog: told from the main loop, as often as it asks for, that the agent is
 * alive.  NULL when it does not ask.  Main thread.
 */
#ifndef AGENT_WATCHDOG_H
#define AGENT_WATCHDOG_H

struct agent;
struct watchdog;

struct watchdog *watchdog_new(struct agent *agent);
void watchdog_free(struct watchdog *watchdog);

#endif
