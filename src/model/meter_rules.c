/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rules: how a row gets its value from a reading.  A rule answers false where there is
 * none; it never makes one up.  Run on the poll worker, many times a cycle; block on nothing, take
 * nothing from the heap.
 */
#include "model/meter_private.h"

const uint8_t disk_counters[COUNTERS] = { VMT_D_READ_BYTES, VMT_D_WRITE_BYTES, VMT_D_READ_REQUESTS,
					  VMT_D_WRITE_REQUESTS };
const uint8_t nic_counters[COUNTERS] = { VMT_N_RX_BYTES, VMT_N_RX_PACKETS, VMT_N_TX_BYTES,
					 VMT_N_TX_PACKETS };

/* ------------------------------------------------------------------ instances */

static bool put(struct meter_value *ret, const struct vmt_reading *r, unsigned field)
{
	ret->v = r->value[field];
	ret->stamp = r->stamp[field];
	return true;
}

RULE(rule_field)
{
	const struct vmt_reading *r = &run->in->reading[at];

	return has(r, row->field) && put(ret, r, row->field);
}

/* MiB in the row's kind.  Python's // rounds down. */
static bool mib(const struct meter_run *run, const struct meter_row *row, int64_t kib,
		struct meter_value *ret)
{
	if (row->kind[run->profile] == VMT_INT64) {
		ret->v.i = kib >= 0 ? kib / 1024 : -((1023 - kib) / 1024);
	} else {
		ret->v.d = (double)kib / 1024;
	}
	return true;
}

static bool kib(const struct meter_run *run, const struct meter_row *row,
		const struct vmt_reading *r, unsigned field, struct meter_value *ret)
{
	if (!has(r, field)) {
		return false;
	}
	ret->stamp = r->stamp[field];
	return mib(run, row, (int64_t)r->value[field].u, ret);
}

RULE(rule_kib)
{
	return kib(run, row, &run->in->reading[at], row->field, ret);
}

/* Today: time and wait of the virtual CPUs if each has both, else what the hypervisor spent. */
RULE(rule_cpu)
{
	const struct vmt_reading *r = &run->in->reading[at];

	if (run->profile != VMT_PROFILE_JUNO && has(r, VMT_F_VCPU_TIME) &&
	    has(r, VMT_F_VCPU_WAIT)) {
		ret->v.u = r->value[VMT_F_VCPU_TIME].u + r->value[VMT_F_VCPU_WAIT].u;
		ret->stamp = r->stamp[VMT_F_VCPU_TIME];
		return true;
	}
	return has(r, VMT_F_CPU_TIME) && put(ret, r, VMT_F_CPU_TIME);
}

bool meter_cpu_time(const struct vmt_reading *r, uint64_t *ret_time, bool *ret_of_vcpus,
		    int *ret_stamp)
{
	unsigned field = has(r, VMT_F_VCPU_TIME) ? VMT_F_VCPU_TIME : VMT_F_CPU_TIME;

	if (!has(r, field)) {
		return false;
	}
	*ret_time = r->value[field].u;
	*ret_of_vcpus = field == VMT_F_VCPU_TIME;
	*ret_stamp = r->stamp[field];
	return true;
}

RULE(rule_cpu_guest)
{
	bool of_vcpus;

	return meter_cpu_time(&run->in->reading[at], &ret->v.u, &of_vcpus, &ret->stamp);
}

/* Growth between two values of a counter: the new value itself where it began anew. */
static uint64_t growth(const struct counter *before, uint64_t now, bool reset)
{
	return reset || now < before->value ? now : now - before->value;
}

/* Growth a second; false at first, and where no time has passed. */
static bool rate(const struct counter *before, uint64_t now, int64_t mono_ns, bool reset,
		 double *ret)
{
	if (before->mono_ns == INT64_MIN || mono_ns <= before->mono_ns) {
		return false;
	}
	*ret = (double)growth(before, now, reset) * 1e9 / (double)(mono_ns - before->mono_ns);
	return true;
}

RULE(rule_cpu_rate)
{
	const struct vmt_reading *r = &run->in->reading[at];
	const struct slot *slot = run->slot[at];
	bool of_vcpus, reset;
	uint64_t now;
	double used;

	if (!has(r, VMT_F_VCPUS) || !r->value[VMT_F_VCPUS].u ||
	    !meter_cpu_time(r, &now, &of_vcpus, &ret->stamp) || of_vcpus != slot->cpu_of_vcpus) {
		return false;
	}
	reset = meter_other_epoch(slot->epoch, run->snapshot->instances[at].epoch);
	if (!rate(&slot->cpu_time, now, run->mono_ns[ret->stamp], reset, &used)) {
		return false;
	}
	ret->v.d = used / 1e9 * 100 / (double)r->value[VMT_F_VCPUS].u;
	return true;
}

