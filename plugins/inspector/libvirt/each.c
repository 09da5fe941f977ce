/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the single calls.  Runs in a caller's thread; blocks in libvirt.
 */
#include "plugins/inspector/libvirt/each.h"

#include <string.h>

enum { VCPUS_MAX = 1024, FLAG_STATS = 16 };

static virTypedParameterPtr add(GArray *params, int type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static virTypedParameterPtr add(GArray *params, int type, const char *format, ...)
{
	virTypedParameter p = { .type = type };
	va_list args;

	va_start(args, format);
	g_vsnprintf(p.field, sizeof(p.field), format, args);
	va_end(args);
	g_array_append_val(params, p);
	return &g_array_index(params, virTypedParameter, params->len - 1);
}

static void add_string(GArray *params, const char *name, size_t n, const char *value)
{
	add(params, VIR_TYPED_PARAM_STRING, "%s.%zu.name", name, n)->value.s = g_strdup(value);
}

/* -1 is "unknown". */
static void add_counter(GArray *params, const char *group, size_t n, const char *name,
			long long value)
{
	if (value >= 0) {
		add(params, VIR_TYPED_PARAM_ULLONG, "%s.%zu.%s", group, n, name)->value.ul =
			(unsigned long long)value;
	}
}

GArray *each_params_new(void)
{
	return g_array_new(FALSE, TRUE, sizeof(virTypedParameter));
}

void each_params_free(GArray *params)
{
	for (guint i = 0; params && i < params->len; i++) {
		virTypedParameter *p = &g_array_index(params, virTypedParameter, i);

		if (p->type == VIR_TYPED_PARAM_STRING) {
			g_free(p->value.s);
		}
	}
	if (params) {
		g_array_free(params, TRUE);
	}
}

static const struct {
	int tag;
	const char *name;
} memory_names[] = {
	{ VIR_DOMAIN_MEMORY_STAT_SWAP_IN, "swap_in" },
	{ VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, "swap_out" },
	{ VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, "major_fault" },
	{ VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT, "minor_fault" },
	{ VIR_DOMAIN_MEMORY_STAT_UNUSED, "unused" },
	{ VIR_DOMAIN_MEMORY_STAT_AVAILABLE, "available" },
	{ VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, "current" },
	{ VIR_DOMAIN_MEMORY_STAT_RSS, "rss" },
	{ VIR_DOMAIN_MEMORY_STAT_USABLE, "usable" },
	{ VIR_DOMAIN_MEMORY_STAT_DISK_CACHES, "disk_caches" },
};

static void read_memory(struct session *s, virDomainPtr dom, const virDomainInfo *info,
			GArray *params)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	int n = RPC(s, virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0));

	add(params, VIR_TYPED_PARAM_ULLONG, "balloon.current")->value.ul = info->memory;
	add(params, VIR_TYPED_PARAM_ULLONG, "balloon.maximum")->value.ul = info->maxMem;
	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(memory_names); k++) {
			if (stats[i].tag == memory_names[k].tag) {
				add(params, VIR_TYPED_PARAM_ULLONG, "balloon.%s",
				    memory_names[k].name)
					->value.ul = stats[i].val;
			}
		}
	}
}

static void read_cpu(struct session *s, virDomainPtr dom, const virDomainInfo *info, GArray *params)
{
	virTypedParameter total[FLAG_STATS] = { 0 };
	int n = RPC(s, virDomainGetCPUStats(dom, total, FLAG_STATS, -1, 1, 0));

	add(params, VIR_TYPED_PARAM_ULLONG, "cpu.time")->value.ul = info->cpuTime;
	for (int i = 0; i < n; i++) {
		const char *name =
			strcmp(total[i].field, VIR_DOMAIN_CPU_STATS_USERTIME) == 0     ? "user"
			: strcmp(total[i].field, VIR_DOMAIN_CPU_STATS_SYSTEMTIME) == 0 ? "system"
										       : NULL;

		if (name && total[i].type == VIR_TYPED_PARAM_ULLONG) {
			add(params, VIR_TYPED_PARAM_ULLONG, "cpu.%s", name)->value.ul =
				total[i].value.ul;
		}
	}
	virTypedParamsClear(total, n > 0 ? n : 0);
}

static void read_vcpus(struct session *s, virDomainPtr dom, const virDomainInfo *info,
		       GArray *params)
{
	int max = MIN(info->nrVirtCpu, VCPUS_MAX);
	virVcpuInfo *vcpus = g_new0(virVcpuInfo, (size_t)max + 1);
	int n = RPC(s, virDomainGetVcpus(dom, vcpus, max, NULL, 0));

	add(params, VIR_TYPED_PARAM_ULLONG, "vcpu.current")->value.ul = info->nrVirtCpu;
	for (int i = 0; i < n; i++) {
		add(params, VIR_TYPED_PARAM_ULLONG, "vcpu.%d.time", i)->value.ul = vcpus[i].cpuTime;
	}
	g_free(vcpus);
}

