/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the forms of /proc and cgroup files, on files of a real host (KERNEL is their folder).
 */
#include "plugins/inspector/libvirt/kernel_link.h"
#include "plugins/inspector/libvirt/kernel_text.h"

#include "base/uuid.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static char *file(const char *name, size_t *ret_len)
{
	char *path = g_build_filename(KERNEL, name, NULL), *text;
	gsize len;

	g_assert_true(g_file_get_contents(path, &text, &len, NULL));
	g_free(path);
	*ret_len = len;
	return text;
}

static void test_stat(void)
{
	static const char odd[] =
		"7 (a) b (c) D 1 2 3 0 -1 4 5 6 7 8 11 12 13 14 20 0 3 0 99 100 200 300";
	struct proc_stat s;
	size_t len;
	char *text = file("stat", &len);

	g_assert_cmpint(proc_stat_parse(text, len, &s), ==, 0);
	g_assert_cmpint(s.pid, >, 0);
	g_assert_cmpint(s.state, ==, 'S');
	g_assert_cmpuint(s.threads, ==, 7);
	g_assert_cmpuint(s.rss, ==, 11186);
	for (size_t n = 0; n < 80; n++) {
		g_assert_cmpint(proc_stat_parse(text, n, &s), ==, -EBADMSG);
	}
	g_free(text);
	g_assert_cmpint(proc_stat_parse(odd, strlen(odd), &s), ==, 0);
	g_assert_cmpint(s.state, ==, 'D');
	g_assert_cmpint(s.parent, ==, 1);
	g_assert_cmpuint(s.user, ==, 11);
	g_assert_cmpuint(s.system, ==, 12);
	g_assert_cmpuint(s.threads, ==, 3);
	g_assert_cmpuint(s.start, ==, 99);
	g_assert_cmpuint(s.rss, ==, 200);
}

static void test_thread(void)
{
	struct proc_schedstat sched;
	struct proc_stat s;
	uint64_t ns;
	unsigned number;
	size_t len;
	char *text = file("task-stat", &len);

	g_assert_cmpint(proc_stat_parse(text, len, &s), ==, 0);
	g_assert_cmpuint(s.user, ==, 5);
	g_assert_cmpuint(s.system, ==, 3);
	g_free(text);
	text = file("task-schedstat", &len);
	g_assert_cmpint(proc_schedstat_parse(text, len, &sched), ==, 0);
	g_assert_cmpuint(sched.run, >, 70000000);
	g_assert_cmpuint(sched.delay, >, 0);
	g_free(text);
	text = file("task-comm", &len);
	g_assert_cmpint(proc_comm_vcpu(text, len, &number), ==, 0);
	g_assert_cmpuint(number, ==, 0);
	g_free(text);
	g_assert_cmpint(proc_comm_vcpu("CPU 12/KVM\n", 11, &number), ==, 0);
	g_assert_cmpuint(number, ==, 12);
	g_assert_cmpint(proc_comm_vcpu("CPUs 1/KVM", 10, &number), ==, -ENOENT);
	g_assert_cmpint(proc_comm_vcpu("worker", 6, &number), ==, -ENOENT);
	text = file("task-sched", &len);
	g_assert_cmpint(proc_sched_wait_parse(text, len, &ns), ==, -ENOENT);
	g_free(text);
	text = file("task-sched-stats", &len);
	g_assert_cmpint(proc_sched_wait_parse(text, len, &ns), ==, 0);
	g_assert_cmpuint(ns, ==, 827000123);
	g_free(text);
}

static void test_process(void)
{
	static const char none[] = "qemu\0-uuid\0not-one\0";
	char tap[PROC_IFNAME], id[UUID_TEXT];
	struct proc_io io;
	uint8_t uuid[16];
	uint64_t n;
	size_t len;
	char *text = file("io", &len);

	g_assert_cmpint(proc_io_parse(text, len, &io), ==, 0);
	g_assert_cmpuint(io.read_chars, >, io.read_bytes);
	g_assert_cmpuint(io.write_calls, >, 0);
	g_assert_cmpint(proc_io_parse(text, len / 2, &io), ==, -EBADMSG);
	g_free(text);
	text = file("status", &len);
	g_assert_cmpint(proc_switches_parse(text, len, &n), ==, 0);
	g_assert_cmpuint(n, >, 100);
	g_free(text);
	text = file("cmdline", &len);
	g_assert_cmpint(proc_cmdline_uuid(text, len, uuid), ==, 0);
	uuid_format(uuid, id);
	g_assert_cmpstr(id, ==, "787318ba-55ac-5241-a6f9-3e89f6493eb1");
	g_free(text);
	g_assert_cmpint(proc_cmdline_uuid(none, sizeof(none), uuid), ==, -ENOENT);
	text = file("fdinfo-tap", &len);
	g_assert_cmpint(proc_fdinfo_tap(text, len, tap), ==, 0);
	g_assert_true(g_str_has_prefix(tap, "tap"));
	g_free(text);
	g_assert_cmpint(proc_fdinfo_tap("pos:\t0\n", 7, tap), ==, -ENOENT);
	g_assert_cmpint(proc_fdinfo_tap("iff:\tsixteen-and-more\n", 22, tap), ==, -EBADMSG);
}

