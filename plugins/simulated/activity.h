/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How busy something simulated has been: a pure function of a key and the time, so that counters made
 * from it go on where they were after a restart of the program.  Any thread; no memory, no blocking.
 */
#ifndef PLUGINS_SIMULATED_ACTIVITY_H
#define PLUGINS_SIMULATED_ACTIVITY_H

#include <stdint.h>

/* A well-mixed number from two. */
uint64_t activity_mix(uint64_t a, uint64_t b);

/* Nanoseconds of activity since the Unix epoch at `time_ns` (>= 0).  It never falls, grows by one per
 * nanosecond in the long run, at most by activity_peak(), with bursts of seconds to minutes and a tide
 * over the day.  `spread` 0 (even) to 0.3 (bursty). */
int64_t activity_at(uint64_t key, double spread, int64_t time_ns);
double activity_peak(double spread);

/* A level that wanders between 0 and 1, straight between random points two minutes apart. */
double activity_level(uint64_t key, int64_t time_ns);

#endif
