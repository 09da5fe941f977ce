/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that a cycle in which nothing changes takes nothing from the heap: 1000 instances, every
 * meter, the frame held by a slow publisher for a while, in each profile.
 */
#include "model/alloc_count.h"
#include "model/meter_scene.h"

#include <glib.h>
#include <stdlib.h>

enum { INSTANCES = 1000, DISKS = 2 };

struct crowd {
	struct scene scene;
	struct vmt_instance in[INSTANCES];
	struct vmt_device disk[INSTANCES * DISKS], nic[INSTANCES];
	char id[INSTANCES][16], flavor[INSTANCES][16];
	struct vmt_samples *samples;
};

static struct crowd *crowd_new(enum vmt_profile profile)
{
	struct crowd *c = g_new0(struct crowd, 1);

	scene_init(&c->scene, profile, NULL);
	for (size_t i = 0; i < INSTANCES; i++) {
		g_snprintf(c->id[i], sizeof(c->id[i]), "uuid-%zu", i);
		g_snprintf(c->flavor[i], sizeof(c->flavor[i]), "flavor-%zu", i % 50);
		c->in[i] = (struct vmt_instance){ .id = c->id[i],
						  .name = c->id[i],
						  .display_name = "d",
						  .has_flavor = true,
						  .flavor.name = c->flavor[i] };
		c->nic[i] = (struct vmt_device){ .version = 1 + i, .name = "tap0", .mac = "aa" };
		for (size_t d = 0; d < DISKS; d++) {
			c->disk[DISKS * i + d] =
				(struct vmt_device){ .version = 10000 + DISKS * i + d,
						     .name = d ? "vdb" : "vda" };
		}
	}
	scene_instances(&c->scene, c->in, INSTANCES);
	c->samples = samples_new();
	return c;
}

static void crowd_free(struct crowd *c)
{
	samples_free(c->samples);
	scene_fini(&c->scene);
	g_free(c);
}

/* Counters that move, gauges that do too. */
static void fill(struct crowd *c, uint64_t cycle)
{
	struct scene *s = &c->scene;

	scene_begin(s, 10);
	for (size_t i = 0; i < INSTANCES; i++) {
		struct vmt_reading *r = scene_reading(s, i, VMT_OK);

		for (unsigned f = 0; f < VMT_FIELDS; f++) {
			vmt_set(r, f, f == VMT_F_VCPUS ? 2 : 1000 * f + cycle * (i + 1), s->stamp);
		}
		r->value[VMT_F_CPU_UTIL].d = 12.5;
		for (size_t d = 0; d < DISKS; d++) {
			struct vmt_device_reading *disk =
				vmt_inspection_disk(s->in, i, &c->disk[DISKS * i + d]);

			for (unsigned f = 0; f < VMT_DISK_FIELDS; f++) {
				vmt_device_set(disk, f, 0, s->stamp);
				disk->value[f].u = f < VMT_D_READ_BYTES_RATE ? cycle * (f + i) : 0;
			}
		}
		for (unsigned n = 0; n < 1; n++) {
			struct vmt_device_reading *nic = vmt_inspection_nic(s->in, i, &c->nic[i]);

			for (unsigned f = 0; f < VMT_NIC_FIELDS; f++) {
				vmt_device_set(nic, f, 0, s->stamp);
				nic->value[f].u = f < VMT_N_RX_BYTES_RATE ? cycle * (f + i) : 0;
			}
		}
	}
}

/* What a pollster plugin adds in the same cycle. */
static void plugin(struct crowd *c)
{
	static const struct vmt_meter meter = { "my.meter", "", VMT_GAUGE, VMT_UINT64, 0, "" };
	static const uint64_t publishers[] = { 1 };
	struct scene *s = &c->scene;
	struct frame *f;

	samples_begin(c->samples, s->state, &meter, 1, &s->snapshot->list, s->in);
	for (size_t i = 0; i < INSTANCES; i++) {
		vmt_samples_add(c->samples, 0, i, SIZE_MAX, SIZE_MAX, (union vmt_num){ .u = i },
				s->stamp);
	}
	frame_begin(&s->builder, s->settings.metadata.profile, s->time_ns, s->mono_ns);
	g_assert_cmpint(samples_finish(c->samples, publishers, NULL, &s->builder), ==, INSTANCES);
	f = frame_finish(&s->builder);
	frame_unref(f);
}

static void steady(enum vmt_profile profile)
{
	struct crowd *c = crowd_new(profile);
	struct frame *held = NULL;
	int64_t samples = 0, last = 0;

	for (uint64_t cycle = 1; cycle <= 8; cycle++) {
		if (cycle == 4) { /* by now all arrays, both frames and the rates are there */
			alloc_count_begin();
		}
		fill(c, cycle);
		samples = scene_run(&c->scene);
		g_assert_true(cycle < 3 || samples == last);
		last = samples;
		frame_unref(held);
		held = frame_ref(c->scene.frame);
		plugin(c);
	}
	g_assert_cmpuint(alloc_count(), ==, 0);
	g_assert_cmpint(samples, >, 60 * INSTANCES);
	frame_unref(held);
	crowd_free(c);
}

static void test_steady(gconstpointer profile)
{
	steady((enum vmt_profile)GPOINTER_TO_INT(profile));
}

/* The counter does count. */
static void test_counter(void)
{
	void *volatile p;

	alloc_count_begin();
	p = malloc(10);
	free(p);
	p = g_strdup("a");
	g_free(p);
	g_assert_cmpuint(alloc_count(), ==, 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter-steady/counter", test_counter);
	g_test_add_data_func("/model/meter-steady/26", GINT_TO_POINTER(VMT_PROFILE_26),
			     test_steady);
	g_test_add_data_func("/model/meter-steady/19", GINT_TO_POINTER(VMT_PROFILE_19),
			     test_steady);
	g_test_add_data_func("/model/meter-steady/juno", GINT_TO_POINTER(VMT_PROFILE_JUNO),
			     test_steady);
	return g_test_run();
}
