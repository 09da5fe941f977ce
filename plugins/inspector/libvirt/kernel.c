/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the kernel readings of a hypervisor's domains: the ties to their processes, and which groups are proven.
 * Inspecting threads; kernel_begin() waits for the pass of another one, which takes milliseconds.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/kernel.h"
#include "plugins/inspector/libvirt/kernel_bind.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FORGET_NS (60 * NS_PER_S) /* what nobody reads any more is closed after so long */
#define PROVE_AGAIN_NS (600 * NS_PER_S)

enum { TRIES = 3, FILES = 65536 };

/* Between looks for processes that were not found. */
static const struct backoff_limits scans = { NS_PER_S, 64 * NS_PER_S };

struct kernel {
	char *uri, *proc, *cgroup_v1, *cgroup_v2;
	unsigned users; /* guarded by all_lock */
	struct kernel *next;
	struct wait lock; /* held during a pass; guards all below */
	GHashTable *table; /* of struct bind, by uuid */
	struct processes *processes;
	struct links *links;
	struct bind_place place;
	bool links_fresh; /* read in this pass */
	bool scanned; /* likewise */
	bool waits_fresh; /* likewise */
	bool missing; /* the last scan did not find everybody */
	int64_t scan_after_ns, scan_pause_ns;
	int64_t now_ns; /* of the pass */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kernel *all;

static void free_bind(gpointer b)
{
	bind_free(b);
}

#define VALUE(group, field, member)                                                                \
	{                                                                                          \
		VMT_GROUP_##group, VMT_F_##field, offsetof(struct kernel_reading, member)          \
	}

const struct kernel_value kernel_values[KERNEL_VALUES] = {
	VALUE(CPU, CPU_TIME, cpu),
	VALUE(CPU, CPU_USER, user),
	VALUE(CPU, CPU_SYSTEM, system),
	VALUE(VCPU, VCPUS, vcpus),
	VALUE(VCPU, VCPU_TIME, vcpu_time),
	VALUE(VCPU, VCPU_WAIT, vcpu_wait),
	VALUE(VCPU, VCPU_DELAY, vcpu_delay),
	VALUE(MEMORY, MEM_RSS, rss_kib),
	VALUE(PROCESS, IO_READ_BYTES, io.read_bytes),
	VALUE(PROCESS, IO_WRITE_BYTES, io.write_bytes),
	VALUE(PROCESS, IO_READ_CHARS, io.read_chars),
	VALUE(PROCESS, IO_WRITE_CHARS, io.write_chars),
	VALUE(PROCESS, IO_READ_CALLS, io.read_calls),
	VALUE(PROCESS, IO_WRITE_CALLS, io.write_calls),
};

void kernel_reading_fini(struct kernel_reading *r)
{
	g_free(r->nic);
	r->nic = NULL;
	r->nics = r->nics_cap = 0;
}

/* ------------------------------------------------------------------ life */

static char *find_mount(struct kernel *k, const char *controller)
{
	char *path = g_strdup_printf("%s/self/mountinfo", k->proc), *text = NULL, found[4096];
	gsize len;
	bool good = g_file_get_contents(path, &text, &len, NULL) &&
		    proc_mount_path(text, len, controller, found, sizeof(found)) == 0;

	g_free(path);
	g_free(text);
	return good ? g_strdup(found) : NULL;
}

/* Some six files a domain are kept open: more than the usual soft limit. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES) {
		limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)FILES);
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static struct kernel *kernel_new(const char *uri, const char *proc)
{
	struct kernel *k = g_new0(struct kernel, 1);

	k->uri = g_strdup(uri);
	k->proc = g_strdup(proc);
	wait_init(&k->lock);
	k->table = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, NULL, free_bind);
	k->processes = processes_new(proc);
	k->links = links_new();
	k->cgroup_v1 = find_mount(k, "cpuacct");
	k->cgroup_v2 = find_mount(k, NULL);
	k->place.proc = k->proc;
	k->place.cgroup_v1 = k->cgroup_v1;
	k->place.cgroup_v2 = k->cgroup_v2;
	k->place.hz = (uint64_t)sysconf(_SC_CLK_TCK);
	k->place.page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	k->scan_pause_ns = scans.first_ns;
	raise_limit();
	return k;
}

struct kernel *kernel_ref(const char *uri, const char *proc)
{
	struct kernel *k;

	proc = proc ? proc : "/proc";
	pthread_mutex_lock(&all_lock);
	for (k = all; k && (strcmp(k->uri, uri) != 0 || strcmp(k->proc, proc) != 0); k = k->next) {
	}
	if (!k) {
		k = kernel_new(uri, proc);
		k->next = all;
		all = k;
	}
	k->users++;
	pthread_mutex_unlock(&all_lock);
	return k;
}

void kernel_unref(struct kernel *k)
{
	bool last;

	if (!k) {
		return;
	}
	pthread_mutex_lock(&all_lock);
	last = --k->users == 0;
	for (struct kernel **at = &all; last && *at; at = &(*at)->next) {
		if (*at == k) {
			*at = k->next;
			break;
		}
	}
	pthread_mutex_unlock(&all_lock);
	if (last) {
		g_hash_table_destroy(k->table);
		processes_free(k->processes);
		links_free(k->links);
		wait_fini(&k->lock);
		g_free(k->uri);
		g_free(k->proc);
		g_free(k->cgroup_v1);
		g_free(k->cgroup_v2);
		g_free(k->place.text);
		g_free(k);
	}
}

/* ------------------------------------------------------------------ a pass */

/* Whether threads' wait_sum is kept at the moment (sysctl kernel.sched_schedstats). */
static bool keeps_waits(struct kernel *k)
{
	char path[4096];
	int fd;
	bool keeps;

	g_snprintf(path, sizeof(path), "%s/sys/kernel/sched_schedstats", k->proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	keeps = bind_text(fd, k->place.text, BIND_TEXT) > 0 && k->place.text[0] == '1';
	close(fd);
	return keeps;
}

static gboolean is_forgotten(gpointer key, gpointer value, gpointer data)
{
	return ((struct bind *)value)->used_ns < *(int64_t *)data;
}

/* Once a pass, before the first descriptor is used or opened in it. */
static void look_at_waits(struct kernel *k)
{
	bool waits;

	if (k->waits_fresh) {
		return;
	}
	k->waits_fresh = true;
	if (!k->place.text) {
		k->place.text = g_malloc(BIND_TEXT);
	}
	waits = keeps_waits(k);
	if (waits != k->place.waits) {
		k->place.waits = waits;
		g_hash_table_remove_all(
			k->table); /* their descriptors and proofs are of the other kind */
	}
}

void kernel_begin(struct kernel *k)
{
	int64_t before;

	wait_lock(&k->lock);
	before = k->now_ns;
	k->now_ns = clock_monotonic();
	/* not used since the last pass but one, at least */
	if (k->now_ns - before < FORGET_NS) {
		int64_t limit = k->now_ns - FORGET_NS;

		g_hash_table_foreach_remove(k->table, is_forgotten, &limit);
	}
	k->links_fresh = k->scanned = k->waits_fresh = false;
	if (g_hash_table_size(k->table) > 0) {
		look_at_waits(k);
	}
}

void kernel_end(struct kernel *k)
{
	wait_unlock(&k->lock);
}

/* Looks for processes anew, but not again and again for one that is not to be found. */
static void scan(struct kernel *k, bool fresh)
{
	if (k->scanned || (!fresh && k->now_ns < k->scan_after_ns)) {
		return;
	}
	processes_scan(k->processes);
	k->scanned = true;
	k->scan_pause_ns = backoff_next(fresh ? 0 : k->scan_pause_ns, &scans);
	k->scan_after_ns = k->now_ns + k->scan_pause_ns;
}

/* The domain's tie, with its process open; NULL: there is none that we can see. */
static struct bind *tie(struct kernel *k, const struct domain_desc *desc)
{
	struct process process;
	struct bind *b;
	bool fresh;

	look_at_waits(k);
	b = g_hash_table_lookup(k->table, desc->uuid);
	fresh = !b || b->epoch != desc->epoch;
	if (!b) {
		b = bind_new(desc->uuid);
		g_hash_table_insert(k->table, b->uuid, b);
	}
	b->used_ns = k->now_ns;
	if (b->dir >= 0 && b->epoch == desc->epoch) {
		if (b->version != desc->version) {
			bind_update(b, &k->place, desc);
		}
		return b;
	}
	bind_close(b);
	b->epoch = desc->epoch;
	b->why = "no QEMU process of the instance is visible (is this a container?)";
	scan(k, fresh);
	if (!processes_find(k->processes, desc->uuid, &process) ||
	    bind_open(b, &k->place, &process, desc) < 0) {
		return NULL;
	}
	return b;
}

static const struct {
	unsigned group;
	int at;
} groups_map[] = {
	{ VMT_GROUP_CPU, BIND_CPU_GROUP },
	{ VMT_GROUP_VCPU, BIND_VCPU_GROUP },
	{ VMT_GROUP_NIC, BIND_NIC_GROUP },
};

/* Groups whose values could stand in libvirt's place. */
static unsigned possible(const struct bind *b)
{
	if (b->foreign) {
		return 0;
	}
	return (unsigned)(VMT_GROUP_CPU | VMT_GROUP_VCPU | (b->all_nics ? VMT_GROUP_NIC : 0));
}

static bool is_weak_now(struct kernel *k, struct bind *b);

unsigned kernel_proven(struct kernel *k, const struct domain_desc *desc)
{
	struct bind *b = tie(k, desc);
	unsigned groups = 0;

	for (size_t i = 0; b && i < G_N_ELEMENTS(groups_map); i++) {
		const struct bind_proof *p = &b->proof[groups_map[i].at];

		if (p->proven && k->now_ns - p->proven_ns < PROVE_AGAIN_NS &&
		    !(groups_map[i].at == BIND_NIC_GROUP && is_weak_now(k, b))) {
			groups |= groups_map[i].group;
		}
	}
	return b ? groups & possible(b) : 0;
}

unsigned kernel_unproven(struct kernel *k, const struct domain_desc *desc)
{
	struct bind *b = tie(k, desc);
	unsigned groups = b ? possible(b) & ~kernel_proven(k, desc) : 0;

	for (size_t i = 0; b && i < G_N_ELEMENTS(groups_map); i++) {
		const struct bind_proof *p = &b->proof[groups_map[i].at];

		if (p->failed >= TRIES && k->now_ns - p->proven_ns < PROVE_AGAIN_NS) {
			groups &= ~groups_map[i].group;
		}
	}
	return groups;
}

const char *kernel_why(struct kernel *k, const struct domain_desc *desc)
{
	struct bind *b = tie(k, desc);

	if (!b) {
		b = g_hash_table_lookup(k->table, desc->uuid);
		return b->why;
	}
	for (int i = 0; !b->why && i < BIND_GROUPS; i++) {
		if (b->proof[i].failed >= TRIES) {
			return "libvirt's values are not the kernel's";
		}
	}
	return b->why;
}

/* ------------------------------------------------------------------ reading */

static bool read_links(struct kernel *k)
{
	if (!k->links_fresh) {
		int err = links_read(k->links);

		k->links_fresh = true;
		if (err < 0) {
			log_warn("netlink: counters of interfaces: %s; NICs stay with libvirt",
				 g_strerror(-err));
		}
	}
	return links_count(k->links) > 0;
}

bool kernel_read(struct kernel *k, const struct domain_desc *desc, unsigned groups,
		 struct kernel_reading *ret)
{
	struct bind *b = tie(k, desc);
	int64_t began = clock_monotonic();

	ret->groups = 0;
	if (!b) {
		return false;
	}
	if (bind_read_stat(b, &k->place, ret) < 0) {
		bind_close(b);
		return false;
	}
	if (groups & VMT_GROUP_CPU) {
		bind_read_cgroup(b, &k->place, ret);
	}
	if (groups & VMT_GROUP_VCPU) {
		bind_read_vcpus(b, &k->place, ret);
	}
	if (groups & VMT_GROUP_PROCESS) {
		bind_read_io(b, &k->place, ret);
	}
	if (groups & VMT_GROUP_NIC && b->all_nics && !b->foreign && read_links(k)) {
		bind_read_nics(b, k->links, ret);
	}
	ret->mono_ns = began + (clock_monotonic() - began) / 2;
	ret->time_ns = clock_real() - (clock_monotonic() - ret->mono_ns);
	ret->groups &= groups | VMT_GROUP_MEMORY;
	return ret->groups != 0;
}

/* ------------------------------------------------------------------ proofs */

static bool has(const struct vmt_reading *r, unsigned field)
{
	return r->present >> field & 1;
}

enum verdict { NOTHING, SAME, OTHER };

struct bracket {
	enum vmt_field field;
	uint64_t before, after;
};

static enum verdict judge_fields(const struct vmt_reading *r, const struct bracket *list,
				 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!has(r, list[i].field)) {
			return NOTHING;
		}
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t v = r->value[list[i].field].u;

		if (v < list[i].before || v > list[i].after) {
			return OTHER;
		}
	}
	return SAME;
}

