/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the course of the questions of one cycle.  The inspecting thread; blocks until the call's deadline at most.
 * A lane is a connection at work on one list; lists wait in a queue; one bell rings for all lanes.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/ask.h"
#include "plugins/inspector/libvirt/bulk.h"
#include "plugins/inspector/libvirt/lookout.h"
#include "plugins/inspector/libvirt/plan.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"

#include <errno.h>
#include <string.h>

#define LOOK_AGAIN_NS (500 * NS_PER_MS) /* at a call that is only slow */
#define CANCEL_NS (500 * NS_PER_MS) /* how soon a cancel is seen */
#define SHORT_NS (40 * NS_PER_MS) /* before a short record is asked for again */
#define LIGHT_NS (2 * NS_PER_S)

enum {
	LANES = CYCLE_PARALLEL_MAX + 1, /* one for those who are asked for the first time */
	LANES_HUNG =
		4, /* at least, once somebody hangs: others may, too, and should be found together */
	SHORT_TRIES = 2,
	NO_MONITOR = VMT_GROUP_STATE | VMT_GROUP_PERF | VMT_GROUP_NIC
};

struct asker {
	struct domains *domains;
	struct hub *hub;
	struct suspects *book;
	struct lookout *lookout;
	struct cycle_conf conf;
	struct caller *caller[LANES];
	struct caller *light; /* for what needs no monitor */
	struct bell *bell;
	struct plan_durations durations;
	uint64_t message; /* parameters in one message at most */
	bool each; /* the driver has no bulk statistics */
	bool no_nowait;
};

/* A call to be made. */
struct list {
	enum bulk_mode mode;
	unsigned groups;
	bool small, first;
	size_t count;
	struct target **target;
};

struct lane {
	struct list *list; /* NULL: idle */
	struct bulk *bulk;
	struct job *job;
	int64_t begun_ns, look_ns;
};

/* The work on one order. */
struct ask {
	struct asker *k;
	const struct ask_order *o;
	int64_t hard_ns; /* no call that may hang is waited for after this */
	int64_t limit_ns;
	GQueue todo; /* of struct list */
	struct lane lane[LANES];
	size_t busy;
	bool hung; /* somebody was found to hang: small lists from now on */
	bool silent; /* libvirt does not answer */
	bool again; /* what was short is asked for once more */
	bool answered, only_state; /* somebody has; nobody had more than the state */
	struct vmt_error error; /* of the first that failed */
	int err;
};

struct asker *asker_new(struct domains *domains, const struct cycle_conf *conf)
{
	struct asker *k = g_new0(struct asker, 1);

	k->domains = domains;
	k->hub = domains_hub(domains);
	k->book = hub_suspects(k->hub);
	k->lookout = lookout_new(domains);
	k->conf = *conf;
	k->conf.parallel = CLAMP(conf->parallel, 1, CYCLE_PARALLEL_MAX);
	hub_set_cap(k->hub, (unsigned)CLAMP(conf->hanging, 1, CYCLE_WORKERS - k->conf.parallel));
	for (size_t i = 0; i < LANES; i++) {
		k->caller[i] = caller_new(k->hub, "libvirt-stats", CALLER_HEAVY);
	}
	k->light = caller_new(k->hub, "libvirt-light", CALLER_LIGHT);
	k->bell = bell_new();
	k->message = PLAN_MESSAGE;
	return k;
}

void asker_free(struct asker *k)
{
	if (!k) {
		return;
	}
	for (size_t i = 0; i < LANES; i++) {
		caller_free(k->caller[i]);
	}
	caller_free(k->light);
	bell_unref(k->bell);
	lookout_free(k->lookout);
	g_free(k);
}

bool asker_is_each(const struct asker *k)
{
	return k->each;
}

/* ------------------------------------------------------------------ readings */

/* What was read of it before does not count. */
static void forget(struct vmt_reading *r)
{
	r->outcome = VMT_UNREAD;
	r->present = 0;
	r->first_disk = r->disks = r->first_nic = r->nics = 0;
}

