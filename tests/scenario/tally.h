/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally://NAME: a publisher that counts over all objects of its name ("b", else all others together), so
 * that nothing is forgotten when a reload replaces the object.  It answers only with the right secret
 * ([tally] secret does not begin with "wrong") and never at tally://away.
 */
#ifndef SCENARIO_TALLY_H
#define SCENARIO_TALLY_H

#include <glib.h>
#include <virtmeter/plugin.h>

struct stage;

struct tally {
	uint64_t samples, cpu, doubled, opened, closed;
	int64_t last_ns, widest_ns; /* of cpu; the widest gap after the first two */
	GHashTable *ids;
};

extern struct tally tally_a, tally_b;
extern const struct vmt_plugin tally_plugin;

void tally_clear(struct tally *tally);

/* Two simulated instances, polled at whole seconds. */
#define TALLY_WORLD                                                                                \
	"[virtmeter]\nalign = true\n[simulated]\ninstances = 2\nstopped = 0\ndisks = 1\nnics = 1\n"
/* The configuration file of that world, with these values of sample_source and secret. */
void tally_write_conf(struct stage *stage, const char *source, const char *secret);

#endif
