/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of libvirt's event loop, through libvirt's own functions for it: what virEventAddHandle() and its like promise
 * (libvirt-event.h), and that nobody is woken for what needs no wake.
 */
#include "plugins/libvirt/event_loop.h"
#include "plugins/libvirt/events.h"

#include "base/clock.h"
#include "base/wait.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
	int id;
	unsigned calls, released;
	int events;
	int64_t last_ns;
	bool remove; /* itself, when called */
	void (*remove_fn)(struct seen *);
	unsigned released_within; /* as it was when the removing call came back */
};

static void release(void *opaque)
{
	struct seen *s = opaque;

	s->released++;
}

static void note(struct seen *s, int events)
{
	s->calls++;
	s->events = events;
	s->last_ns = clock_monotonic();
	if (s->remove) {
		s->remove_fn(s);
		s->released_within = s->released;
	}
}

static void on_handle(int id, int fd, int events, void *opaque)
{
	struct seen *s = opaque;

	g_assert_cmpint(id, ==, s->id);
	note(s, events);
}

static void on_timeout(int id, void *opaque)
{
	struct seen *s = opaque;

	g_assert_cmpint(id, ==, s->id);
	note(s, 0);
}

static void remove_handle(struct seen *s)
{
	g_assert_cmpint(virEventRemoveHandle(s->id), ==, 0);
}

static void remove_timeout(struct seen *s)
{
	g_assert_cmpint(virEventRemoveTimeout(s->id), ==, 0);
}

/* Turns of the main context that had something to do. */
static unsigned turns(void)
{
	unsigned n = 0;

	while (g_main_context_iteration(NULL, FALSE)) {
		n++;
	}
	return n;
}

static void turn_until(const unsigned *what, unsigned wanted)
{
	int64_t until = clock_monotonic() + 20 * NS_PER_S;

	while (*what < wanted && clock_monotonic() < until) {
		turns();
		wait_sleep(NS_PER_MS);
	}
	g_assert_cmpuint(*what, >=, wanted);
}

/* What answers is told of room to write in the turn in which it begins to wait for that; without room it waits. */
struct answerer {
	unsigned answers, tries;
};

static void on_question(int id, int fd, int events, void *opaque)
{
	struct answerer *a = opaque;
	char byte;

	if (events & VIR_EVENT_HANDLE_READABLE) {
		g_assert_cmpint(read(fd, &byte, 1), ==, 1);
		virEventUpdateHandle(id, VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_WRITABLE);
	}
	if (events & VIR_EVENT_HANDLE_WRITABLE) {
		a->tries++;
		if (write(fd, "a", 1) == 1) {
			a->answers++;
			virEventUpdateHandle(id, VIR_EVENT_HANDLE_READABLE);
		}
	}
}

static void test_answer(void)
{
	struct answerer a = { .answers = 0 };
	char bytes[4096] = "";
	int ends[2], id;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), ==, 0);
	id = virEventAddHandle(ends[0], VIR_EVENT_HANDLE_READABLE, on_question, &a, NULL);
	g_assert_cmpint(write(ends[1], "q", 1), ==, 1);
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(a.answers, ==, 1);
	g_assert_cmpuint(turns(), ==, 0);
	g_assert_cmpuint(a.tries, ==, 1);

	while (write(ends[0], bytes, sizeof(bytes)) > 0) {
	}
	g_assert_cmpint(write(ends[1], "q", 1), ==, 1);
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(turns(), ==, 0);
	g_assert_cmpuint(a.tries, ==, 2);
	g_assert_cmpuint(a.answers, ==, 1);
	while (read(ends[1], bytes, sizeof(bytes)) > 0) {
	}
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(a.answers, ==, 2);
	g_assert_cmpuint(turns(), ==, 0);
	virEventRemoveHandle(id);
	turns();
	close(ends[0]);
	close(ends[1]);
}

