/* SPDX-License-Identifier: Apache-2.0 */
/* What the program knows of the inspector while its shared object is not opened. */
#include "plugins/inspector/gives.h"
#include "plugins/inspector/hyperv/options.h"

extern const struct vmt_plugin vmt_declared_inspector_hyperv;
const struct vmt_plugin vmt_declared_inspector_hyperv = {
	HYPERV_INSPECTOR,
};

const struct inspector_gives hyperv_gives = {
	.fields = UINT64_C(1) << VMT_F_STATE | UINT64_C(1) << VMT_F_VCPUS |
		  UINT64_C(1) << VMT_F_CPU_TIME | UINT64_C(1) << VMT_F_MEM_USED,
	.disk = 1U << VMT_D_READ_REQUESTS | 1U << VMT_D_READ_BYTES | 1U << VMT_D_WRITE_REQUESTS |
		1U << VMT_D_WRITE_BYTES | 1U << VMT_D_READ_TIME | 1U << VMT_D_WRITE_TIME |
		1U << VMT_D_LATENCY | 1U << VMT_D_IOPS,
	.nic = (1U << VMT_N_RX_BYTES_RATE) - 1, /* all counters */
};
