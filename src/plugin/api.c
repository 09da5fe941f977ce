/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refers to every function that virtmeter/plugin.h offers, and base/shared_memory.h, so that the linker takes it into the program
 * even where only a shared object calls it (see src/exports.list).
 */
#include "base/shared_memory.h"
#include "plugin/registry_private.h"

/* clang-format off */
void (*const registry_api[])(void) = {
	(void (*)(void))vmt_snapshot_add,
	(void (*)(void))vmt_inspection_stamp,
	(void (*)(void))vmt_inspection_disk,
	(void (*)(void))vmt_inspection_nic,
	(void (*)(void))vmt_inspection_call,
	(void (*)(void))vmt_batch_id,
	(void (*)(void))vmt_samples_add,
	(void (*)(void))vmt_delivery_confirm,
	(void (*)(void))vmt_delivery_refuse,
	(void (*)(void))vmt_delivery_absorbed,
	(void (*)(void))vmt_delivery_settled,
	(void (*)(void))vmt_delivery_pause,
	(void (*)(void))vmt_clock_monotonic,
	(void (*)(void))vmt_clock_real,
	(void (*)(void))vmt_log,
	(void (*)(void))vmt_shared,
	(void (*)(void))vmt_error_set,
	(void (*)(void))vmt_transform_alloc,
	(void (*)(void))vmt_transform_pass,
	(void (*)(void))vmt_transform_make,
	(void (*)(void))vmt_transform_release,
	(void (*)(void))vmt_stage_warn,
	(void (*)(void))vmt_stage_refuse,
	(void (*)(void))vmt_resource_ref,
	(void (*)(void))vmt_resource_unref,
	(void (*)(void))vmt_resource_make,
	(void (*)(void))vmt_intake_message,
	(void (*)(void))vmt_intake_flush,
	(void (*)(void))vmt_intake_settled,
	(void (*)(void))vmt_intake_fd,
	(void (*)(void))vmt_intake_limit,
	(void (*)(void))vmt_intake_lost,
	(void (*)(void))vmt_intake_closing,
	(void (*)(void))vmt_members_add,
	NULL,
};
/* clang-format on */
