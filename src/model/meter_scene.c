/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the scenes of the meters' tests.
 */
#include "model/meter_scene.h"
#include "base/clock.h"

#include <glib.h>
#include <string.h>

static bool wanted(void *context, const struct meter_row *row, uint64_t *ret_publishers)
{
	const char *const *meters = context;

	return !meters || g_strv_contains(meters, row->name);
}

void scene_init(struct scene *s, enum vmt_profile profile, const char *const *meters)
{
	*s = (struct scene){
		.settings.metadata = { .profile = profile, .reserved_length = 256 },
		.meters = meters,
		.in = inspection_new(),
		.pool = frame_pool_new(2),
		.time_ns = INT64_C(1800000000) * NS_PER_S,
		.mono_ns = 1000 * NS_PER_S,
	};
	frame_builder_init(&s->builder, s->pool);
	s->selection = meter_selection_new(wanted, (void *)(uintptr_t)meters);
	for (int i = 0; i < SCENE_DEVICES; i++) {
		s->device[i].version = (uint64_t)i + 1;
	}
}

void scene_fini(struct scene *s)
{
	frame_unref(s->frame);
	frame_builder_fini(&s->builder);
	frame_pool_free(s->pool);
	meter_selection_free(s->selection);
	meter_state_free(s->state);
	inspection_free(s->in);
	snapshot_unref(s->snapshot);
}

void scene_instances(struct scene *s, const struct vmt_instance *instances, size_t count)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct snapshot *previous = s->snapshot;

	for (size_t i = 0; i < count; i++) {
		int r = vmt_snapshot_add(b, &instances[i]);

		g_assert(r == 0);
	}
	s->snapshot = snapshot_builder_finish(b, previous, s->time_ns);
	snapshot_unref(previous);
}

struct vmt_instance scene_instance(void)
{
	return (struct vmt_instance){
		.id = SCENE_ID,
		.name = "instance-00000001",
		.display_name = "web",
		.has_flavor = true,
		.flavor = { .id = "42", .name = "m1.nano", .disk_gib = 20, .ephemeral_gib = 5 },
	};
}

struct vmt_reading *scene_init_one(struct scene *s, enum vmt_profile profile,
				   const char *const *meters)
{
	struct vmt_instance in = scene_instance();

	scene_init(s, profile, meters);
	scene_instances(s, &in, 1);
	scene_begin(s, 0);
	return scene_reading(s, 0, VMT_OK);
}

void scene_begin(struct scene *s, double seconds)
{
	s->time_ns += (int64_t)(seconds * 1e9);
	s->mono_ns += (int64_t)(seconds * 1e9);
	inspection_reset(s->in, s->snapshot->list.count);
	s->stamp = vmt_inspection_stamp(
		s->in, (struct vmt_stamp){ s->time_ns + NS_PER_S, s->mono_ns + NS_PER_S, "scene" });
}

struct vmt_reading *scene_reading(struct scene *s, size_t i, enum vmt_outcome outcome)
{
	s->in->reading[i].outcome = (uint8_t)outcome;
	return &s->in->reading[i];
}

int64_t scene_run(struct scene *s)
{
	int64_t n;

	if (!s->state) {
		s->state = meter_state_new(&s->settings);
	}
	frame_unref(s->frame);
	frame_begin(&s->builder, s->settings.metadata.profile, s->time_ns, s->mono_ns);
	n = meters_run(s->state, s->selection, &s->snapshot->list, s->in, &s->builder);
	s->frame = frame_finish(&s->builder);
	return n;
}

bool scene_find(const struct scene *s, const char *name, const char *resource,
		struct scene_sample *ret)
{
	for (size_t i = 0; s->frame && i < s->frame->public.count; i++) {
		const struct vmt_batch *b = &s->frame->public.batch[i];

		for (uint32_t row = 0; row < b->count && strcmp(b->name, name) == 0; row++) {
			if (strcmp(b->resource[row]->id, resource) == 0) {
				*ret = (struct scene_sample){
					.batch = b,
					.row = row,
					.resource = b->resource[row],
					.v = b->value[row],
					.time_ns = b->times ? b->times[row] : b->time_ns,
					.mono_ns = b->monos ? b->monos[row] : b->mono_ns,
				};
				return true;
			}
		}
	}
	return false;
}

void scene_check_uint(const struct scene *s, const char *name, const char *resource, uint64_t value)
{
	struct scene_sample found;

	if (!scene_find(s, name, resource, &found)) {
		g_error("no %s of %s", name, resource);
	}
	g_assert_cmpint(found.batch->kind, ==, VMT_UINT64);
	g_assert_cmpuint(found.v.u, ==, value);
}

void scene_check_int(const struct scene *s, const char *name, const char *resource, int64_t value)
{
	struct scene_sample found;

	if (!scene_find(s, name, resource, &found)) {
		g_error("no %s of %s", name, resource);
	}
	g_assert_cmpint(found.batch->kind, ==, VMT_INT64);
	g_assert_cmpint(found.v.i, ==, value);
}

void scene_check_double(const struct scene *s, const char *name, const char *resource, double value)
{
	struct scene_sample found;

	if (!scene_find(s, name, resource, &found)) {
		g_error("no %s of %s", name, resource);
	}
	g_assert_cmpint(found.batch->kind, ==, VMT_DOUBLE);
	g_assert_cmpfloat_with_epsilon(found.v.d, value, 1e-9);
}

void scene_check_none(const struct scene *s, const char *name, const char *resource)
{
	struct scene_sample found;

	if (scene_find(s, name, resource, &found)) {
		g_error("%s of %s made up", name, resource);
	}
}

struct vmt_device_reading *scene_disk(struct scene *s, int device, const char *name)
{
	s->device[device].name = name;
	return vmt_inspection_disk(s->in, 0, &s->device[device]);
}

struct vmt_device_reading *scene_nic(struct scene *s, int device, const char *name, const char *mac)
{
	s->device[device].name = name;
	s->device[device].mac = mac;
	return vmt_inspection_nic(s->in, 0, &s->device[device]);
}

void scene_nics(struct scene *s, double seconds, const struct scene_nic_read *nics, size_t count)
{
	scene_begin(s, seconds);
	scene_reading(s, 0, VMT_OK);
	for (const struct scene_nic_read *n = nics; n < nics + count; n++) {
		struct vmt_device_reading *r = scene_nic(s, n->device, n->name, n->mac);

		s->device[n->device].epoch = n->epoch;
		if (n->bytes != UINT64_MAX) {
			vmt_device_set(r, VMT_N_RX_BYTES, n->bytes, s->stamp);
		}
		if (n->packets != UINT64_MAX) {
			vmt_device_set(r, VMT_N_RX_PACKETS, n->packets, s->stamp);
		}
	}
	scene_run(s);
}
