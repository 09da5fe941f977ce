/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the tables of a cycle: a fixed number of enumerations, whatever the number of machines.  What does not change
 * is not asked again: definitions and processors while the connection stays; whose a value is while the values stay the
 * same ones; disks and NICs while the machines do, too, for a few minutes.  A class that does not answer is left alone
 * for a while.  Blocks on the network until the call's deadline.
 */
#ifndef INSPECTOR_HYPERV_COLLECT_H
#define INSPECTOR_HYPERV_COLLECT_H

#include "base/backoff.h"
#include "plugins/inspector/hyperv/join.h"

/* A table that outlives its cycle. */
struct kept {
	struct arena *arena; /* NULL: it is none */
	bool is_read;
	uint64_t scene; /* in which it was read */
	int64_t until_ns; /* monotonic */
};

/* Whether it need not be read again: the scene is the same, and its time is not over. */
bool kept_holds(const struct kept *k, uint64_t scene, int64_t now_ns);

struct collector {
	struct wsman_client *client;
	struct table table[TABLES];
	bool failed[TABLES]; /* was wanted in this cycle, and could not be read */
	bool partial; /* one of them */
	struct host host;
	int64_t systems_ns, systems_mono_ns; /* when the machines were read */
	int64_t slowest_ns; /* enumeration of this cycle */
	/* private */
	struct arena *of_host;
	struct kept kept[TABLES];
	bool looked; /* in this cycle: at the scene of devices, and of metrics */
	uint64_t devices, metrics;
	uint64_t learned; /* connection of `host` */
	struct backoff alone[TABLES];
	bool missed[TABLES]; /* that it is not there was logged */
};

void collector_init(struct collector *c, struct wsman_client *client);
void collector_fini(struct collector *c);

/* Reads what `groups` need into memory of `arena`.  0, or why there are no machines; what else could not be read is in
 * `failed`, the last reason in *error. */
int collector_run(struct collector *c, unsigned groups, struct arena *arena,
		  const struct vmt_call *call, struct vmt_error *error);

#endif
