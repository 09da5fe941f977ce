/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls: their beginning, what becomes of their answers, and of those that do not come.  The inspecting
 * thread; blocks a second at most, when a call takes long.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/ask_private.h"

#include "base/clock.h"

#include <errno.h>

#define LOOK_AGAIN_NS (500 * NS_PER_MS) /* at a call that is only slow */

enum {
	LANES_HUNG =
		4, /* at least, once somebody hangs: others may, too, and should be found together */
	LATELY = 3, /* intervals */
};

void ask_end_turn(struct ask *a)
{
	if (a->turn) {
		hub_turn_end(a->k->hub);
		a->turn = false;
	}
}

/* ------------------------------------------------------------------ readings */

/* What was read of it before does not count. */
void ask_forget(struct vmt_reading *r)
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
		ask_forget(r);
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

void ask_take_records(struct ask *a, const struct list *l, struct bulk *b,
		      void (*take)(struct ask *a, const struct list *l,
				   const struct bulk_record *record, uint8_t stamp))
{
	const struct bulk_record *record;
	size_t count = bulk_records(b, &record);
	uint8_t stamp = 0;

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || record[i].mono_ns != record[i - 1].mono_ns) {
			stamp = vmt_inspection_stamp(
				a->o->out, (struct vmt_stamp){ .time_ns = record[i].time_ns,
							       .mono_ns = record[i].mono_ns,
							       .source = "libvirt" });
		}
		take(a, l, &record[i], stamp);
	}
}

/* ------------------------------------------------------------------ lanes */

/* Have all of it answered since then? */
static bool has_list_answered(const struct list *l, int64_t since_ns)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!l->target[i]->answered_ns || l->target[i]->answered_ns < since_ns) {
			return false;
		}
	}
	return true;
}

/* May it be asked now, seen from the cap?  A call that may hang counts as one that does.  When a single call has
 * just been found to hang that reached the cap, it may have been the call for all: those who answered lately
 * still may. */
bool ask_may_begin(const struct ask *a, const struct list *l)
{
	unsigned left = hub_left(a->k->hub), cap = hub_cap(a->k->hub);
	int64_t lately = clock_monotonic() - LATELY * a->o->request->interval_ns;

	if (left + a->busy < cap) {
		return true;
	}
	if (has_list_answered(l, suspects_last_hang(a->k->book))) {
		return left < cap || (left == cap && !a->busy);
	}
	return left == cap && !a->busy && a->hung == 1 && has_list_answered(l, lately);
}

/* How many lists are asked at a time. */
static size_t lanes_of(struct ask *a)
{
	size_t parallel = (size_t)a->k->conf.parallel;
	const struct list *l = g_queue_peek_head(&a->todo);

	if (a->hung) {
		return MAX(parallel, LANES_HUNG);
	}
	return parallel + (l && l->apart);
}

struct lane *ask_idle_lane(struct ask *a)
{
	size_t n = MIN(lanes_of(a), (size_t)ASK_LANES);

	for (size_t i = 0; i < n; i++) {
		if (!a->lane[i].list) {
			return &a->lane[i];
		}
	}
	return NULL;
}

void ask_fail(struct ask *a, const struct list *l, int err)
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

void ask_lane_begin(struct ask *a, struct lane *lane, struct list *l)
{
	size_t at = (size_t)(lane - a->lane);
	struct vmt_error error;
	int err;

	lane->bulk = bulk_of(a, l);
	err = caller_submit(a->k->caller[at], bulk_run, lane->bulk, bulk_free, &lane->job, &error);
	if (err < 0) {
		a->error = error;
		ask_fail(a, l, err);
		ask_list_free(l);
		return;
	}
	lane->list = l;
	lane->begun_ns = clock_monotonic();
	lane->look_ns = lane->begun_ns + plan_patience(&a->k->durations, l->small);
	a->busy++;
	job_bell(lane->job, a->k->bell);
}

void ask_lane_clear(struct ask *a, struct lane *lane)
{
	job_unref(lane->job);
	ask_list_free(lane->list);
	*lane = (struct lane){ .list = NULL };
	a->busy--;
}

/* An error may be one domain's: the list is asked once more, in small ones. */
static void add_again(struct ask *a, const struct list *l)
{
	size_t size = plan_small(l->count);

	for (size_t i = 0; i < l->count; i += size) {
		ask_add_list(a, &l->target[i], MIN(size, l->count - i), true)->again = true;
	}
}

