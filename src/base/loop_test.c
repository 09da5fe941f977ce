/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main loop: first on the system's clock beside another GLib source, then the same on the simulated
 * one.
 */
#include "base/clock.h"
#include "base/loop.h"
#include "base/thread.h"
#include "base/wait.h"

#include <glib.h>
#include <sys/resource.h>

static struct loop *loop;
static GString *told;

static void say(void *data)
{
	g_string_append(told, data);
}

static void stop(void *data)
{
	say(data);
	loop_quit(loop);
}

static void begin(void)
{
	loop = loop_new();
	told = g_string_new(NULL);
}

static void end(const char *want)
{
	loop_run(loop);
	g_assert_cmpstr(told->str, ==, want);
	g_string_free(told, TRUE);
	loop_free(loop);
}

static void test_order(void)
{
	int64_t now = clock_monotonic();
	struct loop_timer *never;

	begin();
	loop_timer_add(loop, now + 30 * NS_PER_MS, stop, (void *)"d");
	loop_timer_add(loop, now + 10 * NS_PER_MS, say, (void *)"b");
	loop_timer_add(loop, now + 10 * NS_PER_MS, say, (void *)"c");
	loop_timer_add(loop, now - 1, say, (void *)"a");
	loop_timer_add(loop, INT64_MAX, say, (void *)"never");
	never = loop_timer_add(loop, now + 20 * NS_PER_MS, say, (void *)"never");
	loop_timer_set(never, INT64_MAX);
	loop_timer_free(loop_timer_add(loop, now, say, (void *)"never"));
	loop_timer_free(NULL);
	loop_post(loop, say, (void *)"1");
	loop_post(loop, say, (void *)"2");
	end("12abcd");
	g_assert_cmpint(clock_monotonic(), >=, now + 30 * NS_PER_MS);
}

/* A timer that arms itself ten times and then frees itself. */
static struct loop_timer *again_timer;
static int64_t again_due;
static int again_left;

static void again(void *data)
{
	say((void *)"x");
	g_assert_cmpint(clock_monotonic(), >=, again_due);
	if (--again_left) {
		again_due += 2 * NS_PER_MS;
		loop_timer_set(again_timer, again_due);
	} else {
		loop_timer_free(again_timer);
		loop_post(loop, stop, (void *)"!");
	}
}

static void test_again(void)
{
	begin();
	again_left = 10;
	again_due = clock_monotonic() + NS_PER_MS;
	again_timer = loop_timer_add(loop, again_due, again, NULL);
	end("xxxxxxxxxx!");
}

static void *post_all(void *data)
{
	for (int i = 0; i < 100; i++) {
		loop_post(loop, say, (void *)".");
		if (i % 10 == 0) {
			wait_sleep(NS_PER_MS);
		}
	}
	loop_post(loop, stop, (void *)"!");
	return NULL;
}

static void test_post(void)
{
	pthread_t thread;
	char *dots = g_strnfill(100, '.'), *want = g_strconcat(dots, "!", NULL);

	begin();
	g_assert_cmpint(thread_start(&thread, "poster", post_all, NULL), ==, 0);
	end(want);
	thread_join(thread);
	g_free(want);
	g_free(dots);
}

static void test_quit_first(void)
{
	begin();
	loop_quit(loop);
	loop_post(loop, say, (void *)"dropped");
	end("");
}

static gboolean from_glib(gpointer data)
{
	say((void *)"g");
	loop_timer_set(data, clock_monotonic() + NS_PER_MS);
	return G_SOURCE_REMOVE;
}

static void test_beside_glib(void)
{
	begin();
	g_timeout_add(5, from_glib, loop_timer_add(loop, INT64_MAX, stop, (void *)"t"));
	end("gt");
}

static long wakeups(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

/* With a timer far away and nothing to do, the thread sleeps through. */
static void test_idle(void)
{
	long before;

	begin();
	loop_timer_add(loop, clock_monotonic() + 3600 * NS_PER_S, say, (void *)"no");
	loop_timer_add(loop, clock_monotonic() + 300 * NS_PER_MS, stop, (void *)"!");
	before = wakeups();
	end("!");
	g_assert_cmpint(wakeups() - before, <=, 2);
}

static void test_simulated_days(void)
{
	int64_t start = clock_monotonic();

	begin();
	loop_timer_add(loop, start + 5 * 86400 * NS_PER_S, stop, (void *)"!");
	loop_timer_add(loop, start + 86400 * NS_PER_S, say, (void *)"1");
	end("1!");
	g_assert_cmpint(clock_monotonic(), ==, start + 5 * 86400 * NS_PER_S);
}

static void simulate(void)
{
	clock_simulate(INT64_C(1767225600) * NS_PER_S, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loop/real/order", test_order);
	g_test_add_func("/loop/real/again", test_again);
	g_test_add_func("/loop/real/post", test_post);
	g_test_add_func("/loop/real/quit-first", test_quit_first);
	g_test_add_func("/loop/real/beside-glib", test_beside_glib);
	g_test_add_func("/loop/real/idle", test_idle);
	g_test_add_func("/loop/switch/simulate", simulate);
	g_test_add_func("/loop/simulated/order", test_order);
	g_test_add_func("/loop/simulated/again", test_again);
	g_test_add_func("/loop/simulated/post", test_post);
	g_test_add_func("/loop/simulated/quit-first", test_quit_first);
	g_test_add_func("/loop/simulated/days", test_simulated_days);
	return g_test_run();
}
