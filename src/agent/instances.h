/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is here: one discovery, asked on behalf of all polling tasks, and its last good answer.  While
 * the source is down the last list stays in force; while one task asks, another takes the list as it
 * is, or waits for the first one.
 *
 * Another discovery may tell more of the same instances (Nova of a hypervisor's machines): who is here is then said by
 * the first alone, and what is known of each by the second as far as it knows it.  And one may describe what comes of
 * that, by what it has looked up (names of users at Keystone).
 */
#ifndef AGENT_INSTANCES_H
#define AGENT_INSTANCES_H

#include <virtmeter/plugin.h>

struct instances;
struct snapshot;

#define INSTANCES_PATIENCE_NS INT64_C(5000000000) /* of a command that asks once */

/* `name` (copied) for messages, `param` (copied) is what follows "name://" in a source's discovery; `ops`,
 * `self` stay the caller's. */
struct instances *instances_new(const char *name, const char *param,
				const struct vmt_discovery_ops *ops, void *self);
/* Before the first instances_get(): what `ops`, `self` (they stay the caller's) know of an instance takes the place of
 * what the first knows, but for whether and since when it runs.  Those that they have in error are left out, as
 * Ceilometer does.  They are asked with the param "all".  Instances are the same whose ids are equal; with `by_name`
 * those, too, that have no equal id and whose `name` one instance on either side has: then the id is the other
 * discovery's. */
void instances_join(struct instances *instances, const char *name,
		    const struct vmt_discovery_ops *ops, void *self, bool by_name);
/* Likewise: the list goes through the `describe` of `ops` (they and `self` stay the caller's). */
void instances_describe(struct instances *instances, const char *name,
			const struct vmt_discovery_ops *ops, void *self);
/* The first instances_get() may wait so long for what that looks up; without this none waits. */
void instances_patient(struct instances *instances, int64_t ns);
void instances_free(struct instances *instances);

/* The list to use now; the caller gives the reference back with snapshot_unref.
 * NULL with a reason when there never was one. */
struct snapshot *instances_get(struct instances *instances, const struct vmt_call *call,
			       struct vmt_error *error);
/* Nanoseconds since discovery last confirmed the list, -1 if never; `error` gets the reason of the last
 * failure, "" after a good answer. */
int64_t instances_age(struct instances *instances,
		      char error[sizeof(((struct vmt_error *)0)->text)]);
/* The same of the other discovery; false where there is none. */
bool instances_joined_age(struct instances *instances, int64_t *ret_age_ns,
			  char error[sizeof(((struct vmt_error *)0)->text)]);
bool instances_described_age(struct instances *instances, int64_t *ret_age_ns,
			     char error[sizeof(((struct vmt_error *)0)->text)]);

#endif