/* It could not be asked so: says whether another way may do, and queues it. */
static bool retry(struct ask *a, const struct list *l, int err)
{
	struct asker *k = a->k;

	if (err == -ENOTSUP && !k->each) {
		k->each = true;
		ask_add_list(a, l->target, l->count, l->small);
		return true;
	}
	if (err == -EMSGSIZE && k->message > 256 && l->count > 1) {
		GPtrArray *those = g_ptr_array_new();

		k->message /= 2;
		for (size_t i = 0; i < l->count; i++) {
			g_ptr_array_add(those, l->target[i]);
		}
		ask_add_dealt(a, those);
		g_ptr_array_free(those, TRUE);
		return true;
	}
	if (err == -EIO && !l->again && l->mode != BULK_EACH) {
		add_again(a, l);
		return true;
	}
	return false;
}

void ask_lane_end(struct ask *a, struct lane *lane)
{
	struct vmt_error error;
	const struct list *l = lane->list;
	int err = job_wait(lane->job, a->o->call, &a->o->out->calls, &error);

	a->k->no_nowait |= lane->bulk->no_nowait;
	if (err >= 0 || l->mode == BULK_EACH) {
		ask_take_records(a, l, lane->bulk, take_record);
	}
	vmt_inspection_call(a->o->out, l->mode == BULK_EACH ? "calls" : "domstats",
			    clock_monotonic() - lane->begun_ns);
	if (err >= 0 && !l->small) {
		plan_took(&a->k->durations, clock_monotonic() - lane->begun_ns);
	}
	if (err < 0 && !retry(a, l, err)) {
		a->error = error;
		ask_fail(a, l, err);
	}
	ask_lane_clear(a, lane);
}

/* For how long a monitor may be busy over this list. */
static int64_t limit_of(const struct ask *a, const struct list *l)
{
	return l->first ? MAX(a->limit_ns, PLAN_FIRST_LIMIT) : a->limit_ns;
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
void ask_lane_leave(struct ask *a, struct lane *lane, int err)
{
	GArray *uuids = uuids_of(a, lane);
	struct flight *flight = job_flight(lane->job);

	job_leave(lane->job);
	a->o->out->calls++;
	suspects_leave(a->k->book, flight, (const uint8_t(*)[16])(void *)uuids->data, uuids->len,
		       limit_of(a, lane->list));
	if (lane->list->mode == BULK_EACH) {
		ask_take_records(a, lane->list, lane->bulk, take_record);
	}
	if (err < 0) {
		ask_fail(a, lane->list, err);
	}
	flight_unref(flight);
	g_array_free(uuids, TRUE);
}

/* Libvirt itself does not answer: nobody is asked any more, and nobody is blamed. */
static void give_up(struct ask *a, int err)
{
	struct list *l;

	a->silent = true;
	for (size_t i = 0; i < ASK_LANES; i++) {
		if (a->lane[i].list) {
			ask_lane_leave(a, &a->lane[i], err);
			ask_lane_clear(a, &a->lane[i]);
		}
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		ask_fail(a, l, err);
		ask_list_free(l);
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
	struct lookout_order order = { .limit_ns = limit_of(a, lane->list),
				       .call = a->o->call,
				       .calls = &a->o->out->calls };
	GArray *uuids = uuids_of(a, lane);
	struct flight *flight = job_flight(lane->job);
	int found;

	found = lookout_find(a->k->lookout, (const uint8_t(*)[16])(void *)uuids->data, uuids->len,
			     flight, clock_monotonic() - lane->begun_ns, &order, error);
	if (found == 0 && lane->list->mode == BULK_EACH) {
		found = find_in_each(a, lane);
	}
	flight_unref(flight);
	g_array_free(uuids, TRUE);
	return found;
}

/* A call takes long: who holds it up? */
void ask_lane_look(struct ask *a, struct lane *lane)
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
	ask_end_turn(a); /* this may take long */
	suspects_hung(a->k->book, lane->begun_ns);
	ask_lane_leave(a, lane, 0);
	a->hung++;
	ask_deal_small(a, lane->list);
	ask_lane_clear(a, lane);
}
