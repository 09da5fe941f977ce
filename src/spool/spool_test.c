/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the log of frames: order, cursors, bounds and the ledger, on the memory and null twins. */
#include "spool/spool.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/batch.h"

static struct frame_pool *pool;
static struct resource *resource;
static const struct spool_publisher any = { .name = "sink/test/0", .url = "test://" };

/* A frame of two batches: `a` samples for publisher 0, `b` for publishers 0 and 1. */
static struct frame *make_frame(unsigned a, unsigned b)
{
	struct frame_builder builder;
	struct batch_spec spec = { .name = "cpu", .unit = "ns", .kind = VMT_UINT64 };
	struct frame *frame;
	unsigned rows[2] = { a, b };

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, 1, 2);
	for (unsigned i = 0; i < 2; i++) {
		spec.publishers = i ? 3 : 1;
		batch_begin(&builder, &spec, rows[i]);
		for (unsigned r = 0; r < rows[i]; r++) {
			batch_add(&builder, resource, (union vmt_num){ .u = r }, 1, 2);
		}
		batch_end(&builder);
	}
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

static void check(struct spool *s, unsigned cursor, uint64_t produced, uint64_t confirmed,
		  uint64_t dropped)
{
	struct spool_ledger l;
	uint64_t sum = 0;

	spool_ledger(s, cursor, &l);
	for (unsigned i = 0; i < SPOOL_REASONS; i++) {
		sum += l.dropped[i];
	}
	g_assert_cmpuint(l.produced, ==, produced);
	g_assert_cmpuint(l.confirmed, ==, confirmed);
	g_assert_cmpuint(sum, ==, dropped);
	g_assert_cmpuint(l.queued, ==, produced - confirmed - dropped);
}

static void end(struct spool *s, unsigned cursor)
{
	spool_cursor_finish(s, cursor);
	spool_cursor_settle(s, cursor, SPOOL_SHUTDOWN);
	spool_cursor_remove(s, cursor);
}

static void test_order(void)
{
	struct spool *s =
		spool_new_memory(&(struct spool_limits){ .frames = 100, .bytes = 1 << 30 });
	const struct frame *f;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	g_assert_cmpint(spool_cursor_add(s, &any), ==, 1);
	spool_append(s, make_frame(2, 3));
	spool_append(s, make_frame(4, 0));
	spool_append(s, make_frame(0, 5));
	check(s, 0, 14, 0, 0);
	check(s, 1, 8, 0, 0);
	for (uint64_t i = 1; i <= 3; i++) {
		f = spool_next(s, 0, 0);
		g_assert_nonnull(f);
		g_assert_cmpuint(f->public.sequence, ==, i);
		g_assert_true(spool_next(s, 0, 0) == f); /* the same until it is settled */
		spool_confirm(s, 0);
	}
	g_assert_null(spool_next(s, 0, 0));
	/* the other cursor never sees the frame that has nothing for it */
	g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 1);
	spool_drop(s, 1, SPOOL_REFUSED);
	g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 3);
	check(s, 0, 14, 14, 0);
	check(s, 1, 8, 0, 3);
	end(s, 0);
	end(s, 1);
	spool_free(s);
}

static void test_overflow(void)
{
	struct spool *s = spool_new_memory(&(struct spool_limits){ .frames = 4, .bytes = 1 << 30 });
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	g_assert_cmpint(spool_cursor_add(s, &any), ==, 1);
	for (unsigned i = 0; i < 4; i++) {
		spool_append(s, make_frame(0, 1));
		if (i == 0) {
			/* publisher 1 is sending the first one: it must not lose it */
			g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 1);
		}
	}
	spool_append(s, make_frame(0, 1));
	spool_append(s, make_frame(0, 1));
	check(s, 1, 6, 0, 2);
	check(s, 0, 6, 0, 3);
	spool_ledger(s, 0, &l);
	g_assert_cmpuint(l.dropped[SPOOL_OVERFLOW], ==, 3);
	spool_confirm(s, 1);
	check(s, 1, 6, 1, 2);
	g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 4);
	g_assert_cmpuint(spool_next(s, 0, 0)->public.sequence, ==, 4);
	end(s, 0);
	end(s, 1);
	spool_free(s);
}

static void test_bytes(void)
{
	struct frame *f = make_frame(0, 10);
	struct spool *s = spool_new_memory(
		&(struct spool_limits){ .frames = 1000, .bytes = frame_bytes(f) * 5 / 2 });
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	spool_append(s, f);
	for (unsigned i = 0; i < 9; i++) {
		spool_append(s, make_frame(0, 10));
		spool_ledger(s, 0, &l);
		g_assert_cmpuint(l.queue_frames, <=, 2);
	}
	check(s, 0, 100, 0, 80);
	end(s, 0);
	spool_free(s);
}