static void judge(struct ask *a, struct target *target, const struct stats_note *note, int number,
		  unsigned groups)
{
	struct vmt_reading *r = &a->o->out->reading[target->index];
	bool fits;

	r->outcome = target_judge(target, note, number, groups, r, &fits);
	target->is_short = r->outcome == VMT_PARTIAL;
	if (!fits) {
		domains_suspect(a->k->domains, target->uuid);
	}
	if (r->outcome == VMT_OK) {
		target_answered(target, clock_monotonic());
		lookout_answered(a->k->lookout, target);
	}
	a->answered = true;
	a->only_state &= note->only_state;
}

/* One domain's answer. */
static void take_record(struct ask *a, const struct list *l, const struct bulk_record *record,
			uint8_t stamp)
{
	struct target *target = targets_get(a->o->targets, record->uuid);
	struct vmt_reading *r;
	struct stats_note note;

	if (!target || !target->domain.desc) {
		return;
	}
	r = &a->o->out->reading[target->index];
	if (a->again && target->is_short) {
		forget(r);
	}
	if (r->outcome != VMT_UNREAD) {
		return; /* twice in one answer */
	}
	stats_read(record->params, record->count, target->domain.desc, a->o->out, target->index,
		   stamp, &note);
	target->cost = MAX(target->cost / 2, (uint32_t)record->count);
	target->err = 0;
	judge(a, target, &note, record->number, l->groups);
}

static void take_records(struct ask *a, const struct list *l, struct bulk *b,
			 void (*take)(struct ask *a, const struct list *l,
				      const struct bulk_record *record, uint8_t stamp))
{
	const struct bulk_record *record;
	size_t count = bulk_records(b, &record);
	uint8_t stamp = 0;

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || record[i].mono_ns != record[i - 1].mono_ns) {
			stamp = vmt_inspection_stamp(
				a->o->out,
				(struct vmt_stamp){ .time_ns = record[i].time_ns,
						    .mono_ns = record[i].mono_ns,
						    .source = b->mode == BULK_EACH ? "calls"
										   : "domstats" });
		}
		take(a, l, &record[i], stamp);
	}
}

/* ------------------------------------------------------------------ ways */

/* libvirt and QEMU would wait for the other side of a migration, or for QEMU's own start. */
static bool is_arriving(const struct target *target)
{
	return target->domain.state == VIR_DOMAIN_PAUSED &&
	       (target->domain.reason == VIR_DOMAIN_PAUSED_MIGRATION ||
		target->domain.reason == VIR_DOMAIN_PAUSED_STARTING_UP);
}

/* Has it answered since somebody was last found to hang? */
static bool is_trusted(const struct asker *k, const struct target *target)
{
	return target->answered_ns && target->answered_ns >= suspects_last_hang(k->book);
}

static enum way way_of_suspect(struct asker *k, const struct target *target,
			       enum process_state kernel)
{
	if (process_cannot_answer(kernel) || hub_left(k->hub) >= hub_cap(k->hub)) {
		return WAY_LIGHT;
	}
	return suspects_probe(k->book, target->uuid) ? WAY_ALONE : WAY_LIGHT;
}

static enum way way_of(struct asker *k, struct target *target, bool *scan)
{
	enum process_state kernel;

	if (!target_runs(target)) {
		return WAY_NONE;
	}
	kernel = lookout_kernel(k->lookout, target, scan);
	if (suspects_get(k->book, target->uuid, NULL)) {
		return way_of_suspect(k, target, kernel);
	}
	if (is_arriving(target) || suspects_is_pending(k->book, target->uuid)) {
		return WAY_LIGHT;
	}
	if (kernel == PROCESS_WAITING) {
		return WAY_LATE;
	}
	return target_is_fresh(target) ? WAY_FIRST : WAY_FULL;
}