/* Seconds since the instance was last read whole. */
RULE(rule_age)
{
	int64_t whole_ns = run->slot[at]->whole_ns;

	if (whole_ns == INT64_MIN) {
		return false;
	}
	ret->v.d = (double)(run->state->now_ns - whole_ns) / 1e9;
	ret->stamp = STAMP_CYCLE;
	return true;
}

/* Nanoseconds in milliseconds. */
RULE(rule_ms)
{
	const struct vmt_reading *r = &run->in->reading[at];

	if (!has(r, row->field)) {
		return false;
	}
	ret->v.d = (double)r->value[row->field].u / 1e6;
	ret->stamp = r->stamp[row->field];
	return true;
}

RULE(rule_host)
{
	const struct meter_state *s = run->state;

	ret->stamp = STAMP_CYCLE;
	switch (row->field) {
	case HOST_LATENESS:
		ret->v.d = (double)s->health.late_ns / 1e6;
		return s->has_health;
	case HOST_OVERRUNS:
		ret->v.u = s->health.overruns;
		return s->has_health;
	case HOST_QUARANTINED:
		ret->v.u = run->in ? run->in->quarantined : 0;
		return run->in != NULL;
	case HOST_OUTSTANDING:
		ret->v.u = run->in ? run->in->outstanding : 0;
		return run->in != NULL;
	default:
		return false;
	}
}

RULE(rule_call)
{
	ret->v.d = (double)run->in->latency[at].ns / 1e6;
	ret->stamp = STAMP_CYCLE;
	return true;
}

RULE(rule_memory)
{
	const struct vmt_reading *r = &run->in->reading[at];

	return kib(run, row, r, r->outcome == VMT_STOPPED ? VMT_F_MEM_MAXIMUM : VMT_F_MEM_ACTUAL,
		   ret);
}

/* As mib(), of a number with a fraction. */
static bool used(const struct meter_run *run, const struct meter_row *row,
		 const struct vmt_reading *r, struct meter_value *ret)
{
	double v = r->value[VMT_F_MEM_USED].d / 1024;

	if (!(v > -1e15 && v < 1e15)) {
		return false;
	}
	ret->stamp = r->stamp[VMT_F_MEM_USED];
	if (row->kind[run->profile] == VMT_INT64) {
		ret->v.i = (int64_t)v - (v < (double)(int64_t)v);
	} else {
		ret->v.d = v;
	}
	return true;
}

RULE(rule_memory_usage)
{
	const struct vmt_reading *r = &run->in->reading[at];
	unsigned rest = has(r, VMT_F_MEM_USABLE) ? VMT_F_MEM_USABLE : VMT_F_MEM_UNUSED;

	if (has(r, VMT_F_MEM_USED)) {
		return used(run, row, r, ret);
	}
	if (!has(r, VMT_F_MEM_AVAILABLE) || !has(r, rest)) {
		return false;
	}
	ret->stamp = r->stamp[VMT_F_MEM_AVAILABLE];
	return mib(run, row, (int64_t)(r->value[VMT_F_MEM_AVAILABLE].u - r->value[rest].u), ret);
}

/* One of a pair counts only beside the other. */
RULE(rule_swap)
{
	const struct vmt_reading *r = &run->in->reading[at];

	return has(r, row->other) && kib(run, row, r, row->field, ret);
}

RULE(rule_state)
{
	enum { SHUT_OFF = 5 }; /* virDomainState */
	const struct vmt_reading *r = &run->in->reading[at];

	if (has(r, VMT_F_STATE)) {
		return put(ret, r, VMT_F_STATE);
	}
	ret->v.u = SHUT_OFF;
	ret->stamp = STAMP_CYCLE;
	return r->outcome == VMT_STOPPED;
}

RULE(rule_outcome)
{
	unsigned outcome = run->in->reading[at].outcome;

	ret->v.u = outcome == VMT_UNREAD ? VMT_UNREACHABLE : outcome;
	ret->stamp = STAMP_CYCLE;
	return true;
}

/* ------------------------------------------------------------------ what discovery knows */

RULE(rule_one)
{
	ret->v.u = 1;
	ret->stamp = STAMP_CYCLE;
	return true;
}

RULE(rule_root_size)
{
	const struct vmt_instance *in = &run->snapshot->instances[at];

	ret->v.i = in->flavor.disk_gib - in->flavor.ephemeral_gib;
	ret->stamp = STAMP_CYCLE;
	return in->has_flavor;
}

RULE(rule_ephemeral_size)
{
	const struct vmt_instance *in = &run->snapshot->instances[at];

	ret->v.i = in->flavor.ephemeral_gib;
	ret->stamp = STAMP_CYCLE;
	return in->has_flavor;
}

