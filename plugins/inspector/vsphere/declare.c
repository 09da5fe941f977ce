/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the inspector while its shared object is not opened. */
#include "plugins/inspector/vsphere/options.h"

extern const struct vmt_plugin vmt_declared_inspector_vsphere;
const struct vmt_plugin vmt_declared_inspector_vsphere = {
	VSPHERE_INSPECTOR,
};
