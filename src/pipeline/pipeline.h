/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines: which samples go through which sink to which publishers.
 *
 * A pipeline is one source joined with one sink: the source's meter patterns, the sink's publishers.
 * A set of pipelines belongs to a polling task; it is immutable but for its counters, and counted by
 * references, so that frames under way keep the set they were made for while a reload brings another.
 *
 * Ledger of a pipeline, in samples: in = out + filtered + consumed - made.  Of those consumed `held` are in the state
 * of transformers, and `lost` were there when that went, with the process or by a reload; several pipelines that share
 * transformers have them counted at the first.  With a durable log the ledger is kept over restarts.
 */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

#include <stdint.h>

#include "conf/pattern.h"

struct frame;
struct frame_pool;
struct sink;
struct spool;
struct pipeline;
struct pipeline_set;
struct pipeline_runner;

struct pipeline_ledger {
	uint64_t in, out, filtered, consumed, made, held, lost;
};

/* `name` is copied.  `match` belongs to `owner`, which the pipeline gives back with `release` at its
 * end.  `publishers`: the bits of the sink's outlets. */
struct pipeline *pipeline_new(const char *name, const struct pattern *match, uint64_t publishers,
			      void *owner, void (*release)(void *owner));
/* Counts on where `before`, of the configuration before a reload, is; frames under way still count there:
 * the two share their counters.  Call it before the pipeline is used. */
void pipeline_continue(struct pipeline *pipeline, const struct pipeline *before);
/* Counts on where the process before this one was, where the log keeps that; what that one's transformers held is lost,
 * which is told.  `n`: how many pipelines of the same name there are before it.  Before it is used, on the main thread;
 * the log must outlive it. */
void pipeline_keep(struct pipeline *pipeline, struct spool *spool, unsigned n);
/* Transformers between the source and the publishers; before it is at work.  Takes its own reference. */
void pipeline_set_sink(struct pipeline *pipeline, struct sink *sink);
struct pipeline *pipeline_ref(struct pipeline *pipeline);
void pipeline_unref(struct pipeline *pipeline);
const char *pipeline_name(const struct pipeline *pipeline);
void pipeline_ledger(struct pipeline *pipeline, struct pipeline_ledger *ret_ledger);

/* Takes over the references in `pipelines` (the array itself is copied). */
struct pipeline_set *pipeline_set_new(struct pipeline *const *pipelines, size_t count);
struct pipeline_set *pipeline_set_ref(struct pipeline_set *set);
void pipeline_set_unref(struct pipeline_set *set);
/* Whether some pipeline of the set takes samples of that name. */
bool pipeline_set_takes(const struct pipeline_set *set, const char *meter);

/* The pipeline thread: routes frames and appends them to the log, one after the other; what transformers make
 * of a frame is a frame of its own, from `pool`, behind it.  A frame that meets no transformer and no disk, while nothing
 * is waiting, is routed and appended by whoever hands it in. */
struct pipeline_runner *pipeline_runner_new(struct spool *spool, struct frame_pool *pool);
/* Takes over the reference to the frame.  -EAGAIN when too many are waiting: nothing was taken. */
int pipeline_runner_submit(struct pipeline_runner *runner, struct frame *frame,
			   struct pipeline_set *set);
/* Instances that are gone (vmt_resource.instance, copied): the set's transformers drop what they keep of them.
 * Where too many frames are waiting it is not done: they are dropped with time. */
void pipeline_runner_forget(struct pipeline_runner *runner, struct pipeline_set *set,
			    const uint64_t *instances, size_t count);
/* Whether nothing is waiting or under way. */
bool pipeline_runner_idle(struct pipeline_runner *runner);
/* Finishes what is waiting, then ends the thread. */
void pipeline_runner_free(struct pipeline_runner *runner);

#endif
