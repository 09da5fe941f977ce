/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's publishers: opened, kept, put in the place of others, and let go, as one configuration after
 * the other names them.  Main thread.
 *
 * A change is staged first, which is where it can fail; then it is committed or given up as a whole.
 */
#ifndef AGENT_OUTLETS_H
#define AGENT_OUTLETS_H

#include <glib.h>
#include <virtmeter/plugin.h>

#include "conf/polling.h"

struct agent;
struct agent_outlet;
struct outlet_stage;
struct plan;

struct outlet_stage *outlet_stage_new(struct agent *agent, struct plan *plan,
				      struct problems *problems);
/* First of all: what a durable log holds for a URL of the plan is for that one. */
void outlet_stage_reserve(struct outlet_stage *stage);
/* The outlet for a URL of the sink.  One that cannot be opened is a problem, and an outlet that takes
 * nothing; NULL with the reason when it should have taken the place of another: that one would lose what is
 * queued. */
struct agent_outlet *outlet_stage_want(struct outlet_stage *stage, const struct pipeline_sink *sink,
				       const struct polling_text *url, struct vmt_error *error);
/* Both free the stage.  After a commit the agent's outlets are those that were wanted; others leave once no
 * pipeline has them any more. */
void outlet_stage_commit(struct outlet_stage *stage);
void outlet_stage_abort(struct outlet_stage *stage);

/* Lets the outlets that are not wanted any more leave, frees those that have left, closes objects that were
 * replaced; with `wait` all of them at once.  True while some are left. */
bool agent_reap_outlets(struct agent *agent, bool wait);
/* The agent stops: outlets that a reload took out leave too, until `deadline_ns`. */
void agent_outlets_leave(struct agent *agent, int64_t deadline_ns);
bool agent_outlets_done(struct agent *agent);

#endif