static enum verdict judge_cpu(const struct vmt_reading *r, const struct kernel_reading *before,
			      const struct kernel_reading *after)
{
	const struct bracket list[] = {
		{ VMT_F_CPU_TIME, before->cpu, after->cpu },
		{ VMT_F_CPU_USER, before->user, after->user },
		{ VMT_F_CPU_SYSTEM, before->system, after->system },
	};

	return judge_fields(r, list, G_N_ELEMENTS(list));
}

static enum verdict judge_vcpu(const struct vmt_reading *r, const struct kernel_reading *before,
			       const struct kernel_reading *after)
{
	const struct bracket list[] = {
		{ VMT_F_VCPUS, before->vcpus, after->vcpus },
		{ VMT_F_VCPU_TIME, before->vcpu_time, after->vcpu_time },
		{ VMT_F_VCPU_WAIT, before->vcpu_wait, after->vcpu_wait },
		{ VMT_F_VCPU_DELAY, before->vcpu_delay, after->vcpu_delay },
	};

	return judge_fields(r, list, G_N_ELEMENTS(list));
}

/* The reading of a device of the description. */
static const struct vmt_device_reading *nic_of(const struct vmt_inspection *in,
					       const struct vmt_reading *r,
					       const struct vmt_device *device)
{
	for (uint32_t i = 0; i < r->nics; i++) {
		const struct vmt_device_reading *nic = &in->nic[r->first_nic + i];

		if (nic->device->version == device->version) {
			return nic;
		}
	}
	return NULL;
}

