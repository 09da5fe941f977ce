/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for notify.c in a build without libsystemd: nobody is told.
 */
#include "control/notify.h"

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(const char *text)
{
}

int64_t notify_watchdog_ns(void)
{
	return 0;
}

void notify_watchdog(void)
{
}
