/* SPDX-License-Identifier: Apache-2.0 */
/* Routing one frame: for the pipeline thread and its tests. */
#ifndef PIPELINE_ROUTE_H
#define PIPELINE_ROUTE_H

struct frame;
struct frame_builder;
struct pipeline_set;

/* Sets the publishers of every batch from the pipelines that take its name, and counts.  Batches for
 * pipelines with transformers go through those: what they make is the answer, a frame of `builder`, or
 * NULL when they make nothing. */
struct frame *pipeline_route(struct pipeline_set *set, struct frame *frame,
			     struct frame_builder *builder);
/* What pipeline_route made is in the log: what transformers do not hold any more is counted as gone. */
void pipeline_settle(struct pipeline_set *set);

#endif
