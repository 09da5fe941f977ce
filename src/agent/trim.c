/* SPDX-License-Identifier: Apache-2.0 */
/* Under the lock of its task; blocks on nothing. */
#include "agent/trim.h"

#define FIRST_NS (NS_PER_S / 2) /* the cycle's samples have most likely been published by then */

enum { WORTH = 64 << 10 }; /* bytes */

static void look_at(struct trim *trim, int64_t mono_ns, int64_t next_ns)
{
	trim->look_ns = next_ns - mono_ns > TRIM_CLOSE_NS ? mono_ns + trim->wait_ns : INT64_MAX;
}

void trim_begin(struct trim *trim, int64_t mono_ns, int64_t next_ns)
{
	trim->wait_ns = FIRST_NS;
	trim->kept = 0;
	look_at(trim, mono_ns, next_ns);
}

bool trim_look(struct trim *trim, int64_t mono_ns, int64_t next_ns, size_t free)
{
	bool worth = free > trim->kept && free - trim->kept > WORTH;

	look_at(trim, mono_ns, next_ns);
	trim->wait_ns *= 2;
	return worth;
}
