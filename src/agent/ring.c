/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of members on a circle of 128 bits.  Each member has 32: the MD5 sums of its name repeated 2 to 33 times.  A key
 * belongs to the first point beyond its own MD5 sum.  A ring does not change once it is made: any thread; blocks on nothing.
 */
#include "agent/ring.h"

#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 32, SUM = 16 };

struct point {
	uint8_t at[SUM]; /* in network order */
	uint32_t member;
};

struct ring {
	size_t members, points;
	char **member; /* sorted */
	struct point *point; /* sorted */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_place(const void *a, const void *b)
{
	const struct point *x = a, *y = b;
	int order = memcmp(x->at, y->at, SUM);

	return order ? order : (x->member > y->member) - (x->member < y->member);
}

static void sum_of(const GChecksum *sum, uint8_t ret[SUM])
{
	GChecksum *copy = g_checksum_copy(sum);
	gsize len = SUM;

	g_checksum_get_digest(copy, ret, &len);
	g_checksum_free(copy);
}

static void add_points(struct ring *r, uint32_t member)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	const guchar *name = (const guchar *)r->member[member];
	gssize len = (gssize)strlen(r->member[member]);

	g_checksum_update(sum, name, len);
	for (int i = 0; i < POINTS; i++) {
		struct point *p = &r->point[r->points++];

		g_checksum_update(sum, name, len);
		sum_of(sum, p->at);
		p->member = member;
	}
	g_checksum_free(sum);
}

struct ring *ring_new(const char *const *members, size_t count)
{
	struct ring *r = g_new0(struct ring, 1);
	char **all = g_new0(char *, count + 1);

	for (size_t i = 0; i < count; i++) {
		all[i] = g_strdup(members[i]);
	}
	qsort(all, count, sizeof(*all), by_name);
	r->member = g_new0(char *, count + 1);
	r->point = g_new0(struct point, count * POINTS + 1);
	for (size_t i = 0; i < count; i++) {
		if (r->members && strcmp(r->member[r->members - 1], all[i]) == 0) {
			g_free(all[i]);
			continue;
		}
		r->member[r->members] = all[i];
		add_points(r, (uint32_t)r->members++);
	}
	g_free(all);
	qsort(r->point, r->points, sizeof(*r->point), by_place);
	return r;
}

void ring_free(struct ring *ring)
{
	if (!ring) {
		return;
	}
	g_strfreev(ring->member);
	g_free(ring->point);
	g_free(ring);
}

const char *ring_owner(const struct ring *r, const char *key)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	size_t low = 0, high = r->points;
	uint8_t at[SUM];

	g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
	sum_of(sum, at);
	g_checksum_free(sum);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(r->point[middle].at, at, SUM) > 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	if (r->points == 0) {
		return NULL;
	}
	return r->member[r->point[low < r->points ? low : 0].member];
}

size_t ring_members(const struct ring *ring)
{
	return ring->members;
}

bool ring_has(const struct ring *ring, const char *member)
{
	return ring->members > 0 &&
	       bsearch(&member, ring->member, ring->members, sizeof(member), by_name);
}

bool ring_same(const struct ring *a, const struct ring *b)
{
	for (size_t i = 0; a->members == b->members && i < a->members; i++) {
		if (strcmp(a->member[i], b->member[i]) != 0) {
			return false;
		}
	}
	return a->members == b->members;
}
