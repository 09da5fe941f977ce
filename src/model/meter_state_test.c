/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what a polling task keeps from cycle to cycle: last values for deltas and rates,
 * resources; and of samples that pollster plugins add.
 */
#include "model/meter_scene.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#define ID "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a"

static struct vmt_instance web(void)
{
	return (struct vmt_instance){
		.id = ID,
		.name = "instance-00000001",
		.display_name = "web",
		.has_flavor = true,
		.flavor = { .id = "42", .name = "m1.nano", .disk_gib = 20, .ephemeral_gib = 5 },
	};
}

/* One running instance, about to be read. */
static struct vmt_reading *one(struct scene *s, enum vmt_profile profile, const char *const *meters)
{
	struct vmt_instance in = web();

	scene_init(s, profile, meters);
	scene_instances(s, &in, 1);
	scene_begin(s, 0);
	return scene_reading(s, 0, VMT_OK);
}

/* ------------------------------------------------------------------ deltas and rates */

#define NIC_ID(name) "instance-00000001-" ID "-" name

static const char *const delta_meters[] = { "network.incoming.bytes.delta",
					    "network.outgoing.bytes.delta",
					    "vm.network.incoming.bytes.rate", NULL };

/* A cycle with one NIC. */
static void nic_cycle(struct scene *s, double seconds, int device, const char *name,
		      const char *mac, uint64_t rx)
{
	struct vmt_device_reading *nic;

	scene_begin(s, seconds);
	scene_reading(s, 0, VMT_OK);
	nic = scene_nic(s, device, name, mac);
	vmt_device_set(nic, VMT_N_RX_BYTES, rx, s->stamp);
	scene_run(s);
}

static void test_delta(void)
{
	struct scene s;

	one(&s, VMT_PROFILE_26, delta_meters);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1000);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 0); /* first */
	scene_check_none(&s, "vm.network.incoming.bytes.rate", NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1500);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 500);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC_ID("tap0"), 50);
	scene_check_none(&s, "network.outgoing.bytes.delta", NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1500);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 0);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC_ID("tap0"), 0);
	nic_cycle(&s, 10, 0, "tap0", "aa", 200); /* began anew */
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 200);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC_ID("tap0"), 20);
	s.device[0].epoch = 5; /* from now on known */
	nic_cycle(&s, 10, 0, "tap0", "aa", 300);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 100);
	s.device[0].epoch = 6; /* another device: anew, though the counter is larger */
	nic_cycle(&s, 10, 0, "tap0", "aa", 900);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 900);
	/* described anew, under another name: the MAC tells that it is the same */
	s.device[1].epoch = 6;
	nic_cycle(&s, 10, 1, "tap1", "aa", 950);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap1"), 50);
	/* the name of another: no increment is stolen */
	s.device[2].epoch = 6;
	nic_cycle(&s, 10, 2, "tap1", "bb", 5000);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap1"), 0);
	scene_fini(&s);
}

static void test_delta_gaps(void)
{
	struct scene s;
	struct vmt_instance none = { .id = "other" }, in = web();

	one(&s, VMT_PROFILE_26, delta_meters);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1000);
	scene_begin(&s, 10); /* a cycle in which it could not be read */
	scene_reading(&s, 0, VMT_STUCK);
	scene_run(&s);
	scene_check_none(&s, "network.incoming.bytes.delta", NIC_ID("tap0"));
	nic_cycle(&s, 10, 0, "tap0", "aa", 1800);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 800);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC_ID("tap0"),
			   40); /* over both cycles */
	in.state = "paused"; /* other metadata: the values stay */
	scene_instances(&s, &in, 1);
	nic_cycle(&s, 10, 0, "tap0", "aa", 1900);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 100);
	scene_instances(&s, &none, 1);
	scene_begin(&s, 10);
	scene_run(&s);
	scene_instances(&s, &in, 1); /* gone and back: forgotten between */
	nic_cycle(&s, 10, 0, "tap0", "aa", 2000);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 0);
	for (int i = 0; i < 100; i++) { /* away for long: forgotten too, so that nothing piles up */
		scene_begin(&s, 10);
		vmt_device_set(scene_nic(&s, 1, "tap1", "bb"), VMT_N_RX_BYTES, 1, s.stamp);
		scene_reading(&s, 0, VMT_OK);
		scene_run(&s);
	}
	nic_cycle(&s, 10, 0, "tap0", "aa", 2100);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), 0);
	scene_fini(&s);
}

