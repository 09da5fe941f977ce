/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a polling task falls due.  The first run is at once; the following lie a whole number of
 * intervals apart on the monotonic clock, at the host's phase: a hash of the host name spreads the
 * hosts of a site over the interval, the same way after every restart.  With `align` they lie on whole
 * multiples of the interval of the wall clock instead, and follow it when it is set.
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	int64_t interval_ns;
	int64_t jitter_ns; /* each run is late by 0 to this much, at random but repeatable */
	bool align;
	uint64_t seed; /* of the host's name: phase and jitter */
	/* state */
	int64_t slot_ns; /* monotonic time of the last run, without jitter */
	int64_t start_ns; /* monotonic time of the first run */
	int64_t offset_ns; /* wall clock minus monotonic clock at the start */
};

/* Notes the first run, which is now.  host: NULL has the following ones whole intervals after it. */
void schedule_start(struct schedule *schedule, const char *host, int64_t mono_ns, int64_t real_ns);

/* Goes on where another schedule of the same interval is; alignment and jitter are its own. */
void schedule_continue(struct schedule *schedule, const struct schedule *before);

/* Monotonic time of the next run after `mono_ns`; the slots passed over since the last one, beside the
 * one answered, are added to *ret_missed. */
int64_t schedule_next(struct schedule *schedule, int64_t mono_ns, int64_t real_ns,
		      uint64_t *ret_missed);

/* The first run is at the next whole multiple of the interval on the wall clock, and not at once: monotonic time
 * of it. */
int64_t schedule_start_aligned(struct schedule *schedule, const char *host, int64_t mono_ns,
			       int64_t real_ns);

/* The whole multiple of the interval that a run belongs to which begins at `real_ns`: the one just passed, or one that
 * a clock which is being set is a moment short of. */
int64_t schedule_slot(int64_t interval_ns, int64_t real_ns);

#endif
