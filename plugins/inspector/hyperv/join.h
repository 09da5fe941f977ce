/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From tables to machines: what is whose, and the numbers as Ceilometer's Hyper-V inspector and os-win work them out.
 * Pure; memory is an arena's.
 */
#ifndef INSPECTOR_HYPERV_JOIN_H
#define INSPECTOR_HYPERV_JOIN_H

#include "plugins/inspector/hyperv/tables.h"

/* The metrics that count, by their definitions' ElementName. */
enum metric {
	M_CPU, /* MHz */
	M_MEMORY, /* MB */
	M_RECEIVED, /* MB */
	M_SENT, /* MB */
	M_READ, /* MB */
	M_WRITTEN, /* MB */
	M_LATENCY, /* us */
	M_IOPS, /* 1/s */
	METRICS
};

extern const char *const metric_names[METRICS];

/* What holds as long as a connection. */
struct host {
	char *definition[METRICS]; /* id; NULL: the host does not have it */
	uint64_t hash[METRICS]; /* of the id */
	uint64_t mhz; /* of all processors (sockets) together; 0: not known */
};

struct machine_disk {
	const char *id;
	uint64_t sum[METRICS];
};

struct machine_nic {
	const char *id, *name, *address;
	uint64_t sum[METRICS];
};

struct machine {
	const char *guid, *name;
	uint64_t state; /* EnabledState */
	bool has_uptime, has_vcpus;
	uint64_t uptime_ms;
	uint64_t vcpus;
	bool has[METRICS]; /* the machine's own: M_CPU, M_MEMORY */
	uint64_t value[METRICS];
	size_t metered; /* values of it and its parts */
	/* in the join's arrays, one machine's together */
	size_t first_disk, disks, first_nic, nics;
};

struct join {
	struct machine *machine;
	size_t machines;
	struct machine_disk *disk;
	struct machine_nic *nic;
};

/* From the tables of definitions and processors. */
void host_learn(struct host *h, const struct table table[TABLES]);
void host_forget(struct host *h);

/* `table`: an empty one for what was not read. */
void join_run(struct join *j, const struct host *host, const struct table table[TABLES],
	      struct arena *arena);

/* How much CPU time that is by Ceilometer's rule: milliseconds of uptime times the share of the host. */
uint64_t join_cpu_ms(const struct machine *m, const struct host *host);

#endif
