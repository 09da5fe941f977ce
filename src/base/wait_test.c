/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated clock with several threads over simulated days.
 */
#include "base/clock.h"
#include "base/queue.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <virtmeter/plugin.h>

#define DAY (86400 * NS_PER_S)
#define START (INT64_C(1767225600) * NS_PER_S)

static GString *told;
static struct wait told_lock;

static void tell(const char *who)
{
	wait_lock(&told_lock);
	g_string_append_printf(told, "%s@%" G_GINT64_FORMAT " ", who, clock_monotonic() / NS_PER_S);
	wait_unlock(&told_lock);
}

struct ticker {
	const char *name;
	int64_t period, until;
	unsigned ticks;
};

static void *tick(void *data)
{
	struct ticker *t = data;
	int64_t due = clock_monotonic();

	while ((due += t->period) <= t->until) {
		wait_sleep(due - clock_monotonic());
		g_assert_cmpint(clock_monotonic(), ==, due);
		t->ticks++;
		if (t->name) {
			tell(t->name);
		}
	}
	return NULL;
}

static void test_days(void)
{
	int64_t start = clock_monotonic(), real = clock_real();
	struct ticker t[3] = { { .period = 300 * NS_PER_S },
			       { .period = 60 * NS_PER_S },
			       { .period = 3600 * NS_PER_S } };
	pthread_t thread[3];

	for (int i = 0; i < 3; i++) {
		t[i].until = start + 3 * DAY;
		g_assert_cmpint(thread_start(&thread[i], "ticker", tick, &t[i]), ==, 0);
	}
	for (int i = 0; i < 3; i++) {
		thread_join(thread[i]);
	}
	g_assert_cmpuint(t[0].ticks, ==, 3 * 288);
	g_assert_cmpuint(t[1].ticks, ==, 3 * 1440);
	g_assert_cmpuint(t[2].ticks, ==, 3 * 24);
	g_assert_cmpint(clock_monotonic() - start, ==, 3 * DAY);
	g_assert_cmpint(clock_real() - real, ==, 3 * DAY);
}

/* Threads that fall due at the same instant run in the order in which they began to wait. */
static void test_order(void)
{
	char *first = NULL;

	for (int round = 0; round < 20; round++) {
		int64_t start = clock_monotonic();
		struct ticker t[3] = { { "a", 2 * NS_PER_S },
				       { "b", 3 * NS_PER_S },
				       { "c", NS_PER_S } };
		GString *relative = g_string_new(NULL);
		pthread_t thread[3];

		g_string_truncate(told, 0);
		for (int i = 0; i < 3; i++) {
			t[i].until = start + 6 * NS_PER_S;
			g_assert_cmpint(thread_start(&thread[i], "ticker", tick, &t[i]), ==, 0);
		}
		for (int i = 0; i < 3; i++) {
			thread_join(thread[i]);
		}
		for (const char *p = told->str; *p; p++) {
			if (g_ascii_isalpha(*p)) {
				g_string_append_printf(relative, "%c%d ", *p,
						       (int)g_ascii_strtoll(p + 2, NULL, 10) -
							       (int)(start / NS_PER_S));
			}
		}
		if (!first) {
			first = g_strdup(relative->str);
			g_assert_cmpstr(first, ==, "c1 a2 c2 b3 c3 a4 c4 c5 b6 a6 c6 ");
		}
		g_assert_cmpstr(relative->str, ==, first);
		g_string_free(relative, TRUE);
	}
	g_free(first);
}

struct relay {
	struct queue *in, *out;
	int64_t latest;
};

static void *relay(void *data)
{
	struct relay *r = data;
	void *item;

	while ((item = queue_pop(r->in, clock_monotonic() + 10 * NS_PER_S))) {
		r->latest = clock_monotonic();
		if (queue_push(r->out, item) < 0) {
			break;
		}
	}
	return NULL;
}

