/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Performance of many machines with few questions: as many at a time as the server allows.  A machine that costs an
 * answer, because it is gone, its host is away or nothing comes back, is found by halves and costs the others nothing.
 * On a worker; blocks on the network until the call's deadline.
 */
#ifndef INSPECTOR_VSPHERE_QUERY_H
#define INSPECTOR_VSPHERE_QUERY_H

#include "plugins/inspector/vsphere/values.h"
#include "plugins/vim/machines.h"

enum { QUERY_SAMPLES_MAX = 180 }; /* an hour: longer they are not kept */

struct query {
	struct vim_client *client;
	struct counters counters;
	GHashTable *suspects; /* reference to struct suspect: who did not answer */
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
	bool reloaded; /* counters were, once */
	uint32_t silent; /* machines that are left alone */
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
