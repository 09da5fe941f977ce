/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the ring between threads.  Any thread; only queue_pop() blocks, until its deadline.
 */
#include "base/queue.h"
#include "base/wait.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>

struct queue {
	struct wait wait;
	size_t cap, head, length;
	unsigned waiting; /* poppers inside wait_until() */
	bool closed;
	void *item[];
};

struct queue *queue_new(size_t cap)
{
	struct queue *q;

	assert(cap > 0);
	q = g_malloc0(sizeof(*q) + cap * sizeof(q->item[0]));
	q->cap = cap;
	wait_init(&q->wait);
	return q;
}

void queue_free(struct queue *q)
{
	if (q) {
		wait_fini(&q->wait);
		g_free(q);
	}
}

int queue_push(struct queue *q, void *item)
{
	int ret = 0;

	assert(item);
	wait_lock(&q->wait);
	if (q->closed) {
		ret = -EPIPE;
	} else if (q->length == q->cap) {
		ret = -EAGAIN;
	} else {
		q->item[(q->head + q->length) % q->cap] = item;
		q->length++;
		if (q->waiting) {
			wait_wake(&q->wait);
		}
	}
	wait_unlock(&q->wait);
	return ret;
}

void *queue_pop(struct queue *q, int64_t deadline_ns)
{
	void *item = NULL;
	int err = 0;

	wait_lock(&q->wait);
	while (!q->length && !q->closed && deadline_ns > 0 && err != -ETIMEDOUT) {
		q->waiting++;
		err = wait_until(&q->wait, deadline_ns);
		q->waiting--;
	}
	if (q->length) {
		item = q->item[q->head];
		q->head = (q->head + 1) % q->cap;
		q->length--;
	}
	wait_unlock(&q->wait);
	return item;
}

void queue_close(struct queue *q)
{
	wait_lock(&q->wait);
	q->closed = true;
	wait_wake(&q->wait);
	wait_unlock(&q->wait);
}

size_t queue_length(struct queue *q)
{
	size_t n;

	wait_lock(&q->wait);
	n = q->length;
	wait_unlock(&q->wait);
	return n;
}
