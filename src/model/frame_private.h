/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the makers of frames (batch.c, frame_codec.c) share with their pool (frame.c).
 */
#ifndef MODEL_FRAME_PRIVATE_H
#define MODEL_FRAME_PRIVATE_H

#include "model/frame.h"

/* An empty frame with one reference. */
struct frame *frame_pool_take(struct frame_pool *p);

/* Room for so many batches and rows in all. */
void frame_reserve(struct frame *f, size_t batches, size_t rows);

/* Room for the ids of all rows that there is room for. */
void frame_reserve_ids(struct frame *f);
void frame_reserve_messages(struct frame *f); /* and for the numbers of their messages */

/* Lets the batches point to their columns, which lie one after the other; a pointer that is not
 * NULL marks a column that is there. */
void frame_point(struct frame *f);

/* Lists a resource, whose reference is handed over, with the place of its head; answers its own. */
size_t frame_use(struct frame *f, struct resource *r, uint32_t head);

/* Lists a head, which a listed resource keeps; answers its place. */
size_t frame_use_head(struct frame *f, struct resource_head *h);

#endif
