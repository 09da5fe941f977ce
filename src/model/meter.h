/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meters: one table, a row each (meters.def), and what runs its rows over the readings of a
 * cycle. A new meter is a new row.  The table, printed, is doc/meters.md.
 *
 * The table is constant.  A meter_state and a vmt_samples belong to one polling task and one thread
 * at a time; nothing here blocks.
 */
#ifndef MODEL_METER_H
#define MODEL_METER_H

#include "model/batch.h"
#include "model/metadata.h"
#include "model/snapshot.h"

#include <virtmeter/plugin.h>

enum { PROFILES = 3 }; /* enum vmt_profile */

/* What a row is run over. */
enum meter_level {
	METER_INSTANCE, /* the reading of each instance that runs */
	METER_DISCOVERY, /* what discovery knows, whether the instance runs or not */
	METER_FLAVOR, /* the same; the meter's name is "instance:" and the flavor's name */
	METER_OUTCOME, /* every instance, gone ones too */
	METER_DISK, /* each disk */
	METER_DISKS, /* the sum over an instance's disks */
	METER_NIC, /* each NIC */
	METER_HOST, /* the polling of this host: one sample a cycle, whoever is here */
	METER_CALL, /* each kind of call to the hypervisor */
};

enum meter_flags {
	METER_STOPPED = 1, /* also for stopped instances, with report_stopped */
	METER_OWN = 2, /* begins with "vm.": selected by patterns that begin so only */
	METER_REMEMBERS = 4, /* needs the values of the cycle before: a delta or a rate */
	METER_FOREIGN = 8, /* no libvirt host gives it; other hypervisors do */
	METER_LATE_DEVICE = 16, /* no list of devices in its metadata before Pike */
};

struct meter_run;
struct meter_value;

struct meter_row {
	const char *name; /* of the pollster: what the patterns of a source match */
	const char *renamed[PROFILES]; /* name of the samples where it is another, else NULL */
	const char *unit[PROFILES];
	const char *help; /* one sentence */
	const char *source; /* where a libvirt host has it from */
	const char *since, *until; /* release of Ceilometer; NULL: still there, or our own */
	/* private to the rules: answers whether there is a value for instance, disk or NIC `at` */
	bool (*value)(const struct meter_run *run, const struct meter_row *row, size_t at,
		      struct meter_value *ret);
	unsigned groups; /* enum vmt_group: what an inspector must read for it */
	uint8_t type; /* enum vmt_meter_type */
	uint8_t kind[PROFILES]; /* enum vmt_kind */
	uint8_t level; /* enum meter_level */
	uint8_t family; /* enum metadata_family */
	uint8_t flags; /* enum meter_flags */
	uint8_t field, other; /* of the reading; what the rule makes of them */
};

size_t meter_count(void);
const struct meter_row *meter_at(size_t i);
const struct meter_row *meter_find(const char *name); /* by pollster name; NULL */
const char *meter_name(const struct meter_row *row, enum vmt_profile profile); /* of its samples */
const char *meter_type_name(enum vmt_meter_type type); /* "cumulative" */
const char *meter_level_name(const struct meter_row *row); /* "instance", "disk", "nic" */

struct meter_settings {
	struct metadata_options metadata; /* its profile is everybody's */
	const char *source; /* sample_source; NULL: "openstack" */
	bool report_stopped; /* report_stopped_instance_metrics */
	const char *host; /* resource id of the host's own meters; NULL: they are left out */
};

/* How the polling itself does; what the inspector knows of it is in the inspection. */
struct meter_health {
	int64_t late_ns; /* by which this cycle began late */
	uint64_t overruns; /* cycles that were left out so far */
};

/* ---- which meters a task polls */

/* Whether the task wants the row, and the publishers (bit set) that its samples go to: all of them
 * when left alone. */
typedef bool (*meter_match)(void *context, const struct meter_row *row, uint64_t *ret_publishers);

struct meter_selection {
	size_t count;
	unsigned groups; /* union of what the rows need */
	bool remembers;
	struct {
		const struct meter_row *row;
		uint64_t publishers;
	} rows[];
};

struct meter_selection *meter_selection_new(meter_match match, void *context);
void meter_selection_free(struct meter_selection *s);

