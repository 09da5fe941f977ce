/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspector "vsphere": the machines of a vCenter or an ESXi host, over vim25.  Shared object, for libcurl.  Runs on a
 * worker of the host; blocks on the network until the call's deadline.
 */
#include "base/clock.h"
#include "plugins/inspector/vsphere/options.h"
#include "plugins/inspector/vsphere/query.h"

#include <errno.h>

#define CYCLE_BYTES (UINT64_C(256) << 20)
#define SAMPLE_NS (20 * NS_PER_S) /* that a real-time sample stands for */

enum { TASKS = 8 };

/* A polling task is known by what it asks for. */
struct task {
	int64_t interval_ns, last_ns; /* last: CLOCK_MONOTONIC, 0: never */
	unsigned groups;
};

struct inspector {
	struct vim_client *client;
	struct vim_machines machines;
	struct query query;
	struct task task[TASKS];
	GHashTable *ids; /* index + 1 of machines, by id */
	uint64_t ids_version; /* of the list that they are of */
	uint8_t *wanted; /* by machine */
};

/* virDomainState by enum vim_power; suspended is paused, as libvirt has it of ESX. */
static const uint64_t states[] = { 0, 1, 5, 3 };

/* ------------------------------------------------------------------ samples */

/* So many as have come since the task asked last, as Ceilometer has it; the first time one. */
static int samples_of(struct inspector *in, const struct vmt_inspect_request *request)
{
	struct task *t = &in->task[0];
	int64_t now = clock_monotonic(), since;

	for (size_t i = 0; i < TASKS; i++) {
		struct task *other = &in->task[i];

		if (other->last_ns && other->interval_ns == request->interval_ns &&
		    other->groups == request->groups) {
			t = other;
			break;
		}
		t = other->last_ns < t->last_ns ? other : t; /* the oldest makes room */
	}
	since = t->interval_ns == request->interval_ns && t->groups == request->groups && t->last_ns
			? (now - t->last_ns + NS_PER_S / 2) / SAMPLE_NS
			: 1;
	*t = (struct task){ request->interval_ns, now, request->groups };
	return (int)CLAMP(since, 1, QUERY_SAMPLES_MAX);
}

/* ------------------------------------------------------------------ who is who */

static void learn_ids(struct inspector *in)
{
	if (in->ids_version == in->machines.version) {
		return;
	}
	in->ids_version = in->machines.version;
	g_hash_table_remove_all(in->ids);
	for (size_t i = 0; i < in->machines.count; i++) {
		g_hash_table_insert(in->ids, (char *)in->machines.machine[i].id,
				    GUINT_TO_POINTER((guint)i + 1));
	}
	in->wanted = g_realloc(in->wanted, in->machines.count + 1);
}

/* SIZE_MAX: the server does not list it. */
static size_t find(const struct inspector *in, const struct vmt_instance *instance)
{
	return (size_t)GPOINTER_TO_UINT(g_hash_table_lookup(in->ids, instance->id)) - 1;
}

static void choose(struct inspector *in, const struct vmt_snapshot *instances,
		   const struct vmt_inspect_request *request)
{
	memset(in->wanted, 0, in->machines.count + 1);
	for (size_t i = 0; i < instances->count; i++) {
		size_t at = find(in, &instances->instances[i]);

		if ((!request->only || request->only[i]) && at != SIZE_MAX) {
			const struct vim_machine *m = &in->machines.machine[at];

			in->wanted[at] = m->power != VIM_POWER_OFF && !m->away;
		}
	}
}

/* ------------------------------------------------------------------ readings */

/* By enum fate.  Who was not asked, or skipped, has its state alone. */
static const enum vmt_outcome outcomes[FATES] = {
	[FATE_UNASKED] = VMT_PARTIAL, [FATE_ANSWERED] = VMT_OK,     [FATE_GONE] = VMT_GONE,
	[FATE_SILENT] = VMT_STUCK,    [FATE_REFUSED] = VMT_PARTIAL, [FATE_SKIPPED] = VMT_PARTIAL,
};

struct stamps {
	uint8_t state, values;
};

static void read_one(const struct inspector *in, size_t at, bool usage, struct vmt_inspection *out,
		     size_t i, struct stamps stamps)
{
	const struct vim_machine *m = &in->machines.machine[at];
	const struct values *v = &in->query.values[at];
	struct vmt_reading *to = &out->reading[i];

	if (m->away) { /* what is known of it is of then */
		to->outcome = VMT_UNREACHABLE;
		return;
	}
	if (m->power == VIM_POWER_OFF) {
		to->outcome = VMT_STOPPED;
	} else {
		to->outcome = usage ? outcomes[v->fate] : VMT_OK;
	}
	if (to->outcome == VMT_GONE) {
		return;
	}
	vmt_set(to, VMT_F_STATE, states[m->power], stamps.state);
	if (to->outcome == VMT_OK && usage) {
		values_put(v, in->query.cycle, in->query.asked, out, i, stamps.values);
	}
}