/* Processes are looked for when a domain was started since the last time. */
static bool wants_scan(struct asker *k, struct targets *t)
{
	bool scan = false;

	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];

		if (target_runs(target) && target->scanned != target->domain.desc->epoch) {
			target->scanned = target->domain.desc->epoch;
			scan = true;
		}
	}
	return scan;
}

int asker_plan(struct asker *k, const struct ask_order *o, struct vmt_error *error)
{
	struct lookout_order order = { .limit_ns = plan_limit(k->conf.timeout_ns,
							      o->request->interval_ns),
				       .call = o->call,
				       .calls = &o->out->calls };
	struct targets *t = o->targets;
	int err = lookout_review(k->lookout, &order, error);
	size_t first = 0, runs = 0;
	bool scan;

	if (err < 0) {
		return err;
	}
	scan = wants_scan(k, t);
	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];

		if (!target) {
			continue;
		}
		target->way = way_of(k, target, &scan);
		target->err = 0;
		target->is_short = false;
		runs += target->way != WAY_NONE;
		first += target->way == WAY_FIRST;
	}
	/* Where all are new there is nobody to be kept apart from. */
	for (size_t i = 0; first * 2 > runs && i < t->count; i++) {
		if (t->list[i] && t->list[i]->way == WAY_FIRST) {
			t->list[i]->way = WAY_FULL;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ lists */

static void list_free(struct list *l)
{
	g_free(l->target);
	g_free(l);
}

/* Queues a list of these; `target` is copied. */
static void add_list(struct ask *a, struct target *const *target, size_t count, bool small)
{
	struct list *l = g_new0(struct list, 1);

	l->mode = a->k->each ? BULK_EACH : BULK_LIST;
	l->groups = a->o->request->groups;
	l->small = small;
	l->count = count;
	l->target = g_memdup2(target, count * sizeof(*target));
	for (size_t i = 0; i < count; i++) {
		l->first |= target_is_fresh(target[i]);
	}
	g_queue_push_tail(&a->todo, l);
}

static int last_answered_first(const void *x, const void *y)
{
	const struct target *a = *(struct target *const *)x, *b = *(struct target *const *)y;

	return (a->answered_ns < b->answered_ns) - (a->answered_ns > b->answered_ns);
}

/* Those of that way that have not been read. */
static GPtrArray *those_of(const struct ask *a, enum way way)
{
	struct targets *t = a->o->targets;
	GPtrArray *those = g_ptr_array_new();

	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i] && t->list[i]->way == way &&
		    a->o->out->reading[i].outcome == VMT_UNREAD) {
			g_ptr_array_add(those, t->list[i]);
		}
	}
	return those;
}

/* Queues them in lists of `size` each. */
static void add_in_lists_of(struct ask *a, GPtrArray *those, size_t size)
{
	g_ptr_array_sort(those, last_answered_first);
	for (size_t i = 0; i < those->len; i += size) {
		add_list(a, (struct target *const *)&those->pdata[i], MIN(size, those->len - i),
			 true);
	}
}

/* Queues them in as few lists as may be, of equal cost. */
static void add_dealt(struct ask *a, GPtrArray *those)
{
	uint32_t *cost = g_new(uint32_t, those->len + 1);
	uint16_t *list = g_new0(uint16_t, those->len + 1);
	struct target **part = g_new(struct target *, those->len + 1);
	size_t lists, n;
	uint64_t sum = 0;

	for (guint i = 0; i < those->len; i++) {
		cost[i] = target_cost(those->pdata[i]);
		sum += cost[i];
	}
	lists = plan_lists(sum, those->len, (size_t)a->k->conf.parallel, a->k->message);
	if (lists > 1) {
		plan_deal(cost, those->len, lists, list);
	}
	for (size_t k = 0; k < lists; k++) {
		n = 0;
		for (guint i = 0; i < those->len; i++) {
			if (list[i] == k) {
				part[n++] = those->pdata[i];
			}
		}
		if (n) {
			add_list(a, part, n, false);
		}
	}
	g_free(part);
	g_free(cost);
	g_free(list);
}

