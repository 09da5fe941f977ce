/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the arithmetic of back-off, which ends at INT64_MAX instead of beyond it.  Any thread; blocks on nothing.
 */
#include "base/backoff.h"

#include <glib.h>

int64_t backoff_next(int64_t pause_ns, const struct backoff_limits *limits)
{
	return pause_ns > limits->last_ns / 2 ? limits->last_ns
					      : MAX(pause_ns * 2, limits->first_ns);
}

int64_t backoff_after(uint64_t more, const struct backoff_limits *limits)
{
	int64_t pause_ns = limits->first_ns;

	for (; more > 0 && pause_ns < limits->last_ns; more--) {
		pause_ns = backoff_next(pause_ns, limits);
	}
	return pause_ns;
}

void backoff_fail(struct backoff *b, const struct backoff_limits *limits, int64_t now_ns)
{
	b->pause_ns = backoff_next(b->pause_ns, limits);
	b->until_ns = now_ns > INT64_MAX - b->pause_ns ? INT64_MAX : now_ns + b->pause_ns;
}

int64_t backoff_spread(int64_t pause_ns, int64_t less_ns, int64_t more_ns, uint64_t random)
{
	uint64_t width = (uint64_t)less_ns + (uint64_t)more_ns;

	return pause_ns - less_ns + (width ? (int64_t)(random % width) : 0);
}
