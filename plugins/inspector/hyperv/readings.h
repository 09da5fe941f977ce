/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From machines to readings.  Pure but for the warnings.
 */
#ifndef INSPECTOR_HYPERV_READINGS_H
#define INSPECTOR_HYPERV_READINGS_H

#include "plugins/inspector/hyperv/collect.h"

#include <glib.h>

/* What was told of each machine without values, and of the host; each once. */
struct told {
	const char *address; /* of the host, for messages */
	GHashTable *machines; /* GUIDs */
	GHashTable *names; /* instance names that several machines have */
	bool host; /* that none has values */
	bool metrics[METRICS]; /* that the host does not have them */
};

void told_init(struct told *t, const char *address);
void told_fini(struct told *t);

struct readings {
	const struct vmt_snapshot *instances;
	const struct vmt_inspect_request *request;
	const struct collector *collector;
	const struct join *join;
	struct arena *arena; /* of the devices */
	bool microseconds; /* `cpu` as Ceilometer has it */
	struct told *told;
	struct vmt_inspection *out;
};

void readings_make(struct readings *r);

#endif
