/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For benchmarks: metadata as large and with as many members as Ceilometer's own agent gives an instance, a format of
 * printf() without the closing brace.  Arguments: a number (unsigned) twice, the instance's id.
 */
#ifndef BENCH_INSTANCE_METADATA_H
#define BENCH_INSTANCE_METADATA_H

#define INSTANCE_METADATA                                                                          \
	"{\"display_name\": \"vm-%u\", \"name\": \"instance-%08x\", \"instance_id\": \"%s\", "     \
	"\"instance_type\": \"m1.nano\", "                                                         \
	"\"host\": \"1d6f5300fdf4bbb79d01b813a04aff9be11842ad152c1e8831233f96\", "                 \
	"\"instance_host\": \"compute-0\", \"flavor\": {\"id\": \"42\", \"name\": \"m1.nano\", "   \
	"\"vcpus\": 2, \"ram\": 64, \"disk\": 1, \"ephemeral\": 0, \"swap\": 0}, "                 \
	"\"status\": \"active\", \"state\": \"running\", \"task_state\": \"\", "                   \
	"\"image\": {\"id\": \"fc162488-bbfa-51ec-be0a-2bbf3cf87b8f\"}, "                          \
	"\"image_ref\": \"fc162488-bbfa-51ec-be0a-2bbf3cf87b8f\", \"image_ref_url\": null, "       \
	"\"architecture\": \"x86_64\", \"os_type\": \"hvm\", \"vcpus\": 2, \"memory_mb\": 64, "    \
	"\"disk_gb\": 1, \"ephemeral_gb\": 0, \"root_gb\": 1"

#endif
