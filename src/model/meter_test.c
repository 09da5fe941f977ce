/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the meters: what each rule makes of a reading, in each profile, and that nothing is made
 * up.
 */
#include "base/clock.h"
#include "model/meter_scene.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ the table */

static void test_table(void)
{
	/* Every meter of the releases that a pollster gives. */
	static const char *const known[] = {
		"cpu", "cpu_util", "cpu_l3_cache", "vcpus", "memory", "memory.available",
		"memory.usage", "memory.resident", "memory.swap.in", "memory.swap.out",
		"memory.bandwidth.total", "memory.bandwidth.local", "perf.cpu.cycles",
		"perf.instructions", "perf.cache.references", "perf.cache.misses", "power.state",
		"instance", "instance_flavor", "disk.read.requests", "disk.write.requests",
		"disk.read.bytes", "disk.write.bytes", "disk.device.read.requests",
		"disk.device.write.requests", "disk.device.read.bytes", "disk.device.write.bytes",
		"disk.read.bytes.rate", "disk.write.bytes.rate", "disk.read.requests.rate",
		"disk.write.requests.rate", "disk.device.read.bytes.rate",
		"disk.device.write.bytes.rate", "disk.device.read.requests.rate",
		"disk.device.write.requests.rate", "disk.latency", "disk.device.latency",
		"disk.iops", "disk.device.iops", "disk.capacity", "disk.device.capacity",
		"disk.allocation", "disk.device.allocation", "disk.usage", "disk.device.usage",
		"disk.device.read.latency", "disk.device.write.latency", "disk.root.size",
		"disk.ephemeral.size", "network.incoming.bytes", "network.outgoing.bytes",
		"network.incoming.packets", "network.outgoing.packets",
		"network.incoming.packets.error", "network.outgoing.packets.error",
		"network.incoming.packets.drop", "network.outgoing.packets.drop",
		"network.incoming.bytes.delta", "network.outgoing.bytes.delta",
		"network.incoming.bytes.rate", "network.outgoing.bytes.rate",
		/* ours, at the least */
		"vm.cpu.time", "vm.cpu.wait", "vm.cpu.delay", "vm.outcome"
	};
	size_t ours = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		if (!meter_find(known[i])) {
			g_error("no meter %s", known[i]);
		}
	}
	for (size_t i = 0; i < meter_count(); i++) {
		const struct meter_row *row = meter_at(i);
		bool own = row->flags & METER_OWN;

		ours += own;
		g_assert_true(meter_find(row->name) == row); /* once */
		g_assert_true(own == g_str_has_prefix(row->name, "vm."));
		g_assert_true(own == !row->since);
		g_assert_nonnull(row->value);
		g_assert_true(g_str_has_suffix(row->help, "."));
		g_assert_true(row->source || row->flags & METER_FOREIGN);
		for (int p = 0; p < PROFILES; p++) {
			g_assert_nonnull(row->unit[p]);
		}
	}
	g_assert_cmpuint(meter_count() - ours, ==, G_N_ELEMENTS(known) - 4);
	g_assert_null(meter_find("no.such"));
	g_assert_null(meter_at(meter_count()));
}

static void test_selection(void)
{
	static const char *const some[] = { "cpu", "network.incoming.bytes", NULL };
	static const char *const found[] = { "instance", NULL };
	struct scene s, t;

	scene_init_one(&s, VMT_PROFILE_26, some);
	g_assert_cmpuint(s.selection->count, ==, 2);
	g_assert_cmphex(s.selection->groups, ==, VMT_GROUP_CPU | VMT_GROUP_VCPU | VMT_GROUP_NIC);
	g_assert_false(s.selection->remembers);
	scene_init_one(&t, VMT_PROFILE_26, found);
	g_assert_cmphex(t.selection->groups, ==, 0);
	scene_fini(&s);
	scene_fini(&t);
}

/* ------------------------------------------------------------------ CPU and memory */

