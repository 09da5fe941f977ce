/* SPDX-License-Identifier: Apache-2.0 */
/* Routing one frame: for the pipeline thread and its tests. */
#ifndef PIPELINE_ROUTE_H
#define PIPELINE_ROUTE_H

struct frame;
struct pipeline_set;

/* Sets the publishers of every batch from the pipelines that take its name, and counts. */
void pipeline_route(struct pipeline_set *set, struct frame *frame);

#endif
