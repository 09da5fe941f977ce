/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the meaning of the names in libvirt's domain statistics (virConnectGetAllDomainStats of its manual), read in
 * one pass: the group by the name's beginning, the field by a small table.  Any thread; never blocks.
 */
#include "plugins/inspector/libvirt/stats.h"

#include "base/hash.h"

#include <glib.h>
#include <string.h>

static const struct {
	unsigned group, stats;
} groups_map[] = {
	{ VMT_GROUP_CPU, VIR_DOMAIN_STATS_CPU_TOTAL },
	{ VMT_GROUP_VCPU, VIR_DOMAIN_STATS_VCPU },
	{ VMT_GROUP_MEMORY, VIR_DOMAIN_STATS_BALLOON },
	{ VMT_GROUP_PERF, VIR_DOMAIN_STATS_PERF },
	{ VMT_GROUP_DISK, VIR_DOMAIN_STATS_BLOCK },
	{ VMT_GROUP_DISK_USAGE, VIR_DOMAIN_STATS_BLOCK },
	{ VMT_GROUP_NIC, VIR_DOMAIN_STATS_INTERFACE },
};

struct name {
	const char *name;
	unsigned field;
};

static const struct name cpu_names[] = {
	{ "time", VMT_F_CPU_TIME },
	{ "user", VMT_F_CPU_USER },
	{ "system", VMT_F_CPU_SYSTEM },
	{ 0 },
};

static const struct name balloon_names[] = {
	{ "current", VMT_F_MEM_ACTUAL },
	{ "maximum", VMT_F_MEM_MAXIMUM },
	{ "swap_in", VMT_F_SWAP_IN },
	{ "swap_out", VMT_F_SWAP_OUT },
	{ "major_fault", VMT_F_MAJOR_FAULTS },
	{ "minor_fault", VMT_F_MINOR_FAULTS },
	{ "unused", VMT_F_MEM_UNUSED },
	{ "available", VMT_F_MEM_AVAILABLE },
	{ "usable", VMT_F_MEM_USABLE },
	{ "disk_caches", VMT_F_DISK_CACHES },
	{ "rss", VMT_F_MEM_RSS },
	{ 0 },
};

static const struct name perf_names[] = {
	{ "cpu_cycles", VMT_F_PERF_CPU_CYCLES },
	{ "instructions", VMT_F_PERF_INSTRUCTIONS },
	{ "cache_references", VMT_F_PERF_CACHE_REFERENCES },
	{ "cache_misses", VMT_F_PERF_CACHE_MISSES },
	{ "cmt", VMT_F_PERF_CMT },
	{ "mbmt", VMT_F_PERF_MBMT },
	{ "mbml", VMT_F_PERF_MBML },
	{ 0 },
};

static const struct name block_names[] = {
	{ "rd.reqs", VMT_D_READ_REQUESTS },  { "rd.bytes", VMT_D_READ_BYTES },
	{ "rd.times", VMT_D_READ_TIME },     { "wr.reqs", VMT_D_WRITE_REQUESTS },
	{ "wr.bytes", VMT_D_WRITE_BYTES },   { "wr.times", VMT_D_WRITE_TIME },
	{ "fl.reqs", VMT_D_FLUSH_REQUESTS }, { "fl.times", VMT_D_FLUSH_TIME },
	{ "allocation", VMT_D_ALLOCATION },  { "capacity", VMT_D_CAPACITY },
	{ "physical", VMT_D_PHYSICAL },      { 0 },
};

static const struct name net_names[] = {
	{ "rx.bytes", VMT_N_RX_BYTES },
	{ "rx.pkts", VMT_N_RX_PACKETS },
	{ "rx.errs", VMT_N_RX_ERRORS },
	{ "rx.drop", VMT_N_RX_DROPS },
	{ "tx.bytes", VMT_N_TX_BYTES },
	{ "tx.pkts", VMT_N_TX_PACKETS },
	{ "tx.errs", VMT_N_TX_ERRORS },
	{ "tx.drop", VMT_N_TX_DROPS },
	{ 0 },
};

#define BIT(field) (UINT32_C(1) << (field))

/* Fields that a disk has only if its monitor, or whoever counts for it, answered. */
enum {
	BLOCK_COUNTERS = BIT(VMT_D_READ_REQUESTS) | BIT(VMT_D_READ_BYTES) |
			 BIT(VMT_D_WRITE_REQUESTS) | BIT(VMT_D_WRITE_BYTES)
};

