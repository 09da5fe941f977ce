/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns an inspection: whom to ask in which call, what to do with calls that fail, and what is to be said of
 * those who did not answer.  Runs on a worker of the host; blocks until the call's deadline.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/cycle.h"
#include "plugins/inspector/libvirt/ask.h"
#include "plugins/inspector/libvirt/hybrid.h"
#include "plugins/inspector/libvirt/info.h"
#include "plugins/inspector/libvirt/target.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <errno.h>
#include <string.h>

#define LOOK_FIRST_NS (1 * NS_PER_S) /* how long the first readings wait for stat() */
#define LOOK_NS (50 * NS_PER_MS) /* and later ones, when the bulk call was faster */
#define LOOK_HANGS_NS (10 * NS_PER_S)

struct cycle {
	struct cycle_conf conf;
	struct domains *domains;
	struct asker *asker;
	struct caller *info; /* for block info */
	struct targets targets;
	struct usage_looker *looker; /* NULL: files here are not the hypervisor's */
	GArray *paths; /* of struct usage_path: files to look at */
	bool looked; /* at least once */
	struct hybrid *hybrid;
	vmt_life_fn changed; /* main thread, with its context */
	void *changed_context;
	struct wait lock; /* guards what follows */
	GHashTable *ending; /* of UUIDs: their guests are shut down, but QEMU was not gone yet */
};

struct cycle *cycle_new(const char *uri, bool read_write, const struct cycle_conf *conf)
{
	struct cycle *c = g_new0(struct cycle, 1);

	c->conf = *conf;
	c->domains = domains_ref(uri, read_write);
	c->asker = asker_new(c->domains, conf);
	c->info = caller_new(domains_hub(c->domains), "libvirt-info", CALLER_HEAVY);
	targets_init(&c->targets);
	c->looker = uri_is_local(uri) ? usage_looker_new(NULL, LOOK_HANGS_NS) : NULL;
	c->paths = g_array_new(FALSE, FALSE, sizeof(struct usage_path));
	c->hybrid = hybrid_new(uri, conf->readings);
	wait_init(&c->lock);
	c->ending = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, g_free, NULL);
	return c;
}

void cycle_free(struct cycle *c)
{
	if (!c) {
		return;
	}
	cycle_watch(c, NULL, NULL);
	g_hash_table_destroy(c->ending);
	wait_fini(&c->lock);
	asker_free(c->asker);
	caller_free(c->info);
	usage_looker_free(c->looker);
	hybrid_free(c->hybrid);
	g_array_free(c->paths, TRUE);
	targets_fini(&c->targets);
	domains_unref(c->domains);
	g_free(c);
}

/* ------------------------------------------------------------------ those who did not answer */

static void set_stopped(const struct ask_order *o, size_t i, const struct domain_desc *desc,
			uint8_t stamp)
{
	struct vmt_reading *r = &o->out->reading[i];

	r->outcome = VMT_STOPPED;
	vmt_set(r, VMT_F_STATE, VIR_DOMAIN_SHUTOFF, stamp);
	if (!o->request->stopped || !desc->xml) {
		return;
	}
	if (desc->xml->vcpus >= 0) {
		vmt_set(r, VMT_F_VCPUS, (uint64_t)desc->xml->vcpus, stamp);
	}
	if (desc->xml->memory_kib >= 0) {
		vmt_set(r, VMT_F_MEM_MAXIMUM, (uint64_t)desc->xml->memory_kib, stamp);
	}
}

/* What the list of domains says of it; false when it should have answered. */
static bool explain(const struct ask_order *o, size_t i, bool complete, uint8_t stamp)
{
	const struct target *target = o->targets->list[i];
	struct vmt_reading *r = &o->out->reading[i];

	if (!target || !target->domain.desc) {
		r->outcome = target && !complete ? VMT_UNREACHABLE : VMT_GONE;
		return true;
	}
	if (!complete && target->way == WAY_NONE) {
		r->outcome = VMT_UNREACHABLE; /* an old list has it as stopped: that may be over */
		return true;
	}
	if (target->domain.state == VIR_DOMAIN_SHUTOFF || target->domain.desc->number < 0) {
		set_stopped(o, i, target->domain.desc, stamp);
		return true;
	}
	if (target->err < 0) {
		r->outcome = VMT_UNREACHABLE;
		return true;
	}
	return false;
}