/* One call for all is cheaper, unless much is in it that nobody wants, or somebody who must not be. */
static void ask_all_at_once(struct ask *a, size_t wanted)
{
	struct suspects_count book;
	struct list *l = g_queue_peek_head(&a->todo);

	suspects_count(a->k->book, &book);
	if (l && a->todo.length == 1 && !a->k->each && !book.quarantined && !book.outstanding &&
	    l->count == wanted && wanted * 4 >= domains_running(a->k->domains) * 3) {
		l->mode = BULK_ALL;
	}
}

/* The lists of a cycle.  Whoever has not answered since somebody was found to hang is asked in small ones. */
static void deal(struct ask *a)
{
	GPtrArray *full = those_of(a, WAY_FULL), *first = those_of(a, WAY_FIRST);
	GPtrArray *trusted = g_ptr_array_new(), *others = g_ptr_array_new();
	size_t wanted = full->len;

	for (size_t i = 0; i < a->o->targets->count; i++) {
		const struct target *target = a->o->targets->list[i];

		wanted += target && target->way > WAY_FULL;
	}
	if (suspects_last_hang(a->k->book) == 0) {
		add_dealt(a, full);
		ask_all_at_once(a, wanted);
	} else {
		for (guint i = 0; i < full->len; i++) {
			g_ptr_array_add(is_trusted(a->k, full->pdata[i]) ? trusted : others,
					full->pdata[i]);
		}
		if (trusted->len) {
			add_dealt(a, trusted);
		}
		if (!others->len) {
			ask_all_at_once(a, wanted);
		}
		add_in_lists_of(a, others, plan_small(others->len));
	}
	if (first->len) {
		add_list(a, (struct target *const *)first->pdata, first->len, false);
	}
	g_ptr_array_free(trusted, TRUE);
	g_ptr_array_free(others, TRUE);
	g_ptr_array_free(first, TRUE);
	g_ptr_array_free(full, TRUE);
}

/* What is queued, and the rest of a list that hangs, goes into small lists. */
static void deal_small(struct ask *a, const struct list *hung)
{
	GPtrArray *rest = g_ptr_array_new();
	struct list *l;

	for (size_t i = 0; hung && i < hung->count; i++) {
		g_ptr_array_add(rest, hung->target[i]);
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		for (size_t i = 0; i < l->count; i++) {
			g_ptr_array_add(rest, l->target[i]);
		}
		list_free(l);
	}
	for (guint i = 0; i < rest->len;) {
		struct target *target = rest->pdata[i];

		if (suspects_get(a->k->book, target->uuid, NULL)) {
			target->way = WAY_LIGHT;
		}
		if (target->way == WAY_LIGHT ||
		    a->o->out->reading[target->index].outcome != VMT_UNREAD) {
			g_ptr_array_remove_index_fast(rest, i);
		} else {
			i++;
		}
	}
	add_in_lists_of(a, rest, plan_small(rest->len));
	g_ptr_array_free(rest, TRUE);
}

/* ------------------------------------------------------------------ lanes */

static bool is_list_trusted(const struct asker *k, const struct list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!is_trusted(k, l->target[i])) {
			return false;
		}
	}
	return true;
}

/* May it be asked now, seen from the cap?  A call that may hang counts as one that does. */
static bool may_begin(const struct ask *a, const struct list *l)
{
	unsigned left = hub_left(a->k->hub), cap = hub_cap(a->k->hub);

	if (is_list_trusted(a->k, l)) {
		return left < cap || (left == cap && !a->busy);
	}
	return left + a->busy < cap;
}

/* How many lists are asked at a time. */
static size_t lanes_of(struct ask *a)
{
	size_t parallel = (size_t)a->k->conf.parallel;
	const struct list *l = g_queue_peek_head(&a->todo);

	if (a->hung) {
		return MAX(parallel, LANES_HUNG);
	}
	return parallel + (l && l->first && !l->small);
}

static struct lane *idle_lane(struct ask *a)
{
	size_t n = MIN(lanes_of(a), (size_t)LANES);

