/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is here: one discovery, asked on behalf of all polling tasks, and its last good answer.  While
 * the source is down the last list stays in force; while one task asks, another takes the list as it
 * is, or waits for the first one.
 */
#ifndef AGENT_INSTANCES_H
#define AGENT_INSTANCES_H

#include <virtmeter/plugin.h>

struct instances;
struct snapshot;

/* `name` (copied) for messages, `param` (copied) is what follows "name://" in a source's discovery; `ops`,
 * `self` stay the caller's. */
struct instances *instances_new(const char *name, const char *param,
				const struct vmt_discovery_ops *ops, void *self);
void instances_free(struct instances *instances);

/* The list to use now; the caller gives the reference back with snapshot_unref.
 * NULL with a reason when there never was one. */
struct snapshot *instances_get(struct instances *instances, const struct vmt_call *call,
			       struct vmt_error *error);
/* Nanoseconds since discovery last confirmed the list, -1 if never; `error` gets the reason of the last
 * failure, "" after a good answer. */
int64_t instances_age(struct instances *instances,
		      char error[sizeof(((struct vmt_error *)0)->text)]);

#endif
