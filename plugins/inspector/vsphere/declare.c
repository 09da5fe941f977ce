/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the inspector while its shared object is not opened.  Any thread; never blocks. */
#include "plugins/inspector/gives.h"
#include "plugins/inspector/vsphere/options.h"

extern const struct vmt_plugin vmt_declared_inspector_vsphere;
const struct vmt_plugin vmt_declared_inspector_vsphere = {
	VSPHERE_INSPECTOR,
};

const struct inspector_gives vsphere_gives = {
	.fields = UINT64_C(1) << VMT_F_STATE | UINT64_C(1) << VMT_F_CPU_UTIL |
		  UINT64_C(1) << VMT_F_MEM_USED,
	.disk = 1U << VMT_D_READ_BYTES_RATE | 1U << VMT_D_READ_REQUESTS_RATE |
		1U << VMT_D_WRITE_BYTES_RATE | 1U << VMT_D_WRITE_REQUESTS_RATE,
	.nic = 1U << VMT_N_RX_BYTES_RATE | 1U << VMT_N_TX_BYTES_RATE,
};