	for (size_t i = 0; i < n; i++) {
		if (!a->lane[i].list) {
			return &a->lane[i];
		}
	}
	return NULL;
}

static void fail(struct ask *a, const struct list *l, int err)
{
	for (size_t i = 0; i < l->count; i++) {
		l->target[i]->err = err;
	}
	a->err = a->err ? a->err : err;
}

static struct bulk *bulk_of(const struct ask *a, const struct list *l)
{
	struct bulk *b = bulk_new(l->mode, l->mode == BULK_ALL ? 0 : l->count);

	b->groups = l->groups;
	b->no_nowait = a->k->no_nowait;
	b->until_ns = a->hard_ns;
	for (size_t i = 0; l->mode != BULK_ALL && i < l->count; i++) {
		bulk_add(b, l->target[i]->domain.desc);
	}
	return b;
}

static void lane_begin(struct ask *a, struct lane *lane, struct list *l)
{
	size_t at = (size_t)(lane - a->lane);
	struct vmt_error error;
	int err;

	lane->bulk = bulk_of(a, l);
	err = caller_submit(a->k->caller[at], bulk_run, lane->bulk, bulk_free, &lane->job, &error);
	if (err < 0) {
		a->error = error;
		fail(a, l, err);
		list_free(l);
		return;
	}
	lane->list = l;
	lane->begun_ns = clock_monotonic();
	lane->look_ns = lane->begun_ns + plan_patience(&a->k->durations, l->small);
	a->busy++;
	job_bell(lane->job, a->k->bell);
}

static void lane_clear(struct ask *a, struct lane *lane)
{
	job_unref(lane->job);
	list_free(lane->list);
	*lane = (struct lane){ .list = NULL };
	a->busy--;
}

/* It could not be asked so: says whether another way may do, and queues it. */
static bool retry(struct ask *a, const struct list *l, int err)
{
	struct asker *k = a->k;

	if (err == -ENOTSUP && !k->each) {
		k->each = true;
		add_list(a, l->target, l->count, l->small);
		return true;
	}
	if (err == -EMSGSIZE && k->message > 256 && l->count > 1) {
		GPtrArray *those = g_ptr_array_new();

		k->message /= 2;
		for (size_t i = 0; i < l->count; i++) {
			g_ptr_array_add(those, l->target[i]);
		}
		add_dealt(a, those);
		g_ptr_array_free(those, TRUE);
		return true;
	}
	return false;
}

static void lane_end(struct ask *a, struct lane *lane)
{
	struct vmt_error error;
	const struct list *l = lane->list;
	int err = job_wait(lane->job, a->o->call, &a->o->out->calls, &error);

	a->k->no_nowait |= lane->bulk->no_nowait;
	if (err >= 0 || l->mode == BULK_EACH) {
		take_records(a, l, lane->bulk, take_record);
	}
	if (err >= 0 && !l->small) {
		plan_took(&a->k->durations, clock_monotonic() - lane->begun_ns);
	}
	if (err < 0 && !retry(a, l, err)) {
		a->error = error;
		fail(a, l, err);
	}
	lane_clear(a, lane);
}

/* Whom a list asks: for a call of all that is everybody. */
static void add_uuid(void *context, const struct domain *domain)
{
	if (domain->desc->number >= 0) {
		g_array_append_vals(context, domain->desc->uuid, 1);
	}
}

static GArray *uuids_of(const struct ask *a, const struct lane *lane)
{
	GArray *uuids = g_array_new(FALSE, FALSE, 16);

	if (lane->list->mode == BULK_ALL) {
		domains_each(a->k->domains, add_uuid, uuids);
	}
	for (size_t i = 0; lane->list->mode != BULK_ALL && i < lane->list->count; i++) {
		g_array_append_vals(uuids, lane->list->target[i]->uuid, 1);
	}
	return uuids;
}

