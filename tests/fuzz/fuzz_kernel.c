/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: every reader of /proc and cgroup files on the same text (plugins/inspector/libvirt/kernel_text.h).
 */
#include "plugins/inspector/libvirt/kernel_text.h"

#include <glib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], tap[PROC_IFNAME] = "";
	char *exact = g_malloc(size + 1);
	struct proc_cgroup_cpu cpu;
	struct proc_schedstat sched;
	struct proc_stat stat;
	struct proc_io io;
	uint8_t uuid[16];
	uint64_t n;
	unsigned vcpu;

	memcpy(exact, data, size);
	exact[size] = '\0';
	if (proc_stat_parse(exact, size, &stat) == 0) {
		g_assert_cmpint(stat.pid, >=, 0);
	}
	proc_schedstat_parse(exact, size, &sched);
	proc_sched_wait_parse(exact, size, &n);
	proc_switches_parse(exact, size, &n);
	proc_io_parse(exact, size, &io);
	proc_cmdline_uuid(exact, size, uuid);
	proc_comm_vcpu(exact, size, &vcpu);
	if (proc_fdinfo_tap(exact, size, tap) == 0) {
		g_assert_cmpuint(strlen(tap), <, PROC_IFNAME);
	}
	proc_cpuacct_usage_parse(exact, size, &cpu);
	proc_cpuacct_stat_parse(exact, size, 100, &cpu);
	proc_cpu_stat_parse(exact, size, &cpu);
	for (int i = 0; i < 2; i++) {
		if (proc_cgroup_path(exact, size, i ? "cpuacct" : NULL, path, sizeof(path)) == 0) {
			proc_cgroup_machine(path);
			g_assert_cmpuint(strlen(path), <, sizeof(path));
		}
		proc_mount_path(exact, size, i ? "cpuacct" : NULL, path, sizeof(path));
	}
	g_free(exact);
	return 0;
}
