/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the heap is looked at between two cycles, and whether what is free of it is given back to the system: soon after
 * a cycle, then at longer and longer distances, for the answer to a call that the cycle did not wait for, some megabytes,
 * comes and goes later.  Close to the next cycle nothing is given back, which that one would only fault in again.
 */
#ifndef AGENT_TRIM_H
#define AGENT_TRIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define TRIM_CLOSE_NS (5 * NS_PER_S) /* to the next cycle */

struct trim {
	int64_t look_ns; /* monotonic time of the next look; INT64_MAX: none before the next cycle */
	int64_t wait_ns; /* that it is after the last one */
	size_t kept; /* free bytes that the heap kept when it was last asked */
};

/* After a cycle, at `mono_ns`; the next one is at `next_ns`. */
void trim_begin(struct trim *trim, int64_t mono_ns, int64_t next_ns);

/* A look at `mono_ns`, with `free` bytes of the heap free: whether they are to be given back, after which the caller
 * notes in `kept` what is free still. */
bool trim_look(struct trim *trim, int64_t mono_ns, int64_t next_ns, size_t free);

#endif