/* Two NICs and two instances change places from cycle to cycle. */
static void test_delta_order(void)
{
	static const char *const macs[] = { "aa", "bb" };
	static const char *const names[] = { "tap0", "tap1" };
	struct vmt_instance in[2] = { web(), { .id = "other", .name = "o" } };
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
		scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"), cycle ? 1 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap1"), cycle ? 2 : 0);
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

	one(&s, VMT_PROFILE_26, delta_meters);
	for (uint64_t cycle = 0; cycle < 3; cycle++) {
		scene_begin(&s, 10);
		scene_reading(&s, 0, VMT_OK);
		vmt_device_set(scene_nic(&s, 0, "tap0", "aa"), VMT_N_RX_BYTES, cycle * 10, s.stamp);
		vmt_device_set(scene_nic(&s, 1, "tap1", "aa"), VMT_N_RX_BYTES, cycle * 7, s.stamp);
		scene_run(&s);
		scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap0"),
				 cycle ? 10 : 0);
		scene_check_uint(&s, "network.incoming.bytes.delta", NIC_ID("tap1"), cycle ? 7 : 0);
	}
	scene_fini(&s);
}

static void cpu_cycle(struct scene *s, double seconds, unsigned field, uint64_t value)
{
	struct vmt_reading *r;

	scene_begin(s, seconds);
	r = scene_reading(s, 0, VMT_OK);
	vmt_set(r, VMT_F_VCPUS, 2, s->stamp);
	vmt_set(r, field, value, s->stamp);
	scene_run(s);
}

static void test_cpu_rate(void)
{
	static const char *const meters[] = { "vm.cpu.util", NULL };
	struct vmt_instance in = web();
	struct scene s;

	one(&s, VMT_PROFILE_26, meters);
	in.epoch = 1;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_VCPU_TIME, 1000000000);
	scene_check_none(&s, "vm.cpu.util", ID);
	cpu_cycle(&s, 10, VMT_F_VCPU_TIME, 11000000000);
	scene_check_double(&s, "vm.cpu.util", ID, 50); /* 10 s in 10 s of 2 CPUs */
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 90000000000); /* another counter: no comparison */
	scene_check_none(&s, "vm.cpu.util", ID);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 95000000000);
	scene_check_double(&s, "vm.cpu.util", ID, 25);
	/* it started anew, and discovery is one cycle behind: the beginning counts once */
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 2000000000);
	scene_check_double(&s, "vm.cpu.util", ID, 10);
	in.epoch = 2;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 4000000000);
	scene_check_double(&s, "vm.cpu.util", ID, 10);
	/* and with discovery in time, though the counter is larger */
	in.epoch = 3;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 5000000000);
	scene_check_double(&s, "vm.cpu.util", ID, 25);
	scene_run(&s); /* the same reading again: no time has passed */
	scene_check_none(&s, "vm.cpu.util", ID);
	cpu_cycle(&s, -5, VMT_F_CPU_TIME, 6000000000); /* one from before it */
	scene_check_none(&s, "vm.cpu.util", ID);
	scene_fini(&s);
}

static void test_disk_rate(void)
{
	static const uint8_t fields[] = { VMT_D_READ_BYTES, VMT_D_WRITE_BYTES, VMT_D_READ_REQUESTS,
					  VMT_D_WRITE_REQUESTS };
	struct scene s;

	one(&s, VMT_PROFILE_26, NULL);
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
	scene_check_double(&s, "vm.disk.device.read.bytes.rate", ID "-vda", 1);
	scene_check_double(&s, "vm.disk.device.write.bytes.rate", ID "-vda", 2);
	scene_check_double(&s, "vm.disk.device.read.requests.rate", ID "-vda", 3);
	scene_check_double(&s, "vm.disk.device.write.requests.rate", ID "-vda", 4);
	/* what only other hypervisors give is not derived */
	scene_check_none(&s, "disk.device.read.bytes.rate", ID "-vda");
	scene_fini(&s);
}

/* ------------------------------------------------------------------ resources */

