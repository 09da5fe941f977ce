/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what a polling task keeps of disks and NICs from cycle to cycle: the last values, for deltas and rates, and
 * whose they are.
 */
#include "model/meter_scene.h"

#include <glib.h>

static const char *const delta_meters[] = { "network.incoming.bytes.delta",
					    "network.outgoing.bytes.delta",
					    "vm.network.incoming.bytes.rate", NULL };

/* A cycle with one NIC. */
static void nic_cycle(struct scene *s, double seconds, int device, const char *name,
		      const char *mac, uint64_t rx)
{
	struct scene_nic_read nic = { name, mac, s->device[device].epoch, rx, UINT64_MAX, device };

	scene_nics(s, seconds, &nic, 1);
}

static void test_delta(void)
{
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, delta_meters);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1000);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 0); /* first */
	scene_check_none(&s, "vm.network.incoming.bytes.rate", SCENE_NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1500);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 500);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", SCENE_NIC_ID("tap0"), 50);
	scene_check_none(&s, "network.outgoing.bytes.delta", SCENE_NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1500);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 0);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", SCENE_NIC_ID("tap0"), 0);
	nic_cycle(&s, 10, 0, "tap0", "aa", 200); /* began anew */
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 200);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", SCENE_NIC_ID("tap0"), 20);
	s.device[0].epoch = 5; /* from now on known */
	nic_cycle(&s, 10, 0, "tap0", "aa", 300);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 100);
	s.device[0].epoch = 6; /* another device: anew, though the counter is larger */
	nic_cycle(&s, 10, 0, "tap0", "aa", 900);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 900);
	/* described anew, under another name: the MAC tells that it is the same */
	s.device[1].epoch = 6;
	nic_cycle(&s, 10, 1, "tap1", "aa", 950);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap1"), 50);
	/* the name of another: no increment is stolen */
	s.device[2].epoch = 6;
	nic_cycle(&s, 10, 2, "tap1", "bb", 5000);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap1"), 0);
	scene_fini(&s);
}

static void test_delta_gaps(void)
{
	struct scene s;
	struct vmt_instance none = { .id = "other" }, in = scene_instance();

	scene_init_one(&s, VMT_PROFILE_26, delta_meters);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1000);
	scene_begin(&s, 10); /* a cycle in which it could not be read */
	scene_reading(&s, 0, VMT_STUCK);
	scene_run(&s);
	scene_check_none(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1800);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 800);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", SCENE_NIC_ID("tap0"),
			   40); /* over both cycles */
	in.state = "paused"; /* other metadata: the values stay */
	scene_instances(&s, &in, 1);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1900);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 100);
	scene_instances(&s, &none, 1);
	scene_begin(&s, 10);
	scene_run(&s);
	scene_instances(&s, &in, 1); /* gone and back: forgotten between */
	nic_cycle(&s, 10, 0, "tap0", "aa", 2000);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 0);
	for (int i = 0; i < 100; i++) { /* away for long: forgotten too, so that nothing piles up */
		scene_begin(&s, 10);
		vmt_device_set(scene_nic(&s, 1, "tap1", "bb"), VMT_N_RX_BYTES, 1, s.stamp);
		scene_reading(&s, 0, VMT_OK);
		scene_run(&s);
	}
	nic_cycle(&s, 10, 0, "tap0", "aa", 2100);
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 0);
	scene_fini(&s);
}

/* Two NICs and two instances change places from cycle to cycle. */
static void test_delta_order(void)
{
	static const char *const macs[] = { "aa", "bb" };
	static const char *const names[] = { "tap0", "tap1" };
	struct vmt_instance in[2] = { scene_instance(), { .id = "other", .name = "o" } };
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, delta_meters);
	for (uint64_t cycle = 0; cycle < 6; cycle++) {
		struct vmt_instance order[2] = { in[cycle % 2], in[1 - cycle % 2] };

		scene_instances(&s, order, 2);
		scene_begin(&s, 10);
		for (size_t i = 0; i < 2; i++) {
			scene_reading(&s, i, VMT_OK);
			for (size_t k = 0; k < 2; k++) {
				size_t n = cycle / 2 % 2 ? k : 1 - k, who = (cycle + i) % 2;
				struct vmt_device *d = &s.device[2 * who + n];

				d->name = names[n];
				d->mac = macs[n];
				vmt_device_set(vmt_inspection_nic(s.in, i, d), VMT_N_RX_BYTES,
					       cycle * (1 + n + 10 * who), s.stamp);
			}
		}
		scene_run(&s);
		scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"),
				 cycle ? 1 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap1"),
				 cycle ? 2 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", "o-other-tap0",
				 cycle ? 11 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", "o-other-tap1",
				 cycle ? 12 : 0);
	}
	scene_fini(&s);
}

/* Two devices that cannot be told apart keep one slot each. */
static void test_delta_twins(void)
{
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, delta_meters);
	for (uint64_t cycle = 0; cycle < 3; cycle++) {
		scene_begin(&s, 10);
		scene_reading(&s, 0, VMT_OK);
		vmt_device_set(scene_nic(&s, 0, "tap0", "aa"), VMT_N_RX_BYTES, cycle * 10, s.stamp);
		vmt_device_set(scene_nic(&s, 1, "tap1", "aa"), VMT_N_RX_BYTES, cycle * 7, s.stamp);
		scene_run(&s);
		scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"),
				 cycle ? 10 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap1"),
				 cycle ? 7 : 0);
	}
	scene_fini(&s);
}

static void test_disk_rate(void)
{
	static const uint8_t fields[] = { VMT_D_READ_BYTES, VMT_D_WRITE_BYTES, VMT_D_READ_REQUESTS,
					  VMT_D_WRITE_REQUESTS };
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	for (uint64_t cycle = 0; cycle < 2; cycle++) {
		struct vmt_device_reading *disk;

		scene_begin(&s, 5);
		scene_reading(&s, 0, VMT_OK);
		disk = scene_disk(&s, 0, "vda");
		for (uint64_t i = 0; i < G_N_ELEMENTS(fields); i++) {
			vmt_device_set(disk, fields[i], 100 + cycle * 5 * (i + 1), s.stamp);
		}
		scene_run(&s);
	}
	scene_check_double(&s, "vm.disk.device.read.bytes.rate", SCENE_ID "-vda", 1);
	scene_check_double(&s, "vm.disk.device.write.bytes.rate", SCENE_ID "-vda", 2);
	scene_check_double(&s, "vm.disk.device.read.requests.rate", SCENE_ID "-vda", 3);
	scene_check_double(&s, "vm.disk.device.write.requests.rate", SCENE_ID "-vda", 4);
	/* what only other hypervisors give is not derived */
	scene_check_none(&s, "disk.device.read.bytes.rate", SCENE_ID "-vda");
	scene_fini(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter-devices/delta", test_delta);
	g_test_add_func("/model/meter-devices/delta-gaps", test_delta_gaps);
	g_test_add_func("/model/meter-devices/delta-order", test_delta_order);
	g_test_add_func("/model/meter-devices/delta-twins", test_delta_twins);
	g_test_add_func("/model/meter-devices/disk-rate", test_disk_rate);
	return g_test_run();
}
