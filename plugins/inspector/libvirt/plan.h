/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of a cycle: how long a call may take, and who is asked in which one.  Pure.
 */
#ifndef INSPECTOR_LIBVIRT_PLAN_H
#define INSPECTOR_LIBVIRT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLAN_DURATIONS = 15 };

/* How long the last calls took. */
struct plan_durations {
	int64_t ns[PLAN_DURATIONS];
	size_t count, next;
};

void plan_took(struct plan_durations *d, int64_t ns);
/* 0 when nothing is known. */
int64_t plan_median(const struct plan_durations *d);

/* For how long a monitor may be busy before it counts as stuck: `configured` if not 0; else a quarter of the
 * interval, but 1 to 5 s. */
int64_t plan_limit(int64_t configured, int64_t interval_ns);

/* After how long it is looked who holds a call up: twice what calls take, at least half a second, at most
 * PLAN_PATIENCE_MOST; with a small list (`small`) a quarter of a second. */
int64_t plan_patience(const struct plan_durations *d, bool small);

/* The first call on an instance after its start is slow: its monitor may be busy for so long. */
#define PLAN_FIRST_LIMIT (INT64_C(30) * 1000000000)
#define PLAN_PATIENCE_MOST (INT64_C(5) * 1000000000)

/* How many targets a list has when somebody hangs: so that another one costs few. */
size_t plan_small(size_t targets);

/* Parameters in one message at most.  libvirt's messages end at 16 MiB (32 MiB since 6.6) and lists at 16384 domains;
 * a parameter takes some 50 bytes of it, strings more. */
enum { PLAN_MESSAGE = 64 * 1024, PLAN_LIST = 16384 };

/* How many lists it takes: at least `parallel` (as far as there are domains), and so many that none passes
 * `message` parameters on average. */
size_t plan_lists(uint64_t cost, size_t domains, size_t parallel, uint64_t message);

/* Deals domains of these costs to `lists` so that the lists cost about the same: the most expensive first, each
 * to the cheapest list.  ret_list[i]: whose domain i is. */
void plan_deal(const uint32_t *cost, size_t domains, size_t lists, uint16_t *ret_list);

#endif
