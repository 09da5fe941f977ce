/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what a polling task keeps of instances from cycle to cycle: last values for rates, resources; and of samples
 * that pollster plugins add.
 */
#include "model/meter_scene.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ rates */

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
	struct vmt_instance in = scene_instance();
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, meters);
	in.epoch = 1;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_VCPU_TIME, 1000000000);
	scene_check_none(&s, "vm.cpu.util", SCENE_ID);
	cpu_cycle(&s, 10, VMT_F_VCPU_TIME, 11000000000);
	scene_check_double(&s, "vm.cpu.util", SCENE_ID, 50); /* 10 s in 10 s of 2 CPUs */
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 90000000000); /* another counter: no comparison */
	scene_check_none(&s, "vm.cpu.util", SCENE_ID);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 95000000000);
	scene_check_double(&s, "vm.cpu.util", SCENE_ID, 25);
	/* it started anew, and discovery is one cycle behind: the beginning counts once */
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 2000000000);
	scene_check_double(&s, "vm.cpu.util", SCENE_ID, 10);
	in.epoch = 2;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 4000000000);
	scene_check_double(&s, "vm.cpu.util", SCENE_ID, 10);
	/* and with discovery in time, though the counter is larger */
	in.epoch = 3;
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 5000000000);
	scene_check_double(&s, "vm.cpu.util", SCENE_ID, 25);
	scene_run(&s); /* the same reading again: no time has passed */
	scene_check_none(&s, "vm.cpu.util", SCENE_ID);
	cpu_cycle(&s, -5, VMT_F_CPU_TIME, 6000000000); /* one from before it */
	scene_check_none(&s, "vm.cpu.util", SCENE_ID);
	scene_fini(&s);
}

/* ------------------------------------------------------------------ resources */

static void test_resources_stay(void)
{
	struct vmt_instance in = scene_instance();
	struct scene s;
	struct scene_sample a, b;
	struct vmt_resource first;
	struct frame *kept;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 1);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &a));
	g_assert_true(scene_find(&s, "instance", SCENE_ID, &b));
	g_assert_true(a.resource->meta_head == b.resource->meta_head); /* shared, not copied */
	g_assert_true(a.resource != b.resource);
	g_assert_nonnull(strstr(a.resource->meta_tail, "\"cpu_number\":2"));
	kept = frame_ref(s.frame);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 2);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &b));
	g_assert_true(a.resource == b.resource); /* one version for both cycles */
	scene_begin(&s, 10);
	vmt_set(scene_reading(&s, 0, VMT_OK), VMT_F_CPU_TIME, 3, s.stamp);
	scene_run(&s);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &b));
	g_assert_true(a.resource != b.resource);
	g_assert_nonnull(strstr(b.resource->meta_tail, "\"cpu_number\":null"));
	g_assert_cmphex(a.resource->digest, !=, b.resource->digest);
	first = *a.resource;
	in.display_name = "renamed";
	scene_instances(&s, &in, 1);
	cpu_cycle(&s, 10, VMT_F_CPU_TIME, 4);
	g_assert_true(scene_find(&s, "cpu", SCENE_ID, &b));
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

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	vmt_device_set(scene_disk(&s, 0, "vd\xff"), VMT_D_READ_BYTES, 1, s.stamp);
	scene_run(&s);
	scene_check_uint(&s, "disk.device.read.bytes", SCENE_ID "-vd\xef\xbf\xbd", 1);
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
		in[i] = scene_instance();
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

/* Last samples say so, and only they do. */
static void test_final(void)
{
	static const uint8_t all[] = { 1 };
	struct scene_nic_read nic = { "tap0", "aa", 70, 100, UINT64_MAX };
	struct scene_sample found;
	struct scene s;

	scene_init_one(&s, VMT_PROFILE_26, NULL);
	scene_nics(&s, 0, &nic, 1);
	g_assert_true(scene_find(&s, "network.incoming.bytes", SCENE_NIC_ID("tap0"), &found));
	g_assert_null(strstr(found.resource->meta_tail, "final"));
	meter_state_only(s.state, all);
	meter_state_final(s.state);
	nic.bytes = 130;
	scene_nics(&s, 10, &nic, 1);
	g_assert_true(scene_find(&s, "network.incoming.bytes", SCENE_NIC_ID("tap0"), &found));
	g_assert_true(g_str_has_suffix(found.resource->meta_tail, ",\"final\":true}"));
	scene_check_uint(&s, "network.incoming.bytes.delta", SCENE_NIC_ID("tap0"), 30);
	scene_nics(&s, 10, &nic, 1);
	g_assert_true(scene_find(&s, "network.incoming.bytes", SCENE_NIC_ID("tap0"), &found));
	g_assert_null(strstr(found.resource->meta_tail, "final"));
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

	scene_init_one(&s, VMT_PROFILE_26, none);
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
	scene_check_uint(&s, "my.count", SCENE_ID, 7);
	scene_check_uint(&s, "my.count", SCENE_NIC_ID("tap0"), 7);
	scene_check_double(&s, "my.share", SCENE_ID "-vda", 0.5);
	g_assert_cmpuint(s.frame->public.count, ==, 2);
	g_assert_cmpuint(s.frame->public.batch[1].publishers, ==, 2);
	samples_free(out);
	samples_free(NULL);
	scene_fini(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter-state/cpu-rate", test_cpu_rate);
	g_test_add_func("/model/meter-state/resources-stay", test_resources_stay);
	g_test_add_func("/model/meter-state/bad-device-text", test_bad_device_text);
	g_test_add_func("/model/meter-state/memory-bound", test_memory_bound);
	g_test_add_func("/model/meter-state/final", test_final);
	g_test_add_func("/model/meter-state/samples", test_samples);
	return g_test_run();
}