static enum verdict judge_nics(const struct domain_desc *desc, const struct vmt_inspection *in,
			       const struct vmt_reading *r, const struct kernel_reading *before,
			       const struct kernel_reading *after)
{
	if (before->nics != desc->nics || after->nics != desc->nics || r->nics != desc->nics) {
		return desc->nics ? NOTHING : SAME;
	}
	for (size_t i = 0; i < desc->nics; i++) {
		const struct vmt_device_reading *nic = nic_of(in, r, &desc->nic[i].public);

		for (int v = 0; v < KERNEL_NIC_VALUES; v++) {
			if (!nic || !(nic->present >> v & 1)) {
				return NOTHING;
			}
			if (nic->value[v].u < before->nic[i][v] ||
			    nic->value[v].u > after->nic[i][v]) {
				return OTHER;
			}
		}
	}
	return SAME;
}

/* Whether these values would be the same the other way round, too. */
static bool tells_no_direction(const uint64_t value[KERNEL_NIC_VALUES])
{
	return memcmp(value, value + 4, 4 * sizeof(*value)) == 0;
}

/* What was proven of NICs whose values told nothing is worth nothing once they do. */
static bool is_weak_now(struct kernel *k, struct bind *b)
{
	for (size_t i = 0; i < b->nics; i++) {
		const struct link_counters *c = b->nic[i].weak && read_links(k)
							? links_find(k->links, b->nic[i].index)
							: NULL;

		if (c && !tells_no_direction(c->value)) {
			return true;
		}
	}
	return false;
}

