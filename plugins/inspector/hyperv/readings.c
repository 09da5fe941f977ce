/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from a machine to a reading.  On the inspector's worker; never blocks.
 *
 * Numbers are Ceilometer's.  Where it has 0 for what nobody measured, there is none: values of a running machine whose
 * metering is off (doc/decisions/0125).
 */
#include "plugins/inspector/hyperv/readings.h"

#include "base/hash.h"
#include "plugins/inspector/hyperv/keys.h"

#define KIB_PER_MB 1024
#define MB UINT64_C(1048576)

enum enabled { ENABLED = 2, DISABLED = 3 };

enum { AMBIGUOUS = -2 };

/* virDomainState of EnabledState; what is not here is 0, no state. */
static const struct {
	uint64_t enabled;
	uint64_t state;
} states[] = {
	{ ENABLED, 1 }, { DISABLED, 5 }, { 4, 4 }, /* shutting down */
	{ 6, 5 }, /* saved */
	{ 9, 3 }, /* paused */
	{ 10, 1 }, /* starting */
	{ 32768, 3 },   { 32769, 5 }, /* saved */
	{ 32770, 1 }, /* starting */
	{ 32771, 1 }, /* snapshotting */
	{ 32773, 1 }, /* saving */
	{ 32774, 4 }, /* stopping */
	{ 32776, 3 }, /* pausing */
	{ 32777, 1 }, /* resuming */
};

static uint64_t state_of(const struct machine *m)
{
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		if (states[i].enabled == m->state) {
			return states[i].state;
		}
	}
	return 0;
}

/* It uses nothing, and nobody needs to measure that. */
static bool is_off(const struct machine *m)
{
	return state_of(m) == 5;
}

/* ------------------------------------------------------------------ what is told once */

