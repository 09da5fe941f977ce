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

/* Lets the batches point to their columns, which lie one after the other; a pointer that is not
 * NULL marks a column that is there. */
void frame_point(struct frame *f);

#endif
