/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the inspector while its shared object is not opened. */
#include "plugins/inspector/hyperv/options.h"

extern const struct vmt_plugin vmt_declared_inspector_hyperv;
const struct vmt_plugin vmt_declared_inspector_hyperv = {
	HYPERV_INSPECTOR,
};