static void test_cpu(void)
{
	static const char *const meters[] = { "cpu", "vm.cpu.time", "vm.cpu.wait", NULL };
	static const struct {
		bool time, wait, total;
		uint64_t cpu19, cpu_juno, guest; /* 0: none */
	} rows[] = {
		{ true, true, true, 57, 900, 50 },    { true, false, true, 900, 900, 50 },
		{ false, true, true, 900, 900, 900 }, { true, true, false, 57, 0, 50 },
		{ true, false, false, 0, 0, 50 },     { false, false, false, 0, 0, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		for (int p = 0; p < PROFILES; p++) {
			uint64_t cpu = p == VMT_PROFILE_JUNO ? rows[i].cpu_juno : rows[i].cpu19;
			struct scene s;
			struct vmt_reading *r = scene_init_one(&s, (enum vmt_profile)p, meters);

			if (rows[i].time) {
				vmt_set(r, VMT_F_VCPU_TIME, 50, s.stamp);
			}
			if (rows[i].wait) {
				vmt_set(r, VMT_F_VCPU_WAIT, 7, s.stamp);
			}
			if (rows[i].total) {
				vmt_set(r, VMT_F_CPU_TIME, 900, s.stamp);
			}
			scene_run(&s);
			(cpu ? scene_check_uint(&s, "cpu", SCENE_ID, cpu)
			     : scene_check_none(&s, "cpu", SCENE_ID));
			(rows[i].guest
				 ? scene_check_uint(&s, "vm.cpu.time", SCENE_ID, rows[i].guest)
				 : scene_check_none(&s, "vm.cpu.time", SCENE_ID));
			(rows[i].wait ? scene_check_uint(&s, "vm.cpu.wait", SCENE_ID, 7)
				      : scene_check_none(&s, "vm.cpu.wait", SCENE_ID));
			scene_fini(&s);
		}
	}
}

static void set_memory(struct scene *s, struct vmt_reading *r)
{
	vmt_set(r, VMT_F_MEM_ACTUAL, 65537, s->stamp);
	vmt_set(r, VMT_F_MEM_MAXIMUM, 131072, s->stamp);
	vmt_set(r, VMT_F_MEM_AVAILABLE, 62464, s->stamp);
	vmt_set(r, VMT_F_MEM_UNUSED, 40960, s->stamp);
	vmt_set(r, VMT_F_MEM_RSS, 44984, s->stamp);
	vmt_set(r, VMT_F_SWAP_IN, 1536, s->stamp);
	vmt_set(r, VMT_F_SWAP_OUT, 0, s->stamp);
}

static void test_memory(void)
{
	struct scene s;
	struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_26, NULL);

	set_memory(&s, r);
	scene_run(&s);
	scene_check_double(&s, "memory", SCENE_ID, 65537 / 1024.0);
	scene_check_double(&s, "memory.available", SCENE_ID, 61);
	/* without usable: available - unused */
	scene_check_double(&s, "memory.usage", SCENE_ID, 21);
	scene_check_double(&s, "memory.resident", SCENE_ID, 43.9296875);
	scene_check_double(&s, "memory.swap.in", SCENE_ID, 1.5);
	scene_check_double(&s, "memory.swap.out", SCENE_ID, 0);
	scene_check_double(&s, "vm.memory.maximum", SCENE_ID, 128);
	scene_check_none(&s, "vm.memory.usable", SCENE_ID);
	vmt_set(r, VMT_F_MEM_USABLE, 44032, s.stamp);
	scene_run(&s);
	scene_check_double(&s, "memory.usage", SCENE_ID, 18);
	vmt_set(r, VMT_F_MEM_USABLE, 62464 + 512, s.stamp);
	scene_run(&s);
	scene_check_double(&s, "memory.usage", SCENE_ID, -0.5);
	vmt_set_double(r, VMT_F_MEM_USED, 2048.5,
		       s.stamp); /* where the hypervisor says it itself */
	scene_run(&s);
	scene_check_double(&s, "memory.usage", SCENE_ID, 2.00048828125);
	scene_fini(&s);
}

