/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the ties between domains and processes and of the proofs, on a /proc made of a real host's files
 * (KERNEL is their folder).
 */
#include "plugins/inspector/libvirt/kernel.h"
#include "plugins/libvirt/desc.h"

#include "base/uuid.h"
#include "model/inspection.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define ID "787318ba-55ac-5241-a6f9-3e89f6493eb1"

struct lab {
	char *proc;
	struct kernel *kernel;
	struct domain_desc *desc;
	struct vmt_inspection *in;
	struct kernel_reading before, after;
};

static void put(const struct lab *lab, const char *where, const char *name, const char *text)
{
	char *dir = g_strdup_printf("%s/%s", lab->proc, where);
	char *path = g_strdup_printf("%s/%s", dir, name);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	/* in place: whoever has it open sees the new text, as in /proc */
	FILE *f = fopen(path, "w");

	g_assert_nonnull(f);
	g_assert_cmpint(fputs(text, f), >=, 0);
	g_assert_cmpint(fclose(f), ==, 0);
	g_free(path);
	g_free(dir);
}

static void copy(const struct lab *lab, const char *from, const char *where, const char *name)
{
	char *path = g_build_filename(KERNEL, from, NULL), *text;
	char *to = g_strdup_printf("%s/%s/%s", lab->proc, where, name);
	char *dir = g_path_get_dirname(to);
	gsize len;

	g_assert_true(g_file_get_contents(path, &text, &len, NULL));
	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	g_assert_true(g_file_set_contents(to, text, (gssize)len, NULL));
	g_free(dir);
	g_free(to);
	g_free(text);
	g_free(path);
}

static void put_stat(const struct lab *lab, int user, int threads, int start)
{
	char *text = g_strdup_printf(
		"42 (qemu-system-x86) S 1 42 42 0 -1 0 0 0 0 0 %d 30 0 0 20 0 %d 0 %d "
		"605040640 11186 0\n",
		user, threads, start);

	put(lab, "42", "stat", text);
	g_free(text);
}

static struct domain_desc *describe(const char *nics, int number)
{
	char *xml = g_strdup_printf(
		"<domain><uuid>" ID "</uuid><vcpu>1</vcpu><devices>%s</devices></domain>", nics);
	struct desc_source src = {
		.name = "d", .xml = xml, .number = number, .time_ns = 1, .scratch = arena_new(0)
	};
	struct domain_desc *desc;
	uint8_t uuid[16];

	g_assert_cmpint(uuid_parse(ID, uuid), ==, 0);
	src.uuid = uuid;
	desc = desc_new(&src, NULL, NULL);
	arena_free(src.scratch);
	g_free(xml);
	return desc;
}

static void setup(struct lab *lab)
{
	*lab = (struct lab){ .proc = g_dir_make_tmp("kernel-XXXXXX", NULL) };
	copy(lab, "cmdline", "42", "cmdline");
	copy(lab, "io", "42", "io");
	copy(lab, "cgroup-plain-v1", "42", "cgroup");
	put_stat(lab, 50, 7, 1000);
	copy(lab, "task-comm", "42/task/59", "comm");
	put(lab, "42/task/59", "stat",
	    "59 (CPU 0/TCG) S 1 42 42 0 -1 0 0 0 0 0 5 3 0 0 20 0 7 0 1001 1 2 0\n");
	put(lab, "42/task/59", "schedstat", "80000000 1234 5\n");
	put(lab, "42/task/60", "comm", "worker\n");
	lab->kernel = kernel_ref("test:///x", lab->proc);
	lab->desc = describe("", 1);
	lab->in = inspection_new();
	inspection_reset(lab->in, 1);
	vmt_inspection_stamp(lab->in, (struct vmt_stamp){ .mono_ns = 1, .source = "libvirt" });
}

static void remove_tree(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		char *below = g_build_filename(path, name, NULL);

		remove_tree(below);
		g_free(below);
	}
	if (dir) {
		g_dir_close(dir);
	}
	g_assert_cmpint(g_remove(path), ==, 0);
}

static void teardown(struct lab *lab)
{
	kernel_unref(lab->kernel);
	domain_desc_unref(lab->desc);
	inspection_free(lab->in);
	kernel_reading_fini(&lab->before);
	kernel_reading_fini(&lab->after);
	remove_tree(lab->proc);
	g_free(lab->proc);
}