/* Leaves the call behind.  `err`: why those in it have no reading. */
static void lane_leave(struct ask *a, struct lane *lane, int err)
{
	GArray *uuids = uuids_of(a, lane);
	struct flight *flight = job_flight(lane->job);

	job_leave(lane->job);
	a->o->out->calls++;
	suspects_leave(a->k->book, flight, (const uint8_t(*)[16])(void *)uuids->data, uuids->len);
	if (lane->list->mode == BULK_EACH) {
		take_records(a, lane->list, lane->bulk, take_record);
	}
	if (err < 0) {
		fail(a, lane->list, err);
	}
	flight_unref(flight);
	g_array_free(uuids, TRUE);
}

/* Libvirt itself does not answer: nobody is asked any more, and nobody is blamed. */
static void give_up(struct ask *a, int err)
{
	struct list *l;

	a->silent = true;
	for (size_t i = 0; i < LANES; i++) {
		if (a->lane[i].list) {
			lane_leave(a, &a->lane[i], err);
			lane_clear(a, &a->lane[i]);
		}
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		fail(a, l, err);
		list_free(l);
	}
}

/* Single calls: it hangs on the one that it is at. */
static int find_in_each(struct ask *a, struct lane *lane)
{
	size_t at = atomic_load(&lane->bulk->next);
	struct flight *flight;

	if (at >= lane->list->count || clock_monotonic() - lane->begun_ns < a->limit_ns) {
		return 0;
	}
	flight = job_flight(lane->job);
	suspects_put(a->k->book, lane->list->target[at]->uuid,
		     lane->list->target[at]->domain.desc->epoch, SUSPECT_HUNG,
		     clock_monotonic() - lane->begun_ns, flight);
	flight_unref(flight);
	return 1;
}

static int find(struct ask *a, struct lane *lane, struct vmt_error *error)
{
	struct lookout_order order = { .limit_ns = a->limit_ns,
				       .call = a->o->call,
				       .calls = &a->o->out->calls };
	GArray *uuids = uuids_of(a, lane);
	struct flight *flight = job_flight(lane->job);
	int found;

	if (lane->list->first) {
		order.limit_ns = MAX(order.limit_ns, PLAN_FIRST_LIMIT);
	}
	found = lookout_find(a->k->lookout, (const uint8_t(*)[16])(void *)uuids->data, uuids->len,
			     flight, &order, error);
	if (found == 0 && lane->list->mode == BULK_EACH) {
		found = find_in_each(a, lane);
	}
	flight_unref(flight);
	g_array_free(uuids, TRUE);
	return found;
}

/* A call takes long: who holds it up? */
static void lane_look(struct ask *a, struct lane *lane)
{
	struct vmt_error error;
	int found = find(a, lane, &error);

	if (found < 0) {
		a->error = error;
		give_up(a, found);
		return;
	}
	if (found == 0 || job_done(lane->job)) {
		lane->look_ns = clock_monotonic() + LOOK_AGAIN_NS;
		return;
	}
	lane_leave(a, lane, 0);
	a->hung = true;
	deal_small(a, lane->list);
	lane_clear(a, lane);
}

/* ------------------------------------------------------------------ the course */

static void begin_lists(struct ask *a)
{
	struct lane *lane;

	while (a->todo.length && (lane = idle_lane(a)) &&
	       may_begin(a, g_queue_peek_head(&a->todo))) {
		lane_begin(a, lane, g_queue_pop_head(&a->todo));
	}
}

/* The time is up: what is under way stays so, and counts as pending. */
static void end_of_time(struct ask *a)
{
	int err = atomic_load(a->o->call->cancel) ? -ECANCELED : -ETIMEDOUT;

	for (size_t i = 0; i < LANES; i++) {
		if (a->lane[i].list) {
			lane_leave(a, &a->lane[i], err);
			lane_clear(a, &a->lane[i]);
		}
	}
	if (!a->err || !a->error.text[0]) {
		vmt_error_set(&a->error, err, "libvirt %s: not all calls were answered in time",
			      hub_uri(a->k->hub));
	}
}

static bool is_time_up(const struct ask *a)
{
	return clock_monotonic() >= a->hard_ns || atomic_load(a->o->call->cancel);
}