/* Gives everyone who was not read an outcome.  Who runs for all we know and still was not in the answer has
 * just been stopped, or taken away: the list is read again. */
static void explain_all(struct cycle *c, const struct ask_order *o, bool complete)
{
	struct targets *t = o->targets;
	uint8_t stamp =
		vmt_inspection_stamp(o->out, (struct vmt_stamp){ .time_ns = clock_real(),
								 .mono_ns = clock_monotonic(),
								 .source = "libvirt" });
	struct vmt_error error;
	size_t missing = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct vmt_reading *r = &o->out->reading[i];
		struct target *target = t->list[i];

		if (target && target->left_out) {
			continue;
		}
		if (target && r->outcome == VMT_STOPPED) {
			set_stopped(o, i, target->domain.desc, stamp);
		} else if (r->outcome == VMT_UNREAD && !explain(o, i, complete, stamp)) {
			domains_suspect(c->domains, target->uuid);
			missing++;
		}
	}
	if (!missing || domains_sync(c->domains, o->call, &o->out->calls, &error) < 0) {
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		if (o->out->reading[i].outcome == VMT_UNREAD && t->list[i] &&
		    !t->list[i]->left_out) {
			target_find(t->list[i], c->domains);
			explain(o, i, true, stamp);
		}
	}
}

/* ------------------------------------------------------------------ sizes of disks */

/* If it is a file. */
static void add_path(struct cycle *c, struct target *target, size_t k)
{
	const struct domxml_disk *xml = target->domain.desc->disk[k].disk;
	struct usage_path path = { .disk = &target->disk[k], .path = xml->path };

	if (xml->path && g_strcmp0(xml->type, "file") == 0) {
		g_array_append_val(c->paths, path);
	}
}

static void look(struct cycle *c)
{
	usage_look(c->looker, (const struct usage_path *)(void *)c->paths->data, c->paths->len);
}

/* Lets the files of running targets be looked at while the bulk call is under way. */
static void look_begin(struct cycle *c)
{
	int64_t now = clock_monotonic();

	g_array_set_size(c->paths, 0);
	for (size_t i = 0; i < c->targets.count; i++) {
		struct target *target = c->targets.list[i];

		for (size_t k = 0; target_runs(target) && k < target->disks; k++) {
			if (usage_is_due(&target->disk[k], now)) {
				add_path(c, target, k);
			}
		}
	}
	look(c);
}

static void look_end(struct cycle *c, const struct vmt_call *call)
{
	int64_t until = clock_monotonic() + (c->looked ? LOOK_NS : LOOK_FIRST_NS);

	if (c->paths->len == 0) {
		return;
	}
	usage_looked(c->looker, (const struct usage_path *)(void *)c->paths->data, c->paths->len,
		     MIN(until, call->deadline_ns));
	c->looked = true;
}

static size_t index_of(const struct target *target, const struct vmt_device *device)
{
	return (size_t)((const struct domain_device *)(const void *)device -
			target->domain.desc->disk);
}

/* Those that rested until now and do not any more. */
static void look_again(struct cycle *c, const struct ask_order *o)
{
	g_array_set_size(c->paths, 0);
	for (size_t i = 0; i < c->targets.count; i++) {
		const struct vmt_reading *r = &o->out->reading[i];

		for (uint32_t k = 0; k < r->disks; k++) {
			struct vmt_device_reading *disk = &o->out->disk[r->first_disk + k];
			struct target *target = c->targets.list[i];
			size_t at = index_of(target, disk->device);

			if (usage_has_moved(&target->disk[at], disk)) {
				add_path(c, target, at);
			}
		}
	}
	look(c);
	look_end(c, o->call);
}

