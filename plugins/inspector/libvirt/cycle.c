/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns an inspection: whom to ask in which call, what to do with calls that fail, and what is to be said of
 * those who did not answer.  Runs on a worker of the host; blocks until the call's deadline.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/cycle.h"
#include "plugins/inspector/libvirt/bulk.h"
#include "plugins/inspector/libvirt/info.h"
#include "plugins/inspector/libvirt/plan.h"
#include "plugins/inspector/libvirt/target.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

#define LOOK_FIRST_NS (1 * NS_PER_S) /* how long the first readings wait for stat() */
#define LOOK_NS (50 * NS_PER_MS) /* and later ones, when the bulk call was faster */
#define LOOK_HANGS_NS (10 * NS_PER_S)

enum { ATTEMPTS = 3 };

struct cycle {
	struct cycle_conf conf;
	struct domains *domains;
	struct caller *caller[CYCLE_PARALLEL_MAX];
	struct targets targets;
	struct plan_durations durations;
	uint64_t message; /* parameters in one message at most */
	bool each; /* the driver has no bulk statistics */
	struct usage_looker *looker; /* NULL: files here are not the hypervisor's */
	GArray *paths; /* of struct usage_path: files to look at */
	bool looked; /* at least once */
};

/* One attempt to ask everybody. */
struct attempt {
	struct cycle *c;
	const struct vmt_inspect_request *request;
	struct vmt_inspection *out;
	struct vmt_call call; /* with the deadline of this attempt */
	enum bulk_mode mode;
	bool nowait;
	size_t lists;
	int *err; /* per list; 1: not finished */
	struct vmt_error error; /* of the first that failed */
	bool answered; /* somebody has */
	bool only_state; /* nobody had more than the state */
};

struct cycle *cycle_new(const char *uri, bool read_write, const struct cycle_conf *conf)
{
	struct cycle *c = g_new0(struct cycle, 1);

	c->conf = *conf;
	c->conf.parallel = CLAMP(conf->parallel, 1, CYCLE_PARALLEL_MAX);
	c->domains = domains_ref(uri, read_write);
	for (int64_t i = 0; i < c->conf.parallel; i++) {
		c->caller[i] = caller_new(domains_hub(c->domains), "libvirt-stats");
	}
	targets_init(&c->targets);
	c->message = PLAN_MESSAGE;
	c->looker = uri_is_local(uri) ? usage_looker_new(NULL, LOOK_HANGS_NS) : NULL;
	c->paths = g_array_new(FALSE, FALSE, sizeof(struct usage_path));
	return c;
}

void cycle_free(struct cycle *c)
{
	if (!c) {
		return;
	}
	for (int64_t i = 0; i < c->conf.parallel; i++) {
		caller_free(c->caller[i]);
	}
	usage_looker_free(c->looker);
	g_array_free(c->paths, TRUE);
	targets_fini(&c->targets);
	domains_unref(c->domains);
	g_free(c);
}

/* ------------------------------------------------------------------ readings */

/* One domain's answer. */
static void take_record(struct attempt *a, const struct bulk_record *record, uint8_t stamp)
{
	struct target *target = targets_get(&a->c->targets, record->uuid);
	struct vmt_reading *reading;
	struct stats_note note;
	bool fits;

	if (!target || !target->domain.desc) {
		return;
	}
	reading = &a->out->reading[target->index];
	if (reading->outcome != VMT_UNREAD) {
		return; /* twice in one answer */
	}
	stats_read(record->params, record->count, target->domain.desc, a->out, target->index, stamp,
		   &note);
	target->cost = (uint32_t)record->count;
	reading->outcome =
		target_judge(target, &note, record->number, a->request->groups, reading, &fits);
	if (!fits) {
		domains_suspect(a->c->domains, target->uuid);
	}
	a->answered = true;
	a->only_state &= note.only_state;
}

static void take_records(struct attempt *a, struct bulk *b)
{
	const struct bulk_record *record;
	size_t count = bulk_records(b, &record);
	uint8_t stamp = 0;

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || record[i].mono_ns != record[i - 1].mono_ns) {
			stamp = vmt_inspection_stamp(
				a->out,
				(struct vmt_stamp){ .time_ns = record[i].time_ns,
						    .mono_ns = record[i].mono_ns,
						    .source = b->mode == BULK_EACH ? "calls"
										   : "domstats" });
		}
		take_record(a, &record[i], stamp);
	}
}

/* ------------------------------------------------------------------ asking */