/* Python 2 divided integers, downwards. */
static void test_memory_juno(void)
{
	struct scene s;
	struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_JUNO, NULL);

	set_memory(&s, r);
	scene_run(&s);
	scene_check_int(&s, "memory", SCENE_ID, 64);
	scene_check_int(&s, "memory.resident", SCENE_ID, 43);
	scene_check_int(&s, "memory.swap.in", SCENE_ID, 1);
	scene_check_int(&s, "memory.usage", SCENE_ID, 21);
	vmt_set(r, VMT_F_MEM_USABLE, 62464 + 512, s.stamp);
	scene_run(&s);
	scene_check_int(&s, "memory.usage", SCENE_ID, -1);
	vmt_set(r, VMT_F_MEM_USABLE, 62464 + 1024, s.stamp);
	scene_run(&s);
	scene_check_int(&s, "memory.usage", SCENE_ID, -1);
	vmt_set_double(r, VMT_F_MEM_USED, 3071.5, s.stamp);
	scene_run(&s);
	scene_check_int(&s, "memory.usage", SCENE_ID, 2);
	scene_fini(&s);
}

static void test_memory_parts(void)
{
	struct scene s;
	struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_19, NULL);

	vmt_set(r, VMT_F_MEM_AVAILABLE, 62464, s.stamp); /* alone: no usage */
	vmt_set(r, VMT_F_SWAP_IN, 8, s.stamp); /* without its pair: none */
	vmt_set(r, VMT_F_MEM_MAXIMUM, 8, s.stamp); /* no balloon: not what it has */
	scene_run(&s);
	scene_check_none(&s, "memory.usage", SCENE_ID);
	scene_check_none(&s, "memory.swap.in", SCENE_ID);
	scene_check_none(&s, "memory.swap.out", SCENE_ID);
	scene_check_none(&s, "memory", SCENE_ID);
	scene_fini(&s);
}

static const char *unit_of(const struct scene *s, const char *name, const char *resource)
{
	struct scene_sample found;

	g_assert_true(scene_find(s, name, resource, &found));
	return found.batch->unit;
}

static void test_units_and_names(void)
{
	static const char *const memory[PROFILES] = { "MB", "MB", "MiB" };
	static const char *const size[PROFILES] = { "GB", "GB", "GiB" };
	static const char *const requests[PROFILES] = { "requests/s", "request/s", "request/s" };
	static const char *const sent[PROFILES] = { "network.outgoing.bytes.delta",
						    "network.outgoing.packets.delta",
						    "network.outgoing.bytes.delta" };

	for (int p = 0; p < PROFILES; p++) {
		struct scene s;
		struct vmt_reading *r = scene_init_one(&s, (enum vmt_profile)p, NULL);
		struct vmt_device_reading *disk = scene_disk(&s, 0, "vda"), *nic;

		set_memory(&s, r);
		vmt_device_set_double(disk, VMT_D_READ_REQUESTS_RATE, 1, s.stamp);
		nic = scene_nic(&s, 1, "tap0", "aa");
		vmt_device_set(nic, VMT_N_TX_BYTES, 1, s.stamp);
		scene_run(&s);
		g_assert_cmpstr(unit_of(&s, "memory.resident", SCENE_ID), ==, memory[p]);
		g_assert_cmpstr(unit_of(&s, "disk.root.size", SCENE_ID), ==, size[p]);
		g_assert_cmpstr(unit_of(&s, "disk.device.read.requests.rate", SCENE_ID "-vda"), ==,
				requests[p]);
		g_assert_cmpstr(unit_of(&s, sent[p], SCENE_NIC_ID("tap0")), ==, "B");
		g_assert_cmpstr(unit_of(&s, "vm.memory.maximum", SCENE_ID), ==, "MiB");
		scene_fini(&s);
	}
}

/* ------------------------------------------------------------------ outcomes */