/* The sizes of one running target's disks. */
static void size_running(const struct ask_order *o, struct target *target)
{
	const struct vmt_reading *r = &o->out->reading[target->index];

	for (uint32_t k = 0; k < r->disks; k++) {
		struct vmt_device_reading *disk = &o->out->disk[r->first_disk + k];
		size_t at = index_of(target, disk->device);
		uint8_t stamp = disk->stamp[VMT_D_PHYSICAL];

		usage_apply(&target->disk[at], target->domain.desc->disk[at].disk, disk, o->out,
			    stamp);
	}
}

static void size_stopped(const struct ask_order *o, struct target *target)
{
	const struct domain_desc *desc = target->domain.desc;

	for (size_t k = 0; k < target->disks; k++) {
		struct vmt_device_reading *disk =
			vmt_inspection_disk(o->out, target->index, &desc->disk[k].public);

		usage_apply_stopped(&target->disk[k], disk, o->out);
	}
}

static void size_all(struct cycle *c, const struct ask_order *o)
{
	struct targets *t = o->targets;
	struct info_list *wanted = info_list_new(c->conf.info_interval_ns);
	bool each = asker_is_each(c->asker);

	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];
		uint8_t outcome = o->out->reading[i].outcome;

		if (outcome == VMT_STOPPED && o->request->stopped) {
			size_stopped(o, target);
		} else if ((outcome == VMT_OK || outcome == VMT_PARTIAL || outcome == VMT_STUCK) &&
			   !each) {
			size_running(o, target);
		} else {
			continue;
		}
		/* Block info needs the monitor. */
		if ((outcome == VMT_OK && !each) || outcome == VMT_STOPPED) {
			info_list_add(wanted, target, o->out);
		}
	}
	info_list_ask(wanted, domains_hub(c->domains), c->info, o->out, o->call);
	info_list_free(wanted);
}

/* Nobody asked for it: then domstats' own values, which are something else, are of no use. */
static void drop_sizes(struct vmt_inspection *out)
{
	for (size_t i = 0; i < out->disks; i++) {
		out->disk[i].present &=
			~(UINT32_C(1) << VMT_D_ALLOCATION | UINT32_C(1) << VMT_D_PHYSICAL);
	}
}

/* ------------------------------------------------------------------ the whole */

static void set_unreachable(const struct vmt_inspect_request *request, struct vmt_inspection *out)
{
	for (size_t i = 0; i < out->count; i++) {
		if (out->reading[i].outcome == VMT_UNREAD && (!request->only || request->only[i])) {
			out->reading[i].outcome = VMT_UNREACHABLE;
		}
	}
}

/* Everybody is unreachable without a list; with an old one it may still be asked. */
static bool is_hopeless(struct cycle *c, int err)
{
	return err == -ENOTCONN || err == -EACCES || err == -ECANCELED || err == -EBUSY ||
	       domains_running(c->domains) == 0;
}

/* Half of the time is for the list, if it has to be read. */
static int sync_list(struct cycle *c, struct vmt_inspection *out, const struct vmt_call *call,
		     struct vmt_error *error)
{
	struct vmt_call half = *call;

	half.deadline_ns -= (call->deadline_ns - clock_monotonic()) / 2;
	return domains_sync(c->domains, &half, &out->calls, error);
}

/* Asks, while the files of disks are looked at. */
static int ask_all(struct cycle *c, const struct ask_order *o, struct vmt_error *error)
{
	bool usage = o->request->groups & VMT_GROUP_DISK_USAGE && c->looker;
	int err = asker_plan(c->asker, o, error);

	if (err < 0) {
		return err;
	}
	if (usage) {
		look_begin(c);
	}
	if (domains_running(c->domains) > 0) {
		err = asker_run(c->asker, o, error);
	}
	if (usage) {
		look_end(c, o->call);
		look_again(c, o);
	}
	return err;
}