static void test_handle(void)
{
	struct seen s = { .calls = 0 };
	int ends[2];
	char byte;

	g_assert_cmpint(pipe(ends), ==, 0);
	s.id = virEventAddHandle(ends[0], VIR_EVENT_HANDLE_READABLE, on_handle, &s, release);
	g_assert_cmpint(s.id, >, 0);
	turns();
	g_assert_cmpuint(s.calls, ==, 0);

	g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(s.calls, ==, 1);
	g_assert_cmpint(s.events, ==, VIR_EVENT_HANDLE_READABLE);

	/* A call has taken the socket over. */
	virEventUpdateHandle(s.id, 0);
	g_assert_cmpuint(turns(), ==, 0);
	g_assert_cmpuint(s.calls, ==, 1);
	virEventUpdateHandle(s.id, VIR_EVENT_HANDLE_READABLE);
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(s.calls, ==, 2);
	g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);

	/* Of an end, too, only those hear who want to hear of something. */
	virEventUpdateHandle(s.id, 0);
	close(ends[1]);
	g_assert_cmpuint(turns(), ==, 0);
	virEventUpdateHandle(s.id, VIR_EVENT_HANDLE_READABLE);
	g_assert_true(g_main_context_iteration(NULL, FALSE));
	g_assert_cmpuint(s.calls, ==, 3);
	g_assert_true(s.events & VIR_EVENT_HANDLE_HANGUP);

	/* It is released by a turn, not within the call. */
	remove_handle(&s);
	g_assert_cmpuint(s.released, ==, 0);
	g_assert_cmpint(virEventRemoveHandle(s.id), ==, -1);
	turn_until(&s.released, 1);
	turns();
	g_assert_cmpuint(s.released, ==, 1);
	g_assert_cmpuint(s.calls, ==, 3);
	close(ends[0]);
}

static void *add_handle(void *fd)
{
	struct seen s = { .calls = 0 };

	return GINT_TO_POINTER(virEventAddHandle(GPOINTER_TO_INT(fd), VIR_EVENT_HANDLE_READABLE,
						 on_handle, &s, NULL));
}

/* A thread may keep its sockets out of the loop; others' go in meanwhile. */
static void test_refuse(void)
{
	struct seen s = { .calls = 0 };
	pthread_t other;
	void *id;
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	event_loop_refuse(true);
	g_assert_cmpint(virEventAddHandle(ends[0], VIR_EVENT_HANDLE_READABLE, on_handle, &s,
					  release),
			==, -1);
	pthread_create(&other, NULL, add_handle, GINT_TO_POINTER(ends[0]));
	pthread_join(other, &id);
	g_assert_cmpint(GPOINTER_TO_INT(id), >, 0);
	g_assert_cmpint(virEventRemoveHandle(GPOINTER_TO_INT(id)), ==, 0);
	event_loop_refuse(false);
	s.id = virEventAddHandle(ends[0], VIR_EVENT_HANDLE_READABLE, on_handle, &s, release);
	g_assert_cmpint(s.id, >, 0);
	remove_handle(&s);
	turn_until(&s.released, 1);
	close(ends[0]);
	close(ends[1]);
}

static void test_handle_removes_itself(void)
{
	struct seen s = { .remove = true, .remove_fn = remove_handle };
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	s.id = virEventAddHandle(ends[1], VIR_EVENT_HANDLE_WRITABLE, on_handle, &s, release);
	turn_until(&s.released, 1);
	g_assert_cmpuint(s.calls, ==, 1);
	g_assert_cmpint(s.events, ==, VIR_EVENT_HANDLE_WRITABLE);
	g_assert_cmpuint(s.released_within, ==, 0);
	g_assert_cmpint(virEventAddHandle(-1, VIR_EVENT_HANDLE_WRITABLE, on_handle, &s, release),
			==, -1);
	close(ends[0]);
	close(ends[1]);
}