static void test_nothing_made_up(void)
{
	static const char *const given[] = { "instance",
					     "instance:m1.nano",
					     "disk.root.size",
					     "disk.ephemeral.size",
					     "vm.disk.root.size",
					     "vm.outcome",
					     NULL };

	for (int p = 0; p < PROFILES; p++) {
		struct scene s;

		scene_init_one(&s, (enum vmt_profile)p, NULL);
		s.in->reading[0].outcome = VMT_PARTIAL; /* nothing could be read */
		scene_run(&s);
		for (size_t i = 0; i < s.frame->public.count; i++) {
			g_assert_true(g_strv_contains(given, s.frame->public.batch[i].name));
		}
		g_assert_cmpuint(s.frame->public.count, ==, 6);
		scene_fini(&s);
	}
}

static void test_outcomes(void)
{
	static const struct {
		enum vmt_outcome outcome;
		uint64_t code;
		bool known, read;
	} rows[] = {
		{ VMT_UNREAD, 6, true, false },     { VMT_OK, 1, true, true },
		{ VMT_STOPPED, 2, true, false },    { VMT_GONE, 3, false, false },
		{ VMT_STUCK, 4, true, true },       { VMT_PARTIAL, 5, true, true },
		{ VMT_UNREACHABLE, 6, true, true },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct scene s;
		struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_26, NULL);

		r->outcome = (uint8_t)rows[i].outcome;
		vmt_set(r, VMT_F_CPU_TIME, 5, s.stamp);
		vmt_device_set(scene_disk(&s, 0, "vda"), VMT_D_READ_BYTES, 5, s.stamp);
		scene_run(&s);
		scene_check_uint(&s, "vm.outcome", SCENE_ID, rows[i].code);
		(rows[i].known ? scene_check_uint(&s, "instance", SCENE_ID, 1)
			       : scene_check_none(&s, "instance", SCENE_ID));
		(rows[i].read ? scene_check_uint(&s, "cpu", SCENE_ID, 5)
			      : scene_check_none(&s, "cpu", SCENE_ID));
		(rows[i].read ? scene_check_uint(&s, "disk.device.read.bytes", SCENE_ID "-vda", 5)
			      : scene_check_none(&s, "disk.device.read.bytes", SCENE_ID "-vda"));
		scene_fini(&s);
	}
}

static void stopped(struct scene *s, bool report)
{
	struct vmt_reading *r = scene_init_one(s, VMT_PROFILE_26, NULL);
	struct vmt_device_reading *disk = scene_disk(s, 0, "vda");

	s->settings.report_stopped = report;
	r->outcome = VMT_STOPPED;
	set_memory(s, r);
	vmt_set(r, VMT_F_VCPUS, 2, s->stamp);
	vmt_set(r, VMT_F_CPU_TIME, 5, s->stamp);
	vmt_device_set(disk, VMT_D_CAPACITY, 100, s->stamp);
	vmt_device_set(disk, VMT_D_ALLOCATION, 50, s->stamp);
	vmt_device_set(disk, VMT_D_PHYSICAL, 60, s->stamp);
	vmt_device_set(disk, VMT_D_READ_BYTES, 60, s->stamp);
	scene_run(s);
}

static void test_stopped(void)
{
	struct scene s;

	stopped(&s, false);
	scene_check_none(&s, "power.state", SCENE_ID);
	scene_check_none(&s, "memory", SCENE_ID);
	scene_check_none(&s, "disk.device.capacity", SCENE_ID "-vda");
	scene_fini(&s);
	stopped(&s, true);
	scene_check_uint(&s, "power.state", SCENE_ID, 5);
	scene_check_uint(&s, "vcpus", SCENE_ID, 2);
	scene_check_double(&s, "memory", SCENE_ID, 128); /* what it may have, not the balloon */
	scene_check_uint(&s, "disk.device.capacity", SCENE_ID "-vda", 100);
	scene_check_uint(&s, "disk.device.allocation", SCENE_ID "-vda", 50);
	scene_check_uint(&s, "disk.device.usage", SCENE_ID "-vda", 60);
	scene_check_none(&s, "cpu", SCENE_ID);
	scene_check_none(&s, "memory.resident", SCENE_ID);
	scene_check_none(&s, "memory.usage", SCENE_ID);
	scene_check_none(&s, "disk.device.read.bytes", SCENE_ID "-vda");
	scene_fini(&s);
}

