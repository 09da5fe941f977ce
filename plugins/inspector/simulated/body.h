/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated instance as the inspector sees it: what stays the same from cycle to cycle, and the
 * filling of a reading from it.
 */
#ifndef PLUGINS_INSPECTOR_SIMULATED_BODY_H
#define PLUGINS_INSPECTOR_SIMULATED_BODY_H

#include "base/arena.h"
#include "plugins/simulated/world.h"

/* Something that is busy at times: activity since the boot of its instance. */
struct pulse {
	uint64_t key;
	double spread;
	int64_t since_ns, zero; /* boot, and the activity by then */
};

struct drive {
	struct vmt_device device;
	struct pulse read, write;
	double read_rate, write_rate; /* bytes per ns of activity */
	uint32_t read_size, write_size; /* bytes of a request */
	uint64_t capacity;
};

struct port {
	struct vmt_device device;
	struct pulse rx, tx;
	double rx_rate, tx_rate;
	uint32_t rx_size, tx_size; /* bytes of a packet */
};

struct body {
	bool known; /* lives in our world */
	struct actor actor;
	struct pulse cpu;
	double cpu_rate; /* ns of all virtual CPUs per ns of activity */
	struct drive *drive;
	struct port *port;
	uint32_t drives, ports;
};

/* What a reading is made for. */
struct look {
	int64_t now_ns;
	unsigned groups;
	uint8_t stamp;
	bool perf, rates;
	bool reverse; /* devices in the reverse order */
};

/* Fills *ret; devices and strings lie in `arena`. */
void body_make(struct body *ret, const struct actor *actor, const struct simulated_conf *conf,
	       struct arena *arena);

/* The readings of a running instance. */
void body_read(const struct body *body, const struct look *look, struct vmt_inspection *out,
	       size_t i);
/* The sizes of one that is shut off. */
void body_read_stopped(const struct body *body, const struct look *look, struct vmt_inspection *out,
		       size_t i);

#endif