static unsigned read_now(struct lab *lab, struct kernel_reading *ret)
{
	bool good;

	kernel_begin(lab->kernel);
	good = kernel_read(lab->kernel, lab->desc, VMT_GROUP_ALL, ret);
	kernel_end(lab->kernel);
	return good ? ret->groups : 0;
}

static unsigned proven(struct lab *lab)
{
	unsigned groups;

	kernel_begin(lab->kernel);
	groups = kernel_proven(lab->kernel, lab->desc);
	kernel_end(lab->kernel);
	return groups & ~(unsigned)VMT_GROUP_NIC; /* without a NIC there is nothing to prove */
}

static unsigned unproven(struct lab *lab)
{
	unsigned groups;

	kernel_begin(lab->kernel);
	groups = kernel_unproven(lab->kernel, lab->desc);
	kernel_end(lab->kernel);
	return lab->desc->nics ? groups : groups & ~(unsigned)VMT_GROUP_NIC;
}

/* What libvirt says, between two readings. */
static void judge(struct lab *lab, uint64_t user_ticks, uint64_t vcpu_ns, uint64_t delay)
{
	struct vmt_reading *r = &lab->in->reading[0];

	vmt_set(r, VMT_F_CPU_TIME, (user_ticks + 30) * 10000000, 0);
	vmt_set(r, VMT_F_CPU_USER, user_ticks * 10000000, 0);
	vmt_set(r, VMT_F_CPU_SYSTEM, 300000000, 0);
	vmt_set(r, VMT_F_VCPUS, 1, 0);
	vmt_set(r, VMT_F_VCPU_TIME, vcpu_ns, 0);
	vmt_set(r, VMT_F_VCPU_WAIT, 0, 0);
	vmt_set(r, VMT_F_VCPU_DELAY, delay, 0);
	kernel_begin(lab->kernel);
	kernel_judge(lab->kernel, lab->desc, &lab->before, &lab->after, lab->in, 0);
	kernel_end(lab->kernel);
}

static void test_values(void)
{
	struct lab lab;

	setup(&lab);
	g_assert_cmpuint(read_now(&lab, &lab.before) & (VMT_GROUP_CPU | VMT_GROUP_VCPU), ==,
			 VMT_GROUP_CPU | VMT_GROUP_VCPU);
	g_assert_cmpuint(lab.before.groups & VMT_GROUP_PROCESS, !=, 0);
	g_assert_cmpuint(lab.before.cpu, ==, 800000000);
	g_assert_cmpuint(lab.before.user, ==, 500000000);
	g_assert_cmpuint(lab.before.vcpus, ==, 1);
	g_assert_cmpuint(lab.before.vcpu_time, ==, 80000000);
	g_assert_cmpuint(lab.before.vcpu_delay, ==, 1234);
	g_assert_cmpuint(lab.before.rss_kib, ==, 11186 * (uint64_t)sysconf(_SC_PAGESIZE) / 1024);
	put_stat(&lab, 51, 7, 1000); /* the files stay open: no look for the process again */
	g_assert_cmpuint(read_now(&lab, &lab.after), !=, 0);
	g_assert_cmpuint(lab.after.user, ==, 510000000);
	teardown(&lab);
}

/* Proven is what lay between the two readings, and nothing else. */
static void test_proof(void)
{
	struct lab lab;

	setup(&lab);
	read_now(&lab, &lab.before);
	put_stat(&lab, 52, 7, 1000);
	read_now(&lab, &lab.after);
	g_assert_cmpuint(proven(&lab), ==, 0);
	judge(&lab, 53, 80000000, 1234); /* more than there can be */
	g_assert_cmpuint(proven(&lab), ==, VMT_GROUP_VCPU);
	judge(&lab, 51, 80000000, 1234);
	g_assert_cmpuint(proven(&lab), ==, VMT_GROUP_VCPU | VMT_GROUP_CPU);
	judge(&lab, 51, 80000000, 1233); /* libvirt's goes back: no longer the same */
	g_assert_cmpuint(proven(&lab), ==, VMT_GROUP_CPU);
	teardown(&lab);
}

