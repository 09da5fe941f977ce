/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the agent: what its files share (agent.c runs it, build.c puts it together, status.c tells). */
#ifndef AGENT_PARTS_H
#define AGENT_PARTS_H

#include <glib.h>

#include "agent/agent.h"
#include "agent/basis.h"
#include "base/loop.h"
#include "base/wait.h"
#include "plugin/object.h"
#include "plugin/registry.h"

/* A publisher of the configuration.  It stays when a reload names the same URL with the same options again.
 * When its options were changed, or its sink has another URL of the same scheme instead, what is queued goes
 * to the new one. */
struct agent_outlet {
	char *url; /* as configured, secrets and all */
	uint64_t fingerprint; /* of URL, options and time-out */
	struct plugin_object *object; /* NULL when it could not be opened */
	struct outlet *outlet;
	GArray *former; /* struct former_object: replaced, perhaps still in use */
	atomic_uint users; /* pipelines, also those of frames under way */
	bool leaving;
};

/* A receiver of the configuration; it stays when a reload names the same URL with the same options again. */
struct agent_receiver {
	char *url; /* as configured, secrets and all */
	uint64_t fingerprint; /* of URL, options and what samples must be like */
	unsigned worker; /* which of those that consume beside each other, from 0 */
	struct plugin_object *object;
	struct receiver *receiver;
	bool wanted; /* by the configuration in force */
};

struct former_object {
	struct plugin_object *object;
	uint64_t generation; /* of the outlet, from which on it is not used any more */
};

/* A polling task with what it needs. */
struct agent_task {
	struct agent *agent;
	struct task *task;
	int64_t interval_ns;
	bool fast; /* that of fast_interval */
	struct basis *basis;
	struct plugin_object *inspector;
	bool wanted; /* by the configuration in force */
};

struct agent {
	struct wait looking; /* locked while a task shows its cycle */
	struct agent_options options;
	struct plan *plan; /* in force */
	GPtrArray *
		bases; /* struct basis *, one for each endpoint, in force: new tasks are made on them */
	struct sharing *sharing; /* in force; NULL: nothing is shared */
	GPtrArray *old_sharing; /* taken out by a reload, still saying good-bye */
	struct registry *registry;
	struct loop *loop;
	struct heartbeat *heartbeat;
	struct spool *spool;
	struct pipeline_runner *runner;
	struct frame_pool *pool;
	GPtrArray *outlets; /* struct agent_outlet * */
	GPtrArray *tasks; /* struct agent_task * */
	GPtrArray *pipelines; /* struct pipeline *, one reference each */
	GPtrArray *sinks; /* struct sink *, those with transformers, one reference each */
	GPtrArray *receivers; /* struct agent_receiver * */
	GPtrArray *old_receivers;
	struct loop_timer *idle_timer; /* of idle_exit */
	uint64_t idle_received; /* what had come in when it looked last */
	GPtrArray *old_tasks, *old_outlets; /* taken out by a reload, still ending */
	struct loop_timer *reaper; /* looks after them */
	int64_t started_ns;
	int64_t shuffle_ns; /* by which first cycles are late; 0: not drawn yet, or none */
	/* leaving */
	bool stopping, hurried, flushing, cancelled, clean;
	int64_t leave_ns;
	struct loop_timer *leave_timer;
};

/* build.c: makes basis, tasks, pipelines and outlets what the plan says; keeps what it finds the same.
 * -errno with the reason, and nothing changed. */
int agent_build(struct agent *agent, struct plan *plan, struct problems *problems,
		struct vmt_error *error);
/* Frees the tasks that a reload took out, as far as they have ended; all of them with `wait`. */
void agent_reap_tasks(struct agent *agent, bool wait);
/* agent.c, for build.c */
void agent_task_parts(struct agent_task *at, struct task_parts *parts);
/* Its first run is now; or, with `before`, when that one's next run would have been. */
void agent_task_start(struct agent_task *at, const struct agent_task *before);
bool agent_task_busy(const struct agent_task *at); /* a cycle is under way */

void agent_task_watch(struct agent_task *at, bool on); /* starts and ends of instances */

#endif
