/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of instances that `virtmeter agent` prints after each cycle for a person at a terminal:
 * state, CPU, memory, disk and network use since the cycle before.
 */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include <stdio.h>
#include <virtmeter/plugin.h>

struct watch;

/* Prints to `out`, which stays the caller's; `columns` wide. */
struct watch *watch_new(FILE *out, unsigned columns);
void watch_free(struct watch *watch);
/* One table; rates are those since the last call. */
void watch_print(struct watch *watch, const struct vmt_snapshot *instances,
		 const struct vmt_inspection *readings, uint64_t samples);

#endif