/* ------------------------------------------------------------------ flavors */

static void test_sizes(void)
{
	struct vmt_instance in = scene_instance();
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	scene_run(&s);
	scene_check_int(&s, "disk.root.size", SCENE_ID, 15);
	scene_check_int(&s, "disk.ephemeral.size", SCENE_ID, 5);
	scene_check_int(&s, "vm.disk.root.size", SCENE_ID, 20);
	in.has_flavor = false; /* a guest that Nova does not know */
	scene_instances(&s, &in, 1);
	scene_begin(&s, 1);
	scene_run(&s);
	scene_check_none(&s, "disk.root.size", SCENE_ID);
	scene_check_none(&s, "disk.ephemeral.size", SCENE_ID);
	scene_check_none(&s, "instance:m1.nano", SCENE_ID);
	scene_check_uint(&s, "instance", SCENE_ID, 1);
	scene_fini(&s);
}

static void test_instance_flavor(void)
{
	static const char *const meters[] = { "instance_flavor", NULL };
	static const char *const flavors[] = { "b", "a", NULL, "b", "c d", "a", "b" };
	struct vmt_instance in[G_N_ELEMENTS(flavors)] = { 0 };
	struct scene s;

	scene_init(&s, VMT_PROFILE_JUNO, meters);
	for (size_t i = 0; i < G_N_ELEMENTS(flavors); i++) {
		static const char *const ids[] = { "0", "1", "2", "3", "4", "5", "6" };

		in[i].id = ids[i];
		in[i].has_flavor = flavors[i] != NULL;
		in[i].flavor.name = flavors[i];
	}
	scene_instances(&s, in, G_N_ELEMENTS(in));
	scene_begin(&s, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(in); i++) {
		scene_reading(&s, i, i == 3 ? VMT_GONE : VMT_STOPPED);
	}
	g_assert_cmpint(scene_run(&s), ==, 5);
	g_assert_cmpuint(s.frame->public.count, ==, 3); /* a batch per flavor */
	scene_check_uint(&s, "instance:a", "1", 1);
	scene_check_uint(&s, "instance:a", "5", 1);
	scene_check_uint(&s, "instance:b", "0", 1);
	scene_check_uint(&s, "instance:b", "6", 1);
	scene_check_uint(&s, "instance:c d", "4", 1);
	scene_check_none(&s, "instance:b", "3");
	g_assert_cmpstr(unit_of(&s, "instance:a", "1"), ==, "instance");
	scene_fini(&s);
}

/* ------------------------------------------------------------------ disks */

static void test_capacity(void)
{
	for (int p = 0; p < PROFILES; p++) {
		struct scene s;
		struct vmt_device_reading *disk;

		scene_init_one(&s, (enum vmt_profile)p, NULL);
		disk = scene_disk(&s, 0, "hda");
		vmt_device_set(disk, VMT_D_CAPACITY, 1000, s.stamp);
		disk = scene_disk(&s, 1, "vda");
		vmt_device_set(disk, VMT_D_CAPACITY, 1000, s.stamp);
		vmt_device_set(disk, VMT_D_PHYSICAL, 1024, s.stamp);
		disk = scene_disk(&s, 2, "vdb");
		vmt_device_set(disk, VMT_D_CAPACITY, 1000, s.stamp);
		vmt_device_set(disk, VMT_D_PHYSICAL, 10, s.stamp);
		scene_run(&s);
		scene_check_uint(&s, "disk.device.capacity", SCENE_ID "-hda", 1000);
		scene_check_uint(&s, "disk.device.capacity", SCENE_ID "-vda",
				 p == VMT_PROFILE_JUNO ? 1000 : 1024);
		scene_check_uint(&s, "disk.device.capacity", SCENE_ID "-vdb", 1000);
		scene_check_uint(&s, "disk.capacity", SCENE_ID,
				 p == VMT_PROFILE_JUNO ? 3000 : 3024);
		scene_check_none(&s, "disk.device.usage", SCENE_ID "-hda");
		scene_check_none(&s, "disk.usage", SCENE_ID); /* not of all: no sum */
		scene_fini(&s);
	}
}

