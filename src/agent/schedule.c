/* SPDX-License-Identifier: Apache-2.0 */
/* When a polling task falls due: arithmetic only, no clock of its own, blocks on nothing. */
#include "agent/schedule.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

#define EARLY_NS INT64_C(500000000) /* by which the wall clock may be behind the monotonic one */

/* Remainder that is never negative. */
static int64_t modulo(int64_t a, int64_t b)
{
	int64_t r = a % b;

	return r < 0 ? r + b : r;
}

void schedule_start(struct schedule *schedule, const char *host, int64_t mono_ns, int64_t real_ns)
{
	assert(schedule->interval_ns > 0);
	schedule->seed = host ? hash64(host, strlen(host), 0) : (uint64_t)real_ns;
	schedule->slot_ns = schedule->start_ns = mono_ns;
	schedule->offset_ns = real_ns - mono_ns;
}

void schedule_continue(struct schedule *schedule, const struct schedule *before)
{
	assert(schedule->interval_ns == before->interval_ns);
	schedule->seed = before->seed;
	schedule->slot_ns = before->slot_ns;
	schedule->start_ns = before->start_ns;
	schedule->offset_ns = before->offset_ns;
}

int64_t schedule_next(struct schedule *schedule, int64_t mono_ns, int64_t real_ns,
		      uint64_t *ret_missed)
{
	int64_t interval = schedule->interval_ns;
	int64_t offset = schedule->align ? real_ns - mono_ns : schedule->offset_ns;
	int64_t phase = schedule->align ? 0 : (int64_t)(schedule->seed % (uint64_t)interval);
	/* A slot closer than half an interval to the last run is left to the next one: it happens once
	 * after the start, and when the wall clock was set. */
	int64_t after = mono_ns;
	int64_t slot, jitter = 0;

	if (after < schedule->slot_ns + interval / 2) {
		after = schedule->slot_ns + interval / 2;
	}
	slot = after + interval - modulo(after + offset - phase, interval);
	if (schedule->slot_ns != schedule->start_ns &&
	    slot - schedule->slot_ns > interval + interval / 2) {
		*ret_missed += (uint64_t)((slot - schedule->slot_ns + interval / 2) / interval - 1);
	}
	schedule->slot_ns = slot;
	if (schedule->jitter_ns > 0) {
		uint64_t h = hash64(&slot, sizeof(slot), schedule->seed);

		jitter = (int64_t)(h % (uint64_t)(schedule->jitter_ns + 1));
	}
	return slot + jitter;
}

int64_t schedule_start_aligned(struct schedule *schedule, const char *host, int64_t mono_ns,
			       int64_t real_ns)
{
	uint64_t missed = 0;

	schedule_start(schedule, host, mono_ns, real_ns);
	/* as if the last run were long enough ago for any slot */
	schedule->slot_ns = schedule->start_ns = mono_ns - schedule->interval_ns;
	return schedule_next(schedule, mono_ns, real_ns, &missed);
}

int64_t schedule_slot(int64_t interval_ns, int64_t real_ns)
{
	int64_t early = interval_ns / 8 < EARLY_NS ? interval_ns / 8 : EARLY_NS;

	return real_ns + early - modulo(real_ns + early, interval_ns);
}
