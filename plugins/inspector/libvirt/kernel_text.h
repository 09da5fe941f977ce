/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel writes into /proc and cgroup files, as numbers: proc(5), Documentation/admin-guide/cgroup-v1,
 * cgroup-v2.rst.  Pure; any thread.  The text is of `len` bytes and ends with a zero that `len` does not count.  All
 * answer 0, or -EBADMSG with the result untouched when the text is not what it should be.
 */
#ifndef INSPECTOR_LIBVIRT_KERNEL_TEXT_H
#define INSPECTOR_LIBVIRT_KERNEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /proc/PID/stat, /proc/PID/task/TID/stat. */
struct proc_stat {
	int pid, parent;
	char state; /* of that thread: 'R', 'S', 'D', 'T' stopped, 't' traced, 'Z', 'X', 'I' */
	uint64_t user, system; /* clock ticks; of /proc/PID/stat: all threads, ended ones too */
	uint64_t threads;
	uint64_t start; /* clock ticks since boot */
	uint64_t rss; /* pages */
};
int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret);

/* /proc/PID/task/TID/schedstat. */
struct proc_schedstat {
	uint64_t run; /* ns on a CPU */
	uint64_t delay; /* ns in a run queue */
};
int proc_schedstat_parse(const char *text, size_t len, struct proc_schedstat *ret);

/* The wait_sum of /proc/PID/task/TID/sched in ns, in the way libvirt makes it of the milliseconds there.  -ENOENT when
 * the file has no such line: the kernel does not keep it, or not now (CONFIG_SCHEDSTATS, kernel.sched_schedstats). */
int proc_sched_wait_parse(const char *text, size_t len, uint64_t *ret);

/* Context switches of /proc/PID/status, of its main thread: voluntary and other ones. */
int proc_switches_parse(const char *text, size_t len, uint64_t *ret);

/* /proc/PID/io. */
struct proc_io {
	uint64_t read_chars, write_chars; /* bytes of read() and write() calls */
	uint64_t read_calls, write_calls;
	uint64_t read_bytes, write_bytes; /* bytes from and to block devices */
};
int proc_io_parse(const char *text, size_t len, struct proc_io *ret);

/* The UUID after "-uuid" in /proc/PID/cmdline, whose words end with zeros.  -ENOENT: none, or none that is one. */
int proc_cmdline_uuid(const char *text, size_t len, uint8_t ret_uuid[16]);

/* The number of a virtual CPU's thread, of /proc/PID/task/TID/comm: "CPU 3/KVM".  -ENOENT: another thread. */
int proc_comm_vcpu(const char *text, size_t len, unsigned *ret);

/* The interface of a tap's file descriptor, of /proc/PID/fdinfo/FD.  -ENOENT: something else. */
enum { PROC_IFNAME = 16 };
int proc_fdinfo_tap(const char *text, size_t len, char ret_name[PROC_IFNAME]);

/* Where a process is, of /proc/PID/cgroup: the path under a controller's own hierarchy (version 1) or, with
 * `controller` NULL, under the unified one.  -ENOENT: no such line; -E2BIG: longer than `size`. */
int proc_cgroup_path(const char *text, size_t len, const char *controller, char *ret_path,
		     size_t size);

/* Where a hierarchy is mounted, of /proc/PID/mountinfo; the same arguments. */
int proc_mount_path(const char *text, size_t len, const char *controller, char *ret_path,
		    size_t size);

/* Cuts libvirt's own subgroup ("/emulator", "/vcpu0", "/iothread1") off a process's path: the domain's group.
 * False when the path is none of libvirt's machines. */
bool proc_cgroup_machine(char *path);

/* CPU time of a cgroup, ns. */
struct proc_cgroup_cpu {
	uint64_t usage, user, system;
};
/* cpuacct.usage with cpuacct.stat (version 1; ticks of 1/`hz` s), or cpu.stat (version 2). */
int proc_cpuacct_usage_parse(const char *text, size_t len, struct proc_cgroup_cpu *ret);
int proc_cpuacct_stat_parse(const char *text, size_t len, uint64_t hz, struct proc_cgroup_cpu *ret);
int proc_cpu_stat_parse(const char *text, size_t len, struct proc_cgroup_cpu *ret);

#endif
