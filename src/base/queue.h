/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of pointers, first in first out, any number of threads on both ends.  It owns the
 * pointers' order, not what they point to.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t cap); /* cap > 0; all memory is taken now */
void queue_free(struct queue *q); /* nobody uses it any more; what is in it is forgotten */

/* Never blocks.  0; -EAGAIN: full; -EPIPE: closed.  `item` is not NULL. */
int queue_push(struct queue *q, void *item);

/* Waits until there is an item, or clock_monotonic() is `deadline_ns` (0: do not wait, INT64_MAX: for
 * ever).  NULL: time out, or closed and empty. */
void *queue_pop(struct queue *q, int64_t deadline_ns);

/* No more pushes; poppers get what is left, then NULL at once. */
void queue_close(struct queue *q);

size_t queue_length(struct queue *q);

#endif
