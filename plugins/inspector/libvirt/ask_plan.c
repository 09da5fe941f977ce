/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of ways.  The inspecting thread; blocks a second at most, over the review of the book.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/ask_private.h"

/* libvirt and QEMU would wait for the other side of a migration, or for QEMU's own start. */
static bool is_arriving(const struct target *target)
{
	return target->domain.state == VIR_DOMAIN_PAUSED &&
	       (target->domain.reason == VIR_DOMAIN_PAUSED_MIGRATION ||
		target->domain.reason == VIR_DOMAIN_PAUSED_STARTING_UP);
}

/* Has it answered since somebody was last found to hang? */
bool ask_is_trusted(const struct asker *k, const struct target *target)
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
	size_t first = 0, asked = 0;
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
		asked += target->way == WAY_FULL || target->way == WAY_FIRST;
		first += target->way == WAY_FIRST;
	}
	/* Where all are new there is nobody to be kept apart from. */
	for (size_t i = 0; first == asked && i < t->count; i++) {
		if (t->list[i] && t->list[i]->way == WAY_FIRST) {
			t->list[i]->way = WAY_FULL;
		}
	}
	return 0;
}