static void test_sums(void)
{
	struct scene s;
	struct scene_sample found;
	struct vmt_device_reading *disk;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	disk = scene_disk(&s, 0, "vda");
	vmt_device_set(disk, VMT_D_READ_BYTES, 3, s.stamp);
	vmt_device_set(disk, VMT_D_WRITE_BYTES, 30, s.stamp);
	vmt_device_set_double(disk, VMT_D_LATENCY, 0.5, s.stamp);
	disk = scene_disk(&s, 1, "vdb");
	vmt_device_set(disk, VMT_D_READ_BYTES, 4, s.stamp);
	vmt_device_set_double(disk, VMT_D_LATENCY, 0.25, s.stamp);
	scene_run(&s);
	scene_check_uint(&s, "disk.read.bytes", SCENE_ID, 7);
	scene_check_none(&s, "disk.write.bytes", SCENE_ID);
	scene_check_double(&s, "disk.latency", SCENE_ID, 0.75);
	g_assert_true(scene_find(&s, "disk.read.bytes", SCENE_ID, &found));
	g_assert_nonnull(strstr(found.resource->meta_tail, "\"device\":[\"vda\",\"vdb\"]"));
	/* another disk: another list */
	scene_disk(&s, 2, "vdc");
	vmt_device_set(&s.in->disk[2], VMT_D_READ_BYTES, 1, s.stamp);
	scene_run(&s);
	scene_check_uint(&s, "disk.read.bytes", SCENE_ID, 8);
	g_assert_true(scene_find(&s, "disk.read.bytes", SCENE_ID, &found));
	g_assert_nonnull(strstr(found.resource->meta_tail, "\"device\":[\"vda\",\"vdb\",\"vdc\"]"));
	scene_fini(&s);
}

static void test_sums_juno(void)
{
	struct scene s;
	struct scene_sample found;
	struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_JUNO, NULL);

	scene_run(&s); /* no disks: Juno's sum is 0 of an empty list */
	scene_check_uint(&s, "disk.read.bytes", SCENE_ID, 0);
	g_assert_true(scene_find(&s, "disk.read.bytes", SCENE_ID, &found));
	g_assert_nonnull(strstr(found.resource->meta_tail, "\"device\":[]"));
	g_assert_true(scene_find(&s, "disk.usage", SCENE_ID, &found));
	g_assert_null(strstr(found.resource->meta_tail, "\"device\"")); /* listed from Pike on */
	r->outcome = VMT_PARTIAL; /* but not when they could not be read */
	scene_run(&s);
	scene_check_none(&s, "disk.read.bytes", SCENE_ID);
	scene_fini(&s);
	scene_init_one(&s, VMT_PROFILE_19, NULL);
	scene_run(&s);
	scene_check_none(&s, "disk.read.bytes", SCENE_ID); /* Pike: no sample */
	scene_fini(&s);
}

/* ------------------------------------------------------------------ times, numbers */

