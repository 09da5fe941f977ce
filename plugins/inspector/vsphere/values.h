/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the counters say of machines and their devices, from answers to readings.  On the inspector's worker; never
 * blocks.
 */
#ifndef INSPECTOR_VSPHERE_VALUES_H
#define INSPECTOR_VSPHERE_VALUES_H

#include "base/arena.h"
#include "plugins/inspector/vsphere/counters.h"

struct device {
	struct vmt_device device;
	struct device *next; /* by name */
	size_t len; /* of its name */
	uint64_t cycle; /* that it was last seen in */
	unsigned seen,
		said; /* counters that had it then, and that had samples of it; bits 1 << enum counter */
	double mean[COUNTERS];
};

/* What became of a machine in a cycle.  SKIPPED: there was a fault about it. */
enum fate {
	FATE_UNASKED,
	FATE_ANSWERED,
	FATE_GONE,
	FATE_SILENT,
	FATE_REFUSED,
	FATE_SKIPPED,
	FATES
};

struct values {
	enum fate fate;
	uint64_t cycle; /* of `seen` and `said` */
	unsigned seen, said; /* totals, as above */
	double mean[COUNTERS]; /* of totals */
	struct device *devices[DEVICE_KINDS];
};

/* Takes a series of the machine `ref` in.  `k` says which counter it is; the device's description is kept in
 * `arena`. */
void values_take(struct values *v, const struct counters *k, const char *ref, uint64_t cycle,
		 const struct vim_series *series, struct arena *arena);

/* Sets what was asked (bits of enum counter) in reading `i`.  What is not in the answer is 0, as with Ceilometer:
 * a machine that has just started; a device that another counter has. */
void values_put(const struct values *v, uint64_t cycle, unsigned asked, struct vmt_inspection *out,
		size_t i, uint8_t stamp);

#endif