static void test_resources_stay(void)
{
	struct vmt_instance in = web();
	struct scene s;
	struct scene_sample a, b;
	struct vmt_resource first;
	struct frame *kept;

	one(&s, VMT_PROFILE_26, NULL);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 1);
	g_assert_true(scene_find(&s, "cpu", ID, &a));
	g_assert_true(scene_find(&s, "instance", ID, &b));
	g_assert_true(a.resource->meta_head == b.resource->meta_head); /* shared, not copied */
	g_assert_true(a.resource != b.resource);
	g_assert_nonnull(strstr(a.resource->meta_tail, "\"cpu_number\":2"));
	kept = frame_ref(s.frame);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 2);
	g_assert_true(scene_find(&s, "cpu", ID, &b));
	g_assert_true(a.resource == b.resource); /* one version for both cycles */
	scene_begin(&s, 10);
	vmt_set(scene_reading(&s, 0, VMT_OK), VMT_F_CPU_TIME, 3, s.stamp);
	scene_run(&s);
	g_assert_true(scene_find(&s, "cpu", ID, &b));
	g_assert_true(a.resource != b.resource);
	g_assert_nonnull(strstr(b.resource->meta_tail, "\"cpu_number\":null"));
	g_assert_cmphex(a.resource->digest, !=, b.resource->digest);
	first = *a.resource;
	in.display_name = "renamed";
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 4);
	g_assert_true(scene_find(&s, "cpu", ID, &b));
	g_assert_nonnull(strstr(b.resource->meta_head, "renamed"));
	/* the frame of the first cycle still says what was true then */
	g_assert_cmpstr(kept->public.batch[0].resource[0]->meta_head, ==, first.meta_head);
	g_assert_nonnull(strstr(first.meta_head, "\"web\""));
	frame_unref(kept);
	scene_fini(&s);
}

static void test_bad_device_text(void)
{
	struct scene s;

	one(&s, VMT_PROFILE_26, NULL);
	vmt_device_set(scene_disk(&s, 0, "vd\xff"), VMT_D_READ_BYTES, 1, s.stamp);
	scene_run(&s);
	scene_check_uint(&s, "disk.device.read.bytes", ID "-vd\xef\xbf\xbd", 1);
	scene_fini(&s);
}

/* All resources of 200 instances with a disk, a NIC and metadata as Nova has it, and what the task
 * keeps beside them, in less than 600 kB. */
static void test_memory_bound(void)
{
	static const struct vmt_pair attributes[] = { { "architecture", "x86_64", false },
						      { "os_type", "hvm", false },
						      { NULL, NULL, false } };
	struct vmt_instance in[200];
	struct vmt_device disk[200], nic[200];
	char id[200][40], tap[200][16], mac[200][18];
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, NULL);
	for (int i = 0; i < 200; i++) {
		g_snprintf(id[i], sizeof(id[i]), "c40c7cc3-2022-5bb6-afcd-6d9804d1b%03d", i);
		g_snprintf(tap[i], sizeof(tap[i]), "tap%08x-%02x", i * 7, i);
		g_snprintf(mac[i], sizeof(mac[i]), "fa:16:3e:00:00:%02x", i);
		in[i] = web();
		in[i].id = id[i];
		in[i].project_id = "9ba72dfc1b325bfa8438bb43983aef54";
		in[i].user_id = "baff8d1ad1135092a8c29ca40824a7a8";
		in[i].host_id = "1d6f5300fdf4bbb79d01b813a04aff9be11842ad152c1e8831233f96";
		in[i].host = "compute-0";
		in[i].has_image = true;
		in[i].image.id = "fc162488-bbfa-51ec-be0a-2bbf3cf87b8f";
		in[i].attributes = attributes;
		disk[i] = (struct vmt_device){ .version = (uint64_t)i + 1, .name = "vda" };
		nic[i] = (struct vmt_device){ .version = (uint64_t)i + 1001,
					      .name = tap[i],
					      .mac = mac[i] };
	}
	scene_instances(&s, in, 200);
	scene_begin(&s, 0);
	for (size_t i = 0; i < 200; i++) {
		vmt_set(scene_reading(&s, i, VMT_OK), VMT_F_CPU_TIME, 1, s.stamp);
		vmt_device_set(vmt_inspection_disk(s.in, i, &disk[i]), VMT_D_READ_BYTES, 1,
			       s.stamp);
		vmt_device_set(vmt_inspection_nic(s.in, i, &nic[i]), VMT_N_RX_BYTES, 1, s.stamp);
	}
	scene_run(&s);
	g_test_message("%zu bytes", meter_state_bytes(s.state));
	g_assert_cmpuint(meter_state_bytes(s.state), <, 600000);
	g_assert_cmpuint(meter_state_bytes(s.state), >, 200000); /* it counts them at all */
	scene_fini(&s);
}