static void test_times(void)
{
	struct scene s;
	struct scene_sample found;
	struct vmt_device_reading *disk;
	uint8_t old;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	vmt_set(&s.in->reading[0], VMT_F_CPU_TIME, 1, s.stamp);
	old = vmt_inspection_stamp(s.in,
				   (struct vmt_stamp){ s.time_ns - 60000000000,
						       s.mono_ns - 60000000000, "blockinfo" });
	disk = scene_disk(&s, 0, "vda");
	vmt_device_set(disk, VMT_D_PHYSICAL, 1, old);
	scene_run(&s);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &found));
	g_assert_cmpint(found.time_ns, ==, s.time_ns + 1000000000);
	g_assert_cmpint(found.mono_ns, ==, s.mono_ns + 1000000000);
	/* read a minute ago: a sample of this cycle, and its monotonic time tells the age */
	g_assert_true(scene_find(&s, "disk.device.usage", SCENE_ID "-vda", &found));
	g_assert_cmpint(found.time_ns, ==, s.time_ns);
	g_assert_cmpint(found.mono_ns, ==, s.mono_ns - 60000000000);
	g_assert_true(scene_find(&s, "instance", SCENE_ID, &found));
	g_assert_cmpint(found.time_ns, ==, s.time_ns);
	/* all at the time of the cycle, read when they were read */
	meter_state_one_time(s.state, true);
	scene_run(&s);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &found));
	g_assert_cmpint(found.time_ns, ==, s.time_ns);
	g_assert_cmpint(found.mono_ns, ==, s.mono_ns + 1000000000);
	scene_fini(&s);
}

static void test_not_finite(void)
{
	static const double bad[] = { NAN, INFINITY, -INFINITY };

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct scene s;
		struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_26, NULL);

		r->value[VMT_F_CPU_UTIL].d = bad[i];
		r->present |= UINT64_C(1) << VMT_F_CPU_UTIL;
		r->stamp[VMT_F_CPU_UTIL] = s.stamp;
		scene_run(&s);
		scene_check_none(&s, "cpu_util", SCENE_ID);
		r->value[VMT_F_CPU_UTIL].d = 12.5;
		scene_run(&s);
		scene_check_double(&s, "cpu_util", SCENE_ID, 12.5);
		scene_fini(&s);
	}
}

static void test_mismatch(void)
{
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	inspection_reset(s.in, 2);
	g_assert_cmpint(scene_run(&s), ==, -EINVAL);
	g_assert_null(s.frame);
	scene_fini(&s);
}

/* Without inspection there is what discovery knows. */
static void test_without_inspection(void)
{
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	s.state = meter_state_new(&s.settings);
	frame_begin(&s.builder, VMT_PROFILE_26, s.time_ns, s.mono_ns);
	g_assert_cmpint(meters_run(s.state, s.selection, &s.snapshot->list, NULL, &s.builder), ==,
			5);
	s.frame = frame_finish(&s.builder);
	scene_check_uint(&s, "instance", SCENE_ID, 1);
	scene_check_none(&s, "vm.outcome", SCENE_ID);
	scene_fini(&s);
}

/* ------------------------------------------------------------------ health */

static const char *const health_meters[] = {
	"vm.outcome",          "vm.sample.age",       "vm.monitor.latency",
	"vm.call.latency",     "vm.host.lateness",    "vm.host.overruns",
	"vm.host.quarantined", "vm.host.outstanding", NULL
};

static double sample_double(const struct scene *s, const char *name, const char *resource)
{
	struct scene_sample found;

	g_assert_true(scene_find(s, name, resource, &found));
	return found.v.d;
}

/* The age counts from the last whole reading, whatever came in between. */
static void test_age(void)
{
	struct scene s;
	struct vmt_reading *r = scene_init_one(&s, VMT_PROFILE_26, health_meters);
	double first;

	s.mono_ns = clock_monotonic() - 100 * NS_PER_S;
	r->outcome = VMT_STUCK;
	scene_run(&s);
	scene_check_none(&s, "vm.sample.age", SCENE_ID);
	scene_begin(&s, 10);
	r = scene_reading(&s, 0, VMT_OK);
	vmt_set(r, VMT_F_STATE, 1, s.stamp);
	scene_run(&s);
	first = sample_double(&s, "vm.sample.age", SCENE_ID);
	g_assert_cmpfloat(first, >=, 80);
	scene_begin(&s, 10);
	r = scene_reading(&s, 0, VMT_STUCK);
	vmt_set(r, VMT_F_STATE, 1, s.stamp);
	vmt_set(r, VMT_F_MONITOR_LATENCY, 7400 * (uint64_t)NS_PER_MS, s.stamp);
	scene_run(&s);
	g_assert_cmpfloat(sample_double(&s, "vm.sample.age", SCENE_ID), >=, first);
	scene_check_double(&s, "vm.monitor.latency", SCENE_ID, 7400);
	scene_check_uint(&s, "vm.outcome", SCENE_ID, 4);
	scene_fini(&s);
}

