/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An outlet: one publisher at work.  It owns a cursor of the log and a thread that takes the oldest
 * frame, hands it to the publisher and settles it: confirmed, refused for good, or, as the publisher's
 * policy says, dropped or tried again after a pause that doubles from 1 s to 60 s (with up to a fifth
 * of it at random, so that many hosts do not come back in step).  Rows that the publisher settled by
 * themselves (vmt_delivery_*) are counted so, whatever becomes of the rest.  One outlet's trouble never
 * touches another's.
 */
#ifndef PIPELINE_OUTLET_H
#define PIPELINE_OUTLET_H

#include <virtmeter/plugin.h>

#include "plugin/policy.h"
#include "spool/spool.h"

struct outlet;

/* A publisher, and how it is to be used. */
struct outlet_parts {
	const char *url; /* without secrets; copied */
	const char *name; /* its place in the configuration, see struct spool_publisher; copied */
	const struct vmt_publisher_ops
		*ops; /* these two stay the caller's and must outlive the outlet */
	void *self;
	struct policy policy;
	int64_t timeout_ns; /* bound of one attempt */
	double backlog_rate; /* samples a second, while more waits behind; 0: no bound */
};

enum outlet_state { OUTLET_OK, OUTLET_RETRYING, OUTLET_FAILED };

struct outlet_status {
	enum outlet_state state;
	char last_error[sizeof(((struct vmt_error *)0)->text)]; /* "" when there was none */
	struct spool_ledger ledger;
	/* of what was confirmed since the start: rows that the store had already, with the same or another value */
	uint64_t repeats, conflicts;
};

/* Starts the thread.  -ENOSPC: too many publishers. */
int outlet_new(struct spool *spool, const struct outlet_parts *parts, struct outlet **ret_outlet);
/* Puts another publisher in the place of the first, from the next attempt on: what is queued goes there, a
 * pause between attempts ends.  Main thread.  Answers a number: once outlet_generation() has reached it,
 * the publisher before is not used any more. */
uint64_t outlet_replace(struct outlet *outlet, const struct outlet_parts *parts);
uint64_t outlet_generation(struct outlet *outlet);
/* The publisher could not be opened: it takes nothing, but status tells of it. */
struct outlet *outlet_new_failed(const char *url, const char *reason);

/* For the main thread, until outlet_replace. */
const char *outlet_url(const struct outlet *outlet);
/* Its bit in vmt_batch.publishers; 0 for one that failed to open. */
uint64_t outlet_bit(const struct outlet *outlet);
void outlet_status(struct outlet *outlet, struct outlet_status *ret_status);

/* Takes nothing new; what is not delivered at `deadline_ns` will be dropped (`shutdown`), or stays in a
 * durable log, where a publisher whose far side is away does not even try any more.  Does not wait. */
void outlet_leave(struct outlet *outlet, int64_t deadline_ns);
/* Whether the thread has nothing more to do: all is delivered, or time is up. */
bool outlet_done(struct outlet *outlet);
/* Stops at once: the attempt under way is cancelled, what is queued is dropped for `reason`, or
 * stays in a durable log. */
void outlet_abort(struct outlet *outlet, enum spool_reason reason);
/* Waits for the thread; call outlet_leave or outlet_abort before. */
void outlet_free(struct outlet *outlet);

#endif
