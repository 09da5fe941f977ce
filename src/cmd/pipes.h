/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines of a configuration for a command: their transformers have seen nothing yet, their publishers are
 * numbers, none of them opened.  Main thread; blocks on nothing.
 */
#ifndef CMD_PIPES_H
#define CMD_PIPES_H

#include <glib.h>
#include <stdint.h>

#include "conf/polling.h"
#include "pipeline/pipeline.h"
#include "pipeline/sink.h"

enum { PIPES_PUBLISHERS = 64 }; /* further ones have no number */

struct pipes {
	GPtrArray *
		publishers; /* const struct polling_text *, by the number of their bit; each URL once */
	/* private */
	struct registry *registry;
	const struct sink_settings *settings;
	GPtrArray *pipelines; /* until pipes_set() */
	GHashTable *sinks; /* struct sink * by struct pipeline_sink * */
	struct pipeline_set *set;
};

/* What is given has to outlive it. */
void pipes_init(struct pipes *pipes, struct registry *registry,
		const struct sink_settings *settings);
void pipes_fini(struct pipes *pipes);

/* -EINVAL: its transformers cannot be opened; why is in `problems`. */
int pipes_add(struct pipes *pipes, const struct pipeline_pair *pair, struct problems *problems);
/* The bits of the sink's publishers. */
uint64_t pipes_bits(struct pipes *pipes, const struct pipeline_sink *sink);
/* All of them, for pipeline_route(); nothing is added from now on. */
struct pipeline_set *pipes_set(struct pipes *pipes);

#endif
