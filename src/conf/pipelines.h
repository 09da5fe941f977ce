/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is polled and where it goes, from the YAML files that the options name: which of them count, and
 * whether samples go through the sinks of this process, to a notification agent (telemetry.polling), or both.
 *
 *	pipeline.yaml with intervals (Juno)     its sinks; a polling.yaml is not read, which is told
 *	polling.yaml and pipeline.yaml          its sinks; intervals left over in some sources of it have no effect
 *	polling.yaml, and no pipeline.yaml, or one that has only publishers of the notification agent
 *	(gnocchi://…)                           a notification agent, if a message bus is configured
 *
 * unless `deliver` in [virtmeter] says otherwise.  Main thread; blocks on reading files.
 */
#ifndef CONF_PIPELINES_H
#define CONF_PIPELINES_H

#include "conf/polling.h"
#include "conf/settings.h"

struct arena;

struct pipelines {
	struct polling *polling; /* sources that have an interval */
	struct polling *pipeline; /* sinks; the same as `polling` in Juno's shapes */
	struct polling *
		beside; /* further ways beside `pipeline`: to a notification agent, or of dispatchers; or NULL */
	const char *file[2]; /* those read, in `arena` */
	size_t files;
};

/* What the command line says instead of files, which are then not looked for. */
enum pipelines_without {
	PIPELINES_NO_POLLING = 1,
	PIPELINES_NO_SINKS = 2,
	PIPELINES_OPTIONAL =
		4, /* files that are nowhere are no error, there is just nothing then */
};

/* `without` are enum pipelines_without.  Fills *ret_pipelines, also when it fails: what could be read is there, for `check`.  0, or -errno with
 * everything that is wrong in `problems`. */
int pipelines_read(const struct ini *ini, const struct settings *settings, unsigned without,
		   struct arena *arena, struct problems *problems, struct pipelines *ret_pipelines);
void pipelines_fini(struct pipelines *pipelines);

#endif
