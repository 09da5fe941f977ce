/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the course of the questions of one cycle.  The inspecting thread; blocks until the call's deadline at most.
 * A lane is a connection at work on one list; lists wait in a queue; one bell rings for all lanes.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/ask_private.h"

#include "base/clock.h"
#include "base/wait.h"

#include <errno.h>

#define CANCEL_NS (1 * NS_PER_S) /* how soon a cancel is seen: one comes at the very end only */
#define SHORT_NS                                                                                   \
	(40 * NS_PER_MS) /* before a short record is asked for again; twice as long each time */
#define LIGHT_NS (2 * NS_PER_S)
#define APART_NS (50 * NS_PER_MS)

enum {
	SHORT_TRIES = 4,
	SHORT_PART = 8,
	NO_MONITOR = VMT_GROUP_STATE | VMT_GROUP_PERF | VMT_GROUP_NIC
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
	for (size_t i = 0; i < ASK_LANES; i++) {
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
	for (size_t i = 0; i < ASK_LANES; i++) {
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

/* ------------------------------------------------------------------ the course */

static void begin_lists(struct ask *a)
{
	struct lane *lane;

	while (a->todo.length && (lane = ask_idle_lane(a)) &&
	       ask_may_begin(a, g_queue_peek_head(&a->todo))) {
		ask_lane_begin(a, lane, g_queue_pop_head(&a->todo));
	}
}

/* The time is up: what is under way stays so, and counts as pending. */
static void end_of_time(struct ask *a)
{
	int err = atomic_load(a->o->call->cancel) ? -ECANCELED : -ETIMEDOUT;

	for (size_t i = 0; i < ASK_LANES; i++) {
		if (a->lane[i].list) {
			ask_lane_leave(a, &a->lane[i], err);
			ask_lane_clear(a, &a->lane[i]);
		}
	}
	if (!a->err || !a->error.text[0]) {
		vmt_error_set(&a->error, err, "libvirt %s: not all calls were answered in time",
			      hub_uri(a->k->hub));
	}
}

/* Only those are waited for who are asked for the first time: for so long, but not to the others' cost. */
static void end_of_apart(struct ask *a)
{
	struct list *l = g_queue_peek_head(&a->todo);

	if (clock_monotonic() < a->apart_ns || (l && !l->apart)) {
		return;
	}
	for (size_t i = 0; i < ASK_LANES; i++) {
		if (a->lane[i].list && !a->lane[i].list->apart) {
			return;
		}
	}
	for (size_t i = 0; i < ASK_LANES; i++) {
		if (a->lane[i].list) {
			ask_lane_leave(a, &a->lane[i], -ETIMEDOUT);
			ask_lane_clear(a, &a->lane[i]);
		}
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		ask_fail(a, l, -EBUSY);
		ask_list_free(l);
	}
}

static bool is_time_up(const struct ask *a)
{
	return clock_monotonic() >= a->hard_ns || atomic_load(a->o->call->cancel);
}

static void wait_for_lanes(struct ask *a)
{
	int64_t until = MIN(a->hard_ns, clock_monotonic() + CANCEL_NS);

	for (size_t i = 0; i < ASK_LANES; i++) {
		if (a->lane[i].list) {
			until = MIN(until, a->lane[i].look_ns);
			if (a->lane[i].list->apart) {
				until = MIN(until, MAX(a->apart_ns, clock_monotonic() + APART_NS));
			}
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
		for (size_t i = 0; i < ASK_LANES; i++) {
			if (a->lane[i].list && job_done(a->lane[i].job)) {
				ask_lane_end(a, &a->lane[i]);
			} else if (a->lane[i].list && clock_monotonic() >= a->lane[i].look_ns) {
				ask_lane_look(a, &a->lane[i]);
			}
		}
		begin_lists(a);
		end_of_apart(a);
	}
	if (a->busy) {
		end_of_time(a);
	}
	while ((l = g_queue_pop_head(&a->todo))) {
		ask_fail(a, l, is_time_up(a) ? -ETIMEDOUT : -EBUSY);
		ask_list_free(l);
	}
}

/* Those who were left for the end, a list for each. */
static void run_singly(struct ask *a, enum way way)
{
	GPtrArray *those = ask_those_of(a, way);
	bool scan = false;

	for (guint i = 0; i < those->len; i++) {
		struct target *target = those->pdata[i];

		if (process_cannot_answer(lookout_kernel(a->k->lookout, target, &scan))) {
			target->way = WAY_LIGHT;
		} else {
			ask_add_list(a, &target, 1, true);
		}
	}
	g_ptr_array_free(those, TRUE);
	run(a);
}

/* Those whose records were short: somebody else's call had their monitor at that moment, and may have it again.  An
 * eighth of the interval is theirs, and 600 ms at most. */
static void run_short(struct ask *a)
{
	int64_t pause = SHORT_NS, end = clock_monotonic() + a->o->request->interval_ns / SHORT_PART;

	for (int n = 0; n < SHORT_TRIES && !a->silent; n++, pause *= 2) {
		GPtrArray *those = g_ptr_array_new();

		for (size_t i = 0; i < a->o->targets->count; i++) {
			struct target *target = a->o->targets->list[i];

			if (target && target->is_short &&
			    !suspects_get(a->k->book, target->uuid, NULL)) {
				g_ptr_array_add(those, target);
			}
		}
		if (those->len && clock_monotonic() + pause < MIN(end, a->hard_ns)) {
			wait_sleep(pause);
			a->again = true;
			ask_add_in_lists_of(a, those, MAX(those->len, 1));
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
			     NULL, INT64_MAX, &order, &error);
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
static void run_light(struct ask *a, bool again)
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
			ask_take_records(a, &l, b, take_light);
		}
		job_unref(job);
	}
	if (err == -EIO && !again) {
		run_light(a, true);
	} else if (err < 0) {
		a->silent = err == -ETIMEDOUT || err == -EBUSY;
		a->error = error;
		a->err = a->err ? a->err : err;
	}
}

/* Suspects are stuck, whatever could be read of them. */
static void end_suspects(struct ask *a)
{
	struct targets *t = a->o->targets;
	struct suspect known;
	uint8_t stamp;

	stamp = vmt_inspection_stamp(a->o->out, (struct vmt_stamp){ .time_ns = clock_real(),
								    .mono_ns = clock_monotonic(),
								    .source = "control" });
	for (size_t i = 0; i < t->count; i++) {
		struct vmt_reading *r = &a->o->out->reading[i];

		if (!t->list[i] || t->list[i]->way == WAY_NONE ||
		    !suspects_get(a->k->book, t->list[i]->uuid, &known)) {
			continue;
		}
		if (r->outcome == VMT_UNREAD || r->outcome == VMT_PARTIAL) {
			r->outcome = VMT_STUCK;
		}
		if (r->outcome == VMT_STUCK && known.latency_ns > 0) {
			vmt_set(r, VMT_F_MONITOR_LATENCY, (uint64_t)known.latency_ns, stamp);
		}
	}
}

/* What is left alone, and what has not come back. */
static void count_health(const struct ask *a)
{
	struct suspects_count book;

	suspects_count(a->k->book, &book);
	a->o->out->quarantined = book.quarantined;
	a->o->out->outstanding = book.outstanding;
}

int asker_run(struct asker *k, const struct ask_order *o, struct vmt_error *error)
{
	int64_t now = clock_monotonic(), left = o->call->deadline_ns - now;
	struct ask a = { .k = k,
			 .o = o,
			 .hard_ns = o->call->deadline_ns - CLAMP(left / 5, 0, NS_PER_S),
			 .apart_ns = now + o->request->interval_ns / 2,
			 .limit_ns = plan_limit(k->conf.timeout_ns, o->request->interval_ns),
			 .only_state = true };

	g_queue_init(&a.todo);
	ask_deal(&a);
	if (a.todo.length) {
		a.turn = hub_turn_begin(k->hub, now + MIN(plan_patience(&k->durations, false),
							  o->request->interval_ns / 4));
	}
	run(&a);
	if (!k->each && !a.err && a.asked & ~(unsigned)(VMT_GROUP_STATE | VMT_GROUP_PROCESS) &&
	    a.answered && a.only_state) {
		k->each = true; /* a driver that gives nothing else in bulk */
		for (size_t i = 0; i < o->targets->count; i++) {
			ask_forget(&o->out->reading[i]);
		}
		ask_deal(&a);
		run(&a);
	}
	ask_end_turn(&a);
	if (!a.silent && !atomic_load(o->call->cancel)) {
		run_singly(&a, WAY_LATE);
		run_singly(&a, WAY_ALONE);
		run_short(&a);
		look_at_short(&a);
		run_light(&a, false);
	}
	if (!a.silent) {
		end_suspects(&a);
	}
	count_health(&a);
	if (a.err < 0) {
		*error = a.error;
	}
	return a.silent || !a.answered ? a.err : 0;
}