struct reader {
	const struct domain_desc *desc;
	struct vmt_inspection *out;
	size_t i;
	uint8_t stamp;
	struct stats_note *note;
	/* the disk or NIC in hand */
	struct vmt_device_reading *device; /* NULL: not one of ours */
	uint64_t number; /* N of "block.N."; UINT64_MAX: none yet */
	char group; /* 'b', 'n', or 0 */
	size_t next_disk, next_nic; /* where in `desc` the next one is expected */
	const struct name *table,
		*next; /* where the next field's name is expected, in the last one's table */
	uint32_t counters; /* of all disks together */
	bool named_disk;
	/* virtual CPUs */
	uint64_t current, sum[3], counted[3]; /* of time, wait, delay */
};

unsigned stats_groups(unsigned groups)
{
	unsigned stats = VIR_DOMAIN_STATS_STATE;

	for (size_t i = 0; i < G_N_ELEMENTS(groups_map); i++) {
		if (groups & groups_map[i].group) {
			stats |= groups_map[i].stats;
		}
	}
	return stats;
}

/* A whole number that is not negative; libvirt says -1, also as an unsigned, for what it does not know. */
static bool take(const virTypedParameter *p, uint64_t *ret)
{
	switch (p->type) {
	case VIR_TYPED_PARAM_ULLONG:
		*ret = p->value.ul;
		return p->value.ul != UINT64_MAX;
	case VIR_TYPED_PARAM_LLONG:
		*ret = (uint64_t)p->value.l;
		return p->value.l >= 0;
	case VIR_TYPED_PARAM_UINT:
		*ret = p->value.ui;
		return true;
	case VIR_TYPED_PARAM_INT:
		*ret = (uint64_t)p->value.i;
		return p->value.i >= 0;
	default:
		return false;
	}
}

static const char *text_of(const virTypedParameter *p)
{
	return p->type == VIR_TYPED_PARAM_STRING ? p->value.s : NULL;
}

/* The row of that name; usually the one after the last: libvirt gives them in the tables' order. */
static const struct name *find(struct reader *r, const struct name *table, const char *name)
{
	const struct name *at = r->table == table ? r->next : table;

	r->table = table;
	if (!at->name || strcmp(at->name, name) != 0) {
		for (at = table; at->name && strcmp(at->name, name) != 0; at++) {
		}
	}
	r->next = at->name ? at + 1 : table;
	return at->name ? at : NULL;
}

static void take_field(struct reader *r, const struct name *table, const char *name,
		       const virTypedParameter *p)
{
	const struct name *found = find(r, table, name);
	uint64_t v;

	if (found && take(p, &v)) {
		vmt_set(&r->out->reading[r->i], found->field, v, r->stamp);
	}
}

/* Reads the N of "N.rest"; answers rest, or NULL when there is no number. */
static const char *take_number(const char *name, uint64_t *ret)
{
	uint64_t n = 0;
	const char *at = name;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (n > UINT32_MAX) {
			return NULL;
		}
		n = n * 10 + (uint64_t)(*at - '0');
	}
	if (at == name || *at != '.') {
		return NULL;
	}
	*ret = n;
	return at + 1;
}

static void read_vcpu(struct reader *r, const char *name, const virTypedParameter *p)
{
	static const char *const kinds[] = { "time", "wait", "delay" };
	const char *rest;
	uint64_t n, v;

	if (strcmp(name, "current") == 0) {
		if (take(p, &v)) {
			r->current = v;
			vmt_set(&r->out->reading[r->i], VMT_F_VCPUS, v, r->stamp);
		}
		return;
	}
	rest = take_number(name, &n);
	for (size_t k = 0; rest && k < G_N_ELEMENTS(kinds); k++) {
		if (strcmp(rest, kinds[k]) == 0 && take(p, &v)) {
			r->sum[k] += v;
			r->counted[k]++;
		}
	}
}

/* The sums count only if each virtual CPU is in them. */
static void end_vcpus(struct reader *r)
{
	static const enum vmt_field fields[] = { VMT_F_VCPU_TIME, VMT_F_VCPU_WAIT,
						 VMT_F_VCPU_DELAY };

	for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
		if (r->current && r->counted[k] == r->current) {
			vmt_set(&r->out->reading[r->i], fields[k], r->sum[k], r->stamp);
		}
	}
}

/* The described device of that name; usually the next one. */
static const struct vmt_device *find_device(const struct domain_device *list, size_t count,
					    size_t *next, const char *name)
{
	for (size_t k = 0; k < count; k++) {
		const struct domain_device *dev = &list[(*next + k) % count];

		if (strcmp(dev->public.name, name) == 0) {
			*next = (*next + k + 1) % count;
			return &dev->public;
		}
	}
	return NULL;
}

