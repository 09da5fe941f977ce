/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the dealing of targets to lists.  The inspecting thread; never blocks.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/ask_private.h"
#include "plugins/inspector/libvirt/hybrid.h"

#include <limits.h>
#include <string.h>

void ask_list_free(struct list *l)
{
	g_free(l->target);
	g_free(l);
}

/* Queues a list of these; `target` is copied. */
struct list *ask_add_list(struct ask *a, struct target *const *target, size_t count, bool small)
{
	struct list *l = g_new0(struct list, 1);
	unsigned kernel = UINT_MAX; /* what the kernel has of each of them */

	l->mode = a->k->each ? BULK_EACH : BULK_LIST;
	l->small = small;
	l->count = count;
	l->target = g_memdup2(target, count * sizeof(*target));
	for (size_t i = 0; i < count; i++) {
		l->first |= target_is_fresh(target[i]);
		kernel &= a->k->each ? 0 : target[i]->kernel;
	}
	l->groups = a->o->request->groups & ~kernel;
	a->asked |= l->groups;
	g_queue_push_tail(&a->todo, l);
	return l;
}

static int last_answered_first(const void *x, const void *y)
{
	const struct target *a = *(struct target *const *)x, *b = *(struct target *const *)y;

	return (a->answered_ns < b->answered_ns) - (a->answered_ns > b->answered_ns);
}

/* Those of that way that have not been read. */
GPtrArray *ask_those_of(const struct ask *a, enum way way)
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
void ask_add_in_lists_of(struct ask *a, GPtrArray *those, size_t size)
{
	g_ptr_array_sort(those, last_answered_first);
	for (size_t i = 0; i < those->len; i += size) {
		ask_add_list(a, (struct target *const *)&those->pdata[i], MIN(size, those->len - i),
			     true);
	}
}

/* Queues them in as few lists as may be, of equal cost. */
void ask_add_dealt(struct ask *a, GPtrArray *those)
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
			ask_add_list(a, part, n, false);
		}
	}
	g_free(part);
	g_free(cost);
	g_free(list);
}

/* The same, those together of which the kernel has the same groups. */
static void add_alike(struct ask *a, GPtrArray *those)
{
	GPtrArray *alike = g_ptr_array_new();

	for (unsigned class = 0; class < HYBRID_CLASSES; class ++) {
		g_ptr_array_set_size(alike, 0);
		for (guint i = 0; i < those->len; i++) {
			const struct target *target = those->pdata[i];

			if (hybrid_class(target->kernel) == class) {
				g_ptr_array_add(alike, those->pdata[i]);
			}
		}
		if (alike->len) {
			ask_add_dealt(a, alike);
		}
	}
	g_ptr_array_free(alike, TRUE);
}

/* Those who are asked for the first time hold up each other, too. */
static void add_apart(struct ask *a, GPtrArray *those)
{
	size_t size = plan_small(those->len);

	for (size_t i = 0; i < those->len; i += size) {
		ask_add_list(a, (struct target *const *)&those->pdata[i], MIN(size, those->len - i),
			     true)
			->apart = true;
	}
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
void ask_deal(struct ask *a)
{
	GPtrArray *full = ask_those_of(a, WAY_FULL), *first = ask_those_of(a, WAY_FIRST);
	GPtrArray *trusted = g_ptr_array_new(), *others = g_ptr_array_new();
	size_t wanted = full->len;

	for (size_t i = 0; i < a->o->targets->count; i++) {
		const struct target *target = a->o->targets->list[i];

		wanted += target && target->way > WAY_FULL;
	}
	if (suspects_last_hang(a->k->book) == 0) {
		add_alike(a, full);
		ask_all_at_once(a, wanted);
	} else {
		for (guint i = 0; i < full->len; i++) {
			g_ptr_array_add(ask_is_trusted(a->k, full->pdata[i]) ? trusted : others,
					full->pdata[i]);
		}
		if (trusted->len) {
			add_alike(a, trusted);
		}
		if (!others->len) {
			ask_all_at_once(a, wanted);
		}
		ask_add_in_lists_of(a, others, plan_small(others->len));
	}
	if (first->len) {
		add_apart(a, first);
	}
	g_ptr_array_free(trusted, TRUE);
	g_ptr_array_free(others, TRUE);
	g_ptr_array_free(first, TRUE);
	g_ptr_array_free(full, TRUE);
}

/* What is queued, and the rest of a list that hangs, goes into small lists. */
void ask_deal_small(struct ask *a, const struct list *hung)
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
		ask_list_free(l);
	}
	for (guint i = 0; i < rest->len;) {
		struct target *target = rest->pdata[i];

		struct suspect known;

		if (suspects_get(a->k->book, target->uuid, &known) &&
		    (target->way != WAY_ALONE || known.outstanding)) {
			target->way = WAY_LIGHT;
		}
		if (target->way == WAY_LIGHT ||
		    a->o->out->reading[target->index].outcome != VMT_UNREAD) {
			g_ptr_array_remove_index_fast(rest, i);
		} else {
			i++;
		}
	}
	ask_add_in_lists_of(a, rest, plan_small(rest->len));
	g_ptr_array_free(rest, TRUE);
}
