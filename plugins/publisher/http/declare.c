/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of http:// while its shared object is not opened. */
#include "options.h"

VMT_PLUGIN(publisher, http) = {
	HTTP_PLUGIN,
};