RULE(rule_disk_size)
{
	const struct vmt_instance *in = &run->snapshot->instances[at];

	ret->v.i = in->flavor.disk_gib;
	ret->stamp = STAMP_CYCLE;
	return in->has_flavor;
}

/* ------------------------------------------------------------------ disks and NICs */

static bool device_field(const struct vmt_device_reading *r, unsigned field,
			 struct meter_value *ret)
{
	if (!device_has(r, field)) {
		return false;
	}
	ret->v = r->value[field];
	ret->stamp = r->stamp[field];
	return true;
}

RULE(rule_disk)
{
	return device_field(&run->in->disk[at], row->field, ret);
}

/* Today no less than the physical size: a CD-ROM's can be larger by its padding. */
static bool capacity(const struct meter_run *run, const struct meter_row *row,
		     const struct vmt_device_reading *r, struct meter_value *ret)
{
	if (!device_field(r, row->field, ret)) {
		return false;
	}
	if (run->profile != VMT_PROFILE_JUNO && device_has(r, row->other) &&
	    r->value[row->other].u > ret->v.u) {
		return device_field(r, row->other, ret);
	}
	return true;
}

RULE(rule_disk_capacity)
{
	return capacity(run, row, &run->in->disk[at], ret);
}

/* Where an instance has no disks Juno's sum is 0, later there is none. */
static bool no_disks(const struct meter_run *run, const struct vmt_reading *r,
		     struct meter_value *ret)
{
	ret->v.u = 0;
	ret->stamp = STAMP_CYCLE;
	return run->profile == VMT_PROFILE_JUNO && r->outcome == VMT_OK;
}

/* A sum is one only if each disk is in it. */
RULE(rule_disks)
{
	const struct vmt_reading *r = &run->in->reading[at];
	struct meter_value one;
	uint64_t sum = 0;

	if (!r->disks) {
		return no_disks(run, r, ret);
	}
	for (uint32_t i = r->first_disk; i < r->first_disk + r->disks; i++) {
		if (!device_field(&run->in->disk[i], row->field, &one)) {
			return false;
		}
		sum += one.v.u;
		ret->stamp = one.stamp;
	}
	ret->v.u = sum;
	return true;
}

RULE(rule_disks_double)
{
	const struct vmt_reading *r = &run->in->reading[at];
	struct meter_value one;
	double sum = 0;

	for (uint32_t i = r->first_disk; i < r->first_disk + r->disks; i++) {
		if (!device_field(&run->in->disk[i], row->field, &one)) {
			return false;
		}
		sum += one.v.d;
		ret->stamp = one.stamp;
	}
	ret->v.d = sum;
	return r->disks > 0;
}

RULE(rule_disks_capacity)
{
	const struct vmt_reading *r = &run->in->reading[at];
	struct meter_value one;
	uint64_t sum = 0;

	if (!r->disks) {
		return no_disks(run, r, ret);
	}
	for (uint32_t i = r->first_disk; i < r->first_disk + r->disks; i++) {
		if (!capacity(run, row, &run->in->disk[i], &one)) {
			return false;
		}
		sum += one.v.u;
		ret->stamp = one.stamp;
	}
	ret->v.u = sum;
	return true;
}

/* Rate of a counter that the device's slot remembers. */
static bool device_rate(const struct meter_run *run, const struct meter_row *row,
			const struct vmt_device_reading *r, const struct device_slot *slot,
			struct meter_value *ret)
{
	if (!device_has(r, row->field)) {
		return false;
	}
	ret->stamp = r->stamp[row->field];
	return rate(&slot->counter[row->other], r->value[row->field].u, run->mono_ns[ret->stamp],
		    meter_other_epoch(slot->epoch, r->device->epoch), &ret->v.d);
}

RULE(rule_disk_rate)
{
	return device_rate(run, row, &run->in->disk[at], run->disk[at], ret);
}

RULE(rule_nic)
{
	return device_field(&run->in->nic[at], row->field, ret);
}

RULE(rule_nic_delta)
{
	const struct vmt_device_reading *r = &run->in->nic[at];
	const struct device_slot *slot = run->nic[at];
	const struct counter *before = &slot->counter[row->other];

	if (!device_field(r, row->field, ret)) {
		return false;
	}
	ret->v.u = before->mono_ns == INT64_MIN
			   ? 0
			   : growth(before, ret->v.u,
				    meter_other_epoch(slot->epoch, r->device->epoch));
	return true;
}

RULE(rule_nic_rate)
{
	return device_rate(run, row, &run->in->nic[at], run->nic[at], ret);
}
