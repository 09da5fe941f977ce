/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the joins.  One thread at a time; never blocks.
 *
 * A setting belongs to the machine whose GUID its InstanceID begins with; of the metric values, each
 * Msvm_MetricForME says whose it is: a machine's, a disk's or a port ACL's.
 */
#include "plugins/inspector/hyperv/join.h"

#include "plugins/hyperv/options.h"
#include "plugins/inspector/hyperv/keys.h"

#include <glib.h>
#include <math.h>

#define PREFIX "Microsoft:"

enum { GUID = 36 };

const char *const metric_names[METRICS] = {
	[M_CPU] = "Aggregated Average CPU Utilization",
	[M_MEMORY] = "Aggregated Average Memory Utilization",
	[M_RECEIVED] = "Filtered Incoming Network Traffic",
	[M_SENT] = "Filtered Outgoing Network Traffic",
	[M_READ] = "Disk Data Read",
	[M_WRITTEN] = "Disk Data Written",
	[M_LATENCY] = "Average Disk Latency",
	[M_IOPS] = "Average Normalized Disk Throughput",
};

/* What an element's number means. */
enum element { MACHINE, DISK, ACL };
enum { KIND_BITS = 2 };

struct work {
	struct join *out;
	const struct host *host;
	const struct table *table;
	struct arena *arena;
	struct keys machines; /* GUID to machine */
	struct keys elements; /* key of whatever is metered to its kind and number */
	struct keys values; /* InstanceID to row: of T_TOTALS, and behind them of T_VALUES */
	int *acl_nic; /* of each ACL its NIC, or KEY_NONE */
	bool *acl_done; /* its first value was taken */
};

static bool number(const char *text, uint64_t *ret)
{
	char *end;
	uint64_t v;

	if (!text || !g_ascii_isdigit(*text)) {
		return false;
	}
	v = g_ascii_strtoull(text, &end, 10);
	if (*end) {
		return false;
	}
	*ret = v;
	return true;
}

/* ------------------------------------------------------------------ the host */

static void learn_definitions(struct host *h, const struct table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const char *const *v = t->row[i].value;

		for (int m = 0; v[DEFINITION_ID] && m < METRICS; m++) {
			if (!h->definition[m] &&
			    g_strcmp0(v[DEFINITION_NAME], metric_names[m]) == 0) {
				h->definition[m] = g_strdup(v[DEFINITION_ID]);
				h->hash[m] = key_hash(v[DEFINITION_ID], strlen(v[DEFINITION_ID]));
			}
		}
	}
}

void host_learn(struct host *h, const struct table table[TABLES])
{
	const struct table *cpus = &table[T_CPUS];
	uint64_t clock;

	learn_definitions(h, &table[T_TOTAL_DEFINITIONS]);
	learn_definitions(h, &table[T_VALUE_DEFINITIONS]);
	if (cpus->count && number(cpus->row[0].value[CPU_CLOCK], &clock)) {
		h->mhz = clock * cpus->count;
	}
}

void host_forget(struct host *h)
{
	for (int m = 0; m < METRICS; m++) {
		g_free(h->definition[m]);
	}
	*h = (struct host){ 0 };
}

/* ------------------------------------------------------------------ machines and their parts */

/* The host's own entry has its name in place of a GUID. */
static void add_machines(struct work *w)
{
	const struct table *t = &w->table[T_SYSTEMS];
	struct join *out = w->out;

	out->machine = ARENA_ARRAY(w->arena, struct machine, t->count);
	keys_init(&w->machines, w->arena, t->count);
	for (size_t i = 0; i < t->count; i++) {
		const char *const *v = t->row[i].value;
		struct machine *m = &out->machine[out->machines];

		if (!hyperv_is_guid(v[SYSTEM_NAME]) || !v[SYSTEM_ELEMENT] ||
		    keys_get(&w->machines, v[SYSTEM_NAME], GUID) != KEY_NONE) {
			continue;
		}
		m->guid = v[SYSTEM_NAME];
		m->name = v[SYSTEM_ELEMENT];
		number(v[SYSTEM_STATE], &m->state);
		m->has_uptime = number(v[SYSTEM_UPTIME], &m->uptime_ms);
		keys_put(&w->machines, m->guid, GUID, (int)out->machines++);
	}
}

/* "Microsoft:GUID" with nothing or a backslash behind it: the machine's number, or KEY_NONE. */
static int machine_of(const struct work *w, const char *id)
{
	const size_t prefix = sizeof(PREFIX) - 1;
	size_t len = id ? strlen(id) : 0;

	if (len < prefix + GUID || g_ascii_strncasecmp(id, PREFIX, prefix) != 0 ||
	    (id[prefix + GUID] != '\0' && id[prefix + GUID] != '\\')) {
		return KEY_NONE;
	}
	return keys_get(&w->machines, id + prefix, GUID);
}