/* After three failures a group is left to libvirt. */
static void test_refused(void)
{
	struct lab lab;

	setup(&lab);
	read_now(&lab, &lab.before);
	read_now(&lab, &lab.after);
	for (int i = 0; i < 3; i++) {
		g_assert_cmpuint(unproven(&lab) & VMT_GROUP_CPU, !=, 0);
		judge(&lab, 7, 80000000, 1234);
	}
	g_assert_cmpuint(unproven(&lab) & VMT_GROUP_CPU, ==, 0);
	kernel_begin(lab.kernel);
	g_assert_nonnull(kernel_why(lab.kernel, lab.desc));
	kernel_end(lab.kernel);
	teardown(&lab);
}

/* Another process under the pid, another start of the domain: nothing is proven any more. */
static void test_restart(void)
{
	struct lab lab;

	setup(&lab);
	read_now(&lab, &lab.before);
	read_now(&lab, &lab.after);
	judge(&lab, 50, 80000000, 1234);
	g_assert_cmpuint(proven(&lab), ==, VMT_GROUP_VCPU | VMT_GROUP_CPU);
	put_stat(&lab, 1, 7, 2000);
	domain_desc_unref(lab.desc);
	lab.desc = describe("", 2);
	g_assert_cmpuint(proven(&lab), ==, 0);
	g_assert_cmpuint(read_now(&lab, &lab.after), !=, 0);
	g_assert_cmpuint(lab.after.user, ==, 10000000);
	teardown(&lab);
}

/* A virtual CPU more: its thread is found by their number. */
static void test_vcpus(void)
{
	struct lab lab;

	setup(&lab);
	read_now(&lab, &lab.before);
	put(&lab, "42/task/61", "comm", "CPU 1/TCG\n");
	put(&lab, "42/task/61", "stat",
	    "61 (CPU 1/TCG) S 1 42 42 0 -1 0 0 0 0 0 1 1 0 0 20 0 8 0 1001 1 2 0\n");
	put(&lab, "42/task/61", "schedstat", "20000000 6 5\n");
	read_now(&lab, &lab.after);
	g_assert_cmpuint(lab.after.vcpus, ==, 1);
	put_stat(&lab, 50, 8, 1000);
	read_now(&lab, &lab.after);
	g_assert_cmpuint(lab.after.vcpus, ==, 2);
	g_assert_cmpuint(lab.after.vcpu_time, ==, 100000000);
	g_assert_cmpuint(lab.after.vcpu_delay, ==, 1240);
	teardown(&lab);
}

/* NICs that are no taps of the process stay with libvirt. */
static void test_nics(void)
{
	static const char *const nics[] = {
		"<interface type='direct'><mac address='m'/><target dev='macvtap0'/></interface>",
		"<interface type='vhostuser'><mac address='m'/><target dev='vhu0'/></interface>",
		"<interface type='hostdev'><mac address='m'/><target dev='eth9'/></interface>",
		("<interface type='bridge'><mac address='m'/><target dev='lo'/>"
		 "<virtualport type='openvswitch'/></interface>"),
		"<interface type='bridge'><mac address='m'/><target dev='lo'/></interface>",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(nics); i++) {
		struct lab lab;

		setup(&lab);
		domain_desc_unref(lab.desc);
		lab.desc = describe(nics[i], 1);
		g_assert_cmpuint(lab.desc->nics, ==, 1);
		g_assert_cmpuint(read_now(&lab, &lab.before) & VMT_GROUP_NIC, ==, 0);
		g_assert_cmpuint(unproven(&lab), ==, VMT_GROUP_CPU | VMT_GROUP_VCPU);
		teardown(&lab);
	}
}

/* No such process: no reading, and a reason. */
static void test_nobody(void)
{
	struct lab lab;

	setup(&lab);
	put(&lab, "42", "cmdline", "sleep");
	g_assert_cmpuint(read_now(&lab, &lab.before), ==, 0);
	g_assert_cmpuint(proven(&lab) | unproven(&lab), ==, 0);
	kernel_begin(lab.kernel);
	g_assert_nonnull(kernel_why(lab.kernel, lab.desc));
	kernel_end(lab.kernel);
	teardown(&lab);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kernel/values", test_values);
	g_test_add_func("/kernel/proof", test_proof);
	g_test_add_func("/kernel/refused", test_refused);
	g_test_add_func("/kernel/restart", test_restart);
	g_test_add_func("/kernel/vcpus", test_vcpus);
	g_test_add_func("/kernel/nics", test_nics);
	g_test_add_func("/kernel/nobody", test_nobody);
	return g_test_run();
}
