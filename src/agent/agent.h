/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The polling agent: reads the configuration, opens what it names, polls at every distinct interval,
 * publishes, and leaves in good order.  With plan.collector it is the collector: the same life, but samples come
 * from receivers and nothing is polled.  All functions run on the main thread.
 *
 *     agent_new      configuration read, plugins opened; nothing polls or receives yet
 *     agent_run      until agent_stop, or until every task ran `cycles` times
 *     agent_free
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <virtmeter/plugin.h>

#include "agent/plan.h"
#include "agent/task.h"

struct agent;
struct buf;
struct problem;

struct agent_options {
	struct plan_options plan; /* where the configuration is, what the command line overrides */
	const struct vmt_plugin *const *builtin; /* NULL-terminated */
	const char *own_plugins; /* folder of the program's own shared objects; NULL: none */
	bool alone; /* share the instances with nobody, whatever the configuration says */
	bool quiet; /* the log is the caller's affair: do not set it up from the configuration */
	int64_t idle_exit_ns; /* a collector stops when nothing has come in for so long; 0: never */
	uint64_t cycles; /* stop after that many of every task; 0: never */
	/* what agent_new noticed in the configuration and goes on with, besides logging it; or NULL */
	void (*on_problem)(void *context, const struct problem *problem);
	task_look_fn
		on_cycle; /* on the polling tasks' threads, one at a time, for display; or NULL */
	void *context;
};

/* What the agent's own lines in the log are from: "agent", or "collector".  A process has one of the two. */
extern const char *agent_logger;

/* 0, or -errno with the reason; every further problem of the configuration was logged. */
int agent_new(const struct agent_options *options, struct agent **ret_agent,
	      struct vmt_error *error);
/* Exit status of the program: 0, or 1 when samples had to be given up at the end. */
int agent_run(struct agent *agent);
/* Whether every thread came to its end in agent_run; if not, agent_free would wait for it, and the process
 * is better left with _exit. */
bool agent_clean(const struct agent *agent);
/* First call: no new cycles, the ones under way finish, queues are flushed, within
 * graceful_shutdown_timeout.  Second call: at once. */
void agent_stop(struct agent *agent);
/* Reads the configuration anew.  0 when it was taken; else the old one stays.  Adds the answer of the control socket's
 * verb `reload`. */
int agent_reload(struct agent *agent, struct buf *json);
/* Appends the status document (cli.md) as one line of JSON. */
void agent_status(struct agent *agent, struct buf *json);
/* Of the configuration in force, until the next reload. */
const struct settings *agent_settings(const struct agent *agent);
void agent_free(struct agent *agent);

#endif