/* Deals the running targets to lists. */
static void deal(struct attempt *a)
{
	struct targets *t = &a->c->targets;
	uint32_t *cost = g_new(uint32_t, t->count + 1);
	uint16_t *list = g_new(uint16_t, t->count + 1);
	uint64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (target_runs(t->list[i])) {
			cost[n] = target_cost(t->list[i]);
			sum += cost[n++];
		}
	}
	a->lists = plan_lists(sum, n, (size_t)a->c->conf.parallel, a->c->message);
	if (a->lists > 1) {
		plan_deal(cost, n, a->lists, list);
	}
	n = 0;
	for (size_t i = 0; i < t->count; i++) {
		if (target_runs(t->list[i])) {
			t->list[i]->list = a->lists > 1 ? list[n] : 0;
			n++;
		}
	}
	/* One call for all is cheaper, unless much is in it that nobody wants. */
	if (a->c->each) {
		a->mode = BULK_EACH;
	} else if (a->lists == 1 && n * 4 >= domains_running(a->c->domains) * 3) {
		a->mode = BULK_ALL;
	} else {
		a->mode = BULK_LIST;
	}
	g_free(cost);
	g_free(list);
}

/* The argument of the job for one list. */
static struct bulk *bulk_for(const struct attempt *a, size_t number)
{
	const struct targets *t = &a->c->targets;
	struct bulk *b = bulk_new(a->mode, a->mode == BULK_ALL ? 0 : t->count);

	b->groups = a->request->groups;
	b->nowait = a->nowait;
	b->until_ns = a->call.deadline_ns - (a->call.deadline_ns - clock_monotonic()) / 8;
	for (size_t i = 0; a->mode != BULK_ALL && i < t->count; i++) {
		if (target_runs(t->list[i]) && t->list[i]->list == number) {
			bulk_add(b, t->list[i]->domain.desc);
		}
	}
	return b;
}

struct lane {
	struct job *job; /* NULL: none under way */
	struct bulk *bulk;
	size_t list;
};

static void lane_begin(struct attempt *a, struct lane *lane, struct caller *caller, size_t list)
{
	struct vmt_error error;

	lane->bulk = bulk_for(a, list);
	lane->list = list;
	a->err[list] = caller_submit(caller, bulk_run, lane->bulk, bulk_free, &lane->job, &error);
	if (a->err[list] < 0) {
		lane->job = NULL;
		a->error = error;
	}
}

static void lane_end(struct attempt *a, struct lane *lane)
{
	struct vmt_error error;
	int err;

	if (!lane->job) {
		return;
	}
	err = job_wait(lane->job, &a->call, &a->out->calls, &error);
	a->err[lane->list] = MIN(err, 0);
	if (err >= 0 || lane->bulk->mode == BULK_EACH) {
		take_records(a, lane->bulk);
	}
	if (err < 0) {
		a->error = error;
	}
	job_unref(lane->job);
	lane->job = NULL;
}

/* Asks all lists, as many at a time as there are callers.  0 when all answered, else the first error. */
static int ask(struct attempt *a)
{
	struct lane lane[CYCLE_PARALLEL_MAX] = { 0 };
	size_t lanes = (size_t)a->c->conf.parallel, next = 0;
	int err = 0;

	a->err = g_new0(int, a->lists);
	while (next < a->lists && err != -ETIMEDOUT && err != -ECANCELED) {
		size_t begun = next;

		for (size_t i = 0; i < lanes && next < a->lists; i++) {
			lane_begin(a, &lane[i], a->c->caller[i], next++);
		}
		for (size_t i = 0; i < lanes; i++) {
			lane_end(a, &lane[i]);
		}
		for (size_t i = begun; i < next; i++) {
			err = err ? err : a->err[i];
		}
	}
	for (; next < a->lists; next++) {
		a->err[next] = err;
	}
	return err;
}

/* Whether another attempt may do better; prepares it. */
static bool again(struct cycle *c, struct attempt *a, int err, const struct vmt_call *call)
{
	bool more = (a->request->groups & ~(unsigned)VMT_GROUP_STATE) != 0;

	if (atomic_load(call->cancel) || clock_monotonic() >= call->deadline_ns) {
		return false;
	}
	if (!c->each && (err == -ENOTSUP || (err == 0 && more && a->answered && a->only_state))) {
		c->each = true;
		return true;
	}
	if (err == -EMSGSIZE && c->message > 256) {
		c->message /= 2;
		return true;
	}
	if (err == -ETIMEDOUT && !c->each) {
		/* Somebody does not answer.  The call left behind holds that one's monitor, so that the rest
		 * comes at once without it. */
		a->nowait = true;
		return true;
	}
	return false;
}

/* What was read by an attempt that is repeated does not count. */
static void reset(struct attempt *a)
{
	uint64_t calls = a->out->calls;

	for (size_t i = 0; i < a->out->count; i++) {
		struct vmt_reading *r = &a->out->reading[i];

		r->outcome = VMT_UNREAD;
		r->present = 0;
		r->first_disk = r->disks = r->first_nic = r->nics = 0;
	}
	a->out->disks = a->out->nics = a->out->stamps = 0;
	a->out->calls = calls;
	a->answered = false;
	a->only_state = true;
}