static void test_cgroup_path(void)
{
	static const struct {
		const char *file, *controller, *machine;
	} rows[] = {
		{ "cgroup-libvirt-v1", "cpuacct",
		  "/machine.slice/machine-qemu\\x2d7\\x2dinstance\\x2d00000007.scope/libvirt" },
		{ "cgroup-libvirt-v2", NULL,
		  "/machine.slice/machine-qemu\\x2d7\\x2dinstance\\x2d00000007.scope/libvirt" },
		{ "cgroup-plain-v1", "cpuacct", "/machine/qemu-7-instance-00000007.libvirt-qemu" },
		{ "cgroup-plain-v1", NULL, NULL }, /* in the root: nobody's machine */
	};
	char path[512];
	size_t len;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *text = file(rows[i].file, &len);

		g_assert_cmpint(proc_cgroup_path(text, len, rows[i].controller, path, sizeof(path)),
				==, 0);
		g_assert_true(proc_cgroup_machine(path) == (rows[i].machine != NULL));
		if (rows[i].machine) {
			g_assert_cmpstr(path, ==, rows[i].machine);
		}
		g_assert_cmpint(proc_cgroup_path(text, len, rows[i].controller, path, 1), ==,
				-E2BIG);
		g_assert_cmpint(proc_cgroup_path(text, len, "hugetlb", path, sizeof(path)), ==,
				-ENOENT);
		g_free(text);
	}
	g_strlcpy(path, "/user.slice/libvirt/emulator", sizeof(path));
	g_assert_false(proc_cgroup_machine(path));
}

static void test_cgroup_mount(void)
{
	char path[128];
	size_t len;
	char *text = file("mountinfo", &len);

	g_assert_cmpint(proc_mount_path(text, len, "cpuacct", path, sizeof(path)), ==, 0);
	g_assert_cmpstr(path, ==, "/sys/fs/cgroup/cpuacct");
	g_assert_cmpint(proc_mount_path(text, len, NULL, path, sizeof(path)), ==, 0);
	g_assert_cmpstr(path, ==, "/sys/fs/cgroup/unified");
	g_assert_cmpint(proc_mount_path(text, len, "hugetlb", path, sizeof(path)), ==, -ENOENT);
	g_free(text);
}

static void test_cgroup_cpu(void)
{
	struct proc_cgroup_cpu cpu;
	size_t len;
	char *text = file("cpuacct.usage", &len);

	g_assert_cmpint(proc_cpuacct_usage_parse(text, len, &cpu), ==, 0);
	g_assert_cmpuint(cpu.usage, ==, UINT64_C(6588001576448));
	g_free(text);
	text = file("cpuacct.stat", &len);
	g_assert_cmpint(proc_cpuacct_stat_parse(text, len, 100, &cpu), ==, 0);
	g_assert_cmpuint(cpu.user, ==, UINT64_C(4232900000000));
	g_assert_cmpuint(cpu.system, ==, UINT64_C(2355190000000));
	g_free(text);
	text = file("cpu.stat", &len);
	g_assert_cmpint(proc_cpu_stat_parse(text, len, &cpu), ==, 0);
	g_assert_cmpuint(cpu.usage, ==, UINT64_C(6539784000000));
	g_assert_cmpuint(cpu.user, ==, UINT64_C(4201852000000));
	g_assert_cmpuint(cpu.system, ==, UINT64_C(2337932000000));
	g_free(text);
}

/* Twice the same answer: what is there is overwritten, not doubled. */
static void test_netlink(void)
{
	struct links *l = links_new();
	size_t len;
	char *data = file("netlink", &len);

	for (int i = 0; i < 2; i++) {
		g_assert_cmpint(links_take(l, data, len), ==, 0);
		g_assert_cmpuint(links_count(l), ==, 4);
	}
	g_assert_nonnull(links_find(l, 1)); /* lo */
	g_assert_null(links_find(l, 12345));
	for (size_t n = 1; n < 16; n++) {
		g_assert_cmpint(links_take(l, data, n), ==, 1); /* not even a header */
	}
	g_assert_cmpint(links_take(l, data, 100), ==, -EBADMSG);
	links_forget(l);
	g_assert_null(links_find(l, 1));
	g_free(data);
	links_free(l);
}

/* This very host: lo is there, and its counters do not go back. */
static void test_links_here(void)
{
	struct links *l = links_new();
	uint64_t before;

	g_assert_cmpint(links_read(l), ==, 0);
	g_assert_nonnull(links_find(l, 1));
	before = links_find(l, 1)->value[0];
	g_assert_cmpint(links_read(l), ==, 0);
	g_assert_cmpuint(links_find(l, 1)->value[0], >=, before);
	links_free(l);
	links_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kernel/stat", test_stat);
	g_test_add_func("/kernel/thread", test_thread);
	g_test_add_func("/kernel/process", test_process);
	g_test_add_func("/kernel/cgroup-path", test_cgroup_path);
	g_test_add_func("/kernel/cgroup-mount", test_cgroup_mount);
	g_test_add_func("/kernel/cgroup-cpu", test_cgroup_cpu);
	g_test_add_func("/kernel/netlink", test_netlink);
	g_test_add_func("/kernel/links-here", test_links_here);
	return g_test_run();
}
