/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of postgresql:// while its shared object is not opened. */
#include "options.h"

VMT_PLUGIN(publisher, postgresql) = {
	PG_PLUGIN,
};