static void wait_for_lanes(struct ask *a)
{
	int64_t until = MIN(a->hard_ns, clock_monotonic() + CANCEL_NS);

	for (size_t i = 0; i < LANES; i++) {
		if (a->lane[i].list) {
			until = MIN(until, a->lane[i].look_ns);
		}
	}
	bell_wait(a->k->bell, until);
}

/* Asks what is queued.  What the cap does not let through stays unread. */
static void run(struct ask *a)
{
	struct list *l;

	begin_lists(a);
	while (a->busy && !is_time_up(a)) {
		wait_for_lanes(a);
		for (size_t i = 0; i < LANES; i++) {
			if (a->lane[i].list && job_done(a->lane[i].job)) {
				lane_end(a, &a->lane[i]);
			} else if (a->lane[i].list && clock_monotonic() >= a->lane[i].look_ns) {
				lane_look(a, &a->lane[i]);
			}
		}
		begin_lists(a);
	}
	if (a->busy) {
		end_of_time(a);
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		fail(a, l, is_time_up(a) ? -ETIMEDOUT : -EBUSY);
		list_free(l);
	}
}

/* Those who were left for the end, a list for each. */
static void run_singly(struct ask *a, enum way way)
{
	GPtrArray *those = those_of(a, way);
	bool scan = false;

	for (guint i = 0; i < those->len; i++) {
		struct target *target = those->pdata[i];

		if (process_cannot_answer(lookout_kernel(a->k->lookout, target, &scan))) {
			target->way = WAY_LIGHT;
		} else {
			add_list(a, &target, 1, true);
		}
	}
	g_ptr_array_free(those, TRUE);
	run(a);
}

/* Those whose records were short: somebody else's call had their monitor at that moment. */
static void run_short(struct ask *a)
{
	for (int n = 0; n < SHORT_TRIES && !a->silent; n++) {
		GPtrArray *those = g_ptr_array_new();

		for (size_t i = 0; i < a->o->targets->count; i++) {
			struct target *target = a->o->targets->list[i];

			if (target && target->is_short &&
			    !suspects_get(a->k->book, target->uuid, NULL)) {
				g_ptr_array_add(those, target);
			}
		}
		if (those->len && clock_monotonic() + SHORT_NS < a->hard_ns) {
			wait_sleep(SHORT_NS);
			a->again = true;
			add_in_lists_of(a, those, MAX(those->len, 1));
			run(a);
			a->again = false;
		}
		g_ptr_array_free(those, TRUE);
	}
}

/* Those that stay short: is it that their monitor answers nobody? */
static void look_at_short(struct ask *a)
{
	GArray *uuids = g_array_new(FALSE, FALSE, 16);
	struct lookout_order order = { .limit_ns = a->limit_ns,
				       .call = a->o->call,
				       .calls = &a->o->out->calls };
	struct targets *t = a->o->targets;
	struct vmt_error error;

	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i] && t->list[i]->is_short) {
			g_array_append_vals(uuids, t->list[i]->uuid, 1);
		}
	}
	if (uuids->len && !a->silent) {
		lookout_find(a->k->lookout, (const uint8_t(*)[16])(void *)uuids->data, uuids->len,
			     NULL, &order, &error);
	}
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i] && t->list[i]->is_short &&
		    suspects_get(a->k->book, t->list[i]->uuid, NULL)) {
			a->o->out->reading[i].outcome = VMT_STUCK; /* with what it has */
		}
	}
	g_array_free(uuids, TRUE);
}

/* ------------------------------------------------------------------ what needs no monitor */