/* ------------------------------------------------------------------ pollster plugins */

static void test_samples(void)
{
	static const struct vmt_meter meters[] = {
		{ "my.count", "thing", VMT_GAUGE, VMT_UINT64, 0, "" },
		{ "my.share", "%", VMT_GAUGE, VMT_DOUBLE, 0, "" },
		{ "my.unwanted", "", VMT_GAUGE, VMT_UINT64, 0, "" },
	};
	static const uint64_t publishers[] = { 1, 2, 0 };
	static const char *const none[] = { NULL };
	struct vmt_samples *out = samples_new();
	union vmt_num v = { .u = 7 }, d = { .d = 0.5 }, nan = { .d = NAN };
	struct scene s;

	one(&s, VMT_PROFILE_26, none);
	scene_disk(&s, 0, "vda");
	scene_nic(&s, 1, "tap0", "aa");
	scene_run(&s);
	samples_begin(out, s.state, meters, G_N_ELEMENTS(meters), &s.snapshot->list, s.in);
	g_assert_cmpint(vmt_samples_add(out, 1, 0, 0, SIZE_MAX, d, s.stamp), ==, 0);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, SIZE_MAX, SIZE_MAX, v, s.stamp), ==, 0);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, SIZE_MAX, 0, v, s.stamp), ==, 0);
	g_assert_cmpint(vmt_samples_add(out, 2, 0, SIZE_MAX, 0, v, s.stamp), ==, 0);
	g_assert_cmpint(vmt_samples_add(out, 3, 0, SIZE_MAX, SIZE_MAX, v, s.stamp), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 0, 1, SIZE_MAX, SIZE_MAX, v, s.stamp), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, 1, SIZE_MAX, v, s.stamp), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, SIZE_MAX, 1, v, s.stamp), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, 0, 0, v, s.stamp), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 0, 0, SIZE_MAX, SIZE_MAX, v, 9), ==, -EINVAL);
	g_assert_cmpint(vmt_samples_add(out, 1, 0, SIZE_MAX, SIZE_MAX, nan, s.stamp), ==, -EINVAL);
	frame_begin(&s.builder, VMT_PROFILE_26, s.time_ns, s.mono_ns);
	g_assert_cmpint(samples_finish(out, publishers, NULL, &s.builder), ==, 3);
	s.frame = frame_finish(&s.builder);
	scene_check_uint(&s, "my.count", ID, 7);
	scene_check_uint(&s, "my.count", NIC_ID("tap0"), 7);
	scene_check_double(&s, "my.share", ID "-vda", 0.5);
	g_assert_cmpuint(s.frame->public.count, ==, 2);
	g_assert_cmpuint(s.frame->public.batch[1].publishers, ==, 2);
	samples_free(out);
	samples_free(NULL);
	scene_fini(&s);
}

/* ------------------------------------------------------------------ over a restart */

static const char *const kept_meters[] = { "network.incoming.bytes", "network.incoming.bytes.delta",
					   "vm.network.incoming.bytes.rate",
					   "vm.network.incoming.packets.rate", NULL };

static void one_nic(struct scene *s, double seconds, uint64_t domain, uint64_t nic, uint64_t bytes)
{
	struct vmt_device_reading *r;
	struct vmt_instance in = { .id = "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a",
				   .name = "i",
				   .epoch = domain };

	scene_instances(s, &in, 1);
	scene_begin(s, seconds);
	scene_reading(s, 0, VMT_OK);
	r = scene_nic(s, 0, "tap0", "fa:16:3e:00:00:01");
	s->device[0].epoch = nic;
	vmt_device_set(r, VMT_N_RX_BYTES, bytes, s->stamp);
	scene_run(s);
}