static void add_vcpus(struct work *w)
{
	const struct table *t = &w->table[T_PROCESSORS];

	for (size_t i = 0; i < t->count; i++) {
		int m = machine_of(w, t->row[i].value[OBJECT_ID]);
		struct machine *machine = m < 0 ? NULL : &w->out->machine[m];

		if (machine && !machine->has_vcpus) {
			machine->has_vcpus =
				number(t->row[i].value[PROCESSOR_QUANTITY], &machine->vcpus);
		}
	}
}

/* Rows of a table by machine, in the table's order: counts in `first`, then where each machine's rows go. */
static int *owners(struct work *w, const struct table *t, size_t **ret_count)
{
	int *owner = ARENA_ARRAY(w->arena, int, t->count);

	*ret_count = ARENA_ARRAY(w->arena, size_t, w->out->machines);
	for (size_t i = 0; i < t->count; i++) {
		owner[i] = machine_of(w, t->row[i].value[OBJECT_ID]);
		if (owner[i] >= 0) {
			++(*ret_count)[owner[i]];
		}
	}
	return owner;
}

static void add_element(struct work *w, const char *key, enum element kind, size_t number)
{
	keys_put(&w->elements, key, strlen(key), (int)(number << KIND_BITS | kind));
}

static void add_disks(struct work *w)
{
	const struct table *t = &w->table[T_DISKS];
	struct join *out = w->out;
	size_t *count, first = 0;
	int *owner = owners(w, t, &count);

	out->disk = ARENA_ARRAY(w->arena, struct machine_disk, t->count);
	for (size_t m = 0; m < out->machines; m++) {
		out->machine[m].first_disk = first;
		first += count[m];
	}
	for (size_t i = 0; i < t->count; i++) {
		struct machine *m = owner[i] < 0 ? NULL : &out->machine[owner[i]];

		if (m) {
			size_t at = m->first_disk + m->disks++;

			out->disk[at].id = t->row[i].value[OBJECT_ID];
			add_element(w, out->disk[at].id, DISK, at);
		}
	}
}

/* The key in \\HOST\root\virtualization\v2:CLASS.InstanceID="KEY", where backslashes are doubled. */
static char *key_in_path(struct arena *arena, const char *path)
{
	const char *quote = path ? strchr(path, '"') : NULL;
	char *key = quote ? arena_strdup(arena, quote + 1) : NULL, *to = key;

	for (const char *c = key; c && *c && *c != '"'; c++) {
		c += *c == '\\' && c[1] ? 1 : 0;
		*to++ = *c;
	}
	if (key) {
		*to = '\0';
	}
	return key;
}

static void set_nic(struct machine_nic *nic, const char *id, const struct table_row *port)
{
	nic->id = id;
	nic->name = port->value[PORT_ELEMENT] ? port->value[PORT_ELEMENT] : "";
	nic->address = port->value[PORT_ADDRESS] ? port->value[PORT_ADDRESS] : "";
}

/* One NIC for each allocation; an allocation of no synthetic port (a legacy adapter) is none. */
static void add_nics(struct work *w, struct keys *allocations)
{
	const struct table *t = &w->table[T_ALLOCATIONS], *ports = &w->table[T_PORTS];
	struct join *out = w->out;
	size_t *count, first = 0;
	int *owner = owners(w, t, &count);
	struct keys keys;

	keys_init(&keys, w->arena, ports->count);
	for (size_t i = 0; i < ports->count; i++) {
		const char *id = ports->row[i].value[OBJECT_ID];

		if (id) {
			keys_put(&keys, id, strlen(id), (int)i);
		}
	}
	keys_init(allocations, w->arena, t->count);
	out->nic = ARENA_ARRAY(w->arena, struct machine_nic, t->count);
	for (size_t m = 0; m < out->machines; m++) {
		out->machine[m].first_nic = first;
		first += count[m];
	}
	for (size_t i = 0; i < t->count; i++) {
		struct machine *m = owner[i] < 0 ? NULL : &out->machine[owner[i]];
		char *parent = m ? key_in_path(w->arena, t->row[i].value[ALLOCATION_PARENT]) : NULL;
		int port = parent ? keys_get(&keys, parent, strlen(parent)) : KEY_NONE;

		if (port != KEY_NONE) {
			const char *id = t->row[i].value[OBJECT_ID];
			size_t at = m->first_nic + m->nics++;

			set_nic(&out->nic[at], id, &ports->row[port]);
			keys_put(allocations, id, strlen(id), (int)at);
		}
	}
}

/* An ACL's InstanceID begins with its allocation's. */
static int nic_of_acl(const struct keys *allocations, const char *id)
{
	for (size_t len = strlen(id); len > 0; len--) {
		int nic = id[len] == '\\' || id[len] == '\0' ? keys_get(allocations, id, len)
							     : KEY_NONE;

		if (nic != KEY_NONE) {
			return nic;
		}
	}
	return KEY_NONE;
}

