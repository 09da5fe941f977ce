/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the meters' rules, in each profile, over an instance of which an inspector gives all that it declares.  One
 * thread; blocks on nothing.
 */
#include "inspectors_doc.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "model/meter_scene.h"
#include "plugins/inspector/gives.h"

static const struct {
	const char *name;
	const struct inspector_gives *gives;
} inspectors[] = {
	{ "libvirt", &libvirt_gives },
	{ "vsphere", &vsphere_gives },
	{ "hyperv", &hyperv_gives },
};

static const char *const profile_names[PROFILES] = { "juno", "19", "26" };

static const struct vmt_instance instance = { .id = "00000000-0000-4000-8000-000000000001",
					      .name = "instance-00000001" };

/* Fields that are no integers. */
static bool is_double(unsigned field)
{
	return field == VMT_F_MEM_USED || field == VMT_F_CPU_UTIL;
}

/* Memory gets less from field to field, as the parts of a whole do, and counters grow from cycle to cycle. */
static uint64_t plausible(unsigned field, unsigned cycle)
{
	return field == VMT_F_STATE   ? 1
	       : field == VMT_F_VCPUS ? 2
				      : (1U << 20) - field * 1000 + cycle * 100000;
}

static void fill_reading(struct vmt_reading *r, uint64_t fields, unsigned cycle, uint8_t stamp)
{
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		if (!(fields >> f & 1)) {
			continue;
		}
		if (is_double(f)) {
			vmt_set_double(r, f, 42, stamp);
		} else {
			vmt_set(r, f, plausible(f, cycle), stamp);
		}
	}
}

/* Doubles from `doubles` on. */
static void fill_device(struct vmt_device_reading *r, uint32_t fields, unsigned doubles,
			unsigned cycle, uint8_t stamp)
{
	for (unsigned f = 0; f < VMT_DISK_FIELDS; f++) {
		if (!(fields >> f & 1)) {
			continue;
		}
		if (f >= doubles) {
			vmt_device_set_double(r, f, 42, stamp);
		} else {
			vmt_device_set(r, f, plausible(VMT_FIELDS + f, cycle), stamp);
		}
	}
}

/* Two cycles, as rates need. */
static void run(struct scene *s, const struct inspector_gives *gives)
{
	scene_instances(s, &instance, 1);
	for (unsigned cycle = 0; cycle < 2; cycle++) {
		scene_begin(s, 10);
		fill_reading(scene_reading(s, 0, VMT_OK), gives->fields, cycle, s->stamp);
		fill_device(scene_disk(s, 0, "disk"), gives->disk, VMT_D_READ_BYTES_RATE, cycle,
			    s->stamp);
		fill_device(scene_nic(s, 1, "nic", NULL), gives->nic, VMT_N_RX_BYTES_RATE, cycle,
			    s->stamp);
		scene_run(s);
	}
}

static bool has(const struct scene *s, const char *name)
{
	for (size_t i = 0; s->frame && i < s->frame->public.count; i++) {
		if (strcmp(s->frame->public.batch[i].name, name) == 0 &&
		    s->frame->public.batch[i].count > 0) {
			return true;
		}
	}
	return false;
}

/* Bit 1 << profile, by the number of the meter. */
static uint8_t *profiles_of(const struct inspector_gives *gives)
{
	uint8_t *bits = g_new0(uint8_t, meter_count());

	for (unsigned p = 0; p < PROFILES; p++) {
		struct scene s;

		scene_init(&s, p, NULL);
		run(&s, gives);
		for (size_t m = 0; m < meter_count(); m++) {
			bits[m] |= (uint8_t)(has(&s, meter_name(meter_at(m), p)) << p);
		}
		scene_fini(&s);
	}
	return bits;
}

/* What discovery and the agent itself give depends on no inspector. */
static bool is_read(const struct meter_row *row)
{
	return row->level == METER_INSTANCE || row->level == METER_DISK ||
	       row->level == METER_DISKS || row->level == METER_NIC;
}

static void print_cell(uint8_t bits)
{
	printf(" Ta");
	for (unsigned p = 0; p < PROFILES; p++) {
		if (bits >> p & 1) {
			printf(" %s", profile_names[p]);
		}
	}
	if (!bits) {
		printf(" \\(en");
	}
}

static int print_meter(size_t m, uint8_t *const *bits)
{
	int hidden = 0;

	printf(".It Cm %s", meter_at(m)->name);
	for (size_t i = 0; i < G_N_ELEMENTS(inspectors); i++) {
		print_cell(bits[i][m]);
		if (bits[i][m] && bits[i][m] != (1 << PROFILES) - 1) {
			fprintf(stderr, "%s: hidden by a profile\n", meter_at(m)->name);
			hidden = 1;
		}
	}
	printf("\n");
	return hidden;
}

int inspectors_doc(void)
{
	uint8_t *bits[G_N_ELEMENTS(inspectors)];
	int ret = 0;

	printf(".Bl -column \"disk.device.write.requests.rate\" \"juno 19 26\" \"juno 19 26\" "
	       "\"juno 19 26\"\n.It Em meter");
	for (size_t i = 0; i < G_N_ELEMENTS(inspectors); i++) {
		bits[i] = profiles_of(inspectors[i].gives);
		printf(" Ta Em %s", inspectors[i].name);
	}
	printf("\n");
	for (size_t m = 0; m < meter_count(); m++) {
		if (is_read(meter_at(m))) {
			ret |= print_meter(m, bits);
		}
	}
	printf(".El\n");
	for (size_t i = 0; i < G_N_ELEMENTS(inspectors); i++) {
		g_free(bits[i]);
	}
	return ret;
}
