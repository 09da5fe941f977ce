/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Performance of many machines with few questions: as many at a time as the server allows.  A machine that costs an
 * answer, because it is gone, may not be read, its host is away, nothing comes back or whatever else, is found by halves,
 * costs the others nothing, and is left alone for a while.
 * On a worker; blocks on the network until the call's deadline.
 */
#ifndef INSPECTOR_VSPHERE_QUERY_H
#define INSPECTOR_VSPHERE_QUERY_H

#include "plugins/inspector/vsphere/values.h"
#include "plugins/vim/machines.h"

enum { QUERY_SAMPLES_MAX = 180 }; /* an hour: longer they are not kept */

/* Machines that a fault was about which it was not before. */
struct trouble {
	uint32_t machines;
	char machine[128], fault[300], privilege[96]; /* of the first */
};

struct query {
	struct vim_client *client;
	struct counters counters;
	GHashTable *suspects; /* reference to struct suspect: whom it was not to be had of */
	int64_t reload_ns; /* of CLOCK_MONOTONIC: numbers of counters are not doubted before */
	uint64_t cycle;
	/* the machines, as long as their list stays */
	const struct vim_machines *machines;
	uint64_t version; /* of the list */
	struct values *values; /* of each */
	struct arena *arena, *before; /* of values and devices; the last ones' stay for a cycle */
	GHashTable *refs; /* reference to index + 1 */
	/* the cycle */
	GArray *order,
		*slices; /* indices of machines, in the order of asking; what is still to be asked */
	struct vim_metric metric[COUNTERS];
	size_t metrics;
	unsigned asked; /* bits of the counters */
	int samples;
	unsigned spare; /* questions that may still be asked to find someone out */
	size_t answered; /* machines */
	bool breathed, again; /* again: the slice in hand is one */
	uint32_t alone[FATES]; /* machines that are left alone, by why */
	struct trouble trouble[FATES];
	/* the question in hand */
	struct vim_perf perf;
	size_t first, count, from, width;
	size_t at; /* the next expected of `order` */
	size_t machine; /* that series are of; SIZE_MAX: none of ours */
};

void query_init(struct query *q, struct vim_client *client);
void query_fini(struct query *q);

/* Begins a cycle with the machines as they are now. */
void query_begin(struct query *q, const struct vim_machines *machines);

/* Asks for the counters of `groups` of the machines in `wanted` (a byte each); what came of each is in `values`.
 * -errno: it was not to be had of all, and why. */
int query_run(struct query *q, const uint8_t *wanted, unsigned groups, int samples,
	      const struct vmt_call *call, struct vmt_error *error);

#endif
