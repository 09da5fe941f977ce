/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the start and end of threads.  Any thread; thread_join() blocks until the other has ended.
 */
#include "base/thread.h"
#include "base/clock.h"
#include "base/wait.h"

#include <glib.h>
#include <signal.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_SIZE = 2 << 20 };
#else
enum { STACK_SIZE = 256 << 10 };
#endif

struct start {
	void *(*fn)(void *);
	void *arg;
	struct sim_thread *sim;
	char name[16];
};

/* Simulation only: which sim_thread is behind a pthread_t. */
struct known {
	struct known *next;
	pthread_t thread;
	struct sim_thread *sim;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *all;

static void *enter(void *data)
{
	struct start s = *(struct start *)data;
	void *ret;

	g_free(data);
	pthread_setname_np(pthread_self(), s.name);
	wait_thread_enter(s.sim);
	ret = s.fn(s.arg);
	wait_thread_leave();
	return ret;
}

static void remember(pthread_t thread, struct sim_thread *sim)
{
	struct known *k;

	if (!sim) {
		return;
	}
	k = g_new(struct known, 1);
	*k = (struct known){ .thread = thread, .sim = sim };
	pthread_mutex_lock(&lock);
	k->next = all;
	all = k;
	pthread_mutex_unlock(&lock);
}

static struct sim_thread *forget(pthread_t thread)
{
	struct sim_thread *sim = NULL;

	pthread_mutex_lock(&lock);
	for (struct known **at = &all; *at; at = &(*at)->next) {
		struct known *k = *at;

		if (pthread_equal(k->thread, thread)) {
			sim = k->sim;
			*at = k->next;
			g_free(k);
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return sim;
}

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg)
{
	struct start *s = g_new0(struct start, 1);
	sigset_t every, before;
	struct sim_thread *sim = wait_thread_new();
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	s->fn = fn;
	s->arg = arg;
	s->sim = sim;
	g_strlcpy(s->name, name, sizeof(s->name));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	err = pthread_create(&thread, &attr, enter, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err) {
		g_assert(!sim); /* the simulation counts on it: a test without threads is none */
		g_free(s);
		return -err;
	}
	remember(thread, sim);
	*ret = thread;
	return 0;
}

void thread_join(pthread_t thread)
{
	wait_thread_join(forget(thread));
	pthread_join(thread, NULL);
}

void thread_block_begin(void)
{
	wait_block_begin();
}

void thread_block_end(void)
{
	wait_block_end();
}