/* Whether somebody is asked for the first time since it was started. */
static bool somebody_is_fresh(struct targets *t)
{
	bool fresh = false;

	for (size_t i = 0; i < t->count; i++) {
		fresh |= target_runs(t->list[i]) && target_is_fresh(t->list[i]);
	}
	return fresh;
}

static int ask_all(struct cycle *c, struct attempt *a, const struct vmt_call *call)
{
	bool fresh = somebody_is_fresh(&c->targets);
	int64_t begun, limit;
	int err = 0;

	a->nowait = hub_left(domains_hub(c->domains)) > 0;
	for (int n = 0; n < ATTEMPTS; n++) {
		reset(a);
		g_free(a->err);
		deal(a);
		begun = clock_monotonic();
		limit = plan_timeout(&c->durations, c->conf.timeout_ns, a->request->interval_ns,
				     fresh);
		a->call = *call;
		a->call.deadline_ns = MIN(call->deadline_ns, begun + limit);
		err = ask(a);
		if (err == 0) {
			plan_took(&c->durations, clock_monotonic() - begun);
		}
		if (!again(c, a, err, call)) {
			break;
		}
	}
	return err;
}

/* ------------------------------------------------------------------ those who did not answer */

static void set_stopped(struct attempt *a, size_t i, const struct domain_desc *desc, uint8_t stamp)
{
	struct vmt_reading *r = &a->out->reading[i];

	r->outcome = VMT_STOPPED;
	vmt_set(r, VMT_F_STATE, VIR_DOMAIN_SHUTOFF, stamp);
	if (!a->request->stopped || !desc->xml) {
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
static bool explain(struct attempt *a, size_t i, bool complete, uint8_t stamp)
{
	const struct target *target = a->c->targets.list[i];
	struct vmt_reading *r = &a->out->reading[i];

	if (!target || !target->domain.desc) {
		r->outcome = target && !complete ? VMT_UNREACHABLE : VMT_GONE;
		return true;
	}
	if (target->domain.state == VIR_DOMAIN_SHUTOFF || target->domain.desc->number < 0) {
		set_stopped(a, i, target->domain.desc, stamp);
		return true;
	}
	if (a->lists && a->err[target->list] < 0) {
		r->outcome = VMT_UNREACHABLE;
		return true;
	}
	return false;
}

/* Gives everyone who was not read an outcome.  Who runs for all we know and still was not in the answer has
 * just been stopped, or taken away: the list is read again. */
static void explain_all(struct attempt *a, bool complete, const struct vmt_call *call)
{
	struct targets *t = &a->c->targets;
	uint8_t stamp =
		vmt_inspection_stamp(a->out, (struct vmt_stamp){ .time_ns = clock_real(),
								 .mono_ns = clock_monotonic(),
								 .source = "list" });
	struct vmt_error error;
	size_t missing = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct vmt_reading *r = &a->out->reading[i];

		if (r->outcome == VMT_STOPPED) {
			set_stopped(a, i, t->list[i]->domain.desc, stamp);
		} else if (r->outcome == VMT_UNREAD && !explain(a, i, complete, stamp)) {
			domains_suspect(a->c->domains, t->list[i]->uuid);
			missing++;
		}
	}
	if (!missing || domains_sync(a->c->domains, call, &a->out->calls, &error) < 0) {
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		if (a->out->reading[i].outcome == VMT_UNREAD) {
			target_find(t->list[i], a->c->domains);
			explain(a, i, true, stamp);
		}
	}
}

/* ------------------------------------------------------------------ sizes of disks */

static bool wants_look(const struct domain_device *dev, const struct usage_disk *disk)
{
	return dev->disk->path && !disk->hung && g_strcmp0(dev->disk->type, "file") == 0;
}

/* Lets the files of running targets be looked at while the bulk call is under way. */
static void look_begin(struct cycle *c)
{
	g_array_set_size(c->paths, 0);
	for (size_t i = 0; i < c->targets.count; i++) {
		struct target *target = c->targets.list[i];

		for (size_t k = 0; target_runs(target) && k < target->disks; k++) {
			struct usage_path path = {
				.disk = &target->disk[k],
				.path = target->domain.desc->disk[k].disk->path
			};

			if (wants_look(&target->domain.desc->disk[k], path.disk)) {
				g_array_append_val(c->paths, path);
			}
		}
	}
	usage_look(c->looker, (const struct usage_path *)(void *)c->paths->data, c->paths->len);
}

static void look_end(struct cycle *c, const struct vmt_call *call)
{
	int64_t until = clock_monotonic() + (c->looked ? LOOK_NS : LOOK_FIRST_NS);

	usage_looked(c->looker, (const struct usage_path *)(void *)c->paths->data, c->paths->len,
		     MIN(until, call->deadline_ns));
	c->looked = true;
}

static size_t index_of(const struct target *target, const struct vmt_device *device)
{
	return (size_t)((const struct domain_device *)(const void *)device -
			target->domain.desc->disk);
}

/* The sizes of one running target's disks. */
static void size_running(struct attempt *a, struct target *target)
{
	const struct vmt_reading *r = &a->out->reading[target->index];

	for (uint32_t k = 0; k < r->disks; k++) {
		struct vmt_device_reading *disk = &a->out->disk[r->first_disk + k];
		size_t at = index_of(target, disk->device);
		uint8_t stamp = disk->stamp[VMT_D_PHYSICAL];

		usage_apply(&target->disk[at], target->domain.desc->disk[at].disk, disk, a->out,
			    stamp);
	}
}

static void size_stopped(struct attempt *a, struct target *target)
{
	const struct domain_desc *desc = target->domain.desc;

	for (size_t k = 0; k < target->disks; k++) {
		struct vmt_device_reading *disk =
			vmt_inspection_disk(a->out, target->index, &desc->disk[k].public);

		usage_apply_stopped(&target->disk[k], disk, a->out);
	}
}

static void size_all(struct attempt *a, const struct vmt_call *call)
{
	struct targets *t = &a->c->targets;
	struct info_list *wanted = info_list_new(a->c->conf.info_interval_ns);

	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];
		uint8_t outcome = a->out->reading[i].outcome;

		if (outcome == VMT_STOPPED && a->request->stopped) {
			size_stopped(a, target);
		} else if ((outcome == VMT_OK || outcome == VMT_PARTIAL) && a->mode != BULK_EACH) {
			size_running(a, target);
		} else {
			continue;
		}
		if (outcome != VMT_PARTIAL && (outcome == VMT_STOPPED || a->mode != BULK_EACH)) {
			info_list_add(wanted, target, a->out);
		}
	}
	info_list_ask(wanted, a->c->caller[0], a->out, call);
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

