/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's receivers over their life and over reloads; an agent has none.  Main thread.
 */
#ifndef AGENT_RECEIVERS_H
#define AGENT_RECEIVERS_H

#include <glib.h>

#include "agent/agent.h"

struct buf;
struct problems;

/* Opens those of the plan that are not at work already, into `ret_new`.  -errno with the reason; what was opened is
 * in `ret_new` all the same. */
int agent_receivers_open(struct agent *agent, struct plan *plan, GPtrArray *ret_new,
			 struct problems *problems, struct vmt_error *error);
/* Takes in the new ones, lets go of those that the plan does not name, and leads all to the pipelines in force. */
void agent_receivers_commit(struct agent *agent, const struct plan *plan, GPtrArray *opened);
void agent_receivers_undo(GPtrArray *opened);

/* Frees those that were let go of, as far as they have ended; all of them with `wait`.  Whether some are left. */
bool agent_reap_receivers(struct agent *agent, bool wait);

void agent_receivers_start(struct agent *agent);
void agent_receivers_leave(struct agent *agent);
bool agent_receivers_quiet(struct agent *agent); /* what came in is on its way */
bool agent_receivers_done(struct agent *agent);
/* Lets go of all. */
void agent_retire_receivers(struct agent *agent);
/* Adds the objects of the status document, one a URL, with commas between. */
void agent_receivers_status(struct agent *agent, struct buf *json);

#endif