/* Another program of the same boot goes on where the last one was. */
static void resume(struct scene *s, const char *boot, int expect)
{
	struct buf text = BUF_INIT;

	meter_state_save(s->state, "boot-1", &text);
	meter_state_free(s->state);
	s->state = meter_state_new(&s->settings);
	g_assert_cmpint(meter_state_load(s->state, boot, text.data, text.len), ==, expect);
	buf_fini(&text);
}

#define NIC "i-c40c7cc3-2022-5bb6-afcd-6d9804d1b23a-tap0"

static void test_kept(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	one_nic(&s, 0, 7, 70, 100);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 0);
	resume(&s, "boot-1", 1);
	one_nic(&s, 10, 7, 70, 150);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 50);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC, 5);
	resume(&s, "boot-1",
	       1); /* plugged in while the first program ran: the second cannot know that */
	one_nic(&s, 10, 7, 71, 180);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 30);
	one_nic(&s, 10, 7, 72, 200); /* while the program runs it is told of it */
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 200);
	resume(&s, "boot-1", 1); /* the domain was started anew in between */
	one_nic(&s, 10, 8, 80, 1000);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 1000);
	resume(&s, "boot-2", -EBADMSG); /* the host was */
	one_nic(&s, 10, 8, 80, 1010);
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 0);
	scene_fini(&s);
}

/* NICs of the one instance in a cycle; bytes, packets UINT64_MAX: not read. */
struct kept_nic {
	const char *name, *mac;
	uint64_t epoch, bytes, packets;
};

static void some_nics(struct scene *s, const struct kept_nic *list, size_t count)
{
	struct vmt_instance in = { .id = "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a",
				   .name = "i",
				   .epoch = 7 };

	scene_instances(s, &in, 1);
	scene_begin(s, 10);
	scene_reading(s, 0, VMT_OK);
	for (size_t i = 0; i < count; i++) {
		struct vmt_device_reading *r = scene_nic(s, (int)i, list[i].name, list[i].mac);

		s->device[i].epoch = list[i].epoch;
		if (list[i].bytes != UINT64_MAX) {
			vmt_device_set(r, VMT_N_RX_BYTES, list[i].bytes, s->stamp);
		}
		if (list[i].packets != UINT64_MAX) {
			vmt_device_set(r, VMT_N_RX_PACKETS, list[i].packets, s->stamp);
		}
	}
	scene_run(s);
}

#define NICS(scene, ...)                                                                           \
	some_nics(scene, (const struct kept_nic[]){ __VA_ARGS__ },                                 \
		  G_N_ELEMENTS(((const struct kept_nic[]){ __VA_ARGS__ })))
#define DELTA "network.incoming.bytes.delta"
#define MAC_A "fa:16:3e:00:00:01"
#define MAC_B "fa:16:3e:00:00:02"

/* Plugged in anew while no program ran: as far as one can tell, it is told. */
static void test_kept_another(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	NICS(&s, { "tap0", MAC_A, 70, 100, 10 });
	resume(&s, "boot-1", 1); /* its packets went back: its bytes are another one's, too */
	NICS(&s, { "tap0", MAC_A, 70, 150, 5 });
	scene_check_uint(&s, DELTA, NIC, 150);
	resume(&s, "boot-1", 1); /* of the same MAC, but another interface of the host */
	NICS(&s, { "tap1", MAC_A, 71, 160, 6 });
	scene_check_uint(&s, DELTA, "i-c40c7cc3-2022-5bb6-afcd-6d9804d1b23a-tap1", 160);
	resume(&s, "boot-1", 1); /* and so again, of no epoch: another name says nothing */
	NICS(&s, { "tap0", MAC_A, 0, 170, 7 });
	scene_check_uint(&s, DELTA, NIC, 10);
	scene_fini(&s);
}

/* Unplugged while no program ran, and plugged in again when one did. */
static void test_kept_missing(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	NICS(&s, { "tap0", MAC_A, 71, 100, 10 }, { "tap1", MAC_B, 72, 100, 10 });
	resume(&s, "boot-1", 1);
	NICS(&s, { "tap1", MAC_B, 72, 130, 13 });
	scene_check_uint(&s, DELTA, "i-c40c7cc3-2022-5bb6-afcd-6d9804d1b23a-tap1", 30);
	NICS(&s, { "tap1", MAC_B, 72, 140, 14 }, { "tap0", MAC_A, 71, 300, 30 });
	scene_check_uint(&s, DELTA, NIC, 300);
	scene_check_uint(&s, DELTA, "i-c40c7cc3-2022-5bb6-afcd-6d9804d1b23a-tap1", 10);
	resume(&s, "boot-1", 1);
	some_nics(&s, NULL, 0); /* there is none at all */
	NICS(&s, { "tap0", MAC_A, 71, 400, 40 });
	scene_check_uint(&s, DELTA, NIC, 400);
	scene_fini(&s);
}