/* ---- running them */

/* Of one polling task: resource versions, and last values for deltas and rates, by instance id and
 * device; of an instance no longer in the snapshot nothing stays.  The settings are copied. */
struct meter_state;
struct meter_state *meter_state_new(const struct meter_settings *settings);
void meter_state_free(struct meter_state *s);

/* Adds the samples of one cycle to `out`, a batch per meter, all rows of it beside each
 * other.  Once a cycle. `in` may be NULL when the selection needs no groups.  A sample's time is
 * that of its reading, or the begin of the cycle (frame_begin) where the value is older; its
 * monotonic time is that of the reading in any case. Number of samples; -EINVAL when `in` is not of
 * that snapshot.  Takes nothing from the heap as long as instances and devices stay the same. */
int64_t meters_run(struct meter_state *s, const struct meter_selection *selection,
		   const struct vmt_snapshot *snapshot, const struct vmt_inspection *in,
		   struct frame_builder *out);

/* The same in parts, where not all instances are polled for the same meters: meters_begin() once a cycle with
 * the times of its begin, then meters_part() for the instances whose byte in `only` is not 0 (NULL: all) and,
 * with `host`, the host's own rows, then meters_end(), `remembers` as of any of the selections. */
int meters_begin(struct meter_state *s, const struct vmt_snapshot *snapshot,
		 const struct vmt_inspection *in, int64_t time_ns, int64_t mono_ns);
int64_t meters_part(struct meter_state *s, const struct meter_selection *selection,
		    const uint8_t *only, bool host, struct frame_builder *out);
void meters_end(struct meter_state *s, bool remembers);

/* For the next meters_run(); without it that cycle has no METER_HOST samples but the inspector's. */
void meter_state_health(struct meter_state *s, const struct meter_health *health);

/* For the next meters_run(): only the instances whose byte is not 0 have samples, the host has none.  Borrowed
 * until then. */
void meter_state_only(struct meter_state *s, const uint8_t *only);

/* From now on: all samples of a cycle have the time of its begin, whenever they were read. */
void meter_state_one_time(struct meter_state *s, bool one);

/* For the next meters_run(), with meter_state_only(): these samples are the instances' last ones, which their
 * metadata says ("final": true). */
void meter_state_final(struct meter_state *s);

/* When the instance was last read whole, on the monotonic clock; INT64_MIN: never yet.  Of the cycle that
 * meters_run() was last called for. */
int64_t meter_state_whole(const struct meter_state *s, size_t instance);

/* The resource of an instance (METADATA_PLAIN, index in the snapshot), disk or NIC (index in the
 * inspection) of the cycle that meters_run() was last called for; borrowed. */
struct resource *meter_resource(struct meter_state *s, enum metadata_family family, size_t at);

/* The counters that deltas and rates are counted from, as text: for the next start of the program.  `boot` names
 * what monotonic times are of.  Before the first meters_run(); load answers the number of instances, or
 * -EBADMSG: not such a text, or of another boot; then nothing is taken of it. */
void meter_state_save(const struct meter_state *s, const char *boot, struct buf *out);
int meter_state_load(struct meter_state *s, const char *boot, const char *text, size_t len);

/* Bytes held from the heap by the state and its resources. */
size_t meter_state_bytes(const struct meter_state *s);

/* ---- pollster plugins */

/* Where a pollster puts its samples (vmt_samples_add). */
struct vmt_samples *samples_new(void);
void samples_free(struct vmt_samples *s);

/* For one call of `poll`: after meters_run() of the same cycle with the same arguments.  `meters`
 * is the pollster's table. */
void samples_begin(struct vmt_samples *s, struct meter_state *state, const struct vmt_meter *meters,
		   size_t count, const struct vmt_snapshot *snapshot,
		   const struct vmt_inspection *in);

/* Adds what was put there to `out`, a batch per meter, of the instances whose byte in `only` is not 0 (NULL:
 * all).  `publishers[i]` is the bit set of meter i; 0 leaves it out.  Number of samples.  It may be called
 * again, until the next samples_begin(). */
int64_t samples_finish(struct vmt_samples *s, const uint64_t *publishers, const uint8_t *only,
		       struct frame_builder *out);

#endif
