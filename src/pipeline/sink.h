/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink's transformers, in a row.  Pipelines that share a sink share it and its state.  Opened on the main
 * thread, counted by references, at work on the pipeline thread only.
 */
#ifndef PIPELINE_SINK_H
#define PIPELINE_SINK_H

#include <virtmeter/plugin.h>

#include "base/buf.h"
#include "conf/polling.h"
#include "plugin/registry.h"

struct sink;

struct sink_settings {
	enum vmt_profile profile;
	const char *source; /* sample_source; copied */
};

/* Opens the transformers of *conf; *ret_sink is NULL when it has none.  -EINVAL when something is wrong, all of
 * it in `problems`, with its place. */
int sink_open(struct registry *registry, const struct pipeline_sink *conf,
	      const struct sink_settings *settings, struct problems *problems,
	      struct sink **ret_sink);
struct sink *sink_ref(struct sink *sink);
void sink_unref(struct sink *sink); /* NULL is fine */

/* Whether the sink of another reading of the configuration is the same, so that it may go on with its state. */
bool sink_is(const struct sink *sink, const struct pipeline_sink *conf,
	     const struct sink_settings *settings);

/* ---- pipeline thread */

/* Samples in, and what became of them. */
struct sink_counts {
	uint64_t out, consumed, made;
};

typedef void (*sink_out_fn)(void *context, const struct vmt_batch *batch);

/* A batch goes in; what comes out at the end is handed to `fn`, which must take what it needs.  Adds to *counts. */
void sink_take(struct sink *sink, const struct vmt_batch *batch, sink_out_fn fn, void *context,
	       struct sink_counts *counts);
/* Lets the transformers flush. */
void sink_flush(struct sink *sink, sink_out_fn fn, void *context, struct sink_counts *counts);
/* The frame is done: memory goes back. */
void sink_end(struct sink *sink);
void sink_forget(struct sink *sink, const uint64_t *instances, size_t count);

/* Samples that its transformers hold: consumed, and something is still to be made of them. */
uint64_t sink_held(const struct sink *sink);

/* The router's note of what the sink held when it looked last; `ended` is told of it when the sink goes, on whatever
 * thread. */
struct sink_note {
	uint64_t held;
	void *context; /* NULL: nobody looked yet */
	void (*ended)(void *context, uint64_t held);
};
struct sink_note *sink_note(struct sink *sink);

/* A mark of the router's: the batch that the sink has had last. */
uint64_t *sink_mark(struct sink *sink);

#endif
