/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the ties between a domain and what the kernel has of it.  Runs on an inspecting thread, under the lock of
 * kernel.c; /proc and cgroup files never block on the process they speak of.
 */
#include "plugins/inspector/libvirt/kernel_bind.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY)

enum { PATH = 4096 };

ssize_t bind_text(int fd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = pread(fd, text + len, size - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		len += (size_t)n;
		if (n == 0 || len < 512) {
			break; /* short ones come in one piece */
		}
	}
	text[len] = '\0';
	return (ssize_t)len;
}

static void shut(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

/* ------------------------------------------------------------------ virtual CPUs */

static void close_vcpus(struct bind *b)
{
	for (size_t i = 0; i < b->vcpus; i++) {
		shut(&b->vcpu[i].stat);
		shut(&b->vcpu[i].schedstat);
		shut(&b->vcpu[i].sched);
	}
	b->vcpus = 0;
}

/* The number of the virtual CPU that the thread in this folder is, -1: none. */
static int vcpu_of(int tasks, const char *tid, struct bind_place *place)
{
	char path[64];
	unsigned number;
	ssize_t n;
	int fd;

	g_snprintf(path, sizeof(path), "%s/comm", tid);
	fd = openat(tasks, path, FLAGS);
	if (fd < 0) {
		return -1;
	}
	n = bind_text(fd, place->text, BIND_TEXT);
	close(fd);
	return n > 0 && proc_comm_vcpu(place->text, (size_t)n, &number) == 0 ? (int)number : -1;
}

static int open_in(int dir, const char *tid, const char *name)
{
	char path[64];

	g_snprintf(path, sizeof(path), "%s/%s", tid, name);
	return openat(dir, path, FLAGS);
}

static void add_vcpu(struct bind *b, int tasks, const char *tid, unsigned number, bool waits)
{
	struct bind_vcpu v = { .number = number,
			       .stat = open_in(tasks, tid, "stat"),
			       .schedstat = open_in(tasks, tid, "schedstat"),
			       .sched = waits ? open_in(tasks, tid, "sched") : -1 };

	if ((b->vcpus & (b->vcpus - 1)) == 0) {
		b->vcpu = g_renew(struct bind_vcpu, b->vcpu, b->vcpus ? b->vcpus * 2 : 1);
	}
	b->vcpu[b->vcpus++] = v;
}

static void find_vcpus(struct bind *b, struct bind_place *place, uint64_t threads)
{
	int tasks = openat(b->dir, "task", FLAGS | O_DIRECTORY);
	DIR *dir = tasks < 0 ? NULL : fdopendir(tasks);
	const struct dirent *d;

	close_vcpus(b);
	b->threads = threads;
	while (dir && (d = readdir(dir))) {
		int number = isdigit((unsigned char)d->d_name[0])
				     ? vcpu_of(dirfd(dir), d->d_name, place)
				     : -1;

		if (number >= 0) {
			add_vcpu(b, dirfd(dir), d->d_name, (unsigned)number, place->waits);
		}
	}
	if (dir) {
		closedir(dir);
	} else if (tasks >= 0) {
		close(tasks);
	}
}

/* ------------------------------------------------------------------ NICs */

/* Whether one of the process's descriptors is that tap.  -EACCES and the like: it may not be looked at. */
static int has_tap(const struct bind *b, struct bind_place *place, const char *name)
{
	int infos = openat(b->dir, "fdinfo", FLAGS | O_DIRECTORY), found = 0;
	DIR *dir = infos < 0 ? NULL : fdopendir(infos);
	const struct dirent *d;
	char tap[PROC_IFNAME];

	if (!dir) {
		int err = -errno;

		shut(&infos);
		return err;
	}
	while (!found && (d = readdir(dir))) {
		int fd = isdigit((unsigned char)d->d_name[0]) ? openat(dirfd(dir), d->d_name, FLAGS)
							      : -1;
		ssize_t n = fd < 0 ? -1 : bind_text(fd, place->text, BIND_TEXT);

		found = n > 0 && proc_fdinfo_tap(place->text, (size_t)n, tap) == 0 &&
			strcmp(tap, name) == 0;
		shut(&fd);
	}
	closedir(dir);
	return found;
}

/* Why this NIC cannot come from the kernel; NULL: it can. */
static const char *bind_nic(struct bind *b, struct bind_place *place,
			    const struct domain_device *dev, struct bind_nic *ret)
{
	static const char *const kinds[] = { "bridge", "network", "ethernet", NULL };
	const char *type = dev->nic->type;
	int tap;

	if (!type || !g_strv_contains(kinds, type)) {
		return "a NIC is no tap (macvtap, vhost-user, hostdev)";
	}
	if (dev->nic->port && strcmp(dev->nic->port, "openvswitch") == 0) {
		return "a NIC is Open vSwitch's";
	}
	tap = has_tap(b, place, dev->public.name);
	if (tap <= 0) {
		return tap == 0
			       ? "a NIC is no tap of the QEMU process"
			       : "the QEMU process may not be looked at (CAP_SYS_PTRACE is missing)";
	}
	ret->index = if_nametoindex(dev->public.name);
	ret->swapped = true; /* as libvirt has all of them today; the comparison decides */
	return ret->index ? NULL : "a NIC is not in this network namespace";
}

static void bind_nics(struct bind *b, struct bind_place *place, const struct domain_desc *desc)
{
	b->nics = desc->nics;
	b->nic = g_renew(struct bind_nic, b->nic, desc->nics + 1);
	b->all_nics = true;
	for (size_t i = 0; i < desc->nics; i++) {
		const char *why;

		b->nic[i] = (struct bind_nic){ 0 };
		why = bind_nic(b, place, &desc->nic[i], &b->nic[i]);
		if (why) {
			b->nic[i].index = 0;
			b->all_nics = false;
			b->why = why;
		}
	}
}

/* ------------------------------------------------------------------ cgroup */

static int open_cgroup(const char *mount, const char *path, const char *name)
{
	char file[PATH * 2 + 64];

	if (g_snprintf(file, sizeof(file), "%s%s/%s", mount, path, name) >= (int)sizeof(file)) {
		return -1;
	}
	return open(file, FLAGS);
}

/* The domain's cgroup, if libvirt has made one: then its CPU time counts. */
static void bind_cgroup(struct bind *b, struct bind_place *place)
{
	int fd = openat(b->dir, "cgroup", FLAGS);
	ssize_t n = fd < 0 ? -1 : bind_text(fd, place->text, BIND_TEXT);
	char path[PATH];

	shut(&fd);
	b->cpu = BIND_CPU_PROC;
	if (n > 0 && place->cgroup_v1 &&
	    proc_cgroup_path(place->text, (size_t)n, "cpuacct", path, sizeof(path)) == 0 &&
	    proc_cgroup_machine(path)) {
		b->usage = open_cgroup(place->cgroup_v1, path, "cpuacct.usage");
		b->usage_stat = open_cgroup(place->cgroup_v1, path, "cpuacct.stat");
		b->cpu = b->usage >= 0 && b->usage_stat >= 0 ? BIND_CPU_V1 : BIND_CPU_PROC;
	} else if (n > 0 && place->cgroup_v2 &&
		   proc_cgroup_path(place->text, (size_t)n, NULL, path, sizeof(path)) == 0 &&
		   proc_cgroup_machine(path)) {
		b->usage = open_cgroup(place->cgroup_v2, path, "cpu.stat");
		b->cpu = b->usage >= 0 ? BIND_CPU_V2 : BIND_CPU_PROC;
	}
}

/* ------------------------------------------------------------------ life */

struct bind *bind_new(const uint8_t uuid[16])
{
	struct bind *b = g_new0(struct bind, 1);

	memcpy(b->uuid, uuid, sizeof(b->uuid));
	b->dir = b->stat = b->io = b->usage = b->usage_stat = -1;
	return b;
}

void bind_close(struct bind *b)
{
	close_vcpus(b);
	shut(&b->stat);
	shut(&b->io);
	shut(&b->usage);
	shut(&b->usage_stat);
	shut(&b->dir);
	memset(b->proof, 0, sizeof(b->proof));
	b->threads = 0;
	b->nics = 0;
	b->all_nics = b->foreign = false;
	b->cpu = BIND_CPU_NONE;
	b->why = NULL;
}

void bind_free(struct bind *b)
{
	if (b) {
		bind_close(b);
		g_free(b->vcpu);
		g_free(b->nic);
		g_free(b);
	}
}

/* Whether the process shares our namespace of that kind, as far as we may know. */
static bool shares(const struct bind *b, const struct bind_place *place, const char *kind)
{
	char ours[PATH];
	struct stat theirs, own;
	char path[32];

	g_snprintf(path, sizeof(path), "ns/%s", kind);
	g_snprintf(ours, sizeof(ours), "%s/self/ns/%s", place->proc, kind);
	return fstatat(b->dir, path, &theirs, 0) < 0 || stat(ours, &own) < 0 ||
	       (theirs.st_ino == own.st_ino && theirs.st_dev == own.st_dev);
}

int bind_open(struct bind *b, struct bind_place *place, const struct process *process,
	      const struct domain_desc *desc)
{
	char path[PATH];
	struct proc_stat s;
	ssize_t n;

	bind_close(b);
	g_snprintf(path, sizeof(path), "%s/%d", place->proc, (int)process->pid);
	b->dir = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (b->dir < 0) {
		return -ESRCH;
	}
	b->stat = openat(b->dir, "stat", FLAGS);
	n = b->stat < 0 ? -1 : bind_text(b->stat, place->text, BIND_TEXT);
	if (n <= 0 || proc_stat_parse(place->text, (size_t)n, &s) < 0 ||
	    s.start != process->start) {
		bind_close(b);
		return -ESRCH; /* the pid is another process's by now */
	}
	b->process = *process;
	b->epoch = desc->epoch;
	b->io = openat(b->dir, "io", FLAGS);
	b->foreign = !shares(b, place, "pid") || !shares(b, place, "net");
	bind_cgroup(b, place);
	b->threads = s.threads;
	bind_update(b, place, desc);
	return 0;
}

void bind_update(struct bind *b, struct bind_place *place, const struct domain_desc *desc)
{
	b->version = desc->version;
	b->why = NULL;
	memset(&b->proof[BIND_VCPU_GROUP], 0, sizeof(b->proof[0]));
	memset(&b->proof[BIND_NIC_GROUP], 0, sizeof(b->proof[0]));
	find_vcpus(b, place, b->threads);
	bind_nics(b, place, desc);
	if (b->foreign) {
		b->why = "QEMU runs in another pid or network namespace";
	}
}

/* ------------------------------------------------------------------ readings */

int bind_read_stat(struct bind *b, struct bind_place *place, struct kernel_reading *ret)
{
	ssize_t n = bind_text(b->stat, place->text, BIND_TEXT);
	uint64_t tick = UINT64_C(1000000000) / place->hz;
	struct proc_stat s;

	if (n <= 0 || proc_stat_parse(place->text, (size_t)n, &s) < 0 || s.state == 'Z' ||
	    s.state == 'X') {
		return -ESRCH;
	}
	if (s.threads != b->threads) {
		find_vcpus(b, place, s.threads);
	}
	ret->rss_kib = s.rss * place->page_kib;
	ret->groups |= VMT_GROUP_MEMORY;
	if (b->cpu == BIND_CPU_PROC) {
		ret->cpu = (s.user + s.system) * tick;
		ret->user = s.user * tick;
		ret->system = s.system * tick;
		ret->groups |= VMT_GROUP_CPU;
	}
	return 0;
}

void bind_read_cgroup(struct bind *b, struct bind_place *place, struct kernel_reading *ret)
{
	struct proc_cgroup_cpu cpu;
	ssize_t n;
	int err;

	if (b->cpu != BIND_CPU_V1 && b->cpu != BIND_CPU_V2) {
		return;
	}
	n = bind_text(b->usage, place->text, BIND_TEXT);
	if (n <= 0) {
		return;
	}
	if (b->cpu == BIND_CPU_V2) {
		err = proc_cpu_stat_parse(place->text, (size_t)n, &cpu);
	} else {
		err = proc_cpuacct_usage_parse(place->text, (size_t)n, &cpu);
		n = bind_text(b->usage_stat, place->text, BIND_TEXT);
		err = err < 0 || n <= 0
			      ? -EBADMSG
			      : proc_cpuacct_stat_parse(place->text, (size_t)n, place->hz, &cpu);
	}
	if (err == 0) {
		ret->cpu = cpu.usage;
		ret->user = cpu.user;
		ret->system = cpu.system;
		ret->groups |= VMT_GROUP_CPU;
	}
}

static bool read_vcpu(const struct bind_vcpu *v, struct bind_place *place, uint64_t tick,
		      struct kernel_reading *ret)
{
	struct proc_schedstat sched;
	struct proc_stat s;
	uint64_t wait = 0;
	ssize_t n = v->stat < 0 ? -1 : bind_text(v->stat, place->text, BIND_TEXT);

	if (n <= 0 || proc_stat_parse(place->text, (size_t)n, &s) < 0) {
		return false;
	}
	n = v->schedstat < 0 ? -1 : bind_text(v->schedstat, place->text, BIND_TEXT);
	if (n <= 0 || proc_schedstat_parse(place->text, (size_t)n, &sched) < 0) {
		return false;
	}
	if (place->waits) {
		n = v->sched < 0 ? -1 : bind_text(v->sched, place->text, BIND_TEXT);
		if (n <= 0 || proc_sched_wait_parse(place->text, (size_t)n, &wait) == -EBADMSG) {
			return false;
		}
	}
	ret->vcpu_time += (s.user + s.system) * tick;
	ret->vcpu_delay += sched.delay;
	ret->vcpu_wait += wait;
	return true;
}

void bind_read_vcpus(struct bind *b, struct bind_place *place, struct kernel_reading *ret)
{
	uint64_t tick = UINT64_C(1000000000) / place->hz;

	for (int attempt = 0; attempt < 2; attempt++) {
		size_t i = 0;

		ret->vcpus = b->vcpus;
		ret->vcpu_time = ret->vcpu_wait = ret->vcpu_delay = 0;
		while (i < b->vcpus && read_vcpu(&b->vcpu[i], place, tick, ret)) {
			i++;
		}
		if (b->vcpus && i == b->vcpus) {
			ret->groups |= VMT_GROUP_VCPU;
			return;
		}
		find_vcpus(b, place, b->threads); /* one of them is gone */
	}
}

void bind_read_io(struct bind *b, struct bind_place *place, struct kernel_reading *ret)
{
	ssize_t n = b->io < 0 ? -1 : bind_text(b->io, place->text, BIND_TEXT);

	if (n > 0 && proc_io_parse(place->text, (size_t)n, &ret->io) == 0) {
		ret->groups |= VMT_GROUP_PROCESS;
	}
}

void bind_read_nics(struct bind *b, const struct links *links, struct kernel_reading *ret)
{
	if (b->nics > ret->nics_cap) {
		ret->nics_cap = b->nics;
		g_free(ret->nic);
		ret->nic = g_malloc(sizeof(*ret->nic) * ret->nics_cap);
	}
	ret->nics = b->nics;
	for (size_t i = 0; i < b->nics; i++) {
		const struct link_counters *c = b->nic[i].index ? links_find(links, b->nic[i].index)
								: NULL;

		if (!c) {
			b->version = 0; /* another tap of that name may be there by now */
			return;
		}
		for (int v = 0; v < KERNEL_NIC_VALUES; v++) {
			ret->nic[i][v] = c->value[b->nic[i].swapped ? (v + 4) % 8 : v];
		}
	}
	ret->groups |= VMT_GROUP_NIC;
}