void told_init(struct told *t, const char *address)
{
	*t = (struct told){
		.address = address,
		.machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
}

void told_fini(struct told *t)
{
	g_hash_table_destroy(t->machines);
	g_hash_table_destroy(t->names);
}

static bool first_time(GHashTable *set, const char *key)
{
	return !g_hash_table_contains(set, key) && g_hash_table_add(set, g_strdup(key));
}

static void tell_unmetered(struct readings *r)
{
	const struct join *j = r->join;
	size_t running = 0, unmetered = 0;

	for (size_t i = 0; i < j->machines; i++) {
		running += !is_off(&j->machine[i]);
		unmetered += !is_off(&j->machine[i]) && !j->machine[i].metered;
	}
	if (running && unmetered == running) {
		if (!r->told->host) {
			vmt_log(VMT_LOG_WARNING,
				"%s: resource metering is off on this host: CPU, memory, disk and network meters are "
				"left out; Enable-VMResourceMetering there switches it on",
				r->told->address);
		}
		r->told->host = true;
		return;
	}
	r->told->host = false;
	for (size_t i = 0; i < j->machines; i++) {
		const struct machine *m = &j->machine[i];

		if (m->metered || is_off(m)) {
			g_hash_table_remove(r->told->machines, m->guid);
		} else if (first_time(r->told->machines, m->guid)) {
			vmt_log(VMT_LOG_WARNING,
				"%s: machine %s (%s): resource metering is off; its meters are left out",
				r->told->address, m->name, m->guid);
		}
	}
}

static void tell_missing_metrics(struct readings *r)
{
	const struct collector *c = r->collector;

	for (int m = 0; m < METRICS && c->learned; m++) {
		if (!c->host.definition[m] && !r->told->metrics[m]) {
			vmt_log(VMT_LOG_WARNING,
				"%s: has no metric '%s'; meters that need it are left out",
				r->told->address, metric_names[m]);
		}
		r->told->metrics[m] = !c->host.definition[m];
	}
}

/* ------------------------------------------------------------------ who is who */

struct finder {
	struct keys guids, names;
	int *next; /* another one whose name is equal but for the case of letters */
};

static void finder_init(struct finder *f, const struct join *j, struct arena *arena)
{
	keys_init(&f->guids, arena, j->machines);
	keys_init(&f->names, arena, j->machines);
	f->next = ARENA_ARRAY(arena, int, j->machines);
	for (size_t i = 0; i < j->machines; i++) {
		const struct machine *m = &j->machine[i];
		int other = keys_get(&f->names, m->name, strlen(m->name));

		keys_put(&f->guids, m->guid, strlen(m->guid), (int)i);
		f->next[i] = KEY_NONE;
		if (other == KEY_NONE) {
			keys_put(&f->names, m->name, strlen(m->name), (int)i);
		} else {
			f->next[i] = f->next[other];
			f->next[other] = (int)i;
		}
	}
}

/* By Hyper-V's own id, else by Nova's name of the instance. */
static int find(const struct finder *f, const struct join *j, const struct vmt_instance *in)
{
	int found = keys_get(&f->guids, in->id, strlen(in->id));
	int at = found == KEY_NONE && in->name ? keys_get(&f->names, in->name, strlen(in->name))
					       : KEY_NONE;

	for (; at != KEY_NONE; at = f->next[at]) {
		if (strcmp(j->machine[at].name, in->name) == 0) {
			found = found == KEY_NONE ? at : AMBIGUOUS;
		}
	}
	return found;
}

/* ------------------------------------------------------------------ values */

static bool lacks(const struct collector *c, enum table_id a, enum table_id b)
{
	return c->failed[a] || c->failed[b] || c->failed[T_METRICS];
}

static uint64_t in_bytes(uint64_t mb)
{
	return mb < UINT64_MAX / MB ? mb * MB : 0;
}

/* A machine that runs needs values of its own: those of its disks say nothing of its CPU. */
static void read_usage(struct readings *r, const struct machine *m, struct vmt_reading *to,
		       uint8_t stamp)
{
	const struct collector *c = r->collector;
	uint64_t unit = r->microseconds ? 1000 : 1000000;
	bool cpu = is_off(m) || (m->has[M_CPU] && m->has_uptime);
	bool memory = is_off(m) || m->has[M_MEMORY];

	if (lacks(c, T_TOTALS, T_TOTAL_DEFINITIONS)) {
		return;
	}
	if (r->request->groups & (VMT_GROUP_CPU | VMT_GROUP_VCPU) && cpu &&
	    c->host.definition[M_CPU] && !c->failed[T_CPUS] && c->host.mhz) {
		vmt_set(to, VMT_F_CPU_TIME, join_cpu_ms(m, &c->host) * unit, stamp);
	}
	if (r->request->groups & VMT_GROUP_MEMORY && memory && c->host.definition[M_MEMORY]) {
		vmt_set_double(to, VMT_F_MEM_USED, (double)m->value[M_MEMORY] * KIB_PER_MB, stamp);
	}
}

static struct vmt_device *describe(struct readings *r, const char *id, const char *name,
				   const char *mac)
{
	struct vmt_device *d = ARENA_NEW(r->arena, struct vmt_device);
	uint64_t version = hash64(id, strlen(id), 1);

	version = hash64(name, strlen(name), version);
	d->version = (mac ? hash64(mac, strlen(mac), version) : version) | 1;
	d->name = name;
	d->mac = mac;
	return d;
}

static void read_disks(struct readings *r, size_t i, const struct machine *m, bool measured,
		       uint8_t s)
{
	static const unsigned nothing[] = { VMT_D_READ_REQUESTS, VMT_D_WRITE_REQUESTS,
					    VMT_D_READ_TIME, VMT_D_WRITE_TIME };
	char *const *have = r->collector->host.definition;

	for (size_t n = 0; measured && n < m->disks; n++) {
		const struct machine_disk *d = &r->join->disk[m->first_disk + n];
		struct vmt_device_reading *to =
			vmt_inspection_disk(r->out, i, describe(r, d->id, d->id, NULL));

		for (size_t k = 0; k < G_N_ELEMENTS(nothing); k++) { /* as Ceilometer has them */
			vmt_device_set(to, nothing[k], 0, s);
		}
		if (have[M_READ]) {
			vmt_device_set(to, VMT_D_READ_BYTES, in_bytes(d->sum[M_READ]), s);
		}
		if (have[M_WRITTEN]) {
			vmt_device_set(to, VMT_D_WRITE_BYTES, in_bytes(d->sum[M_WRITTEN]), s);
		}
		if (have[M_LATENCY]) {
			vmt_device_set_double(to, VMT_D_LATENCY, (double)d->sum[M_LATENCY] / 1000,
					      s);
		}
		if (have[M_IOPS]) {
			vmt_device_set_double(to, VMT_D_IOPS, (double)d->sum[M_IOPS], s);
		}
	}
}

static void read_nics(struct readings *r, size_t i, const struct machine *m, bool measured,
		      uint8_t s)
{
	static const unsigned nothing[] = { VMT_N_RX_PACKETS, VMT_N_RX_ERRORS, VMT_N_RX_DROPS,
					    VMT_N_TX_PACKETS, VMT_N_TX_ERRORS, VMT_N_TX_DROPS };
	char *const *have = r->collector->host.definition;

	for (size_t n = 0; measured && n < m->nics; n++) {
		const struct machine_nic *d = &r->join->nic[m->first_nic + n];
		struct vmt_device_reading *to =
			vmt_inspection_nic(r->out, i, describe(r, d->id, d->name, d->address));

		for (size_t k = 0; k < G_N_ELEMENTS(nothing); k++) {
			vmt_device_set(to, nothing[k], 0, s);
		}
		if (have[M_RECEIVED]) {
			vmt_device_set(to, VMT_N_RX_BYTES, in_bytes(d->sum[M_RECEIVED]), s);
		}
		if (have[M_SENT]) {
			vmt_device_set(to, VMT_N_TX_BYTES, in_bytes(d->sum[M_SENT]), s);
		}
	}
}

/* ------------------------------------------------------------------ all of it */

static void read_one(struct readings *r, size_t i, const struct machine *m, uint8_t early,
		     uint8_t late)
{
	const struct collector *c = r->collector;
	struct vmt_reading *to = &r->out->reading[i];
	bool measured = m->metered || is_off(m);
	bool values = !lacks(c, T_VALUES, T_VALUE_DEFINITIONS);

	to->outcome = c->partial ? VMT_PARTIAL : VMT_OK;
	vmt_set(to, VMT_F_STATE, state_of(m), early);
	if (m->has_vcpus) {
		vmt_set(to, VMT_F_VCPUS, m->vcpus, early);
	}
	read_usage(r, m, to, late);
	if (r->request->groups & VMT_GROUP_DISK && values) {
		read_disks(r, i, m, measured, late);
	}
	if (r->request->groups & VMT_GROUP_NIC && values && !c->failed[T_ACLS] &&
	    !c->failed[T_PORTS]) {
		read_nics(r, i, m, measured, late);
	}
}

static void tell_ambiguous(struct readings *r, const struct vmt_instance *in)
{
	if (first_time(r->told->names, in->name)) {
		vmt_log(VMT_LOG_WARNING,
			"%s: several machines are called %s: none of them is taken for instance %s",
			r->told->address, in->name, in->id);
	}
}

void readings_make(struct readings *r)
{
	const struct collector *c = r->collector;
	struct finder f;
	uint8_t early =
		vmt_inspection_stamp(r->out, (struct vmt_stamp){ .time_ns = c->systems_ns,
								 .mono_ns = c->systems_mono_ns,
								 .source = "hyperv" });
	uint8_t late =
		vmt_inspection_stamp(r->out, (struct vmt_stamp){ .time_ns = vmt_clock_real(),
								 .mono_ns = vmt_clock_monotonic(),
								 .source = "hyperv" });

	finder_init(&f, r->join, r->arena);
	for (size_t i = 0; i < r->instances->count; i++) {
		int at;

		if (r->request->only && !r->request->only[i]) {
			continue;
		}
		at = find(&f, r->join, &r->instances->instances[i]);
		if (at == AMBIGUOUS) {
			tell_ambiguous(r, &r->instances->instances[i]);
		} else if (at == KEY_NONE) {
			r->out->reading[i].outcome = VMT_GONE;
		} else {
			read_one(r, i, &r->join->machine[at], early, late);
		}
	}
	if (r->request->groups & ~(unsigned)VMT_GROUP_STATE && !c->partial) {
		tell_unmetered(r);
	}
	tell_missing_metrics(r);
}
