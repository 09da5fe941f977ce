/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests and benchmarks: a polling task without a hypervisor.  A scene holds instances, their
 * readings and what is needed to run meters over them; scene_run() is a cycle.
 */
#ifndef MODEL_METER_SCENE_H
#define MODEL_METER_SCENE_H

#include "model/inspection.h"
#include "model/meter.h"

enum { SCENE_DEVICES = 16 };

struct scene {
	struct meter_settings settings;
	const char *const *meters; /* pollster names, NULL-terminated; NULL: all */
	struct snapshot *snapshot;
	struct vmt_inspection *in;
	struct meter_state *state;
	struct meter_selection *selection;
	struct frame_pool *pool;
	struct frame_builder builder;
	struct frame *frame; /* of the last cycle; NULL: no samples */
	int64_t time_ns, mono_ns; /* of the cycle; the readings' stamp is one second later */
	uint8_t stamp;
	struct vmt_device device[SCENE_DEVICES]; /* versions 1… */
};

void scene_init(struct scene *s, enum vmt_profile profile, const char *const *meters);
void scene_fini(struct scene *s);

/* The instances of the next cycles. */
void scene_instances(struct scene *s, const struct vmt_instance *instances, size_t count);

/* One of a flavor, with that id; and a scene of it alone, about to be read. */
#define SCENE_ID "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a"
#define SCENE_NIC_ID(name) "instance-00000001-" SCENE_ID "-" name /* of a resource */
struct vmt_instance scene_instance(void);
struct vmt_reading *scene_init_one(struct scene *s, enum vmt_profile profile,
				   const char *const *meters);

/* Begins a cycle `seconds` after the last: empty readings, one stamp. */
void scene_begin(struct scene *s, double seconds);
struct vmt_reading *scene_reading(struct scene *s, size_t i, enum vmt_outcome outcome);

/* Runs the meters.  Number of samples. */
int64_t scene_run(struct scene *s);

/* The sample of a meter and resource in the last frame; false: none. */
struct scene_sample {
	const struct vmt_batch *batch;
	uint32_t row;
	const struct vmt_resource *resource;
	union vmt_num v;
	int64_t time_ns, mono_ns;
};
bool scene_find(const struct scene *s, const char *name, const char *resource,
		struct scene_sample *ret);

/* Fail unless the last frame has (has no) such a sample, of that kind and value. */
void scene_check_uint(const struct scene *s, const char *name, const char *resource,
		      uint64_t value);
void scene_check_int(const struct scene *s, const char *name, const char *resource, int64_t value);
void scene_check_double(const struct scene *s, const char *name, const char *resource,
			double value);
void scene_check_none(const struct scene *s, const char *name, const char *resource);

/* A disk or NIC of the instance 0 in the cycle's readings, described by device[]. */
struct vmt_device_reading *scene_disk(struct scene *s, int device, const char *name);
struct vmt_device_reading *scene_nic(struct scene *s, int device, const char *name,
				     const char *mac);

/* A NIC as it was read: bytes and packets received, UINT64_MAX: not read. */
struct scene_nic_read {
	const char *name, *mac;
	uint64_t epoch, bytes, packets;
	int device; /* position of its description */
};

/* A whole cycle, in which instance 0 is read with these NICs. */
void scene_nics(struct scene *s, double seconds, const struct scene_nic_read *nics, size_t count);

#endif
