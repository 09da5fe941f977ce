/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of meter.h share: the run of one cycle, the slots of instances and devices, the
 * rules.
 */
#ifndef MODEL_METER_PRIVATE_H
#define MODEL_METER_PRIVATE_H

#include "model/meter.h"
#include "model/resource.h"

#include <glib.h>

/* The value that a rule found, and when it was read: a stamp of the inspection, or this. */
enum { STAMP_CYCLE = -1 };

struct meter_value {
	union vmt_num v;
	int stamp;
};

/* A value of the cycle before. */
struct counter {
	uint64_t value;
	int64_t mono_ns; /* INT64_MIN: none */
};
#define COUNTER_NONE ((struct counter){ 0, INT64_MIN })

/* Counters that are remembered: of a disk, of a NIC. */
enum { COUNTERS = 4 };

/* A disk or NIC of an instance, from cycle to cycle. */
struct device_slot {
	uint64_t version; /* of the description that `resource` was made from */
	uint64_t epoch;
	uint64_t cycle; /* when it was last in a reading */
	uint32_t instance; /* whose it was then: index in the snapshot */
	bool restored; /* from before this program's start; not seen yet */
	char *name; /* where the key is another thing; NULL: it is the key, or not known */
	struct resource *resource; /* NULL: not needed yet */
	struct counter counter[COUNTERS];
	char key[]; /* what it is known by: a NIC's MAC, else its name */
};

struct device_list {
	struct device_slot **slot;
	uint32_t count, cap;
};

#define COUNTER_ENDED                                                                              \
	UINT64_MAX /* a value: the counter is known to have begun anew, the next value is its growth */

/* An instance from snapshot to snapshot. */
struct slot {
	char *id;
	uint64_t hash; /* of the content that head and resources were made from */
	uint64_t mark; /* of the last snapshot that had it */
	uint64_t epoch; /* of cpu_time; 0: unknown */
	uint64_t ended; /* epoch in which the counter was seen to begin anew: discovery is behind */
	struct resource_head *head, *nic_head;
	struct resource *plain, *cpu, *disks;
	uint64_t vcpus; /* that `cpu` says; UINT64_MAX: null */
	uint64_t disks_version; /* hash of the versions that `disks` was made from */
	struct counter cpu_time;
	bool cpu_of_vcpus; /* cpu_time is the sum over virtual CPUs */
	int64_t whole_ns; /* monotonic time of the last reading that was VMT_OK; INT64_MIN: none yet */
	struct device_list disk, nic;
};

/* What a cycle's rules see. */
struct meter_run {
	struct meter_state *state;
	const struct vmt_snapshot *snapshot;
	const struct vmt_inspection *in; /* NULL: nothing was inspected */
	enum vmt_profile profile;
	struct slot *const *slot; /* per instance */
	struct device_slot *const *disk, *const *nic; /* per device reading */
	const int64_t *time_ns, *mono_ns; /* by stamp; [STAMP_CYCLE] is there */
	const uint8_t *only; /* instances whose samples are made, or NULL */
	bool host; /* the host's too */
};

struct meter_state {
	struct meter_settings settings;
	char **namespaces, **keys;
	char *source;
	GHashTable *slots; /* id → struct slot */
	uint64_t generation; /* of the snapshot that `by_instance` is for; 0: none */
	uint64_t cycle;
	struct slot **by_instance;
	uint32_t *by_flavor; /* instances with a flavor, those of one name beside each other */
	size_t instances_cap, count, flavors;
	struct device_slot **by_disk, **by_nic;
	size_t disks_cap, nics_cap;
	const struct vmt_snapshot *snapshot; /* of the cycle */
	const struct vmt_inspection *in;
	int64_t time_ns[257], mono_ns[257]; /* [stamp + 1] */
	int64_t now_ns; /* monotonic time of the run */
	struct meter_health health;
	bool has_health; /* of this cycle */
	bool final; /* of this cycle: its samples are the last */
	bool one_time; /* all samples have the time of the cycle's begin */
	const uint8_t *only; /* of this cycle: whose samples are made, or NULL */
	char *host;
	struct resource *host_resource;
	struct resource *call[VMT_LATENCIES]; /* of the kinds of call in `call_name` */
	const char *call_name[VMT_LATENCIES];
	struct buf text, tail, mended; /* scratch */
};

