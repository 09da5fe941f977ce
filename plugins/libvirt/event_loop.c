/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns libvirt's handles and timeouts, for the life of the process.  libvirt adds, changes and removes them from any
 * thread; callbacks, and the release of what was removed, run on the thread that iterates GLib's default main
 * context.  Never blocks.
 */
#include "plugins/libvirt/event_loop.h"

#include "base/clock.h"

#include <errno.h>
#include <glib-unix.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LATER_NS (NS_PER_S / 2) /* a timer that is early by more is worth setting anew */

enum { TIMER_KEY = 0, EVENTS_MAX = 16 }; /* ids of handles begin with 1 */

struct entry {
	int id;
	bool dead; /* removed; still to be released */
	void *opaque;
	virFreeCallback release; /* or NULL */
};

struct handle {
	struct entry entry; /* first */
	int fd;
	int wanted; /* VIR_EVENT_HANDLE_* that libvirt waits for */
	int events; /* what the epoll set knows of them; 0: not in it, for it would tell of its end all the same */
	virEventHandleCallback fn;
};

struct timeout {
	struct entry entry; /* first */
	int64_t period_ns; /* -1: off */
	int64_t due_ns; /* INT64_MAX: off */
	virEventTimeoutCallback fn;
};

static struct {
	pthread_mutex_t lock; /* guards all below */
	GPtrArray *handles, *timeouts; /* some of them dead */
	int last_id;
	unsigned dead;
	int set; /* epoll */
	int timer;
	int turning; /* id of the handle whose callback runs; 0: none */
	pthread_t turner; /* on which thread */
	int64_t armed_ns; /* what the timer is set to, at the latest when the next timeout is due */
} loop = { .lock = PTHREAD_MUTEX_INITIALIZER, .set = -1, .timer = -1, .armed_ns = INT64_MAX };

static _Thread_local bool refusing;
static _Atomic int64_t turned_ns; /* when the last turn was */

/* ------------------------------------------------------------------ changes, from any thread */