static void add_acls(struct work *w, const struct keys *allocations)
{
	const struct table *t = &w->table[T_ACLS];

	w->acl_nic = ARENA_ARRAY(w->arena, int, t->count);
	w->acl_done = ARENA_ARRAY(w->arena, bool, t->count);
	for (size_t i = 0; i < t->count; i++) {
		const char *id = t->row[i].value[OBJECT_ID];

		w->acl_nic[i] = id ? nic_of_acl(allocations, id) : KEY_NONE;
		if (w->acl_nic[i] != KEY_NONE) {
			add_element(w, id, ACL, i);
		}
	}
}

/* ------------------------------------------------------------------ metrics */

static void index_values(struct work *w)
{
	size_t n = 0;

	keys_init(&w->values, w->arena, w->table[T_TOTALS].count + w->table[T_VALUES].count);
	for (int id = T_TOTALS; id <= T_VALUES; id++) {
		for (size_t i = 0; i < w->table[id].count; i++, n++) {
			const char *key = w->table[id].row[i].value[OBJECT_ID];

			if (key) {
				keys_put(&w->values, key, strlen(key), (int)n);
			}
		}
	}
}

static enum metric metric_of(const struct host *h, const char *definition)
{
	size_t len = definition ? strlen(definition) : 0;
	uint64_t hash = definition ? key_hash(definition, len) : 0;

	for (int m = 0; definition && m < METRICS; m++) {
		if (h->definition[m] && h->hash[m] == hash &&
		    g_ascii_strcasecmp(h->definition[m], definition) == 0) {
			return m;
		}
	}
	return METRICS;
}

static struct machine *machine_of_disk(const struct work *w, const char *id)
{
	int m = machine_of(w, id);

	return m < 0 ? NULL : &w->out->machine[m];
}

/* os-win takes the first of a machine's values, all of a disk's, and of an ACL the first of the base class. */
static void add_value(struct work *w, int element, enum metric metric, bool base, uint64_t v)
{
	size_t at = (size_t)element >> KIND_BITS;
	struct machine *m = NULL;

	switch ((enum element)(element & ((1 << KIND_BITS) - 1))) {
	case MACHINE:
		m = &w->out->machine[at];
		if (metric < METRICS && !m->has[metric]) {
			m->has[metric] = true;
			m->value[metric] = v;
		}
		break;
	case DISK:
		m = machine_of_disk(w, w->out->disk[at].id);
		if (metric < METRICS) {
			w->out->disk[at].sum[metric] += v;
		}
		break;
	case ACL:
		m = machine_of_disk(w, w->out->nic[w->acl_nic[at]].id);
		if (base && !w->acl_done[at]) {
			w->acl_done[at] = true;
			if (metric < METRICS) {
				w->out->nic[w->acl_nic[at]].sum[metric] += v;
			}
		}
		break;
	}
	if (m) {
		m->metered++;
	}
}

static void add_values(struct work *w)
{
	const struct table *t = &w->table[T_METRICS], *totals = &w->table[T_TOTALS];

	index_values(w);
	for (size_t i = 0; i < t->count; i++) {
		const char *element = t->row[i].value[METRIC_ELEMENT];
		const char *value = t->row[i].value[METRIC_VALUE];
		int e = element ? keys_get(&w->elements, element, strlen(element)) : KEY_NONE;
		int n = value ? keys_get(&w->values, value, strlen(value)) : KEY_NONE;
		const char *const *row;
		uint64_t v;
		bool base;

		if (e == KEY_NONE || n == KEY_NONE) {
			continue;
		}
		base = (size_t)n >= totals->count;
		row = base ? w->table[T_VALUES].row[(size_t)n - totals->count].value
			   : totals->row[n].value;
		if (number(row[VALUE_VALUE], &v)) {
			add_value(w, e, metric_of(w->host, row[VALUE_DEFINITION]), base, v);
		}
	}
}

/* ------------------------------------------------------------------ all of it */

void join_run(struct join *j, const struct host *host, const struct table table[TABLES],
	      struct arena *arena)
{
	struct work w = { .out = j, .host = host, .table = table, .arena = arena };
	struct keys allocations;

	*j = (struct join){ 0 };
	add_machines(&w);
	keys_init(&w.elements, arena, j->machines + table[T_DISKS].count + table[T_ACLS].count);
	for (size_t m = 0; m < j->machines; m++) {
		add_element(&w, j->machine[m].guid, MACHINE, m);
	}
	add_vcpus(&w);
	add_disks(&w);
	add_nics(&w, &allocations);
	add_acls(&w, &allocations);
	add_values(&w);
}

uint64_t join_cpu_ms(const struct machine *m, const struct host *host)
{
	double share = host->mhz ? (double)m->value[M_CPU] / (double)host->mhz : 0;
	double ms = (double)m->uptime_ms * share;

	return ms > 0 && ms < 1e13 ? (uint64_t)ms : 0;
}
