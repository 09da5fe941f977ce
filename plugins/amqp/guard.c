/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the thread that watches over a connection.  It waits on nothing but base/wait, and in a tick on
 * whatever the tick does.  The struct wait guards all members; it is not held in a tick, but no call begins
 * meanwhile.
 */
#include "plugins/amqp/guard.h"

#include <glib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#define CANCEL_NS (100 * NS_PER_MS) /* how soon a cancelled call is noticed */

struct guard {
	struct wait wait;
	pthread_t thread;
	void (*tick)(void *arg);
	void *arg;
	int64_t tick_ns, next_ns;
	const struct vmt_call *call; /* NULL: none under way */
	int fd;
	bool fired, ticking, stop;
};

static bool is_over(const struct vmt_call *call)
{
	return clock_monotonic() >= call->deadline_ns || atomic_load(call->cancel);
}

/* One step, locked but in a tick; the time of the next. */
static int64_t step(struct guard *g)
{
	int64_t now = clock_monotonic();

	if (g->call) {
		if (!is_over(g->call)) {
			return MIN(g->call->deadline_ns, now + CANCEL_NS);
		}
		if (g->fd >= 0 && !g->fired) {
			shutdown(g->fd, SHUT_RDWR);
			g->fired = true;
		}
		return now + CANCEL_NS;
	}
	if (g->tick_ns <= 0) {
		return WAIT_FOREVER;
	}
	if (now >= g->next_ns) {
		g->ticking = true;
		wait_unlock(&g->wait);
		g->tick(g->arg);
		wait_lock(&g->wait);
		g->ticking = false;
		wait_wake(&g->wait);
		g->next_ns = clock_monotonic() + g->tick_ns;
	}
	return g->next_ns;
}

static void *guard_run(void *arg)
{
	struct guard *g = arg;

	wait_lock(&g->wait);
	while (!g->stop) {
		wait_until(&g->wait, step(g));
	}
	wait_unlock(&g->wait);
	return NULL;
}

int guard_new(void (*tick)(void *arg), void *arg, int64_t tick_ns, struct guard **ret)
{
	struct guard *g = g_new0(struct guard, 1);
	int code;

	wait_init(&g->wait);
	g->tick = tick;
	g->arg = arg;
	g->tick_ns = tick_ns;
	g->next_ns = clock_monotonic() + tick_ns;
	g->fd = -1;
	code = thread_start(&g->thread, "amqp-guard", guard_run, g);
	if (code < 0) {
		wait_fini(&g->wait);
		g_free(g);
		return code;
	}
	*ret = g;
	return 0;
}

void guard_free(struct guard *g)
{
	if (!g) {
		return;
	}
	wait_lock(&g->wait);
	g->stop = true;
	wait_unlock(&g->wait);
	wait_wake(&g->wait);
	thread_join(g->thread);
	wait_fini(&g->wait);
	g_free(g);
}

void guard_begin(struct guard *g, const struct vmt_call *call)
{
	wait_lock(&g->wait);
	while (g->ticking) {
		wait_until(&g->wait, WAIT_FOREVER);
	}
	g->call = call;
	g->fired = false;
	wait_unlock(&g->wait);
	wait_wake(&g->wait);
}

void guard_socket(struct guard *g, int fd)
{
	wait_lock(&g->wait);
	g->fd = fd;
	wait_unlock(&g->wait);
}

bool guard_end(struct guard *g)
{
	bool fired;

	wait_lock(&g->wait);
	g->call = NULL;
	fired = g->fired;
	g->next_ns = clock_monotonic() + g->tick_ns;
	wait_unlock(&g->wait);
	wait_wake(&g->wait);
	return fired;
}

bool guard_fired(struct guard *g)
{
	bool fired;

	wait_lock(&g->wait);
	fired = g->fired;
	wait_unlock(&g->wait);
	return fired;
}
