/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the discovery while its shared object is not opened.  Any thread; never blocks. */
#include "plugins/discovery/vsphere/options.h"

extern const struct vmt_plugin vmt_declared_discovery_vsphere;
const struct vmt_plugin vmt_declared_discovery_vsphere = {
	VSPHERE_DISCOVERY,
};
