/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One polling cycle: who is here, what do they use, which samples does that make.  The same for the
 * daemon's tasks and for `virtmeter poll`.  A struct poll_cycle belongs to one thread; it keeps what is
 * needed from one cycle to the next (readings, resource versions, counters for deltas), so that
 * nothing is allocated in the steady state.
 */
#ifndef AGENT_POLL_CYCLE_H
#define AGENT_POLL_CYCLE_H

#include <virtmeter/plugin.h>

#include <glib.h>

#include "agent/gather.h"
#include "model/meter.h"

struct frame;
struct frame_pool;
struct instances;
struct plugin_object;

/* The meters that are polled of some instances. */
struct poll_part {
	struct meter_selection *selection; /* of the table; its groups cover the pollsters' too */
	/* Per pollster object, per meter of its table: not 0 when it is wanted.  NULL for one that has
	 * nothing to do; the list itself is NULL when there are no pollsters. */
	uint64_t **pollster;
};

/* What is to be polled. */
struct poll_work {
	struct gather_plan gather; /* of which instances */
	uint64_t all; /* set of all scopes */
	/* Samples of a cycle have the time at which it was due, on the clock: what two agents poll is one point then. */
	bool due_times;
	const struct poll_part *whole; /* for `all`; what the inspector is asked for */
	/* What is polled of instances in just these scopes. */
	const struct poll_part *(*part)(struct poll_work *work, uint64_t scopes);
	/* A cycle begins, for instances of these scopes and, `host`, for this host. */
	void (*begun)(struct poll_work *work, uint64_t scopes, bool host);
};

/* Takes over a frame of the part's samples. */
typedef void (*poll_emit_fn)(void *context, const struct poll_part *part, struct frame *frame);

/* What a cycle works with; all of it stays the caller's. */
struct poll_cycle_parts {
	struct plugin_object *inspector;
	struct plugin_object *const *pollsters; /* NULL-terminated */
	struct frame_pool *pool;
	const struct meter_settings *settings;
	int64_t interval_ns;
	const char *state_file; /* where counters are kept for the next start; NULL: nowhere */
	bool kernel; /* ask only for what costs the hypervisor nothing (fast_interval) */
};

/* How punctual the polling is, for the meters of the host. */
struct poll_punctuality {
	int64_t due_ns; /* monotonic time when this cycle should have begun; INT64_MIN: not known */
	uint64_t overruns; /* cycles left out so far */
};

enum { POLL_SUSPECTS = 32 };

/* An instance that was not read as it should be. */
struct poll_suspect {
	char id[37];
	uint8_t outcome;
	int64_t age_ns; /* since it was last read whole; -1: never */
	int64_t monitor_ns; /* its monitor's latency; -1: not known */
};

/* What became of it. */
struct poll_cycle_result {
	int64_t wall_ns, cpu_ns; /* CPU of the whole process meanwhile */
	size_t outcome[VMT_OUTCOMES];
	uint64_t calls; /* questions put to the hypervisor */
	uint32_t quarantined,
		outstanding; /* as in struct vmt_inspection, latency and readings too */
	struct vmt_latency latency[VMT_LATENCIES];
	size_t latencies;
	char readings[128];
	struct poll_suspect suspect[POLL_SUSPECTS]; /* the first ones */
	size_t suspects; /* there may be more than fit */
	uint64_t samples;
	int64_t late_ns; /* by which it began late */
	struct vmt_error error; /* "" when the hypervisor and the discovery answered */
};

struct poll_cycle;

struct poll_cycle *poll_cycle_new(const struct poll_cycle_parts *parts);
void poll_cycle_free(struct poll_cycle *cycle);
/* Frees what only a run needs: its inspection, the text of its counters.  Between runs. */
void poll_cycle_trim(struct poll_cycle *cycle);

/* Runs it, until call->deadline_ns at the latest.  `work` may be another one in each cycle.  Hands over a frame
 * for each part that has samples.  0, or -errno when there is no list of instances yet.  *ret_result is filled
 * in any case. */
int poll_cycle_run(struct poll_cycle *cycle, struct poll_work *work,
		   const struct poll_punctuality *punctuality, const struct vmt_call *call,
		   poll_emit_fn emit, void *context, struct poll_cycle_result *ret_result);

/* A cycle for these instances alone (ids, of char *), which have just been started or come to their end: their first
 * or last samples. */
int poll_cycle_life(struct poll_cycle *cycle, struct poll_work *work, const GPtrArray *ids,
		    enum vmt_life what, const struct vmt_call *call, poll_emit_fn emit,
		    void *context);

/* The list and the readings of the last cycle, until the next one; NULL before the first. */
const struct vmt_snapshot *poll_cycle_snapshot(const struct poll_cycle *cycle);
const struct vmt_inspection *poll_cycle_inspection(const struct poll_cycle *cycle);

/* Instances (vmt_resource.instance) that were in the list of the cycle before the last one, and were not in the
 * last one's any more; until the next cycle. */
const uint64_t *poll_cycle_gone(const struct poll_cycle *cycle, size_t *ret_count);

#endif
