/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: the only place (with wait.c) that asks the system for it or sleeps.  All times are int64_t
 * nanoseconds.  Either the system's clocks, or, after clock_simulate(), virtual ones that move only
 * when every thread waits (base/wait.h).  Any thread; never blocks.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC; for deadlines and intervals. */
int64_t clock_monotonic(void);

/* Nanoseconds since the Unix epoch. */
int64_t clock_real(void);

/* Nanoseconds of CPU that the calling thread, or the whole process, has used.  Always the system's
 * own, in simulation too: it measures work, not time. */
int64_t clock_cpu_thread(void);
int64_t clock_cpu_process(void);

/* From now on time is virtual and starts at these values.  Call it once, before any thread_start();
 * the caller becomes the first registered thread. */
void clock_simulate(int64_t real_ns, int64_t mono_ns);
bool clock_is_simulated(void);

/* Simulation only: the administrator (or NTP) sets the real clock forward or back. */
void clock_simulate_step(int64_t delta_ns);

/* Simulation only, for wait.c: moves time on to `mono_ns`; never back. */
void clock_simulate_advance(int64_t mono_ns);

#endif
