/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the discovery nova while its shared object is not opened.  Constant: any thread, nothing blocks. */
#include "options.h"

VMT_PLUGIN(discovery, nova) = {
	NOVA_PLUGIN,
};
