/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the two clocks, real and simulated.  Any thread; never blocks.  The simulated time is moved by
 * wait.c alone, which knows when every thread waits.
 */
#include "base/clock.h"
#include "base/wait.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>
#include <virtmeter/plugin.h>

static atomic_bool simulated;
static _Atomic int64_t sim_mono, sim_offset; /* real = mono + offset */

static int64_t ask(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_monotonic(void)
{
	if (atomic_load_explicit(&simulated, memory_order_relaxed)) {
		return atomic_load(&sim_mono);
	}
	return ask(CLOCK_MONOTONIC);
}

int64_t clock_real(void)
{
	if (atomic_load_explicit(&simulated, memory_order_relaxed)) {
		return atomic_load(&sim_mono) + atomic_load(&sim_offset);
	}
	return ask(CLOCK_REALTIME);
}

int64_t clock_cpu_thread(void)
{
	return ask(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_cpu_process(void)
{
	return ask(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_simulate(int64_t real_ns, int64_t mono_ns)
{
	assert(!atomic_load(&simulated));
	atomic_store(&sim_mono, mono_ns);
	atomic_store(&sim_offset, real_ns - mono_ns);
	atomic_store(&simulated, true);
	wait_simulate();
}

bool clock_is_simulated(void)
{
	return atomic_load_explicit(&simulated, memory_order_relaxed);
}

void clock_simulate_step(int64_t delta_ns)
{
	assert(clock_is_simulated());
	atomic_fetch_add(&sim_offset, delta_ns);
}

void clock_simulate_advance(int64_t mono_ns)
{
	assert(clock_is_simulated());
	assert(mono_ns >= atomic_load(&sim_mono));
	atomic_store(&sim_mono, mono_ns);
}

int64_t vmt_clock_monotonic(void)
{
	return clock_monotonic();
}

int64_t vmt_clock_real(void)
{
	return clock_real();
}
