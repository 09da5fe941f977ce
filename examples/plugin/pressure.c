/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Example of a pollster with meters of its own: how large a write is on average, per disk, since the disk's counters
 * began, and how many disks an instance has.  It keeps nothing between two polls.  `poll` runs on the
 * thread of a polling task and blocks on nothing.
 */
#include <stdlib.h>
#include <virtmeter/plugin.h>

enum { DISK_PRESSURE, DISKS };

static const struct vmt_meter pressure_meters[] = {
	[DISK_PRESSURE] = {
		.name = "vm.example.disk_pressure",
		.unit = "B/request",
		.type = VMT_GAUGE,
		.kind = VMT_DOUBLE,
		.groups = VMT_GROUP_DISK,
		.help = "Average size of a write request to the disk.",
	},
	[DISKS] = {
		.name = "vm.example.disks",
		.unit = "disk",
		.type = VMT_GAUGE,
		.kind = VMT_UINT64,
		.groups = VMT_GROUP_DISK,
		.help = "Disks of the instance that could be read.",
	},
};

static int pressure_open(const void *conf, void **ret_self, struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

static bool has(const struct vmt_device_reading *d, enum vmt_disk_field field)
{
	return (d->present >> field & 1) != 0;
}

static int poll_disk(const struct vmt_inspection *in, size_t instance, size_t disk,
		     struct vmt_samples *out)
{
	const struct vmt_device_reading *d = &in->disk[disk];
	union vmt_num size;

	/* what was not read is absent, and nothing is divided by zero */
	if (!has(d, VMT_D_WRITE_BYTES) || !has(d, VMT_D_WRITE_REQUESTS) ||
	    d->value[VMT_D_WRITE_REQUESTS].u == 0) {
		return 0;
	}
	size.d = (double)d->value[VMT_D_WRITE_BYTES].u / (double)d->value[VMT_D_WRITE_REQUESTS].u;
	return vmt_samples_add(out, DISK_PRESSURE, instance, disk, SIZE_MAX, size,
			       d->stamp[VMT_D_WRITE_BYTES]);
}

static int pressure_poll(void *self, const struct vmt_snapshot *instances,
			 const struct vmt_inspection *readings, struct vmt_samples *out,
			 const struct vmt_call *call, struct vmt_error *error)
{
	for (size_t i = 0; i < readings->count; i++) {
		const struct vmt_reading *r = &readings->reading[i];
		union vmt_num count = { .u = r->disks };
		int status = 0;

		if (r->outcome != VMT_OK && r->outcome != VMT_PARTIAL) {
			continue;
		}
		for (size_t k = r->first_disk; status >= 0 && k < r->first_disk + r->disks; k++) {
			status = poll_disk(readings, i, k, out);
		}
		if (status >= 0 && r->disks > 0) {
			status = vmt_samples_add(out, DISKS, i, SIZE_MAX, SIZE_MAX, count,
						 readings->disk[r->first_disk].stamp[0]);
		}
		if (status < 0) {
			return vmt_error_set(error, status, "%s: sample refused",
					     instances->instances[i].id);
		}
	}
	return 0;
}

static void pressure_close(void *self)
{
}

static const struct vmt_pollster_ops pressure_ops = {
	.meters = pressure_meters,
	.count = sizeof(pressure_meters) / sizeof(pressure_meters[0]),
	.open = pressure_open,
	.poll = pressure_poll,
	.close = pressure_close,
};

VMT_PLUGIN(pollster, pressure) = {
	.abi = VMT_ABI,
	.ns = VMT_POLLSTER,
	.name = "pressure",
	.version = "1.0",
	.help = "Average size of a disk's writes, and how many disks there are.",
	.ops.pollster = &pressure_ops,
};