/* The first reading of one that was plugged in anew may lack counters: the next one tells all. */
static void test_another_unread(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	NICS(&s, { "tap0", MAC_A, 70, 100, 10 });
	NICS(&s, { "tap0", MAC_A, 71, UINT64_MAX, 40 });
	scene_check_none(&s, DELTA, NIC);
	resume(&s, "boot-1", 1);
	NICS(&s, { "tap0", MAC_A, 71, 500, 50 });
	scene_check_uint(&s, DELTA, NIC, 500);
	scene_check_double(&s, "vm.network.incoming.packets.rate", NIC, 1);
	scene_fini(&s);
}

/* What is no such text is refused as a whole. */
static void test_kept_bad(void)
{
	static const char *const bad[] = {
		"",
		"virtmeter-counters 2 b\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\ni a 1 2 0 5 6\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6",
		"virtmeter-counters 1 b\nn 1 1 1 1 1 1 1 1 1 x\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\nn 1 1 1 1 1 1 1 1 1 \n",
		"virtmeter-counters 1 b\ni a 1 2 0 99999999999999999999 6\n",
		"virtmeter-counters 1 b\nx a 1 2 0 5 6\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\nn 1 1 1 1 1 1 1 1 1 \ttap0\n",
	};
	struct meter_settings settings = { .metadata.reserved_length = 256 };
	struct meter_state *s = meter_state_new(&settings);

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(meter_state_load(s, "b", bad[i], strlen(bad[i])), ==, -EBADMSG);
	}
	g_assert_cmpint(meter_state_load(s, "b", "virtmeter-counters 1 b\n", 23), ==, 0);
	meter_state_free(s);
}

/* Last samples say so, and only they do. */
static void test_final(void)
{
	static const uint8_t all[] = { 1 };
	struct scene_sample found;
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	one_nic(&s, 0, 7, 70, 100);
	g_assert_true(scene_find(&s, "network.incoming.bytes", NIC, &found));
	g_assert_null(strstr(found.resource->meta_tail, "final"));
	meter_state_only(s.state, all);
	meter_state_final(s.state);
	one_nic(&s, 10, 7, 70, 130);
	g_assert_true(scene_find(&s, "network.incoming.bytes", NIC, &found));
	g_assert_true(g_str_has_suffix(found.resource->meta_tail, ",\"final\":true}"));
	scene_check_uint(&s, "network.incoming.bytes.delta", NIC, 30);
	one_nic(&s, 10, 8, 80, 5);
	g_assert_true(scene_find(&s, "network.incoming.bytes", NIC, &found));
	g_assert_null(strstr(found.resource->meta_tail, "final"));
	scene_fini(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter-state/delta", test_delta);
	g_test_add_func("/model/meter-state/delta-gaps", test_delta_gaps);
	g_test_add_func("/model/meter-state/delta-order", test_delta_order);
	g_test_add_func("/model/meter-state/delta-twins", test_delta_twins);
	g_test_add_func("/model/meter-state/cpu-rate", test_cpu_rate);
	g_test_add_func("/model/meter-state/disk-rate", test_disk_rate);
	g_test_add_func("/model/meter-state/resources-stay", test_resources_stay);
	g_test_add_func("/model/meter-state/bad-device-text", test_bad_device_text);
	g_test_add_func("/model/meter-state/memory-bound", test_memory_bound);
	g_test_add_func("/model/meter-state/samples", test_samples);
	g_test_add_func("/model/meter/state/kept", test_kept);
	g_test_add_func("/model/meter/state/kept-another", test_kept_another);
	g_test_add_func("/model/meter/state/kept-missing", test_kept_missing);
	g_test_add_func("/model/meter/state/another-unread", test_another_unread);
	g_test_add_func("/model/meter/state/kept-bad", test_kept_bad);
	g_test_add_func("/model/meter/state/final", test_final);
	return g_test_run();
}