static void test_timeout(void)
{
	struct seen s = { .calls = 0 }, off = { .calls = 0 };
	int64_t begun;

	begun = clock_monotonic();
	s.id = virEventAddTimeout(20, on_timeout, &s, release);
	off.id = virEventAddTimeout(-1, on_timeout, &off, release);
	turn_until(&s.calls, 3); /* it comes again and again */
	g_assert_cmpint(s.last_ns - begun, >=, 60 * NS_PER_MS);

	/* One that is put off does not come at its old time. */
	virEventUpdateTimeout(s.id, 3600 * 1000);
	s.calls = 0;
	wait_sleep(30 * NS_PER_MS);
	turns();
	g_assert_cmpuint(s.calls, ==, 0);
	virEventUpdateTimeout(s.id, 0);
	turn_until(&s.calls, 1);
	virEventUpdateTimeout(s.id, -1);
	turns();
	s.calls = 0;
	wait_sleep(2 * NS_PER_MS);
	turns();
	g_assert_cmpuint(s.calls, ==, 0);
	g_assert_cmpuint(off.calls, ==, 0);

	virEventUpdateTimeout(off.id, 5);
	off.remove = true;
	off.remove_fn = remove_timeout;
	turn_until(&off.released, 1);
	g_assert_cmpuint(off.calls, ==, 1);
	remove_timeout(&s);
	turn_until(&s.released, 1);
	g_assert_cmpint(virEventRemoveTimeout(s.id), ==, -1);
}

enum { CHANGES = 1000 };

static void *change(void *arg)
{
	const struct seen *s = arg;

	for (int i = 0; i < CHANGES; i++) {
		virEventUpdateHandle(s[0].id, i % 2 ? VIR_EVENT_HANDLE_READABLE : 0);
		virEventUpdateTimeout(s[1].id, 3600 * 1000 + i);
	}
	return NULL;
}

/* What a call and a keep-alive do wakes nobody. */
static void test_quiet(void)
{
	struct seen s[2] = { { .calls = 0 }, { .calls = 0 } };
	pthread_t thread;
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	s[0].id = virEventAddHandle(ends[0], VIR_EVENT_HANDLE_READABLE, on_handle, &s[0], release);
	s[1].id = virEventAddTimeout(3600 * 1000, on_timeout, &s[1], release);
	turns();
	pthread_create(&thread, NULL, change, s);
	pthread_join(thread, NULL);
	g_assert_cmpuint(turns(), ==, 0);
	remove_handle(&s[0]);
	remove_timeout(&s[1]);
	turn_until(&s[0].released, 1);
	turn_until(&s[1].released, 1);
	close(ends[0]);
	close(ends[1]);
}

/* s[1] is the timeout. */
static void put_off(struct seen *s)
{
	virEventUpdateTimeout(s[1].id, 3600 * 1000);
	virEventUpdateHandle(s[0].id, 0);
}

/* A turn that puts a timeout off leaves no turn for the timeout's old time. */
static void test_put_off(void)
{
	struct seen s[2] = { { .remove = true, .remove_fn = put_off }, { .calls = 0 } };
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	s[0].id = virEventAddHandle(ends[1], VIR_EVENT_HANDLE_WRITABLE, on_handle, &s[0], release);
	s[1].id = virEventAddTimeout(300, on_timeout, &s[1], release);
	turn_until(&s[0].calls, 1);
	wait_sleep(400 * NS_PER_MS);
	g_assert_cmpuint(turns(), ==, 0);
	remove_handle(&s[0]);
	remove_timeout(&s[1]);
	turn_until(&s[0].released, 1);
	turn_until(&s[1].released, 1);
	close(ends[0]);
	close(ends[1]);
}

/* Who asks whether it turns wakes it only if it has not turned lately. */
static void test_asked(void)
{
	struct seen s = { .calls = 0 };

	s.id = virEventAddTimeout(0, on_timeout, &s, release);
	turn_until(&s.calls, 1);
	remove_timeout(&s);
	turn_until(&s.released, 1);
	turns();
	for (int i = 0; i < 3; i++) {
		g_assert_true(events_loop_turns());
		g_assert_cmpuint(turns(), ==, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (event_loop_register() < 0 || virInitialize() < 0) {
		return 1;
	}
	g_test_add_func("/event_loop/handle", test_handle);
	g_test_add_func("/event_loop/refuse", test_refuse);
	g_test_add_func("/event_loop/answer", test_answer);
	g_test_add_func("/event_loop/handle_removes_itself", test_handle_removes_itself);
	g_test_add_func("/event_loop/timeout", test_timeout);
	g_test_add_func("/event_loop/quiet", test_quiet);
	g_test_add_func("/event_loop/put_off", test_put_off);
	g_test_add_func("/event_loop/asked", test_asked);
	return g_test_run();
}
