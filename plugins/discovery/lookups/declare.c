/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the discovery lookups while its shared object is not opened. */
#include "options.h"

VMT_PLUGIN(discovery, lookups) = {
	LOOKUPS_PLUGIN,
};
