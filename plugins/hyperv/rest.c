/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the pauses of a host that does not answer.  Any thread, one at a time for each; never blocks.
 */
#include "plugins/hyperv/rest.h"

#include "base/clock.h"

#include <errno.h>
#include <glib.h>

#define FIRST_NS (60 * NS_PER_S)
#define MOST_NS (120 * NS_PER_S)

int hyperv_rest_check(const struct hyperv_rest *rest, const char *address, struct vmt_error *error)
{
	if (clock_monotonic() >= rest->until_ns) {
		return 0;
	}
	return vmt_error_set(error, -EAGAIN, "%s: did not answer and is left alone for %d s",
			     address, (int)(rest->pause_ns / NS_PER_S));
}

void hyperv_rest_note(struct hyperv_rest *rest, int result)
{
	if (result != -ETIMEDOUT) {
		*rest = (struct hyperv_rest){ 0 };
		return;
	}
	rest->pause_ns = CLAMP(rest->pause_ns * 2, FIRST_NS, MOST_NS);
	rest->until_ns = clock_monotonic() + rest->pause_ns;
}