static void take_light(struct ask *a, const struct list *l, const struct bulk_record *record,
		       uint8_t stamp)
{
	struct target *target = targets_get(a->o->targets, record->uuid);
	struct vmt_reading *r;
	struct stats_note note;

	if (!target || !target->domain.desc) {
		return;
	}
	r = &a->o->out->reading[target->index];
	if (r->outcome != VMT_UNREAD) {
		return;
	}
	stats_read(record->params, record->count, target->domain.desc, a->o->out, target->index,
		   stamp, &note);
	target->err = 0;
	if (r->present & UINT32_C(1) << VMT_F_STATE &&
	    r->value[VMT_F_STATE].u == VIR_DOMAIN_SHUTOFF) {
		r->outcome = VMT_STOPPED;
	} else {
		r->outcome = VMT_PARTIAL;
	}
}

/* All running ones that were not asked in full, in one call. */
static void run_light(struct ask *a)
{
	struct vmt_call soon = *a->o->call;
	struct list l = { .mode = BULK_LIST, .groups = a->o->request->groups & NO_MONITOR };
	struct bulk *b = bulk_new(BULK_LIST, a->o->targets->count);
	struct vmt_error error;
	struct job *job;
	int err;

	for (size_t i = 0; i < a->o->targets->count; i++) {
		struct target *target = a->o->targets->list[i];

		if (target && target->way != WAY_NONE &&
		    a->o->out->reading[i].outcome == VMT_UNREAD &&
		    (target->way != WAY_FULL || target->err == -EBUSY ||
		     suspects_get(a->k->book, target->uuid, NULL) ||
		     suspects_is_pending(a->k->book, target->uuid))) {
			bulk_add(b, target->domain.desc);
		}
	}
	if (!b->descs) {
		bulk_free(b);
		return;
	}
	b->groups = l.groups;
	b->no_nowait = a->k->no_nowait;
	soon.deadline_ns = MIN(soon.deadline_ns, clock_monotonic() + LIGHT_NS);
	err = caller_submit(a->k->light, bulk_run, b, bulk_free, &job, &error);
	if (err == 0) {
		err = job_wait(job, &soon, &a->o->out->calls, &error);
		if (err >= 0) {
			take_records(a, &l, b, take_light);
		}
		job_unref(job);
	}
	if (err < 0) {
		a->silent = err == -ETIMEDOUT || err == -EBUSY;
		a->error = error;
		a->err = a->err ? a->err : err;
	}
}

/* Suspects are stuck, whatever could be read of them. */
static void end_suspects(struct ask *a)
{
	struct targets *t = a->o->targets;

	for (size_t i = 0; i < t->count; i++) {
		struct vmt_reading *r = &a->o->out->reading[i];

		if (t->list[i] && t->list[i]->way != WAY_NONE &&
		    (r->outcome == VMT_UNREAD || r->outcome == VMT_PARTIAL) &&
		    suspects_get(a->k->book, t->list[i]->uuid, NULL)) {
			r->outcome = VMT_STUCK;
		}
	}
}

int asker_run(struct asker *k, const struct ask_order *o, struct vmt_error *error)
{
	int64_t now = clock_monotonic(), left = o->call->deadline_ns - now;
	struct ask a = { .k = k,
			 .o = o,
			 .hard_ns = o->call->deadline_ns - CLAMP(left / 5, 0, NS_PER_S),
			 .limit_ns = plan_limit(k->conf.timeout_ns, o->request->interval_ns),
			 .only_state = true };
	bool more = (o->request->groups & ~(unsigned)VMT_GROUP_STATE) != 0;

	g_queue_init(&a.todo);
	deal(&a);
	run(&a);
	if (!k->each && !a.err && more && a.answered && a.only_state) {
		k->each = true; /* a driver that gives nothing else in bulk */
		for (size_t i = 0; i < o->targets->count; i++) {
			forget(&o->out->reading[i]);
		}
		deal(&a);
		run(&a);
	}
	if (!a.silent && !atomic_load(o->call->cancel)) {
		run_singly(&a, WAY_LATE);
		run_singly(&a, WAY_ALONE);
		run_short(&a);
		look_at_short(&a);
		run_light(&a);
	}
	if (!a.silent) {
		end_suspects(&a);
	}
	if (a.err < 0) {
		*error = a.error;
	}
	return a.silent || !a.answered ? a.err : 0;
}
