/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters that are read, and how a server numbers them.  On a worker; blocks on the network until the call's
 * deadline.
 */
#ifndef INSPECTOR_VSPHERE_COUNTERS_H
#define INSPECTOR_VSPHERE_COUNTERS_H

#include "plugins/vim/list.h"

enum counter {
	COUNTER_CPU,
	COUNTER_MEMORY,
	COUNTER_RECEIVED,
	COUNTER_SENT,
	COUNTER_READ,
	COUNTER_WRITTEN,
	COUNTER_READS,
	COUNTER_WRITES,
	COUNTERS
};

enum device_kind { NO_DEVICE, NIC, DISK, DEVICE_KINDS };

struct counter_row {
	const char *group, *name; /* all are averages: "cpu", "usage" is cpu.usage.average */
	unsigned groups; /* enum vmt_group that need it */
	enum device_kind kind; /* of what it is read for each */
	unsigned field; /* of the reading, or of the device's */
	double divide,
		multiply; /* the mean, for the field; as Ceilometer does it, to the last bit */
};
extern const struct counter_row counter_rows[COUNTERS];

struct counters {
	int32_t id[COUNTERS]; /* -1: the server has none */
	int64_t limit; /* entities times metrics in a question; <= 0: none */
	uint64_t session; /* that they were learned in; 0: they are not known */
	struct vim_list list;
	bool told[COUNTERS]; /* that the server has none */
};

void counters_init(struct counters *k);
void counters_fini(struct counters *k);

/* Asks for them, if they were not learned in this session. */
int counters_learn(struct counters *k, struct vim_client *c, const struct vmt_call *call,
		   struct vmt_error *error);

#endif
