/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of redis:// while its shared object is not opened. */
#include "options.h"

VMT_PLUGIN(coordinator, redis) = {
	REDIS_PLUGIN,
};