/* Instances and devices of the cycle get their slots.  0, -EINVAL. */
int meter_prepare(struct meter_state *s, const struct vmt_snapshot *snapshot,
		  const struct vmt_inspection *in, int64_t time_ns, int64_t mono_ns);

/* Resources of the instances of this cycle are made anew. */
void meter_outdate(struct meter_state *s);

/* For meter_keep.c: a slot of an instance without anything known of it. */
struct slot *meter_slot_make(struct meter_state *s, const char *id);

/* Keeps this cycle's values for the deltas and rates of the next. */
void meter_remember(struct meter_state *s);

/* meter_devices.c.  A slot, last in its list, of which nothing but the key is known. */
struct device_slot *meter_device_make(struct device_list *l, const char *key);
/* The cycle's device readings get their slots, in `by_disk` and `by_nic`. */
void meter_devices_take(struct meter_state *s, const struct vmt_inspection *in);
/* As meter_remember(), of the devices of one reading of the cycle. */
void meter_devices_remember(const struct meter_state *s, const struct vmt_reading *r);
/* Their resources are made anew; counters stay. */
void meter_devices_outdate(struct device_list *l);
void meter_devices_fini(struct device_list *l);
/* Bytes held from the heap, resources included. */
size_t meter_devices_bytes(const struct device_list *l);

/* Resources of the cycle, made when first asked for; borrowed. */
struct resource *meter_instance_resource(struct meter_state *s, size_t i);
struct resource *meter_cpu_resource(struct meter_state *s, size_t i);
struct resource *meter_disks_resource(struct meter_state *s, size_t i);
struct resource *meter_disk_resource(struct meter_state *s, size_t disk);
struct resource *meter_nic_resource(struct meter_state *s, size_t nic);
struct resource *meter_host_resource(struct meter_state *s);
struct resource *meter_call_resource(struct meter_state *s,
				     size_t call); /* by index in the inspection */

/* Did the counters begin anew in between?  0: nobody knows. */
static inline bool meter_other_epoch(uint64_t before, uint64_t now)
{
	return before && now && before != now;
}

static inline bool has(const struct vmt_reading *r, unsigned field)
{
	return r->present >> field & 1;
}

static inline bool device_has(const struct vmt_device_reading *r, unsigned field)
{
	return r->present >> field & 1;
}

/* The counters that are remembered, by position in `counter`; also which a delta or rate is made
 * of. */
extern const uint8_t disk_counters[COUNTERS], nic_counters[COUNTERS];

/* CPU time of all virtual CPUs without wait, else of the instance; answers which. */
bool meter_cpu_time(const struct vmt_reading *r, uint64_t *ret_time, bool *ret_of_vcpus,
		    int *ret_stamp);

/* `field` of METER_HOST rows. */
enum host_field { HOST_LATENESS, HOST_OVERRUNS, HOST_QUARANTINED, HOST_OUTSTANDING };

/* Rules of rows: meters.def names them. */
#define RULE(name)                                                                                 \
	bool name(const struct meter_run *run, const struct meter_row *row, size_t at,             \
		  struct meter_value *ret)

RULE(rule_field);
RULE(rule_kib);
RULE(rule_cpu);
RULE(rule_cpu_guest);
RULE(rule_cpu_rate);
RULE(rule_memory);
RULE(rule_memory_usage);
RULE(rule_swap);
RULE(rule_state);
RULE(rule_outcome);
RULE(rule_age);
RULE(rule_ms);
RULE(rule_host);
RULE(rule_call);
RULE(rule_one);
RULE(rule_root_size);
RULE(rule_ephemeral_size);
RULE(rule_disk_size);
RULE(rule_disk);
RULE(rule_disk_capacity);
RULE(rule_disk_rate);
RULE(rule_disks);
RULE(rule_disks_double);
RULE(rule_disks_capacity);
RULE(rule_nic);
RULE(rule_nic_delta);
RULE(rule_nic_rate);

#endif
