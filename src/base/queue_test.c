/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded queue on the real clock.
 */
#include "base/clock.h"
#include "base/queue.h"
#include "base/thread.h"

#include <errno.h>
#include <glib.h>

enum { ITEMS = 20000, PRODUCERS = 3 };

static void test_bounds(void)
{
	struct queue *q = queue_new(3);
	int items[4];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++) {
			g_assert_cmpint(queue_push(q, &items[i]), ==, 0);
		}
		g_assert_cmpint(queue_push(q, &items[3]), ==, -EAGAIN);
		g_assert_cmpuint(queue_length(q), ==, 3);
		for (int i = 0; i < 3; i++) {
			g_assert_true(queue_pop(q, 0) == &items[i]);
		}
		g_assert_null(queue_pop(q, 0));
	}
	g_assert_cmpint(queue_push(q, &items[0]), ==, 0);
	queue_close(q);
	g_assert_cmpint(queue_push(q, &items[1]), ==, -EPIPE);
	g_assert_true(queue_pop(q, INT64_MAX) == &items[0]);
	g_assert_null(queue_pop(q, INT64_MAX));
	queue_free(q);
	queue_free(NULL);
}

static void test_deadline(void)
{
	struct queue *q = queue_new(1);
	int64_t start = clock_monotonic();

	g_assert_null(queue_pop(q, start + 20 * NS_PER_MS));
	g_assert_cmpint(clock_monotonic() - start, >=, 20 * NS_PER_MS);
	queue_free(q);
}

static void *produce(void *data)
{
	for (uintptr_t i = 1; i <= ITEMS; i++) {
		while (queue_push(data, (void *)i) == -EAGAIN) {
			g_thread_yield();
		}
	}
	return NULL;
}

static void *consume(void *data)
{
	uintptr_t sum = 0, got;

	while ((got = (uintptr_t)queue_pop(data, INT64_MAX))) {
		sum += got;
	}
	return (void *)sum;
}

static uintptr_t sums[2];

static void *consume_first(void *data)
{
	sums[0] = (uintptr_t)consume(data);
	return NULL;
}

static void *consume_second(void *data)
{
	sums[1] = (uintptr_t)consume(data);
	return NULL;
}

static void test_many(void)
{
	struct queue *q = queue_new(16);
	pthread_t p[PRODUCERS], c[2];

	g_assert_cmpint(thread_start(&c[0], "consumer", consume_first, q), ==, 0);
	g_assert_cmpint(thread_start(&c[1], "consumer", consume_second, q), ==, 0);
	for (int i = 0; i < PRODUCERS; i++) {
		g_assert_cmpint(thread_start(&p[i], "producer", produce, q), ==, 0);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		thread_join(p[i]);
	}
	queue_close(q);
	thread_join(c[0]);
	thread_join(c[1]);
	g_assert_cmpuint(sums[0] + sums[1], ==, (uintptr_t)PRODUCERS * ITEMS * (ITEMS + 1) / 2);
	queue_free(q);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/queue/bounds", test_bounds);
	g_test_add_func("/queue/deadline", test_deadline);
	g_test_add_func("/queue/many", test_many);
	return g_test_run();
}
