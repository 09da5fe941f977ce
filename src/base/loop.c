/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the main thread's timers and what others post to it.  Main thread; blocks in loop_run() only, until
 * something is due.  A turn is the same on both clocks; only the waiting between turns differs.
 */
#include "base/loop.h"
#include "base/clock.h"
#include "base/wait.h"

#include <glib.h>
#include <stdbool.h>

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next; /* armed ones, by due time */
	int64_t due_ns; /* INT64_MAX: not armed */
	loop_fn fn;
	void *data;
	bool dead; /* freed, but still in `all` */
	struct loop_timer *next_of_all;
};

struct post {
	struct post *next;
	loop_fn fn;
	void *data;
};

enum { SPARES_MAX = 16 };

/* The source hands the loop to its callbacks. */
struct loop_source {
	GSource source;
	struct loop *loop;
};

struct loop {
	struct wait wait; /* guards posts, spare ones and quit; others wake it */
	struct post *posts, **posts_tail;
	struct post *spare; /* done ones, kept so that the usual few take nothing from the heap */
	unsigned spares;
	bool quit;
	struct loop_timer *armed, *all; /* main thread only */
	bool sweep; /* `all` has dead ones */
	GMainLoop *main; /* real clock only */
	GSource *source;
};

static int64_t next_due(const struct loop *loop)
{
	return loop->armed ? loop->armed->due_ns : INT64_MAX;
}

static bool quitting(struct loop *loop)
{
	bool quit;

	wait_lock(&loop->wait);
	quit = loop->quit;
	wait_unlock(&loop->wait);
	return quit;
}

/* Microseconds of the time, rounded up: GLib's unit of the same clock. */
static int64_t ready_time(int64_t ns)
{
	return ns == INT64_MAX ? -1 : ns / 1000 + (ns % 1000 > 0);
}

/* Makes GLib wake at the right time.  `wait` locked, so that no post is lost. */
static void set_ready(struct loop *loop)
{
	bool now = loop->posts || loop->quit;

	if (loop->source) {
		g_source_set_ready_time(loop->source, now ? 0 : ready_time(MAX(next_due(loop), 0)));
	}
}

/* From any thread: there is something to do.  `wait` locked. */
static void set_ready_now(struct loop *loop)
{
	if (loop->source) {
		g_source_set_ready_time(loop->source, 0);
	}
	wait_wake(&loop->wait);
}

/* The next post, its struct given back; false when there is none or the loop is to end. */
static bool take_post(struct loop *loop, struct post *ret_post)
{
	struct post *post;

	wait_lock(&loop->wait);
	post = loop->quit ? NULL : loop->posts;
	if (post) {
		loop->posts = post->next;
		if (!loop->posts) {
			loop->posts_tail = &loop->posts;
		}
		*ret_post = *post;
		if (loop->spares < SPARES_MAX) {
			post->next = loop->spare;
			loop->spare = post;
			loop->spares++;
		} else {
			g_free(post);
		}
	}
	wait_unlock(&loop->wait);
	return post != NULL;
}

static void run_posts(struct loop *loop)
{
	struct post post;

	while (take_post(loop, &post)) {
		post.fn(post.data);
	}
}

static void run_timers(struct loop *loop)
{
	int64_t now = clock_monotonic();

	while (loop->armed && loop->armed->due_ns <= now && !quitting(loop)) {
		struct loop_timer *timer = loop->armed;

		loop->armed = timer->next;
		timer->due_ns = INT64_MAX;
		timer->fn(timer->data);
	}
}

static void sweep(struct loop *loop)
{
	struct loop_timer **at = &loop->all;

	while (loop->sweep && *at) {
		struct loop_timer *timer = *at;

		if (timer->dead) {
			*at = timer->next_of_all;
			g_free(timer);
		} else {
			at = &timer->next_of_all;
		}
	}
	loop->sweep = false;
}

static void turn(struct loop *loop)
{
	run_posts(loop);
	run_timers(loop);
	sweep(loop);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
	struct loop *loop = ((struct loop_source *)source)->loop;

	turn(loop);
	wait_lock(&loop->wait);
	set_ready(loop);
	if (loop->quit) {
		g_main_loop_quit(loop->main);
	}
	wait_unlock(&loop->wait);
	return G_SOURCE_CONTINUE;
}