/* A disk or NIC begins with its name. */
static void begin_device(struct reader *r, char group, uint64_t number, const char *name)
{
	const struct vmt_device *device;

	r->group = group;
	r->number = number;
	r->device = NULL;
	if (group == 'b') {
		device = find_device(r->desc->disk, r->desc->disks, &r->next_disk, name);
		if (device) {
			r->device = vmt_inspection_disk(r->out, r->i, device);
			r->named_disk = true;
		}
	} else {
		device = find_device(r->desc->nic, r->desc->nics, &r->next_nic, name);
		if (device) {
			r->device = vmt_inspection_nic(r->out, r->i, device);
		}
	}
}

static void read_device(struct reader *r, char group, const char *name, const virTypedParameter *p)
{
	uint64_t *digest = group == 'b' ? &r->note->disks : &r->note->nics;
	const struct name *found;
	const char *rest, *text;
	uint64_t n, v;

	rest = take_number(name, &n);
	if (!rest) {
		if (strcmp(name, "count") == 0 && take(p, &v)) {
			*digest = hash64(&v, sizeof(v), *digest) | 1;
		}
		return;
	}
	text = text_of(p);
	if (text) {
		*digest = hash64(text, strlen(text), *digest) | 1;
		if (strcmp(rest, "name") == 0) {
			begin_device(r, group, n, text);
		}
		return;
	}
	if (!r->device || r->group != group || r->number != n) {
		return;
	}
	found = find(r, group == 'b' ? block_names : net_names, rest);
	if (found && take(p, &v)) {
		vmt_device_set(r->device, found->field, v, r->stamp);
		r->counters |= group == 'b' ? BIT(found->field) : 0;
	}
}

static void read_state(struct reader *r, const char *name, const virTypedParameter *p)
{
	uint64_t v;

	if (strcmp(name, "state") == 0 && take(p, &v)) {
		vmt_set(&r->out->reading[r->i], VMT_F_STATE, v, r->stamp);
	}
}

static void read_cpu(struct reader *r, const char *name, const virTypedParameter *p)
{
	take_field(r, cpu_names, name, p);
}

static void read_block(struct reader *r, const char *name, const virTypedParameter *p)
{
	read_device(r, 'b', name, p);
}

static void read_balloon(struct reader *r, const char *name, const virTypedParameter *p)
{
	if (strcmp(name, "current") == 0 && r->desc->xml && r->desc->xml->no_balloon) {
		return; /* what was configured, not what is */
	}
	take_field(r, balloon_names, name, p);
}

static void read_net(struct reader *r, const char *name, const virTypedParameter *p)
{
	read_device(r, 'n', name, p);
}

static void read_perf(struct reader *r, const char *name, const virTypedParameter *p)
{
	take_field(r, perf_names, name, p);
}

static const struct group {
	const char *begin;
	size_t len;
	void (*read)(struct reader *r, const char *name, const virTypedParameter *p);
} groups[] = {
	{ "block.", 6, read_block }, { "net.", 4, read_net },     { "balloon.", 8, read_balloon },
	{ "vcpu.", 5, read_vcpu },   { "state.", 6, read_state }, { "cpu.", 4, read_cpu },
	{ "perf.", 5, read_perf },
};

/* The name's first letters decide; what no group claims is left alone. */
static void read_one(struct reader *r, const virTypedParameter *p)
{
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];

		if (p->field[0] == g->begin[0] && strncmp(p->field, g->begin, g->len) == 0) {
			g->read(r, p->field + g->len, p);
			return;
		}
	}
}

void stats_read(const virTypedParameter *params, int count, const struct domain_desc *desc,
		struct vmt_inspection *out, size_t i, uint8_t stamp, struct stats_note *ret_note)
{
	struct reader r = { .desc = desc,
			    .out = out,
			    .i = i,
			    .stamp = stamp,
			    .note = ret_note,
			    .number = UINT64_MAX };

	*ret_note = (struct stats_note){ .only_state = true };
	for (int k = 0; k < count; k++) {
		if (strncmp(params[k].field, "state.", 6) != 0) {
			ret_note->only_state = false;
		}
		read_one(&r, &params[k]);
	}
	end_vcpus(&r);
	ret_note->short_disks = r.named_disk && !(r.counters & BLOCK_COUNTERS);
}
