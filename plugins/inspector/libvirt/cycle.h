/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inspection of all instances.
 */
#ifndef INSPECTOR_LIBVIRT_CYCLE_H
#define INSPECTOR_LIBVIRT_CYCLE_H

#include <virtmeter/plugin.h>

/* libvirtd has 20 workers by default.  Half of them at most are for us: those that work and those that hang. */
enum { CYCLE_PARALLEL_MAX = 8, CYCLE_WORKERS = 10, CYCLE_HANGING_MAX = 9 };

struct cycle_conf {
	int64_t parallel; /* 1 to CYCLE_PARALLEL_MAX */
	int64_t timeout_ns; /* of a monitor; 0: see plan_limit() */
	int64_t hanging; /* calls left behind at most, 1 to CYCLE_HANGING_MAX */
	int64_t info_interval_ns;
	const char *readings; /* "hybrid" or "libvirt"; NULL: hybrid */
};

struct cycle;

struct cycle *cycle_new(const char *uri, bool read_write, const struct cycle_conf *conf);
void cycle_free(struct cycle *c); /* NULL is fine */

/* vmt_inspector_ops.inspect */
int cycle_run(struct cycle *c, const struct vmt_snapshot *instances,
	      const struct vmt_inspect_request *request, struct vmt_inspection *out,
	      const struct vmt_call *call, struct vmt_error *error);

/* vmt_inspector_ops.watch */
void cycle_watch(struct cycle *c, vmt_life_fn changed, void *context);

#endif