struct loop *loop_new(void)
{
	static GSourceFuncs funcs = { .dispatch = dispatch };
	struct loop *loop = g_new0(struct loop, 1);

	wait_init(&loop->wait);
	loop->posts_tail = &loop->posts;
	if (!clock_is_simulated()) {
		loop->main = g_main_loop_new(NULL, FALSE);
		loop->source = g_source_new(&funcs, sizeof(struct loop_source));
		((struct loop_source *)loop->source)->loop = loop;
		g_source_set_name(loop->source, "virtmeter");
		g_source_attach(loop->source, NULL);
	}
	return loop;
}

static void free_posts(struct post *post)
{
	while (post) {
		struct post *next = post->next;

		g_free(post);
		post = next;
	}
}

void loop_free(struct loop *loop)
{
	if (!loop) {
		return;
	}
	if (loop->source) {
		g_source_destroy(loop->source);
		g_source_unref(loop->source);
		g_main_loop_unref(loop->main);
	}
	free_posts(loop->posts);
	free_posts(loop->spare);
	while (loop->all) {
		struct loop_timer *timer = loop->all;

		loop->all = timer->next_of_all;
		g_free(timer);
	}
	wait_fini(&loop->wait);
	g_free(loop);
}

static void disarm(struct loop_timer *timer)
{
	struct loop_timer **at = &timer->loop->armed;

	if (timer->due_ns == INT64_MAX) {
		return;
	}
	while (*at != timer) {
		at = &(*at)->next;
	}
	*at = timer->next;
	timer->due_ns = INT64_MAX;
}

void loop_timer_set(struct loop_timer *timer, int64_t due_mono_ns)
{
	struct loop *loop = timer->loop;
	struct loop_timer **at = &loop->armed;

	disarm(timer);
	if (due_mono_ns != INT64_MAX) {
		timer->due_ns = due_mono_ns;
		while (*at && (*at)->due_ns <= due_mono_ns) {
			at = &(*at)->next;
		}
		timer->next = *at;
		*at = timer;
	}
	wait_lock(&loop->wait);
	set_ready(loop);
	wait_unlock(&loop->wait);
}

struct loop_timer *loop_timer_add(struct loop *loop, int64_t due_mono_ns, loop_fn fn, void *data)
{
	struct loop_timer *timer = g_new0(struct loop_timer, 1);

	timer->loop = loop;
	timer->due_ns = INT64_MAX;
	timer->fn = fn;
	timer->data = data;
	timer->next_of_all = loop->all;
	loop->all = timer;
	loop_timer_set(timer, due_mono_ns);
	return timer;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (timer) {
		loop_timer_set(timer, INT64_MAX);
		timer->dead = true;
		timer->loop->sweep = true;
	}
}

void loop_post(struct loop *loop, loop_fn fn, void *data)
{
	struct post *post;

	wait_lock(&loop->wait);
	post = loop->spare;
	if (post) {
		loop->spare = post->next;
		loop->spares--;
	} else {
		post = g_new(struct post, 1);
	}
	*post = (struct post){ .fn = fn, .data = data };
	*loop->posts_tail = post;
	loop->posts_tail = &post->next;
	set_ready_now(loop);
	wait_unlock(&loop->wait);
}

void loop_quit(struct loop *loop)
{
	wait_lock(&loop->wait);
	loop->quit = true;
	set_ready_now(loop);
	wait_unlock(&loop->wait);
}

static void run_simulated(struct loop *loop)
{
	while (!quitting(loop)) {
		turn(loop);
		wait_lock(&loop->wait);
		if (!loop->posts && !loop->quit) {
			wait_until(&loop->wait, next_due(loop));
		}
		wait_unlock(&loop->wait);
	}
}

void loop_run(struct loop *loop)
{
	if (clock_is_simulated()) {
		run_simulated(loop);
	} else {
		g_main_loop_run(loop->main);
	}
	wait_lock(&loop->wait);
	loop->quit = false;
	set_ready(loop);
	wait_unlock(&loop->wait);
}
