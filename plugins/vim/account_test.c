/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: how long one is left alone, and logins of several sessions, which go one after the other.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "plugins/vim/account.h"

enum { SESSIONS = 2, TURNS = 500 };

static atomic_bool never;

struct session {
	struct account *account;
	struct vmt_call call;
	int *logins; /* of all sessions; under the account */
	int result;
	int64_t at_ns; /* when it was there */
};

static struct session session_of(struct account *a, int64_t deadline_ns)
{
	return (struct session){ .account = a,
				 .call = { .deadline_ns = deadline_ns, .cancel = &never } };
}

/* One login at a time; refused once, refused for all who have the same, whichever session. */
static void test_refused(void)
{
	atomic_bool cancel = false;
	struct vmt_call call = { .cancel = &cancel }; /* its time is over */
	struct account *a = account_of("https://a/sdk", "u", "p");
	int64_t minute = 60 * NS_PER_S;

	g_assert_true(account_of("https://a/sdk", "u", "p") == a);
	g_assert_true(account_of("https://a/sdk", "u", "q") != a);
	g_assert_true(account_of("https://b/sdk", "u", "p") != a);
	g_assert_cmpint(account_enter(a, &call), ==, 0);
	g_assert_cmpint(account_enter(a, &call), ==, -ETIMEDOUT);
	atomic_store(&cancel, true);
	g_assert_cmpint(account_enter(a, &call), ==, -ECANCELED);
	g_assert_cmpint(account_refuse(a, true), ==, minute);
	account_leave(a);
	g_assert_cmpint(account_enter(a, &call), ==, -EACCES);
	g_assert_cmpint(account_enter(a, &call), ==, -EACCES); /* it was not left busy */
	g_assert_cmpint(account_left_ns(a), >, 0);
	for (int i = 2; i <= 32; i *= 2) {
		g_assert_cmpint(account_refuse(a, true), ==, MIN(i * minute, 10 * minute));
	}
	g_assert_cmpint(account_refuse(a, false), ==, minute);
	account_accept(a);
	g_assert_cmpint(account_enter(a, &call), ==, 0);
	account_leave(a);
	g_assert_cmpint(account_refuse(a, true), ==, minute);
	g_assert_false(account_is_silent(a));
	account_set_silent(a);
	g_assert_true(account_is_silent(a));
}

/* ------------------------------------------------------------------ at once */

static void run_all(struct session session[SESSIONS], void *(*fn)(void *))
{
	pthread_t thread[SESSIONS];

	for (int i = 0; i < SESSIONS; i++) {
		g_assert_cmpint(pthread_create(&thread[i], NULL, fn, &session[i]), ==, 0);
	}
	for (int i = 0; i < SESSIONS; i++) {
		pthread_join(thread[i], NULL);
	}
}

static void *try_refused(void *data)
{
	struct session *s = data;

	s->result = account_enter(s->account, &s->call);
	if (s->result == 0) {
		++*s->logins;
		account_refuse(s->account, true);
		account_leave(s->account);
	}
	return NULL;
}

/* The one that comes first is refused, and so the other one does not try. */
static void test_login_once(void)
{
	struct account *a = account_of("https://once/sdk", "u", "p");
	struct session session[SESSIONS];
	int logins = 0, refused = 0;

	for (int i = 0; i < SESSIONS; i++) {
		session[i] = session_of(a, INT64_MAX);
		session[i].logins = &logins;
	}
	run_all(session, try_refused);
	for (int i = 0; i < SESSIONS; i++) {
		refused += session[i].result == -EACCES;
	}
	g_assert_cmpint(logins, ==, 1);
	g_assert_cmpint(refused, ==, SESSIONS - 1);
}

static void *take_turns(void *data)
{
	struct session *s = data;

	for (int i = 0; i < TURNS; i++) {
		g_assert_cmpint(account_enter(s->account, &s->call), ==, 0);
		++*s->logins;
		account_accept(s->account);
		account_leave(s->account);
	}
	return NULL;
}

static void test_turns(void)
{
	struct account *a = account_of("https://turns/sdk", "u", "p");
	struct session session[SESSIONS];
	int logins = 0;

	for (int i = 0; i < SESSIONS; i++) {
		session[i] = session_of(a, INT64_MAX);
		session[i].logins = &logins;
	}
	run_all(session, take_turns);
	g_assert_cmpint(logins, ==, SESSIONS * TURNS);
}

/* ------------------------------------------------------------------ in simulated time */

static void *wait_for_it(void *data)
{
	struct session *s = data;

	s->result = account_enter(s->account, &s->call);
	s->at_ns = clock_monotonic();
	if (s->result == 0) {
		account_leave(s->account);
	}
	return NULL;
}

/* While a login goes on: another session's is there when it is over, or gives up at its deadline or when it is
 * cancelled. */
static void test_wait(void)
{
	atomic_bool cancel = false;
	struct account *a = account_of("https://wait/sdk", "u", "p");
	int64_t start = 1000 * NS_PER_S;
	struct session login = session_of(a, INT64_MAX), patient = login,
		       late = session_of(a, start + 3030 * NS_PER_MS), cancelled = login;
	struct session *waiting[] = { &patient, &late, &cancelled };
	pthread_t thread[G_N_ELEMENTS(waiting)];

	clock_simulate(INT64_C(1784641000) * NS_PER_S, start);
	cancelled.call.cancel = &cancel;
	g_assert_cmpint(account_enter(a, &login.call), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++) {
		g_assert_cmpint(thread_start(&thread[i], "session", wait_for_it, waiting[i]), ==,
				0);
	}
	wait_sleep(2050 * NS_PER_MS);
	atomic_store(&cancel, true);
	wait_sleep(3 * NS_PER_S);
	account_leave(a);
	for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++) {
		thread_join(thread[i]);
	}
	g_assert_cmpint(patient.result, ==, 0);
	g_assert_cmpint(patient.at_ns - start, ==, 5050 * NS_PER_MS);
	g_assert_cmpint(late.result, ==, -ETIMEDOUT);
	g_assert_cmpint(late.at_ns - start, ==, 3030 * NS_PER_MS);
	g_assert_cmpint(cancelled.result, ==, -ECANCELED);
	g_assert_cmpint(cancelled.at_ns - start, <=, 3050 * NS_PER_MS);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vim/account/refused", test_refused);
	g_test_add_func("/vim/account/login-once", test_login_once);
	g_test_add_func("/vim/account/turns", test_turns);
	g_test_add_func("/vim/account/wait", test_wait); /* last: time is simulated from here on */
	return g_test_run();
}