/* Work that is handed from thread to thread takes no time, though every one of them has a deadline. */
static void test_no_jump_while_busy(void)
{
	enum { HOPS = 4, ITEMS = 1000 };
	int64_t start = clock_monotonic();
	struct queue *q[HOPS + 1];
	struct relay r[HOPS];
	pthread_t thread[HOPS];
	int item;

	for (int i = 0; i <= HOPS; i++) {
		q[i] = queue_new(4);
	}
	for (int i = 0; i < HOPS; i++) {
		r[i] = (struct relay){ q[i], q[i + 1], start };
		g_assert_cmpint(thread_start(&thread[i], "relay", relay, &r[i]), ==, 0);
	}
	for (int i = 0; i < ITEMS; i++) {
		g_assert_cmpint(queue_push(q[0], &item), ==, 0);
		g_assert_true(queue_pop(q[HOPS], start + NS_PER_S) == &item);
	}
	g_assert_cmpint(clock_monotonic(), ==, start);
	for (int i = 0; i < HOPS; i++) {
		g_assert_cmpint(r[i].latest, ==, start);
		thread_join(thread[i]); /* each gives up after 10 s without work */
	}
	g_assert_cmpint(clock_monotonic(), ==, start + 10 * NS_PER_S);
	for (int i = 0; i <= HOPS; i++) {
		queue_free(q[i]);
	}
}

static void *outside(void *data)
{
	thread_block_begin();
	g_usleep(20000); /* system time: stands for a call into a library */
	thread_block_end();
	*(int64_t *)data = clock_monotonic();
	return NULL;
}

static void test_block(void)
{
	int64_t start = clock_monotonic(), seen = -1;
	pthread_t thread;

	g_assert_cmpint(thread_start(&thread, "outside", outside, &seen), ==, 0);
	wait_sleep(NS_PER_S);
	g_assert_cmpint(seen, ==, start); /* time stood until the call was back */
	thread_join(thread);
}

static void *wake_later(void *data)
{
	wait_sleep(5 * NS_PER_S);
	wait_wake(data);
	return NULL;
}

static void test_wake(void)
{
	int64_t start = clock_monotonic();
	struct wait w;
	pthread_t thread;

	wait_init(&w);
	g_assert_cmpint(thread_start(&thread, "waker", wake_later, &w), ==, 0);
	wait_lock(&w);
	g_assert_cmpint(wait_until(&w, start + 2 * NS_PER_S), ==, -ETIMEDOUT);
	g_assert_cmpint(clock_monotonic(), ==, start + 2 * NS_PER_S);
	g_assert_cmpint(wait_until(&w, WAIT_FOREVER), ==, 0);
	g_assert_cmpint(clock_monotonic(), ==, start + 5 * NS_PER_S);
	g_assert_cmpint(wait_until(&w, start), ==, -ETIMEDOUT); /* the past: at once */
	g_assert_cmpint(clock_monotonic(), ==, start + 5 * NS_PER_S);
	wait_unlock(&w);
	thread_join(thread);
	wait_fini(&w);
	wait_fini(NULL);
}

static void test_step(void)
{
	int64_t mono = clock_monotonic(), real = clock_real();

	clock_simulate_step(-3600 * NS_PER_S);
	g_assert_cmpint(clock_real(), ==, real - 3600 * NS_PER_S);
	g_assert_cmpint(clock_monotonic(), ==, mono);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	clock_simulate(START, 100 * NS_PER_S);
	g_assert_cmpint(clock_real(), ==, START);
	g_assert_cmpint(vmt_clock_monotonic(), ==, 100 * NS_PER_S);
	told = g_string_new(NULL);
	wait_init(&told_lock);
	g_test_add_func("/wait/days", test_days);
	g_test_add_func("/wait/order", test_order);
	g_test_add_func("/wait/no-jump-while-busy", test_no_jump_while_busy);
	g_test_add_func("/wait/block", test_block);
	g_test_add_func("/wait/wake", test_wake);
	g_test_add_func("/wait/step", test_step);
	ret = g_test_run();
	wait_fini(&told_lock);
	g_string_free(told, TRUE);
	return ret;
}