static void test_host(void)
{
	struct scene s;
	struct scene_sample found;

	scene_init_one(&s, VMT_PROFILE_26, health_meters);
	s.settings.host = "compute-\"0\"";
	s.in->quarantined = 2;
	s.in->outstanding = 1;
	vmt_inspection_call(s.in, "domstats", 12 * NS_PER_MS);
	s.state = meter_state_new(&s.settings);
	meter_state_health(s.state,
			   &(struct meter_health){ .late_ns = 3 * NS_PER_MS, .overruns = 4 });
	scene_run(&s);
	scene_check_double(&s, "vm.host.lateness", s.settings.host, 3);
	scene_check_uint(&s, "vm.host.overruns", s.settings.host, 4);
	scene_check_uint(&s, "vm.host.quarantined", s.settings.host, 2);
	scene_check_uint(&s, "vm.host.outstanding", s.settings.host, 1);
	scene_check_double(&s, "vm.call.latency", "compute-\"0\"/domstats", 12);
	g_assert_true(scene_find(&s, "vm.call.latency", "compute-\"0\"/domstats", &found));
	g_assert_cmpstr(found.resource->meta_head, ==, "{\"host\":\"compute-\\\"0\\\"\"");
	g_assert_cmpstr(found.resource->meta_tail, ==, ",\"call\":\"domstats\"}");
	g_assert_cmpstr(found.resource->project_id, ==, NULL);
	scene_fini(&s);
}

/* Of a cycle for some instances the others, and the host, have no samples. */
static void test_only(void)
{
	static const uint8_t none[] = { 0 };
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, health_meters);
	s.settings.host = "h";
	s.state = meter_state_new(&s.settings);
	meter_state_only(s.state, none);
	g_assert_cmpint(scene_run(&s), ==, 0);
	scene_begin(&s, 10);
	scene_reading(&s, 0, VMT_OK);
	g_assert_cmpint(scene_run(&s), >, 0); /* it was for that cycle alone */
	scene_fini(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter/table", test_table);
	g_test_add_func("/model/meter/selection", test_selection);
	g_test_add_func("/model/meter/cpu", test_cpu);
	g_test_add_func("/model/meter/memory", test_memory);
	g_test_add_func("/model/meter/memory-juno", test_memory_juno);
	g_test_add_func("/model/meter/memory-parts", test_memory_parts);
	g_test_add_func("/model/meter/units-and-names", test_units_and_names);
	g_test_add_func("/model/meter/nothing-made-up", test_nothing_made_up);
	g_test_add_func("/model/meter/outcomes", test_outcomes);
	g_test_add_func("/model/meter/stopped", test_stopped);
	g_test_add_func("/model/meter/sizes", test_sizes);
	g_test_add_func("/model/meter/instance-flavor", test_instance_flavor);
	g_test_add_func("/model/meter/capacity", test_capacity);
	g_test_add_func("/model/meter/sums", test_sums);
	g_test_add_func("/model/meter/sums-juno", test_sums_juno);
	g_test_add_func("/model/meter/times", test_times);
	g_test_add_func("/model/meter/not-finite", test_not_finite);
	g_test_add_func("/model/meter/mismatch", test_mismatch);
	g_test_add_func("/model/meter/without-inspection", test_without_inspection);
	g_test_add_func("/model/meter/age", test_age);
	g_test_add_func("/model/meter/host", test_host);
	g_test_add_func("/model/meter/only", test_only);
	return g_test_run();
}