/* max_queue_length: messages of one publisher; the others keep theirs, and the newest frame stays. */
static void test_messages(void)
{
	const struct spool_publisher few = { .name = "a",
					     .url = "a://",
					     .max_messages = 7,
					     .shape = { .samples = 2, .copies = 1 } };
	struct spool *s =
		spool_new_memory(&(struct spool_limits){ .frames = 100, .bytes = 1 << 30 });
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	g_assert_cmpint(spool_cursor_add(s, &few), ==, 1);
	for (unsigned i = 0; i < 5; i++) {
		spool_append(s, make_frame(0, 5)); /* 3 messages */
		if (i == 0) {
			g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 1);
		}
	}
	spool_ledger(s, 1, &l);
	g_assert_cmpuint(l.queue_messages, ==, 6); /* the one in hand and the newest */
	g_assert_cmpuint(l.dropped[SPOOL_OVERFLOW], ==, 15);
	check(s, 1, 25, 0, 15);
	check(s, 0, 25, 0, 0);
	spool_confirm(s, 1);
	g_assert_cmpuint(spool_next(s, 1, 0)->public.sequence, ==, 5);
	spool_confirm(s, 1);
	spool_append(s, make_frame(0, 40)); /* 20 messages: longer than the queue may be */
	spool_ledger(s, 1, &l);
	g_assert_cmpuint(l.queue_messages, ==, 20);
	check(s, 1, 65, 10, 15);
	end(s, 0);
	end(s, 1);
	spool_free(s);
}

static void test_age(void)
{
	struct spool *s = spool_new_memory(
		&(struct spool_limits){ .frames = 100, .bytes = 1 << 30, .age_ns = 60 * NS_PER_S });
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	for (unsigned i = 0; i < 6; i++) {
		spool_append(s, make_frame(0, 1));
		clock_simulate_step(25 * NS_PER_S);
	}
	spool_ledger(s, 0, &l);
	g_assert_cmpuint(l.dropped[SPOOL_EXPIRED], ==, 3);
	check(s, 0, 6, 0, 3);
	end(s, 0);
	spool_free(s);
}

static void test_null(void)
{
	struct spool *s = spool_new_null();

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	spool_append(s, make_frame(1, 2));
	check(s, 0, 3, 0, 3);
	g_assert_null(spool_next(s, 0, 0));
	end(s, 0);
	spool_free(s);
}

static void test_late_cursor(void)
{
	struct spool *s =
		spool_new_memory(&(struct spool_limits){ .frames = 100, .bytes = 1 << 30 });

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	spool_append(s, make_frame(0, 1));
	/* gets only what is appended from now on; a finished one nothing more */
	g_assert_cmpint(spool_cursor_add(s, &any), ==, 1);
	g_assert_null(spool_next(s, 1, 0));
	spool_cursor_finish(s, 0);
	spool_append(s, make_frame(0, 1));
	check(s, 0, 1, 0, 0);
	check(s, 1, 1, 0, 0);
	end(s, 0);
	end(s, 1);
	for (int i = 0; i < SPOOL_CURSORS; i++) {
		g_assert_cmpint(spool_cursor_add(s, &any), ==, i);
	}
	g_assert_cmpint(spool_cursor_add(s, &any), ==, -ENOSPC);
	spool_free(s);
}

static void *consume(void *arg)
{
	struct spool *s = arg;

	while (spool_next(s, 0, WAIT_FOREVER)) {
		spool_confirm(s, 0);
	}
	return NULL;
}

/* A publisher's thread beside the pipeline's: nothing is lost, and the end wakes it. */
static void test_threads(void)
{
	struct spool *s = spool_new_memory(
		&(struct spool_limits){ .frames = 1 << 20, .bytes = UINT64_MAX / 2 });
	pthread_t thread;

	g_assert_cmpint(spool_cursor_add(s, &any), ==, 0);
	g_assert_cmpint(thread_start(&thread, "consume", consume, s), ==, 0);
	for (unsigned i = 0; i < 5000; i++) {
		spool_append(s, make_frame(1, 1));
	}
	spool_cursor_finish(s, 0);
	thread_join(thread);
	check(s, 0, 10000, 10000, 0);
	end(s, 0);
	spool_free(s);
}

int main(int argc, char **argv)
{
	struct resource_head *head;
	int ret;

	g_test_init(&argc, &argv, NULL);
	clock_simulate(INT64_C(1784641000) * NS_PER_S, 1000 * NS_PER_S);
	pool = frame_pool_new(4);
	head = resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	resource = resource_new(head, "r", "}", 1);
	resource_head_unref(head);
	g_test_add_func("/spool/order", test_order);
	g_test_add_func("/spool/overflow", test_overflow);
	g_test_add_func("/spool/bytes", test_bytes);
	g_test_add_func("/spool/messages", test_messages);
	g_test_add_func("/spool/age", test_age);
	g_test_add_func("/spool/null", test_null);
	g_test_add_func("/spool/late-cursor", test_late_cursor);
	g_test_add_func("/spool/threads", test_threads);
	ret = g_test_run();
	resource_unref(resource);
	frame_pool_free(pool);
	return ret;
}
