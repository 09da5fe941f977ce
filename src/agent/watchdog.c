/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's watchdog.  Main thread; blocks on nothing. */
#include "agent/watchdog.h"

#include <glib.h>

#include "agent/parts.h"
#include "base/clock.h"
#include "control/notify.h"

struct watchdog {
	struct loop_timer *timer;
	int64_t period_ns;
};

static void alive(void *data)
{
	struct watchdog *w = data;

	notify_watchdog();
	loop_timer_set(w->timer, clock_monotonic() + w->period_ns);
}

struct watchdog *watchdog_new(struct agent *agent)
{
	int64_t period_ns = notify_watchdog_ns();
	struct watchdog *w;

	if (period_ns == 0) {
		return NULL;
	}
	w = g_new0(struct watchdog, 1);
	w->period_ns = period_ns;
	w->timer = loop_timer_add(agent->loop, clock_monotonic(), alive, w);
	return w;
}

void watchdog_free(struct watchdog *watchdog)
{
	if (!watchdog) {
		return;
	}
	loop_timer_free(watchdog->timer);
	g_free(watchdog);
}
