/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For benchmarks: a cycle of 1000 instances with two disks and a NIC each, ten meters of the instance and 28
 * of its devices, so that text and metadata come from far beyond the caches.
 */
#ifndef BENCH_CYCLE_FIXTURE_H
#define BENCH_CYCLE_FIXTURE_H

#include <glib.h>
#include <stdio.h>
#include <virtmeter/plugin.h>

#include "instance_metadata.h"

enum { INSTANCES = 1000, DEVICES = 3, METERS = 10, DEVICE_METERS = 28 };

struct instance {
	char id[40], user[40], project[40];
	char *head;
	struct vmt_resource own, device[DEVICES];
	char device_id[DEVICES][48];
	char *tail[DEVICES];
};

static struct instance instances[INSTANCES];
static const struct vmt_resource *own_column[INSTANCES], *device_column[INSTANCES];
static union vmt_num values[INSTANCES];

static inline void fill_resource(struct vmt_resource *r, const struct instance *x, const char *id,
				 const char *tail)
{
	*r = (struct vmt_resource){ .id = id,
				    .project_id = x->project,
				    .user_id = x->user,
				    .source = "openstack",
				    .meta_head = x->head,
				    .meta_head_len = (uint32_t)strlen(x->head),
				    .meta_tail = tail,
				    .meta_tail_len = (uint32_t)strlen(tail),
				    .digest = (uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15) };
}

static inline void fill(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		struct instance *x = &instances[i];

		snprintf(x->id, sizeof(x->id), "%08x-9dcc-5d82-8170-b985168ee6e1", i * 2654435761u);
		snprintf(x->user, sizeof(x->user), "%08x8ad1135092a8c29ca40824a7", i / 7 * 40503u);
		snprintf(x->project, sizeof(x->project), "%08x2dfc1b325bfa8438bb43983a",
			 i / 7 * 30011u);
		x->head = g_strdup_printf(INSTANCE_METADATA, i, i, x->id);
		fill_resource(&x->own, x, x->id, "}");
		own_column[i] = &x->own;
		for (int d = 0; d < DEVICES; d++) {
			snprintf(x->device_id[d], sizeof(x->device_id[d]), "%.36s-vd%c", x->id,
				 'a' + d);
			x->tail[d] = g_strdup_printf(", \"disk_name\": \"vd%c\"}", 'a' + d);
			fill_resource(&x->device[d], x, x->device_id[d], x->tail[d]);
		}
	}
	for (int i = 0; i < INSTANCES; i++) {
		values[i].u = (uint64_t)i * 2654435761u * 1000;
	}
}

static inline void unfill(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		g_free(instances[i].head);
		for (int d = 0; d < DEVICES; d++) {
			g_free(instances[i].tail[d]);
		}
	}
}

/* Meter m of the cycle, for all instances; valid until the next. */
static inline struct vmt_batch bench_batch(int m)
{
	struct vmt_batch b = { .name = m < METERS ? "memory.usage" : "disk.device.read.bytes",
			       .unit = "B",
			       .type = VMT_CUMULATIVE,
			       .kind = VMT_UINT64,
			       .count = INSTANCES,
			       .resource = m < METERS ? own_column : device_column,
			       .value = values,
			       .time_ns = INT64_C(1784642172123456789),
			       .mono_ns = INT64_C(98765123456789),
			       .id = { 0x72, 0x4f, 0x9b, 0xea, 0xe6, 0xd8, 0x11, 0xf1, 0x82, 0xe3 },
			       .publishers = 1 };

	for (int i = 0; m >= METERS && i < INSTANCES; i++) {
		device_column[i] = &instances[i].device[m % DEVICES];
	}
	return b;
}

#endif