static void set_timer(int64_t due_ns)
{
	struct itimerspec at = { .it_value = { .tv_sec = due_ns / NS_PER_S,
					       .tv_nsec = due_ns % NS_PER_S } };

	loop.armed_ns = due_ns;
	timerfd_settime(loop.timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Sets the timer, unless it goes off earlier anyway. */
static void arm(int64_t due_ns)
{
	if (due_ns < loop.armed_ns) {
		set_timer(due_ns);
	}
}

static void *find(const GPtrArray *list, int id)
{
	for (guint i = 0; i < list->len; i++) {
		struct entry *e = g_ptr_array_index(list, i);

		if (e->id == id && !e->dead) {
			return e;
		}
	}
	return NULL;
}

/* Whoever holds it is told by the main thread, soon: libvirt forbids it within the call. */
static void bury(struct entry *e)
{
	e->dead = true;
	loop.dead++;
	arm(1);
}

static uint32_t epoll_of(int events)
{
	return (events & VIR_EVENT_HANDLE_READABLE ? EPOLLIN : 0U) |
	       (events & VIR_EVENT_HANDLE_WRITABLE ? EPOLLOUT : 0U);
}

static int events_of(uint32_t epoll)
{
	return (epoll & EPOLLIN ? VIR_EVENT_HANDLE_READABLE : 0) |
	       (epoll & EPOLLOUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
	       (epoll & EPOLLERR ? VIR_EVENT_HANDLE_ERROR : 0) |
	       (epoll & EPOLLHUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

/* Tells the epoll set what is wanted. */
static int watch(struct handle *h)
{
	struct epoll_event e = { .events = epoll_of(h->wanted), .data.u32 = (uint32_t)h->entry.id };
	int op = !h->wanted ? EPOLL_CTL_DEL : h->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int rc = h->wanted != h->events ? epoll_ctl(loop.set, op, h->fd, &e) : 0;

	h->events = h->wanted;
	return rc;
}

static int add_handle(int fd, int events, virEventHandleCallback fn, void *opaque,
		      virFreeCallback release)
{
	struct handle *h;
	int id = -1;

	if (refusing) {
		return -1;
	}
	h = g_new0(struct handle, 1);
	pthread_mutex_lock(&loop.lock);
	*h = (struct handle){
		.entry = { .id = loop.last_id + 1, .opaque = opaque, .release = release },
		.fd = fd,
		.wanted = events,
		.fn = fn
	};
	if (watch(h) == 0) {
		id = ++loop.last_id;
		g_ptr_array_add(loop.handles, h);
		h = NULL;
	}
	pthread_mutex_unlock(&loop.lock);
	g_free(h);
	return id;
}

static void update_handle(int id, int events)
{
	struct handle *h;

	pthread_mutex_lock(&loop.lock);
	h = find(loop.handles, id);
	if (h) {
		h->wanted = events;
	}
	if (h && !(id == loop.turning && pthread_equal(loop.turner, pthread_self()))) {
		watch(h); /* its own callback may change its mind: the turn tells */
	}
	pthread_mutex_unlock(&loop.lock);
}

static int remove_handle(int id)
{
	struct handle *h;

	pthread_mutex_lock(&loop.lock);
	h = find(loop.handles, id);
	if (h) {
		h->wanted = 0;
		watch(h);
		bury(&h->entry);
	}
	pthread_mutex_unlock(&loop.lock);
	return h ? 0 : -1;
}

static void set_timeout(struct timeout *t, int period_ms)
{
	t->period_ns = period_ms < 0 ? -1 : period_ms * NS_PER_MS;
	t->due_ns = period_ms < 0 ? INT64_MAX : clock_monotonic() + t->period_ns;
	arm(t->due_ns);
}

static int add_timeout(int period_ms, virEventTimeoutCallback fn, void *opaque,
		       virFreeCallback release)
{
	struct timeout *t = g_new0(struct timeout, 1);
	int id;

	pthread_mutex_lock(&loop.lock);
	id = ++loop.last_id;
	*t = (struct timeout){ .entry = { .id = id, .opaque = opaque, .release = release },
			       .fn = fn };
	set_timeout(t, period_ms);
	g_ptr_array_add(loop.timeouts, t);
	pthread_mutex_unlock(&loop.lock);
	return id;
}

static void update_timeout(int id, int period_ms)
{
	struct timeout *t;

	pthread_mutex_lock(&loop.lock);
	t = find(loop.timeouts, id);
	if (t) {
		set_timeout(t, period_ms);
	}
	pthread_mutex_unlock(&loop.lock);
}

static int remove_timeout(int id)
{
	struct timeout *t;

	pthread_mutex_lock(&loop.lock);
	t = find(loop.timeouts, id);
	if (t) {
		bury(&t->entry);
	}
	pthread_mutex_unlock(&loop.lock);
	return t ? 0 : -1;
}

/* ------------------------------------------------------------------ a turn, on the main thread */

/* Runs the callback of the handle for those of `events` that it waits for, if any. */
static void call_back(int id, int events)
{
	const int bad = VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP;
	struct handle *h, was = { .wanted = 0 };

	pthread_mutex_lock(&loop.lock);
	h = find(loop.handles, id);
	if (h) {
		was = *h;
		loop.turning = id;
		loop.turner = pthread_self();
	}
	pthread_mutex_unlock(&loop.lock);
	events &= was.wanted ? was.wanted | bad : 0; /* may have changed since */
	if (events) {
		was.fn(id, was.fd, events, was.entry.opaque);
	}
	pthread_mutex_lock(&loop.lock);
	loop.turning = 0;
	pthread_mutex_unlock(&loop.lock);
}

/* Whether it waits for room to write, which the epoll set does not know yet. */
static bool wants_to_write(int id)
{
	struct handle *h;
	bool wants;

	pthread_mutex_lock(&loop.lock);
	h = find(loop.handles, id);
	wants = h && (h->wanted & ~h->events & VIR_EVENT_HANDLE_WRITABLE);
	pthread_mutex_unlock(&loop.lock);
	return wants;
}

/* A handle that has just begun to wait for room to write is called for it at once: there is nearly always room, and where
 * not, it waits on.  So the answer to a keep-alive costs one turn, not two. */
static void turn_handle(int id, uint32_t epoll)
{
	struct handle *h;

	call_back(id, events_of(epoll));
	if (wants_to_write(id)) {
		call_back(id, VIR_EVENT_HANDLE_WRITABLE);
	}
	pthread_mutex_lock(&loop.lock);
	h = find(loop.handles, id);
	if (h) {
		watch(h);
	}
	pthread_mutex_unlock(&loop.lock);
}

/* The next timeout that is due, armed anew; false when there is none. */
static bool take_due(int64_t now_ns, struct timeout *ret_timeout)
{
	bool found = false;

	pthread_mutex_lock(&loop.lock);
	for (guint i = 0; i < loop.timeouts->len && !found; i++) {
		struct timeout *t = g_ptr_array_index(loop.timeouts, i);

		if (!t->entry.dead && t->due_ns <= now_ns) {
			found = true;
			/* One of no period comes at each turn, once. */
			t->due_ns = MAX(clock_monotonic() + t->period_ns, now_ns + 1);
			*ret_timeout = *t;
		}
	}
	pthread_mutex_unlock(&loop.lock);
	return found;
}

/* Sets the timer for what is left: to a later time too, since a keep-alive that is answered is put off each time, and
 * its old time would be a turn for nothing.  The lock held. */
static void arm_next(void)
{
	int64_t due_ns = loop.dead ? 1 : INT64_MAX;

	for (guint i = 0; i < loop.timeouts->len; i++) {
		const struct timeout *t = g_ptr_array_index(loop.timeouts, i);

		if (!t->entry.dead) {
			due_ns = MIN(due_ns, t->due_ns);
		}
	}
	if (due_ns < loop.armed_ns || (due_ns != INT64_MAX && due_ns - LATER_NS > loop.armed_ns)) {
		set_timer(due_ns);
	}
}

static void turn_timeouts(void)
{
	int64_t now_ns = clock_monotonic();
	struct timeout t;
	uint64_t count;

	pthread_mutex_lock(&loop.lock);
	if (read(loop.timer, &count, sizeof(count)) == sizeof(count)) {
		loop.armed_ns = INT64_MAX;
	}
	pthread_mutex_unlock(&loop.lock);
	while (take_due(now_ns, &t)) {
		t.fn(t.entry.id, t.entry.opaque);
	}
}

/* Takes a dead one out of the list. */
static struct entry *take_dead(GPtrArray *list)
{
	for (guint i = 0; i < list->len; i++) {
		struct entry *e = g_ptr_array_index(list, i);

		if (e->dead) {
			loop.dead--;
			g_ptr_array_remove_index_fast(list, i);
			return e;
		}
	}
	return NULL;
}

static void release_dead(void)
{
	struct entry *e;

	do {
		pthread_mutex_lock(&loop.lock);
		e = loop.dead ? take_dead(loop.handles) : NULL;
		e = e || !loop.dead ? e : take_dead(loop.timeouts);
		pthread_mutex_unlock(&loop.lock);
		if (e && e->release) {
			e->release(e->opaque);
		}
		g_free(e);
	} while (e);
}

static gboolean turn(gint fd, GIOCondition condition, gpointer data)
{
	struct epoll_event event[EVENTS_MAX];
	int n = epoll_wait(fd, event, EVENTS_MAX, 0);

	atomic_store(&turned_ns, clock_monotonic());
	for (int i = 0; i < n; i++) {
		if (event[i].data.u32 == TIMER_KEY) {
			turn_timeouts();
		} else {
			turn_handle((int)event[i].data.u32, event[i].events);
		}
	}
	release_dead();
	pthread_mutex_lock(&loop.lock);
	arm_next();
	pthread_mutex_unlock(&loop.lock);
	return G_SOURCE_CONTINUE;
}

void event_loop_refuse(bool refuse)
{
	refusing = refuse;
}

int64_t event_loop_turned_ns(void)
{
	return atomic_load(&turned_ns);
}

static int new_timer(void)
{
	const int flags = TFD_CLOEXEC | TFD_NONBLOCK;

	return timerfd_create(CLOCK_MONOTONIC, flags); /* system time: of real sockets only */
}

int event_loop_register(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = TIMER_KEY };
	int set = epoll_create1(EPOLL_CLOEXEC);
	int timer = new_timer();
	GSource *source;

	if (set < 0 || timer < 0 || epoll_ctl(set, EPOLL_CTL_ADD, timer, &e) < 0) {
		return -errno; /* the process goes on without; what there is of them ends with it */
	}
	loop.set = set;
	loop.timer = timer;
	loop.handles = g_ptr_array_new();
	loop.timeouts = g_ptr_array_new();
	source = g_unix_fd_source_new(set, G_IO_IN);
	g_source_set_callback(source, G_SOURCE_FUNC(turn), NULL, NULL);
	/* It does not recurse; but GLib takes one that may not out of its set and in again at each turn, and wakes
	 * itself for it both times. */
	g_source_set_can_recurse(source, TRUE);
	g_source_attach(source, NULL);
	g_source_unref(source);
	virEventRegisterImpl(add_handle, update_handle, remove_handle, add_timeout, update_timeout,
			     remove_timeout);
	return 0;
}
