/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world that discovery "simulated" lists and inspector "simulated" reads: who lives in it at
 * a given time is a pure function of the options and the clock, so that the two need not speak to each
 * other, and a restarted program finds the same instances with counters that went on.
 */
#ifndef PLUGINS_SIMULATED_WORLD_H
#define PLUGINS_SIMULATED_WORLD_H

#include "plugins/simulated/script.h"

#include <stdbool.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

/* Options of the group "simulated"; both plugins take the same. */
struct simulated_conf {
	int64_t instances, disks, nics, seed, stopped;
	double churn;
	bool perf, rates;
	const char *script;
};

extern const struct vmt_option simulated_options[];

struct world;

/* One life of one instance. */
struct actor {
	uint32_t slot, life; /* place in the world, 0…; how often it was filled anew */
	char id[37]; /* UUID; slot and life are in it */
	uint64_t key; /* what all its numbers follow from */
	int64_t boot_ns; /* Unix time of its last start */
	uint64_t epoch; /* of that start */
	bool stopped;
	unsigned faults; /* SCRIPT_BIT()s that hold */
	const struct vmt_flavor *flavor;
};

/* Reads the script; "+" in it counts from now.  0, or -EINVAL with the reason. */
int world_open(const struct simulated_conf *conf, struct world **ret, struct vmt_error *error);
void world_close(struct world *world); /* NULL is fine */

const struct simulated_conf *world_conf(const struct world *world);
const struct script *world_script(const struct world *world);

/* The instance in that place.  -ENOENT: there is none now. */
int world_actor(const struct world *world, uint32_t slot, int64_t now_ns, struct actor *ret);
/* The instance with that UUID.  -ENOENT: there is none now. */
int world_find(const struct world *world, const char *id, int64_t now_ns, struct actor *ret);

/* The first moment after now at which an instance comes, goes, starts, stops or starts anew. */
int64_t world_next_change(const struct world *world, int64_t now_ns);

/* What discovery says of it, with the metadata of an instance of Nova. */
int world_describe(const struct world *world, const struct actor *actor,
		   struct vmt_snapshot_builder *builder);

#endif
