/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the pauses of a host that does not answer.  Any thread, one at a time for each; never blocks.
 */
#include "plugins/hyperv/rest.h"

#include "base/clock.h"

#include <errno.h>
#include <glib.h>

static const struct backoff_limits limits = { 60 * NS_PER_S, 120 * NS_PER_S };

int hyperv_rest_check(const struct backoff *rest, const char *address, struct vmt_error *error)
{
	if (clock_monotonic() >= rest->until_ns) {
		return 0;
	}
	return vmt_error_set(error, -EAGAIN, "%s: did not answer and is left alone for %d s",
			     address, (int)(rest->pause_ns / NS_PER_S));
}

void hyperv_rest_note(struct backoff *rest, int result)
{
	if (result != -ETIMEDOUT) {
		*rest = (struct backoff){ 0 };
		return;
	}
	backoff_fail(rest, &limits, clock_monotonic());
}
