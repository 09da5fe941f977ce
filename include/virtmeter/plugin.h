/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtmeter plugin contract, whole: read this page and you can write a plugin.
 *
 * A plugin is one constant `struct vmt_plugin`, defined with VMT_PLUGIN(namespace, name).  The same
 * source is built into the program or, with -DVMT_SHARED, as a shared object that virtmeter finds in
 * its plugin folder (`plugin_dir`).  The host decodes the plugin's options from the configuration
 * and hands over a filled structure; a plugin holds no parsing code.
 *
 * Seven namespaces:
 *   discovery    who is here           fills a snapshot of instances
 *   inspector    what do they use      fills one reading per instance, per disk and per NIC
 *   pollster     meters                turns readings into samples (most meters are rows of a table
 *                                      in the host; a plugin adds what the table cannot say)
 *   transformer  samples to samples    a stage of a pipeline's sink
 *   publisher    where samples go      encodes a frame and hands it to the far side; a *store* is a
 *                                      publisher that can also be read
 *   receiver     where samples come from (the collector's side)
 *   coordinator  who else polls here       agents that share instances find each other
 *
 * Rules for all
 *   - No call may block longer than the `struct vmt_call` it is given allows: give up at
 *     `deadline_ns` and, at the next convenient point, when `*cancel` becomes true.
 *   - The host never holds a lock while it calls a plugin, and never calls one object from two
 *     threads at a time.  `open` and `close` run on the main thread, the rest on a worker; a
 *     transformer's `close` on either.
 *   - Functions return 0 (or a count) or a negative errno.  Where a person reads the reason there is
 *     a `struct vmt_error` last: subject first, what to do about it last, no newline.
 *   - Time is int64_t nanoseconds: `*_ns` of CLOCK_MONOTONIC for deadlines and `mono_ns`, of the
 *     Unix epoch for `time_ns`.  Ask vmt_clock_monotonic() and vmt_clock_real(), never the system:
 *     the whole program runs on a simulated clock in tests.
 *   - Strings are UTF-8, zero-terminated, and owned by the side that made them unless said.
 *   - What was not read is absent.  Never report a zero for "unknown".
 *
 * ABI 0 means: not frozen yet.  A plugin of another ABI number is refused by name.
 */
#ifndef VIRTMETER_PLUGIN_H
#define VIRTMETER_PLUGIN_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMT_ABI 0

/* Prefix of every function that the program offers to plugins. */
#define VMT_API __attribute__((visibility("default")))

/* ------------------------------------------------------------------ common parts */

struct vmt_delivery; /* opaque: what became of the parts of a frame (publisher) */

/* A bounded call: stop at the deadline, stop soon after *cancel turns true. */
struct vmt_call {
	int64_t deadline_ns; /* vmt_clock_monotonic() time */
	const atomic_bool *cancel; /* never NULL */
	struct vmt_delivery *delivery; /* `publish` only, may be NULL there too */
};

/* The reason of a failure, for a person.  Written by vmt_error_set(). */
struct vmt_error {
	char text[512];
};

enum vmt_log_level { VMT_LOG_ERROR, VMT_LOG_WARNING, VMT_LOG_INFO, VMT_LOG_DEBUG };

/* A key with a value.  `value` NULL is JSON null.  With `raw` the value is JSON text (a number, an
 * object…) and not a string.  Lists of pairs end with `key` NULL. */
struct vmt_pair {
	const char *key;
	const char *value;
	bool raw;
};

/* A publisher's, receiver's, coordinator's or store's URL, taken apart; options in its query are already decoded
 * into the configuration structure (VMT_OPT_URL), what remains is in `query`. */
struct vmt_url {
	const char *text; /* as configured, secrets removed; for messages and status */
	const char *scheme; /* "file" */
	const char *user, *password; /* NULL when absent */
	const char *host; /* "" when absent or a list; without brackets for IPv6 */
	const char
		*authority; /* "user:password@host:port,…" as written, for schemes whose URLs name
				* several hosts; has secrets */
	int port; /* 0 when absent */
	const char *path; /* decoded, with its leading '/'; "" when absent */
	const struct vmt_pair *query; /* what no option took */
};

/* ------------------------------------------------------------------ options */

enum vmt_option_type {
	VMT_OPT_BOOL, /* bool */
	VMT_OPT_INT, /* int64_t; `min`, `max` are checked when min < max */
	VMT_OPT_DOUBLE, /* double; `min`, `max` likewise */
	VMT_OPT_SECONDS, /* int64_t nanoseconds, from seconds with a fraction; `min`, `max` in seconds */
	VMT_OPT_STRING, /* const char *; NULL when there is neither value nor default */
	VMT_OPT_LIST, /* const char *const *, NULL-terminated; never NULL itself */
	VMT_OPT_SCALAR, /* struct vmt_scalar; for transformers */
	VMT_OPT_DICT, /* const struct vmt_pair *, from "key:value,key:value"; ends with a NULL key; never NULL */
};

/* A number or a text, as it stands in a YAML file; the two may mean different things there. */
struct vmt_scalar {
	const char *text; /* NULL: neither value nor default */
	bool number; /* written as a number, without quotes */
};

enum vmt_option_flags {
	VMT_OPT_SECRET =
		1, /* shown as ****; a string NAME may also be in a file named by NAME_file */
	VMT_OPT_URL = 2, /* also taken from the query of the object's URL, which wins */
	VMT_OPT_MULTI = 4, /* VMT_OPT_LIST whose items are repeated keys (of a URL's query too), not
			    * comma-separated */
	VMT_OPT_AUTH = 8, /* not MULTI: in the section that `auth_section` of its group names, if it
			   * names one (keystoneauth) */
};

/* One row of an option table; the table ends with `name` NULL. */
struct vmt_option {
	const char *group; /* section of the configuration file; NULL for [DEFAULT] */
	const char *name;
	enum vmt_option_type type;
	size_t offset; /* of the member in the plugin's configuration structure */
	const char *def; /* default, as it would stand in the file; NULL for none */
	const char *help; /* one sentence, for `virtmeter list plugins` and the manual */
	unsigned flags; /* enum vmt_option_flags */
	int64_t min, max;
	const char *const *choices; /* NULL-terminated list for VMT_OPT_STRING, or NULL */
	const char *deprecated; /* an older name, same group, or NULL */
};

/* ------------------------------------------------------------------ instances (discovery) */

/* Flavor of an instance.  Sizes as Nova has them: RAM and swap in MiB, disks in GiB. */
struct vmt_flavor {
	const char *id; /* NULL: unknown (the host uses the name) */
	const char *name;
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	bool has_swap; /* libvirt metadata has it, the Nova API has not */
	bool has_extra_specs;
	const struct vmt_pair *extra_specs; /* NULL for none */
	const char *href; /* bookmark link, or NULL */
};

struct vmt_image {
	const char *id;
	const char *name; /* NULL: not known, key left out */
	const char *href; /* first link, or NULL */
};

/* What discovery knows of one instance; neutral of any release's metadata form. */
struct vmt_instance {
	const char *id; /* UUID, lower case with dashes */
	const char *name; /* the hypervisor's own name ("instance-0000002a"), NULL if unknown */
	const char *display_name;
	const char *user_id, *project_id, *user_name, *project_name; /* NULL for null */
	const char *host_id; /* hash that stands for the host; NULL if unknown */
	const char *host; /* host name */
	const char *status; /* "active", lower case */
	const char *state; /* "running"; vm_state */
	const char *task_state; /* NULL for null */
	bool has_flavor, has_image;
	struct vmt_flavor flavor;
	struct vmt_image image;
	const struct vmt_pair *image_meta; /* NULL or empty: no such key */
	const struct vmt_pair *attributes; /* further keys of resource_metadata, as they are */
	const struct vmt_pair
		*metadata; /* the server's own metadata (metering.* become user_metadata) */
	bool stopped; /* known not to run: expect no readings */
	uint64_t epoch; /* changes when the instance starts anew; 0 if unknown */
};

/* An immutable list of instances.  Lives until the host drops it. */
struct vmt_snapshot {
	size_t count;
	const struct vmt_instance *instances;
	uint64_t generation; /* differs whenever the content may differ; never 0 */
	int64_t time_ns; /* when discovery last confirmed it */
};

struct vmt_snapshot_builder; /* opaque */

/* Copies *instance, deep, into the snapshot being built.  Invalid UTF-8 is replaced.
 * -EEXIST when the id is already there (the first stays), -EINVAL without id, -E2BIG past the cap. */
VMT_API int vmt_snapshot_add(struct vmt_snapshot_builder *builder,
			     const struct vmt_instance *instance);

struct vmt_discovery_ops {
	/* Cheap and without network traffic; the far side may be down. */
	int (*open)(const void *conf, void **ret_self, struct vmt_error *error);
	/* `param` is what follows "name://" in a source's discovery URL, "" for none.
	 * 1: the list was added to `builder`; 0: nothing changed since the last call with this `param`,
	 * `builder` untouched; -EAGAIN: the source has said nothing since then, neither good nor bad, and the
	 * list grows older; another -errno: could not be asked, the host keeps the last good list. */
	int (*discover)(void *self, const char *param, struct vmt_snapshot_builder *builder,
			const struct vmt_call *call, struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
	/* NULL, or it can tell more of instances that others have found: `found` is all of them at this moment.  It
	 * asks nobody and waits for nothing: what is not known yet is learnt beside.
	 * 1: those of them that are to stay were added to `builder`, described as far as is known now; 0: that would be
	 * the same as the last time, `builder` untouched.  *ret_busy: more is being learnt.  *error: why something could
	 * not be learnt, "" for nothing of the kind. */
	int (*describe)(void *self, const struct vmt_snapshot *found,
			struct vmt_snapshot_builder *builder, bool *ret_busy,
			struct vmt_error *error);
};

/* ------------------------------------------------------------------ readings (inspector) */

/* Number; which member counts is known from the field or from a batch's kind. */
union vmt_num {
	int64_t i;
	uint64_t u;
	double d;
};

enum vmt_kind { VMT_INT64, VMT_UINT64, VMT_DOUBLE };

/* What became of an instance in this cycle. */
enum vmt_outcome {
	VMT_UNREAD, /* the inspector said nothing of it: counted as unreachable */
	VMT_OK,
	VMT_STOPPED, /* shut off */
	VMT_GONE, /* not known to the hypervisor any more */
	VMT_STUCK, /* does not answer */
	VMT_PARTIAL, /* some groups could not be read; their fields are absent */
	VMT_UNREACHABLE, /* the hypervisor, not the instance, does not answer */
	VMT_OUTCOMES
};

/* Groups of fields that cost about one question each; an inspector reads what is asked, may read
 * more, and leaves absent what it cannot give. */
enum vmt_group {
	VMT_GROUP_STATE = 1 << 0,
	VMT_GROUP_CPU = 1 << 1,
	VMT_GROUP_VCPU = 1 << 2,
	VMT_GROUP_MEMORY = 1 << 3,
	VMT_GROUP_PERF = 1 << 4,
	VMT_GROUP_DISK = 1 << 5, /* counters and capacity */
	VMT_GROUP_DISK_USAGE = 1 << 6, /* allocation, physical size; may come at a slower cadence */
	VMT_GROUP_NIC = 1 << 7,
	VMT_GROUP_PROCESS = 1 << 8, /* what the host's kernel says of the VMM process alone */
	VMT_GROUP_ALL = (1 << 9) - 1,
};

/* Fields of an instance.  Kind uint64 unless said. */
enum vmt_field {
	VMT_F_STATE, /* virDomainState, 0-7 */
	VMT_F_VCPUS, /* current number of virtual CPUs */
	VMT_F_CPU_TIME, /* ns, all the hypervisor spent for the instance */
	VMT_F_VCPU_TIME, /* ns, sum over virtual CPUs, only if each gave it */
	VMT_F_VCPU_WAIT, /* ns, runnable but not running, in the kernel's "wait"; sum, only if each gave it */
	VMT_F_VCPU_DELAY, /* ns, "delay" of the run queue; sum, only if each gave it */
	VMT_F_CPU_USER, /* ns */
	VMT_F_CPU_SYSTEM, /* ns */
	VMT_F_MEM_ACTUAL, /* KiB, balloon size */
	VMT_F_MEM_MAXIMUM, /* KiB, the largest the balloon may become */
	VMT_F_MEM_AVAILABLE, /* KiB, what the guest sees */
	VMT_F_MEM_UNUSED, /* KiB */
	VMT_F_MEM_USABLE, /* KiB */
	VMT_F_MEM_RSS, /* KiB, of the VMM process */
	VMT_F_MEM_USED, /* double, KiB, used by the guest where the hypervisor says so itself */
	VMT_F_SWAP_IN, /* KiB since boot */
	VMT_F_SWAP_OUT, /* KiB since boot */
	VMT_F_MAJOR_FAULTS, /* since boot */
	VMT_F_MINOR_FAULTS, /* since boot */
	VMT_F_DISK_CACHES, /* KiB */
	VMT_F_CPU_UTIL, /* double, percent of all virtual CPUs */
	VMT_F_PERF_CPU_CYCLES,
	VMT_F_PERF_INSTRUCTIONS,
	VMT_F_PERF_CACHE_REFERENCES,
	VMT_F_PERF_CACHE_MISSES,
	VMT_F_PERF_CMT, /* bytes of L3 cache */
	VMT_F_PERF_MBMT, /* memory bandwidth, total */
	VMT_F_PERF_MBML, /* memory bandwidth, local */
	VMT_F_MONITOR_LATENCY, /* ns, how long the instance's monitor has not answered, or took to; of suspects */
	VMT_F_IO_READ_BYTES, /* from here on of the VMM process (VMT_GROUP_PROCESS): B, from block devices */
	VMT_F_IO_WRITE_BYTES, /* B, to block devices */
	VMT_F_IO_READ_CHARS, /* B, of all its read calls */
	VMT_F_IO_WRITE_CHARS, /* B, of all its write calls */
	VMT_F_IO_READ_CALLS,
	VMT_F_IO_WRITE_CALLS,
	VMT_FIELDS
};

enum vmt_disk_field {
	VMT_D_READ_REQUESTS,
	VMT_D_READ_BYTES,
	VMT_D_WRITE_REQUESTS,
	VMT_D_WRITE_BYTES,
	VMT_D_READ_TIME, /* ns, all requests together */
	VMT_D_WRITE_TIME, /* ns */
	VMT_D_FLUSH_REQUESTS,
	VMT_D_FLUSH_TIME, /* ns */
	VMT_D_CAPACITY, /* B, virtual size */
	VMT_D_ALLOCATION, /* B, highest allocated extent */
	VMT_D_PHYSICAL, /* B, size of the container on the host */
	VMT_D_READ_BYTES_RATE, /* double, B/s, from here on where the hypervisor gives rates itself */
	VMT_D_READ_REQUESTS_RATE, /* double, 1/s */
	VMT_D_WRITE_BYTES_RATE, /* double */
	VMT_D_WRITE_REQUESTS_RATE, /* double */
	VMT_D_LATENCY, /* double, ms */
	VMT_D_IOPS, /* double, 1/s */
	VMT_DISK_FIELDS
};

enum vmt_nic_field {
	VMT_N_RX_BYTES, /* received by the guest */
	VMT_N_RX_PACKETS,
	VMT_N_RX_ERRORS,
	VMT_N_RX_DROPS,
	VMT_N_TX_BYTES,
	VMT_N_TX_PACKETS,
	VMT_N_TX_ERRORS,
	VMT_N_TX_DROPS,
	VMT_N_RX_BYTES_RATE, /* double, B/s */
	VMT_N_TX_BYTES_RATE, /* double, B/s */
	VMT_NIC_FIELDS
};

/* A disk or NIC, as described by the inspector.  Valid until the next `inspect` of the same object
 * returns; the host copies what it keeps. */
struct vmt_device {
	uint64_t version; /* unique in the process; a changed description gets a new one; never 0 */
	uint64_t epoch; /* counters are continuous as long as it stays; 0 if unknown */
	const char *name; /* "vda", "tap3c1f2f57-4e" */
	const char *mac; /* NIC; NULL for a disk */
	const char *filter; /* NIC: name of its filterref, or NULL */
	const struct vmt_pair *parameters; /* NIC: the filter's, names lower-cased; NULL for none */
	const char *interface_id; /* NIC: of its virtual port, or NULL */
	const char *bridge; /* NIC, or NULL */
};

/* When and from where a value was read. */
struct vmt_stamp {
	int64_t time_ns, mono_ns;
	const char *source; /* static string for --explain: "libvirt", "kernel", "stat" */
};

/* How long a kind of call took, the slowest one of the cycle. */
struct vmt_latency {
	const char *call; /* static string: "domstats" */
	int64_t ns;
};

enum { VMT_LATENCIES = 8 };

/* Values of one disk or NIC. */
struct vmt_device_reading {
	const struct vmt_device *device;
	uint32_t present; /* bit 1 << field */
	uint8_t stamp[VMT_DISK_FIELDS]; /* index into the inspection's stamps */
	union vmt_num value[VMT_DISK_FIELDS];
};

/* Values of one instance; its disks and NICs lie together in the inspection's arrays. */
struct vmt_reading {
	uint8_t outcome; /* enum vmt_outcome */
	uint64_t present; /* bit 1 << field */
	uint32_t first_disk, disks, first_nic, nics;
	uint8_t stamp[VMT_FIELDS];
	union vmt_num value[VMT_FIELDS];
};

/* The result of one `inspect`: owned and recycled by the host, filled through the functions below.
 * reading[i] belongs to instance i of the snapshot. */
struct vmt_inspection {
	size_t count;
	struct vmt_reading *reading;
	struct vmt_device_reading *disk, *nic;
	size_t disks, nics;
	const struct vmt_stamp *stamp;
	size_t stamps;
	uint64_t calls; /* questions put to the hypervisor, for status; the inspector adds to it */
	uint32_t quarantined; /* instances that are left alone because they do not answer */
	uint32_t outstanding; /* calls that have not come back by now */
	struct vmt_latency latency[VMT_LATENCIES]; /* vmt_inspection_call() */
	size_t latencies;
	char readings[128]; /* for status: where values come from, "hybrid…", or why not; or "" */
};

/* A call has taken so long.  `call` is a static string; kinds of call beyond VMT_LATENCIES are left out. */
VMT_API void vmt_inspection_call(struct vmt_inspection *out, const char *call, int64_t ns);

/* A new stamp, for values read by now; answers its index.  At most 256 per inspection: then the last
 * one is answered again. */
VMT_API uint8_t vmt_inspection_stamp(struct vmt_inspection *out, struct vmt_stamp stamp);
/* A disk or NIC for reading `i`; add all of one instance before those of another.  Without memory of
 * ours the program ends, so the answer is never NULL; valid until the next addition. */
VMT_API struct vmt_device_reading *vmt_inspection_disk(struct vmt_inspection *out, size_t i,
						       const struct vmt_device *device);
VMT_API struct vmt_device_reading *vmt_inspection_nic(struct vmt_inspection *out, size_t i,
						      const struct vmt_device *device);

static inline void vmt_set(struct vmt_reading *r, enum vmt_field f, uint64_t value, uint8_t stamp)
{
	r->value[f].u = value;
	r->stamp[f] = stamp;
	r->present |= UINT64_C(1) << f;
}

static inline void vmt_set_double(struct vmt_reading *r, enum vmt_field f, double value,
				  uint8_t stamp)
{
	r->value[f].d = value;
	r->stamp[f] = stamp;
	r->present |= UINT64_C(1) << f;
}

static inline void vmt_device_set(struct vmt_device_reading *r, unsigned f, uint64_t value,
				  uint8_t stamp)
{
	r->value[f].u = value;
	r->stamp[f] = stamp;
	r->present |= UINT32_C(1) << f;
}

static inline void vmt_device_set_double(struct vmt_device_reading *r, unsigned f, double value,
					 uint8_t stamp)
{
	r->value[f].d = value;
	r->stamp[f] = stamp;
	r->present |= UINT32_C(1) << f;
}

struct vmt_inspect_request {
	unsigned groups; /* enum vmt_group, the union of what the task's meters need */
	bool stopped; /* sizes of stopped instances are wanted too (report_stopped_instance_metrics) */
	int64_t interval_ns; /* of the polling task; for averages and default time-outs */
	/* Ask neither hypervisor nor instances: only what can be had without (fast_interval). */
	bool kernel;
	/* Those to read, one byte an instance; the others stay VMT_UNREAD.  NULL: all. */
	const uint8_t *only;
	/* They have just stopped: their last readings, brought up to what the kernel saw of them last.  Who was
	 * never read stays VMT_UNREAD. */
	bool final;
};

enum vmt_life { VMT_STARTED, VMT_ENDED };

/* An instance was started, or came to its end.  Called on the main thread; must not block. */
typedef void (*vmt_life_fn)(void *context, const char *instance_id, enum vmt_life what);

struct vmt_inspector_ops {
	/* Cheap; the hypervisor may be absent. */
	int (*open)(const void *conf, void **ret_self, struct vmt_error *error);
	/* All instances of the snapshot at once; every reading gets an outcome.
	 * 0, or -errno when the hypervisor could not be asked at all (every reading: unreachable).
	 * What was read before the deadline counts. */
	int (*inspect)(void *self, const struct vmt_snapshot *instances,
		       const struct vmt_inspect_request *request, struct vmt_inspection *out,
		       const struct vmt_call *call, struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
	/* Tells `changed` from now on, until close() or a call with NULL; NULL where it cannot be told. */
	void (*watch)(void *self, vmt_life_fn changed, void *context);
};

/* ------------------------------------------------------------------ samples */

enum vmt_meter_type { VMT_CUMULATIVE, VMT_GAUGE, VMT_DELTA };

/* What a sample speaks of: one version of a resource and its metadata, immutable, counted by
 * references that the host holds.  The metadata is JSON text in two parts, put together without
 * anything between: `head` begins with '{' and is shared by the resources of an instance, `tail`
 * ends with '}'. */
struct vmt_resource {
	const char *id;
	const char *project_id, *user_id, *project_name, *user_name; /* NULL for null */
	const char *source;
	const char *meta_head, *meta_tail;
	uint32_t meta_head_len, meta_tail_len;
	uint64_t digest; /* of all of it: equal content, equal digest, in every process */
	uint64_t instance; /* the instance it is part of, as a hash of its id; 0: not known */
};

VMT_API const struct vmt_resource *vmt_resource_ref(const struct vmt_resource *resource);
VMT_API void vmt_resource_unref(const struct vmt_resource *resource); /* NULL is fine */
/* A resource with one reference, of these contents (copied; the digest is worked out). */
VMT_API const struct vmt_resource *vmt_resource_make(const struct vmt_resource *content);

/* Rows of one meter, as columns.  Where a column is NULL the single value holds for all rows. */
struct vmt_batch {
	const char *name, *unit;
	uint8_t type; /* enum vmt_meter_type */
	uint8_t kind; /* enum vmt_kind */
	uint32_t count;
	const struct vmt_resource *const *resource;
	const union vmt_num *value;
	const uint8_t *kinds; /* enum vmt_kind per row, or NULL: `kind` */
	int64_t time_ns; /* Unix time of the sample */
	const int64_t *times;
	int64_t mono_ns; /* CLOCK_MONOTONIC of the read; INT64_MIN: none */
	const int64_t *monos;
	uint8_t id[16]; /* message id of row 0, UUID version 1; row i has its time field + i */
	const uint8_t (*ids)[16]; /* message ids of the rows, or NULL: `id` */
	const char
		*derived; /* NULL, or a transformer made the rows: then the message id of a row is
			      * the version-5 UUID of this name in the name space of the above */
	const uint32_t
		*messages; /* numbers, from 0 on in the frame, of the messages that the rows came
				   * in; NULL: they did not, or it is not known */
	uint64_t publishers; /* bit set of the publishers it goes to */
};

/* Forms of names, units, metadata and times, by release. */
enum vmt_profile { VMT_PROFILE_JUNO, VMT_PROFILE_19, VMT_PROFILE_26 };

/* Batches that are delivered together. */
struct vmt_frame {
	uint64_t sequence; /* grows by one in a process's log */
	uint8_t profile; /* enum vmt_profile */
	size_t count;
	const struct vmt_batch *batch;
};

/* The message id of a row: 16 bytes in network order.  Derived ids are worked out here, when they are
 * needed; what the log keeps is what they are derived from. */
VMT_API void vmt_batch_id(const struct vmt_batch *batch, uint32_t row, uint8_t ret_id[16]);

/* ------------------------------------------------------------------ pollster */

struct vmt_meter {
	const char *name, *unit;
	enum vmt_meter_type type;
	enum vmt_kind kind;
	unsigned groups; /* what it needs of an inspector */
	const char *help;
};

struct vmt_samples; /* opaque: where a pollster puts its samples */

/* One sample of meter `meter` (index into the pollster's table) for instance `instance`.  `disk` and
 * `nic` are indices into the inspection, or SIZE_MAX; at most one of them is given and makes the
 * resource that disk or NIC.  -EINVAL for an index out of range or a double that is not finite. */
VMT_API int vmt_samples_add(struct vmt_samples *out, unsigned meter, size_t instance, size_t disk,
			    size_t nic, union vmt_num value, uint8_t stamp);

struct vmt_pollster_ops {
	const struct vmt_meter *meters;
	size_t count;
	int (*open)(const void *conf, void **ret_self, struct vmt_error *error);
	int (*poll)(void *self, const struct vmt_snapshot *instances,
		    const struct vmt_inspection *readings, struct vmt_samples *out,
		    const struct vmt_call *call, struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
};

/* ------------------------------------------------------------------ publisher, store */

/* What is asked of a store; NULL, 0 or INT64_MIN/MAX: no restriction. */
struct vmt_query {
	const char *const *meters; /* shell patterns, NULL-terminated */
	const char *resource, *project, *user;
	const struct vmt_pair *metadata; /* dotted path = text */
	int64_t start_ns, end_ns; /* start <= time < end */
	uint64_t limit;
	bool bare; /* message ids and monotonic times are not needed */
};

/* A row of `samples` (all members), `resources` (id, project, user, source, metadata, first and last
 * time) or `meters` (name, type, unit, resource…, no value). */
struct vmt_store_row {
	const char *name, *unit;
	enum vmt_meter_type type;
	enum vmt_kind kind;
	union vmt_num value;
	const struct vmt_resource *resource;
	int64_t time_ns, mono_ns; /* INT64_MIN: none */
	int64_t first_ns, last_ns;
	const uint8_t *message_id; /* 16 bytes, or NULL where the store does not keep it */
	/* `samples`: a number of the store's for this meter of this resource and source.  The resource's
	 * digest tells its versions apart. */
	uint32_t series;
};

/* Called per row; anything but 0 stops and is handed on. */
typedef int (*vmt_row_fn)(void *context, const struct vmt_store_row *row);

struct vmt_store_ops {
	/* Newest first. */
	int (*samples)(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		       struct vmt_error *error);
	int (*resources)(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
			 struct vmt_error *error);
	int (*meters)(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		      struct vmt_error *error);
};

/* How a publisher cuts the rows of a frame into messages; `max_queue_length` counts these. */
struct vmt_message_shape {
	uint32_t samples; /* in a message at most; 0: no such bound */
	bool mixed; /* a message may hold samples of several batches; else each batch has its own */
	uint32_t copies; /* how often each message is sent (topics, copies by meter); 0 is 1 */
};

/* Rows `first` to `first + count - 1` of batch `batch` of a frame. */
struct vmt_rows {
	uint32_t batch, first, count;
};

/* For a far side that answers message by message, within a `publish` that has not returned: these rows
 * have arrived, and need not be sent again when the frame comes back.  Does nothing for NULL, for rows
 * out of range, of another publisher, or settled already. */
VMT_API void vmt_delivery_confirm(struct vmt_delivery *delivery, const struct vmt_rows *rows,
				  size_t count);
/* These rows are refused for good: counted as dropped (`refused`) and kept as a dead letter with the
 * `reason` (one line) and the message as it was sent (`bytes`, copied; NULL for none).  The rest of the
 * frame goes on: whatever `publish` answers, refused rows do not come again. */
VMT_API void vmt_delivery_refuse(struct vmt_delivery *delivery, const struct vmt_rows *rows,
				 size_t count, const char *reason, const void *bytes, size_t len);
/* For a store, when it has committed the frame: so many of its rows were there before with the same value (`repeats`),
 * or with another one (`conflicts`; the first is kept).  They are confirmed as the others are; this is for the
 * ledgers.  Does nothing for NULL. */
VMT_API void vmt_delivery_absorbed(struct vmt_delivery *delivery, uint64_t repeats,
				   uint64_t conflicts);
/* Whether the row was confirmed or refused, in this attempt or an earlier one: leave it out. */
VMT_API bool vmt_delivery_settled(const struct vmt_delivery *delivery, uint32_t batch,
				  uint32_t row);
/* The far side asks not to be tried again within `ns` (HTTP's Retry-After); at most an hour. */
VMT_API void vmt_delivery_pause(struct vmt_delivery *delivery, int64_t ns);

/* Every publisher's URL may also have policy, max_queue_length and max_retry: the host takes them out
 * and does what they say. */
struct vmt_publisher_ops {
	/* Checks what can be checked without the far side (a bad URL fails here); connects later.
	 * With `read_only` only the store's queries will be called, and nothing is created. */
	int (*open)(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		    struct vmt_error *error);
	/* Sends those batches of *frame whose `publishers` has `bit`.
	 * 0: the far side has all of them, but for those told as refused (vmt_delivery_refuse).
	 * -EBADMSG: what is not settled yet is refused for good.  Any other -errno: not now; unless the
	 * policy is to drop, the host calls again with the same frame (the same ids) after a while,
	 * vmt_delivery_pause() at least. */
	int (*publish)(void *self, const struct vmt_frame *frame, uint64_t bit,
		       const struct vmt_call *call, struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
	const struct vmt_store_ops *store; /* NULL: not a store */
	/* Asked once, after `open`.  NULL: a frame is one message. */
	void (*shape)(void *self, struct vmt_message_shape *ret_shape);
};

/* ------------------------------------------------------------------ transformer */

/* A transformer is a stage of a sink; sources that share the sink share it and its state.  Its options
 * are the `parameters` of its place in pipeline.yaml: `group` is NULL, `name` is the path of keys with dots
 * between ("target.map_to.name").  It may look at none but the conf it is opened with. */
struct vmt_stage {
	const char *name; /* "cpu_sink/1": sink and place, for messages; as long as the object */
	const char *source; /* that samples it makes are to have; as long as the object */
	enum vmt_profile profile;
	const struct vmt_stage_host *host; /* the host's own; NULL where there is none (a test) */
};

/* While it is opened: a parameter that most likely does not mean what it should; it is opened all the same.  A text that
 * begins with an option's name and a colon is shown with that option's place. */
VMT_API void vmt_stage_warn(const struct vmt_stage *stage, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for one that will not do; there may be several.  Answers -EINVAL, as `open` has to in the end. */
VMT_API int vmt_stage_refuse(const struct vmt_stage *stage, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct vmt_transform; /* opaque: where a transformer puts its samples */

/* Memory for columns, aligned to 16, until the end of the cycle. */
VMT_API void *vmt_transform_alloc(struct vmt_transform *out, size_t size);
/* Rows go on as they are, ids too.  The columns of *batch must stay until the end of the cycle, as those of
 * a batch that is handled do; the resources until the next call; texts are copied.  A batch without rows is
 * nothing. */
VMT_API void vmt_transform_pass(struct vmt_transform *out, const struct vmt_batch *batch);
/* Rows that were made; the same rules.  `id`, `ids` and `derived` are those of the samples that they come
 * from: the host derives from them, so that what is made again has the same id. */
VMT_API void vmt_transform_make(struct vmt_transform *out, const struct vmt_batch *batch);

/* Takes over a reference, which is given back at the end of the cycle: for what was kept. */
VMT_API void vmt_transform_release(struct vmt_transform *out, const struct vmt_resource *resource);

struct vmt_transformer_ops {
	/* A reason that begins with an option's name and a colon is shown with that option's place; none is needed
	 * after vmt_stage_refuse(). */
	int (*open)(const void *conf, const struct vmt_stage *stage, void **ret_self,
		    struct vmt_error *error);
	/* Consumes the batch: what is neither passed nor made from it is gone, or kept.  -errno: the
	 * whole batch is lost for this sink, the reason is logged.  What is kept beyond the cycle needs its
	 * own references on resources. */
	int (*handle)(void *self, const struct vmt_batch *in, struct vmt_transform *out,
		      struct vmt_error *error);
	/* At the end of a cycle (with VMT_PROFILE_JUNO after each meter); NULL for none. */
	int (*flush)(void *self, struct vmt_transform *out, struct vmt_error *error);
	/* Instances (vmt_resource.instance) that are gone for good; NULL where nothing is kept. */
	void (*forget)(void *self, const uint64_t *instances, size_t count);
	void (*close)(void *self); /* accepts NULL */
};

/* ------------------------------------------------------------------ receiver */

struct vmt_intake; /* opaque: where a receiver hands over what came in */

enum vmt_message_form {
	VMT_MESSAGE_JSON, /* a sample, a list of them, a call or notification, bare or in an envelope */
	VMT_MESSAGE_MSGPACK, /* a sample */
};

/* Hands over a message as it came in; nothing of it needs to be looked at before.  It is read and verified at once
 * and the bytes are the caller's again: what is wrong with it is counted by the host and the receiver's affair no
 * more.  A message longer than vmt_intake_limit() is refused without a look: `bytes` may be NULL then.
 * `tag`, if not 0, comes back from vmt_intake_settled, for receivers whose far side waits for an answer.
 * 0; -EAGAIN: too much is under way, hand it over again when vmt_intake_fd() has become readable. */
VMT_API int vmt_intake_message(struct vmt_intake *intake, enum vmt_message_form form,
			       const void *bytes, size_t len, uint64_t tag);
/* What was handed over goes on its way: whenever nothing more is at hand, before waiting. */
VMT_API void vmt_intake_flush(struct vmt_intake *intake);

/* What became of a message. */
struct vmt_settled {
	uint64_t tag;
	bool again; /* it could not be stored: it has to come again */
};

/* Answers how many of at most `max` were settled since the last call: all publishers have them, or they were
 * refused. */
VMT_API size_t vmt_intake_settled(struct vmt_intake *intake, struct vmt_settled *ret_settled,
				  size_t max);
/* Readable while something is settled that was not asked for, and once when there is room again.  The host's. */
VMT_API int vmt_intake_fd(const struct vmt_intake *intake);
/* Bytes of the longest message that is taken. */
VMT_API size_t vmt_intake_limit(const struct vmt_intake *intake);
/* Messages that are known to be lost before they came here (the kernel's counter). */
VMT_API void vmt_intake_lost(struct vmt_intake *intake, uint64_t messages);
/* The program is leaving: take no more, but go on to settle what was taken. */
VMT_API bool vmt_intake_closing(const struct vmt_intake *intake);

struct vmt_receiver_ops {
	/* Checks what can be checked without the far side; listens or connects later. */
	int (*open)(const void *conf, const struct vmt_url *url, void **ret_self,
		    struct vmt_error *error);
	/* Receives until the deadline or cancel; called again at once.  It keeps what it listens on or is
	 * connected to from call to call.  -errno: it does not work now; called again after a pause. */
	int (*receive)(void *self, struct vmt_intake *out, const struct vmt_call *call,
		       struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
	/* Whether others may get a part of what is to come here, as from a queue: then transformers that keep
	 * something from sample to sample are refused.  Asked after `open`; NULL: no. */
	bool (*shared)(const void *self);
};

/* ------------------------------------------------------------------ coordinator */

struct vmt_members; /* opaque: who is in a group */

/* One member, copied.  -EINVAL: empty, longer than 255 bytes, not printable ASCII; -E2BIG past the cap of 1024. */
VMT_API int vmt_members_add(struct vmt_members *members, const char *name, size_t len);

/* Agents that share instances find each other in groups, by means of a service that all of them reach.  `close`
 * on any thread. */
struct vmt_coordinator_ops {
	/* Checks what can be checked without the far side; connects later. */
	int (*open)(const void *conf, const struct vmt_url *url, void **ret_self,
		    struct vmt_error *error);
	/* For how long a beat counts, in nanoseconds: who was silent for longer is in no group any more. */
	int64_t (*lease)(const void *self);
	/* `member` is in `group` from now on, for another lease; all who are in it go to `members`, in any
	 * order.  Names are printable ASCII. */
	int (*beat)(void *self, const char *group, const char *member, struct vmt_members *members,
		    const struct vmt_call *call, struct vmt_error *error);
	/* `member` is not in `group` any more, for everybody and at once. */
	int (*leave)(void *self, const char *group, const char *member, const struct vmt_call *call,
		     struct vmt_error *error);
	void (*close)(void *self); /* accepts NULL */
};

/* ------------------------------------------------------------------ the plugin itself */

enum vmt_namespace {
	VMT_DISCOVERY,
	VMT_INSPECTOR,
	VMT_POLLSTER,
	VMT_TRANSFORMER,
	VMT_PUBLISHER,
	VMT_RECEIVER,
	VMT_COORDINATOR,
	VMT_NAMESPACES
};

struct vmt_plugin {
	uint32_t abi; /* VMT_ABI */
	enum vmt_namespace ns;
	const char *name; /* of a publisher, receiver or coordinator: its URL scheme */
	const char *const *aliases; /* further names, NULL-terminated; NULL for none */
	const char *version;
	const char *help; /* one sentence */
	const struct vmt_option *options; /* NULL for none */
	size_t conf_size; /* of the configuration structure */
	union {
		const struct vmt_discovery_ops *discovery;
		const struct vmt_inspector_ops *inspector;
		const struct vmt_pollster_ops *pollster;
		const struct vmt_transformer_ops *transformer;
		const struct vmt_publisher_ops *publisher;
		const struct vmt_receiver_ops *receiver;
		const struct vmt_coordinator_ops *coordinator;
	} ops;
};

/* Defines the plugin: VMT_PLUGIN(publisher, example) = { .abi = VMT_ABI, … }; */
#ifdef VMT_SHARED
#define VMT_PLUGIN(ns_, name_)                                                                     \
	VMT_API extern const struct vmt_plugin vmt_plugin;                                         \
	const struct vmt_plugin vmt_plugin
#else
#define VMT_PLUGIN(ns_, name_)                                                                     \
	extern const struct vmt_plugin vmt_plugin_##ns_##_##name_;                                 \
	const struct vmt_plugin vmt_plugin_##ns_##_##name_
#endif

/* ------------------------------------------------------------------ what the host offers */

VMT_API int64_t vmt_clock_monotonic(void);
VMT_API int64_t vmt_clock_real(void);

/* Logs one line, subject first, consequence last.  Repeats of the same text are folded. */
VMT_API void vmt_log(enum vmt_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Writes the reason and answers `code`, so that it can be returned at once. */
VMT_API int vmt_error_set(struct vmt_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
