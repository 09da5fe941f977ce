/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shared object of the program's own has in place of base/clock and base/log: each process has one
 * clock and one log, the program's, and they are reached through the plugin contract.  So the code of
 * base, model and wire works in a shared object as it does in the program.  Any thread; blocks as
 * vmt_log does.
 *
 * The simulated clock is followed, but a shared object's own threads do not take part in it: what is tested
 * in simulation is linked into the test.
 */
#include <glib.h>
#include <stdio.h>
#include <virtmeter/plugin.h>

#include "base/clock.h"
#include "base/log.h"

int64_t clock_monotonic(void)
{
	return vmt_clock_monotonic();
}

int64_t clock_real(void)
{
	return vmt_clock_real();
}

bool clock_is_simulated(void)
{
	return false;
}

void clock_simulate_advance(int64_t mono_ns)
{
	g_assert_not_reached();
}

/* The logger is the plugin's name, whatever part of it speaks. */
void log_vwrite(enum vmt_log_level level, const char *logger, const char *format, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, args);
	vmt_log(level, "%s", text);
}

void log_write(enum vmt_log_level level, const char *logger, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, logger, format, args);
	va_end(args);
}

/* The program asks again, and knows. */
bool log_enabled(enum vmt_log_level level, const char *logger)
{
	return true;
}
