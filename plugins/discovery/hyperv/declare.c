/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the discovery while its shared object is not opened. */
#include "plugins/discovery/hyperv/options.h"

extern const struct vmt_plugin vmt_declared_discovery_hyperv;
const struct vmt_plugin vmt_declared_discovery_hyperv = {
	HYPERV_DISCOVERY,
};
