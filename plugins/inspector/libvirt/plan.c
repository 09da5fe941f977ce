/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns time limits and the dealing of domains to calls.  Any thread; never blocks.
 */
#include "plugins/inspector/libvirt/plan.h"

#include "base/clock.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_LEAST (1 * NS_PER_S)
#define LIMIT_MOST (5 * NS_PER_S)
#define PATIENCE_LEAST (500 * NS_PER_MS)
#define PATIENCE_SMALL (250 * NS_PER_MS)

enum { SMALL_MOST = 8 };

void plan_took(struct plan_durations *d, int64_t ns)
{
	d->ns[d->next] = ns;
	d->next = (d->next + 1) % PLAN_DURATIONS;
	d->count = MIN(d->count + 1, (size_t)PLAN_DURATIONS);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t plan_median(const struct plan_durations *d)
{
	int64_t sorted[PLAN_DURATIONS];

	if (!d->count) {
		return 0;
	}
	memcpy(sorted, d->ns, d->count * sizeof(sorted[0]));
	qsort(sorted, d->count, sizeof(sorted[0]), by_value);
	return sorted[d->count / 2];
}

int64_t plan_limit(int64_t configured, int64_t interval_ns)
{
	if (configured > 0) {
		return configured;
	}
	return CLAMP(interval_ns / 4, LIMIT_LEAST, LIMIT_MOST);
}

int64_t plan_patience(const struct plan_durations *d, bool small)
{
	if (small) {
		return PATIENCE_SMALL;
	}
	return CLAMP(plan_median(d) * 2, PATIENCE_LEAST, PLAN_PATIENCE_MOST);
}

size_t plan_small(size_t targets)
{
	return CLAMP((targets + SMALL_MOST - 1) / SMALL_MOST, 1, SMALL_MOST);
}

size_t plan_lists(uint64_t cost, size_t domains, size_t parallel, uint64_t message)
{
	size_t lists = (size_t)((cost + message - 1) / message);

	lists = MAX(lists, (domains + PLAN_LIST - 1) / PLAN_LIST);
	lists = MAX(lists, parallel);
	return CLAMP(lists, 1, MAX(domains, 1));
}

struct card {
	uint32_t cost, domain;
};

static int dearest_first(const void *a, const void *b)
{
	const struct card *x = a, *y = b;

	return x->cost != y->cost ? (x->cost < y->cost) - (x->cost > y->cost)
				  : (x->domain > y->domain) - (x->domain < y->domain);
}

void plan_deal(const uint32_t *cost, size_t domains, size_t lists, uint16_t *ret_list)
{
	struct card *card = g_new(struct card, domains + 1);
	uint64_t *sum = g_new0(uint64_t, lists);

	for (size_t i = 0; i < domains; i++) {
		card[i] = (struct card){ .cost = cost[i], .domain = (uint32_t)i };
	}
	qsort(card, domains, sizeof(*card), dearest_first);
	for (size_t i = 0; i < domains; i++) {
		size_t cheapest = 0;

		for (size_t k = 1; k < lists; k++) {
			cheapest = sum[k] < sum[cheapest] ? k : cheapest;
		}
		sum[cheapest] += card[i].cost;
		ret_list[card[i].domain] = (uint16_t)cheapest;
	}
	g_free(card);
	g_free(sum);
}