static void read_all(const struct inspector *in, const struct vmt_snapshot *instances,
		     const struct vmt_inspect_request *request, bool usage,
		     struct vmt_inspection *out, struct stamps stamps)
{
	for (size_t i = 0; i < instances->count; i++) {
		size_t at;

		if (request->only && !request->only[i]) {
			continue;
		}
		at = find(in, &instances->instances[i]);
		if (at == SIZE_MAX) {
			out->reading[i].outcome = VMT_GONE;
		} else {
			read_one(in, at, usage, out, i, stamps);
		}
	}
}

static uint8_t stamp_now(struct vmt_inspection *out)
{
	return vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = clock_real(),
							     .mono_ns = clock_monotonic(),
							     .source = "vsphere" });
}

static void all_unreachable(struct vmt_inspection *out, const struct vmt_inspect_request *request)
{
	for (size_t i = 0; i < out->count; i++) {
		if (!request->only || request->only[i]) {
			out->reading[i].outcome = VMT_UNREACHABLE;
		}
	}
}

/* For status: why values are not there. */
static void explain(const struct query *q, const char *why, struct vmt_inspection *out)
{
	if (q->alone[FATE_REFUSED]) {
		g_snprintf(out->readings, sizeof(out->readings),
			   "counters of %u machines may not be read: the account lacks a privilege",
			   q->alone[FATE_REFUSED]);
	} else if (*why) {
		g_strlcpy(out->readings, why, sizeof(out->readings));
	}
}

static int inspect(struct inspector *in, const struct vmt_snapshot *instances,
		   const struct vmt_inspect_request *request, struct vmt_inspection *out,
		   const struct vmt_call *call, struct vmt_error *error)
{
	unsigned usage = 0;
	int samples = samples_of(in, request);
	struct vmt_error why = { .text = "" };
	struct stamps stamps;
	int err = vim_machines_read(&in->machines, in->client, call, error);

	if (err < 0) {
		return err;
	}
	stamps.state = stamps.values = stamp_now(out);
	learn_ids(in);
	query_begin(&in->query, &in->machines);
	for (int i = 0; i < COUNTERS; i++) {
		usage |= request->groups & counter_rows[i].groups;
	}
	if (usage) {
		choose(in, instances, request);
		err = query_run(&in->query, in->wanted, usage, samples, call, &why);
		stamps.values = stamp_now(out);
		if (err < 0) {
			vmt_log(VMT_LOG_WARNING, "%s; what needs it is left out", why.text);
		}
	}
	read_all(in, instances, request, usage != 0, out, stamps);
	explain(&in->query, why.text, out);
	out->quarantined += in->query.alone[FATE_SILENT];
	return 0;
}

static int inspector_inspect(void *self, const struct vmt_snapshot *instances,
			     const struct vmt_inspect_request *request, struct vmt_inspection *out,
			     const struct vmt_call *call, struct vmt_error *error)
{
	struct inspector *in = self;
	struct vmt_error why = { .text = "" };
	uint64_t before = vim_client_requests(in->client);
	int err;

	if (request->kernel || request->final) { /* there is nothing but the server to ask */
		return 0;
	}
	vim_client_begin(in->client, CYCLE_BYTES);
	err = inspect(in, instances, request, out, call, &why);
	out->calls += vim_client_requests(in->client) - before;
	vmt_inspection_call(out, "vim25", vim_client_slowest_ns(in->client));
	if (err < 0) {
		all_unreachable(out, request);
		return vmt_error_set(error, err, "vsphere %s", why.text);
	}
	return 0;
}

/* ------------------------------------------------------------------ life */

static int inspector_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct inspector_conf *conf = configuration;
	struct vim_client *client;
	struct inspector *in;
	int err = vim_client_of(&conf->vim, &client, error);

	if (err < 0) {
		return err;
	}
	in = g_new0(struct inspector, 1);
	in->client = client;
	in->ids = g_hash_table_new(g_str_hash, g_str_equal);
	vim_machines_init(&in->machines, false);
	query_init(&in->query, client);
	*ret_self = in;
	return 0;
}

static void inspector_close(void *self)
{
	struct inspector *in = self;

	if (in) {
		vim_client_free(in->client);
		vim_machines_fini(&in->machines);
		query_fini(&in->query);
		g_hash_table_destroy(in->ids);
		g_free(in->wanted);
		g_free(in);
	}
}

static const struct vmt_inspector_ops ops = {
	.open = inspector_open,
	.inspect = inspector_inspect,
	.close = inspector_close,
};

VMT_PLUGIN(inspector, vsphere) = {
	VSPHERE_INSPECTOR,
	.ops.inspector = &ops,
};