static void set_unreachable(struct vmt_inspection *out)
{
	for (size_t i = 0; i < out->count; i++) {
		if (out->reading[i].outcome == VMT_UNREAD) {
			out->reading[i].outcome = VMT_UNREACHABLE;
		}
	}
}

/* Everybody is unreachable without a list; with an old one it may still be asked. */
static bool is_hopeless(struct cycle *c, int err)
{
	return err == -ENOTCONN || err == -EACCES || err == -ECANCELED ||
	       domains_running(c->domains) == 0;
}

static int finish(struct attempt *a, int err, struct vmt_error *error)
{
	bool all = true;

	for (size_t i = 0; i < a->lists; i++) {
		all &= a->err[i] < 0;
	}
	if (err < 0 && all) {
		*error = a->error;
		return err;
	}
	if (err < 0) {
		log_warn("%s; some instances were not read", a->error.text);
	}
	return 0;
}

/* Half of the time is for the list, if it has to be read. */
static int sync_list(struct cycle *c, struct vmt_inspection *out, const struct vmt_call *call,
		     struct vmt_error *error)
{
	struct vmt_call half = *call;

	half.deadline_ns -= (call->deadline_ns - clock_monotonic()) / 2;
	return domains_sync(c->domains, &half, &out->calls, error);
}

int cycle_run(struct cycle *c, const struct vmt_snapshot *instances,
	      const struct vmt_inspect_request *request, struct vmt_inspection *out,
	      const struct vmt_call *call, struct vmt_error *error)
{
	struct attempt a = { .c = c, .request = request, .out = out };
	bool usage = request->groups & VMT_GROUP_DISK_USAGE;
	int synced = sync_list(c, out, call, error), err = 0;

	if (synced < 0 && synced != -EAGAIN && is_hopeless(c, synced)) {
		set_unreachable(out);
		return synced;
	}
	targets_bind(&c->targets, instances, c->domains);
	if (usage && c->looker) {
		look_begin(c);
	}
	if (domains_running(c->domains) > 0) {
		err = ask_all(c, &a, call);
	}
	if (usage && c->looker) {
		look_end(c, call);
	}
	if (err != -ECANCELED) {
		explain_all(&a, synced == 0, call);
	}
	if (usage && err != -ECANCELED) {
		size_all(&a, call);
	} else {
		drop_sizes(out);
	}
	err = finish(&a, err, error);
	set_unreachable(out);
	g_free(a.err);
	targets_release(&c->targets);
	return err;
}
