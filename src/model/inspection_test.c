/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the inspection: runs of devices, stamps, and that a second cycle takes nothing new.
 */
#include "model/inspection.h"

#include <glib.h>

static void fill(struct vmt_inspection *in, size_t count, const struct vmt_device *device)
{
	inspection_reset(in, count);
	for (size_t i = 0; i < count; i++) {
		uint8_t stamp =
			vmt_inspection_stamp(in, (struct vmt_stamp){ .mono_ns = (int64_t)i });

		in->reading[i].outcome = VMT_OK;
		vmt_set(&in->reading[i], VMT_F_CPU_TIME, i, stamp);
		for (size_t d = 0; d < i % 3; d++) {
			vmt_device_set(vmt_inspection_disk(in, i, device), VMT_D_READ_BYTES,
				       10 * i + d, stamp);
		}
		vmt_device_set(vmt_inspection_nic(in, i, device), VMT_N_RX_BYTES, i, stamp);
	}
}

static void test_runs(void)
{
	struct vmt_device device = { .version = 1, .name = "vda" };
	struct vmt_inspection *in = inspection_new();
	size_t bytes;

	fill(in, 300, &device);
	g_assert_cmpuint(in->count, ==, 300);
	g_assert_cmpuint(in->disks, ==, 300);
	g_assert_cmpuint(in->nics, ==, 300);
	for (size_t i = 0; i < 300; i++) {
		const struct vmt_reading *r = &in->reading[i];

		g_assert_cmpuint(r->disks, ==, i % 3);
		for (size_t d = 0; d < r->disks; d++) {
			const struct vmt_device_reading *disk = &in->disk[r->first_disk + d];

			g_assert_cmpuint(disk->value[VMT_D_READ_BYTES].u, ==, 10 * i + d);
			g_assert_cmpuint(disk->present, ==, 1u << VMT_D_READ_BYTES);
		}
		g_assert_cmpuint(in->nic[r->first_nic].value[VMT_N_RX_BYTES].u, ==, i);
	}
	bytes = inspection_bytes(in);
	fill(in, 300, &device);
	g_assert_cmpuint(inspection_bytes(in), ==, bytes);
	inspection_free(in);
}

static void test_reset_empties(void)
{
	struct vmt_device device = { .version = 1, .name = "vda" };
	struct vmt_inspection *in = inspection_new();

	fill(in, 3, &device);
	in->calls = 4;
	inspection_reset(in, 2);
	g_assert_cmpuint(in->reading[1].outcome, ==, VMT_UNREAD);
	g_assert_cmpuint(in->reading[1].present, ==, 0);
	g_assert_cmpuint(in->reading[1].disks, ==, 0);
	g_assert_cmpuint(in->disks + in->nics + in->stamps, ==, 0);
	g_assert_cmpuint(in->calls, ==, 0);
	inspection_free(in);
	inspection_free(NULL);
}

static void test_stamps_end(void)
{
	struct vmt_inspection *in = inspection_new();
	uint8_t last = 0;

	inspection_reset(in, 0);
	for (int i = 0; i < 300; i++) {
		last = vmt_inspection_stamp(in, (struct vmt_stamp){ .mono_ns = i });
		g_assert_cmpuint(last, ==, MIN(i, 255));
	}
	g_assert_cmpuint(in->stamps, ==, 256);
	g_assert_cmpint(in->stamp[last].mono_ns, ==, 255);
	inspection_free(in);
}

/* Of each kind of call the slowest counts. */
static void test_calls(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
	struct vmt_inspection *in = inspection_new();

	inspection_reset(in, 0);
	vmt_inspection_call(in, "a", 5);
	vmt_inspection_call(in, "a", 7);
	vmt_inspection_call(in, "a", 6);
	g_assert_cmpuint(in->latencies, ==, 1);
	g_assert_cmpint(in->latency[0].ns, ==, 7);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		vmt_inspection_call(in, names[i], 1);
	}
	g_assert_cmpuint(in->latencies, ==, VMT_LATENCIES);
	inspection_reset(in, 0);
	g_assert_cmpuint(in->latencies, ==, 0);
	inspection_free(in);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/inspection/runs", test_runs);
	g_test_add_func("/model/inspection/reset-empties", test_reset_empties);
	g_test_add_func("/model/inspection/stamps-end", test_stamps_end);
	g_test_add_func("/model/inspection/calls", test_calls);
	return g_test_run();
}