static void note(struct kernel *k, struct bind *b, int at, enum verdict verdict, const char *name)
{
	struct bind_proof *p = &b->proof[at];

	if (verdict == SAME) {
		*p = (struct bind_proof){ .proven = true, .proven_ns = k->now_ns };
	} else if (verdict == OTHER) {
		p->proven = false;
		p->proven_ns = k->now_ns;
		if (++p->failed == TRIES) {
			log_info(
				"instance %s: %s: libvirt's values are not the kernel's; they stay libvirt's",
				name,
				at == BIND_CPU_GROUP    ? "cpu"
				: at == BIND_VCPU_GROUP ? "vcpu"
							: "interface");
		}
	}
}

/* A cgroup that libvirt does not read: its process then. */
static void try_other_cpu(struct bind *b, enum verdict verdict)
{
	if (verdict == OTHER && (b->cpu == BIND_CPU_V1 || b->cpu == BIND_CPU_V2)) {
		b->cpu = BIND_CPU_PROC;
		b->proof[BIND_CPU_GROUP].failed = 0;
	}
}

/* Some libvirts have some types of NIC the host's way round. */
static void try_other_way(struct bind *b, enum verdict verdict)
{
	for (size_t i = 0; verdict == OTHER && i < b->nics; i++) {
		b->nic[i].swapped = !b->nic[i].swapped;
	}
}

void kernel_judge(struct kernel *k, const struct domain_desc *desc,
		  const struct kernel_reading *before, const struct kernel_reading *after,
		  const struct vmt_inspection *in, size_t i)
{
	unsigned both = before->groups & after->groups;
	const struct vmt_reading *r = &in->reading[i];
	struct bind *b = tie(k, desc);
	enum verdict verdict;

	if (!b) {
		return;
	}
	if (both & VMT_GROUP_CPU) {
		verdict = judge_cpu(r, before, after);
		note(k, b, BIND_CPU_GROUP, verdict, desc->id);
		try_other_cpu(b, verdict);
	}
	if (both & VMT_GROUP_VCPU) {
		note(k, b, BIND_VCPU_GROUP, judge_vcpu(r, before, after), desc->id);
	}
	if (both & VMT_GROUP_NIC) {
		verdict = judge_nics(desc, in, r, before, after);
		note(k, b, BIND_NIC_GROUP, verdict, desc->id);
		try_other_way(b, verdict);
		for (size_t n = 0; b->proof[BIND_NIC_GROUP].proven && n < after->nics; n++) {
			b->nic[n].weak = tells_no_direction(after->nic[n]);
		}
	}
}