static void bind(struct cycle *c, const struct vmt_snapshot *instances,
		 const struct vmt_inspect_request *request)
{
	struct targets *t = &c->targets;

	targets_bind(t, instances, c->domains);
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i]) {
			t->list[i]->left_out = request->only && !request->only[i];
		}
	}
}

/* ------------------------------------------------------------------ starts and ends */

/* Main thread. */
static void on_life(void *context, const uint8_t uuid[16], enum event_kind kind)
{
	struct cycle *c = context;
	char id[UUID_TEXT];

	wait_lock(&c->lock);
	if (kind == EVENT_ENDING) {
		g_hash_table_add(c->ending, g_memdup2(uuid, 16));
	} else {
		g_hash_table_remove(c->ending, uuid);
	}
	wait_unlock(&c->lock);
	uuid_format(uuid, id);
	c->changed(c->changed_context, id, kind == EVENT_STARTED ? VMT_STARTED : VMT_ENDED);
}

void cycle_watch(struct cycle *c, vmt_life_fn changed, void *context)
{
	domains_unwatch(c->domains, c);
	c->changed = changed;
	c->changed_context = context;
	if (changed) {
		domains_watch(c->domains, on_life, c);
	}
}

static bool is_ending(struct cycle *c, const uint8_t uuid[16])
{
	bool is;

	wait_lock(&c->lock);
	is = g_hash_table_contains(c->ending, uuid);
	wait_unlock(&c->lock);
	return is;
}

/* Keeps what was read of everybody. */
static void keep_last(struct cycle *c, const struct vmt_inspection *out)
{
	for (size_t i = 0; i < c->targets.count; i++) {
		struct target *target = c->targets.list[i];
		uint8_t outcome = out->reading[i].outcome;

		if (target_runs(target) && out->reading[i].present &&
		    (outcome == VMT_OK || outcome == VMT_PARTIAL || outcome == VMT_STUCK)) {
			last_keep(&target->last, target->domain.desc, out, i);
		}
	}
}

/* The last readings of those who have come to their end; of those who are about to, what the kernel says now. */
static int run_final(struct cycle *c, const struct vmt_snapshot *instances,
		     const struct vmt_inspect_request *request, struct vmt_inspection *out)
{
	struct targets *t = &c->targets;

	bind(c, instances, request);
	hybrid_update(c->hybrid, t);
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i] && !t->list[i]->left_out && !is_ending(c, t->list[i]->uuid)) {
			last_give(t->list[i]->last, out, i);
		}
	}
	targets_release(t);
	return 0;
}

/* Only what the kernel says, of the domains as they are known. */
static int run_kernel(struct cycle *c, const struct vmt_snapshot *instances,
		      const struct vmt_inspect_request *request, struct vmt_inspection *out)
{
	bind(c, instances, request);
	hybrid_alone(c->hybrid, &c->targets, request, out);
	targets_release(&c->targets);
	return 0;
}

int cycle_run(struct cycle *c, const struct vmt_snapshot *instances,
	      const struct vmt_inspect_request *request, struct vmt_inspection *out,
	      const struct vmt_call *call, struct vmt_error *error)
{
	struct ask_order order = {
		.targets = &c->targets, .request = request, .out = out, .call = call
	};
	bool hopeless;
	int synced, err;

	if (request->final) {
		return run_final(c, instances, request, out);
	}
	if (request->kernel) {
		return run_kernel(c, instances, request, out);
	}
	synced = sync_list(c, out, call, error);
	hopeless = synced < 0 && synced != -EAGAIN && is_hopeless(c, synced);
	bind(c, instances, request);
	hybrid_before(c->hybrid, &c->targets, request);
	err = hopeless ? synced : ask_all(c, &order, error);
	if (err == 0) {
		explain_all(c, &order, synced == 0);
	}
	if (err == 0 && request->groups & VMT_GROUP_DISK_USAGE) {
		size_all(c, &order);
	} else {
		drop_sizes(out);
	}
	set_unreachable(request, out);
	hybrid_after(c->hybrid, &c->targets, request, out);
	keep_last(c, out);
	targets_release(&c->targets);
	return err;
}