static const struct {
	const char *from, *to;
} block_names[] = {
	{ VIR_DOMAIN_BLOCK_STATS_READ_REQ, "rd.reqs" },
	{ VIR_DOMAIN_BLOCK_STATS_READ_BYTES, "rd.bytes" },
	{ VIR_DOMAIN_BLOCK_STATS_READ_TOTAL_TIMES, "rd.times" },
	{ VIR_DOMAIN_BLOCK_STATS_WRITE_REQ, "wr.reqs" },
	{ VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES, "wr.bytes" },
	{ VIR_DOMAIN_BLOCK_STATS_WRITE_TOTAL_TIMES, "wr.times" },
	{ VIR_DOMAIN_BLOCK_STATS_FLUSH_REQ, "fl.reqs" },
	{ VIR_DOMAIN_BLOCK_STATS_FLUSH_TOTAL_TIMES, "fl.times" },
};

static void read_disk(struct session *s, virDomainPtr dom, const char *name, size_t n,
		      GArray *params)
{
	virTypedParameter stats[FLAG_STATS] = { 0 };
	virDomainBlockStatsStruct old;
	int count = FLAG_STATS;

	if (RPC(s, virDomainBlockStatsFlags(dom, name, stats, &count, 0)) == 0) {
		for (int i = 0; i < count; i++) {
			for (size_t k = 0; k < G_N_ELEMENTS(block_names); k++) {
				if (strcmp(stats[i].field, block_names[k].from) == 0 &&
				    stats[i].type == VIR_TYPED_PARAM_LLONG) {
					add_counter(params, "block", n, block_names[k].to,
						    stats[i].value.l);
				}
			}
		}
		virTypedParamsClear(stats, count);
	} else if (RPC(s, virDomainBlockStats(dom, name, &old, sizeof(old))) == 0) {
		add_counter(params, "block", n, "rd.reqs", old.rd_req);
		add_counter(params, "block", n, "rd.bytes", old.rd_bytes);
		add_counter(params, "block", n, "wr.reqs", old.wr_req);
		add_counter(params, "block", n, "wr.bytes", old.wr_bytes);
	}
}

static void read_disks(struct session *s, virDomainPtr dom, const struct domain_desc *desc,
		       unsigned groups, GArray *params)
{
	virDomainBlockInfo info;

	for (size_t i = 0; i < desc->disks; i++) {
		const char *name = desc->disk[i].public.name;

		add_string(params, "block", i, name);
		if (groups & VMT_GROUP_DISK) {
			read_disk(s, dom, name, i, params);
		}
		if (RPC(s, virDomainGetBlockInfo(dom, name, &info, 0)) == 0) {
			add_counter(params, "block", i, "capacity", (long long)info.capacity);
			add_counter(params, "block", i, "allocation", (long long)info.allocation);
			add_counter(params, "block", i, "physical", (long long)info.physical);
		}
	}
}

static void read_nics(struct session *s, virDomainPtr dom, const struct domain_desc *desc,
		      GArray *params)
{
	virDomainInterfaceStatsStruct stats;

	for (size_t i = 0; i < desc->nics; i++) {
		const char *name = desc->nic[i].public.name;

		add_string(params, "net", i, name);
		if (RPC(s, virDomainInterfaceStats(dom, name, &stats, sizeof(stats))) < 0) {
			continue;
		}
		add_counter(params, "net", i, "rx.bytes", stats.rx_bytes);
		add_counter(params, "net", i, "rx.pkts", stats.rx_packets);
		add_counter(params, "net", i, "rx.errs", stats.rx_errs);
		add_counter(params, "net", i, "rx.drop", stats.rx_drop);
		add_counter(params, "net", i, "tx.bytes", stats.tx_bytes);
		add_counter(params, "net", i, "tx.pkts", stats.tx_packets);
		add_counter(params, "net", i, "tx.errs", stats.tx_errs);
		add_counter(params, "net", i, "tx.drop", stats.tx_drop);
	}
}

int each_read(struct session *s, virDomainPtr dom, const struct domain_desc *desc, unsigned groups,
	      GArray *params, struct vmt_error *error)
{
	virDomainInfo info;

	if (RPC(s, virDomainGetInfo(dom, &info)) < 0) {
		return libvirt_error(s, desc->name, error);
	}
	add(params, VIR_TYPED_PARAM_INT, "state.state")->value.i = info.state;
	if (info.state == VIR_DOMAIN_SHUTOFF) {
		return 0;
	}
	if (groups & VMT_GROUP_CPU) {
		read_cpu(s, dom, &info, params);
	}
	if (groups & VMT_GROUP_VCPU) {
		read_vcpus(s, dom, &info, params);
	}
	if (groups & VMT_GROUP_MEMORY) {
		read_memory(s, dom, &info, params);
	}
	if (groups & (VMT_GROUP_DISK | VMT_GROUP_DISK_USAGE)) {
		read_disks(s, dom, desc, groups, params);
	}
	if (groups & VMT_GROUP_NIC) {
		read_nics(s, dom, desc, params);
	}
	return 0;
}
