/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When it is asked, on a simulated clock: once for all, not at the beat of many hosts, and after a failure not too soon.
 * Session and list are stubs.
 */
#include "plugins/discovery/nova/asker.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/wait.h"

#define HOUR_NS (3600 * NS_PER_S)
#define BEAT_NS (300 * NS_PER_S)

/* ---- stubs */

struct session {
	const char *url;
};

enum { TIMES = 4096 };

static struct {
	int64_t at_ns[TIMES]; /* lists that were asked for */
	size_t lists, completions;
	int64_t takes_ns, retry_after_ns;
	int ret;
} far;

int session_new(const struct openstack_conf *conf, struct session **ret, struct vmt_error *error)
{
	(void)error;
	*ret = g_new0(struct session, 1);
	(*ret)->url = conf->auth_url;
	return 0;
}

void session_free(struct session *s)
{
	g_free(s);
}

bool session_is(const struct session *s, const struct openstack_conf *conf)
{
	return strcmp(s->url, conf->auth_url) == 0;
}

void session_wake(struct session *s)
{
	(void)s;
}

int64_t session_retry_after(const struct session *s)
{
	(void)s;
	return far.retry_after_ns;
}

struct listing *listing_new(const struct nova_conf *conf, struct session *session)
{
	(void)conf;
	(void)session;
	return NULL;
}

void listing_free(struct listing *l)
{
	(void)l;
}

/* What a call does that takes a while, and looks at its `cancel`. */
static int work(const struct vmt_call *call, struct vmt_error *error)
{
	int64_t until_ns = clock_monotonic() + far.takes_ns;

	while (clock_monotonic() < until_ns && !atomic_load(call->cancel)) {
		wait_sleep(MIN(NS_PER_S, until_ns - clock_monotonic()));
	}
	if (atomic_load(call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "given up");
	}
	return far.ret ? vmt_error_set(error, far.ret, "no") : 0;
}

int listing_update(struct listing *l, const struct roster *old, bool objects,
		   const struct vmt_call *call, struct roster **ret_roster, struct vmt_error *error)
{
	int ret;

	(void)l;
	(void)old;
	(void)objects;
	g_assert_cmpuint(far.lists, <, TIMES);
	far.at_ns[far.lists++] = clock_monotonic();
	ret = work(call, error);
	if (ret == 0) {
		*ret_roster = g_new0(struct roster, 1);
	}
	return ret;
}

int listing_complete(struct listing *l, const struct roster *old, const struct vmt_call *call,
		     struct roster **ret_roster, struct vmt_error *error)
{
	(void)l;
	(void)old;
	(void)call;
	(void)error;
	far.completions++;
	*ret_roster = g_new0(struct roster, 1);
	return 0;
}

void roster_unref(struct roster *t)
{
	g_free(t);
}

/* ---- users of it */

static void reset(void)
{
	memset(&far, 0, sizeof(far));
	far.takes_ns = 50 * NS_PER_MS;
}

static struct asker *get(const char *url, int64_t update_ns)
{
	const struct nova_conf conf = { .openstack = { .auth_url = url },
					.host = "compute-0",
					.update_ns = update_ns,
					.expiry_ns = HOUR_NS };
	struct vmt_error error;
	struct asker *a = NULL;

	g_assert_cmpint(asker_get(&conf, &a, &error), ==, 0);
	return a;
}

static void want(struct asker *a, uint64_t *seen)
{
	struct vmt_error error;

	asker_lock(a);
	g_assert_cmpint(asker_start(a, &error), ==, 0);
	asker_want_servers(a, seen);
	asker_unlock(a);
}

static size_t lists_of_an_hour(int64_t update_ns)
{
	struct asker *one = get("http://a", update_ns), *other = get("http://a", update_ns);
	struct asker *third = get("http://b", update_ns);
	uint64_t seen[2] = { 0, 0 };

	reset();
	g_assert_true(one == other && one != third);
	for (int64_t beat = 0; beat < HOUR_NS / BEAT_NS; beat++) {
		want(one, &seen[0]);
		wait_sleep(beat % 2 ? 2 * NS_PER_MS
				    : 20 * NS_PER_S); /* before it was answered; long after it */
		want(other, &seen[1]);
		wait_sleep(BEAT_NS - (beat % 2 ? 2 * NS_PER_MS : 20 * NS_PER_S));
	}
	asker_put(third);
	asker_put(one);
	asker_put(other);
	return far.lists;
}

static void test_once(void)
{
	g_assert_cmpuint(lists_of_an_hour(0), ==, 12); /* one a cycle for both */
	for (int64_t update_ns = BEAT_NS; update_ns <= 2 * BEAT_NS; update_ns += BEAT_NS) {
		size_t lists = lists_of_an_hour(update_ns);

		g_assert_cmpuint(lists, <=, (size_t)(HOUR_NS / update_ns));
		g_assert_cmpuint(lists, >=, (size_t)(HOUR_NS / update_ns / 2));
		for (size_t i = 1; i < lists; i++) {
			g_assert_cmpint(far.at_ns[i] - far.at_ns[i - 1], >=, update_ns);
		}
	}
}

/* Hosts whose cycles begin at the same moment ask at different ones. */
static void test_spread(void)
{
	enum { HOSTS = 200, SECONDS = 10 };
	struct asker *a[HOSTS];
	char url[HOSTS][24];
	uint64_t seen[HOSTS] = { 0 };
	size_t in[SECONDS] = { 0 };
	int64_t began_ns;

	reset();
	g_random_set_seed(7);
	for (int i = 0; i < HOSTS; i++) {
		g_snprintf(url[i], sizeof(url[i]), "http://host-%d", i);
		a[i] = get(url[i], 0);
		want(a[i], &seen[i]);
	}
	wait_sleep(BEAT_NS);
	g_assert_cmpuint(far.lists, ==, HOSTS); /* the first time all at once */
	began_ns = clock_monotonic();
	for (int i = 0; i < HOSTS; i++) {
		want(a[i], &seen[i]);
	}
	wait_sleep(BEAT_NS);
	g_assert_cmpuint(far.lists, ==, 2 * HOSTS);
	for (int i = HOSTS; i < 2 * HOSTS; i++) {
		int64_t after_ns = far.at_ns[i] - began_ns;

		g_assert_cmpint(after_ns, >=, 0);
		g_assert_cmpint(after_ns, <, SECONDS * NS_PER_S);
		in[after_ns / NS_PER_S]++;
	}
	for (int i = 0; i < SECONDS; i++) { /* 20 each, if they were even */
		g_assert_cmpuint(in[i], >, 5);
		g_assert_cmpuint(in[i], <, 40);
	}
	for (int i = 0; i < HOSTS; i++) {
		asker_put(a[i]);
	}
}

static void check_gap(size_t i, double seconds)
{
	double gap = (double)(far.at_ns[i] - far.at_ns[i - 1] - far.takes_ns) / 1e9;

	g_assert_cmpfloat(gap, >=, 0.749 * seconds);
	g_assert_cmpfloat(gap, <=, 1.251 * seconds);
}

static void test_pauses(void)
{
	static const double seconds[] = { 2, 4, 8, 16, 32, 60, 60 };
	struct asker *a;
	uint64_t seen = 0;

	reset();
	far.ret = -EIO;
	a = get("http://a", 0);
	want(a, &seen);
	wait_sleep(600 * NS_PER_S);
	g_assert_cmpuint(far.lists, >, G_N_ELEMENTS(seconds));
	for (size_t i = 0; i < G_N_ELEMENTS(seconds); i++) {
		check_gap(i + 1, seconds[i]);
	}
	asker_put(a);

	reset(); /* the account is refused */
	far.ret = -EACCES;
	a = get("http://a", 0);
	seen = 0;
	want(a, &seen);
	wait_sleep(2 * HOUR_NS);
	check_gap(far.lists - 1, 300);
	asker_put(a);

	reset(); /* Retry-After */
	far.ret = -EAGAIN;
	far.retry_after_ns = 100 * NS_PER_S;
	a = get("http://a", 0);
	seen = 0;
	want(a, &seen);
	wait_sleep(150 * NS_PER_S);
	g_assert_cmpuint(far.lists, ==, 2);
	g_assert_cmpint(far.at_ns[1] - far.at_ns[0], >=, 100 * NS_PER_S);
	asker_put(a);
}

/* Flavors and images are fetched for the list that is there, whoever came first. */
static void test_objects(void)
{
	struct asker *a;
	uint64_t first = 0, second = 0, version;

	reset();
	a = get("http://a", HOUR_NS);
	want(a, &first);
	wait_sleep(NS_PER_S);
	asker_lock(a);
	g_assert_nonnull(asker_roster(a, false, &version));
	g_assert_null(asker_roster(a, true, &version));
	g_assert_cmpuint(version, ==, 0);
	asker_want_objects(a, true);
	g_assert_true(asker_is_new(a));
	asker_unlock(a);
	want(a, &second);
	wait_sleep(20 * NS_PER_S);
	asker_lock(a);
	g_assert_nonnull(asker_roster(a, true, &version));
	g_assert_false(asker_is_new(a));
	asker_unlock(a);
	g_assert_cmpuint(far.lists, ==, 1);
	g_assert_cmpuint(far.completions, ==, 1);
	asker_put(a);

	reset(); /* while the list is on its way */
	a = get("http://a", HOUR_NS);
	first = second = 0;
	want(a, &first);
	wait_sleep(10 * NS_PER_MS);
	asker_lock(a);
	asker_want_objects(a, true);
	asker_unlock(a);
	want(a, &second);
	wait_sleep(NS_PER_S);
	g_assert_cmpuint(far.lists, ==, 1);
	g_assert_cmpuint(far.completions, ==, 1);
	asker_put(a);
}

static int ask_long(void *self, const struct vmt_call *call, struct vmt_error *error)
{
	struct asker *a = self;
	int ret;

	asker_unlock(a);
	ret = work(call, error);
	asker_lock(a);
	return ret;
}

/* One object goes while its question hangs; the others' go on. */
static void test_remove(void)
{
	struct duty hanging = { .ask = ask_long }, next = { .ask = ask_long };
	struct asker *a;
	struct vmt_error error;
	int64_t began_ns;

	reset();
	a = get("http://a", 0);
	hanging.self = next.self = a;
	asker_add(a, &hanging);
	asker_add(a, &next);
	far.takes_ns = 100 * NS_PER_S;
	asker_lock(a);
	g_assert_cmpint(asker_start(a, &error), ==, 0);
	asker_want(a, &hanging);
	asker_want(a, &next);
	asker_unlock(a);
	wait_sleep(NS_PER_S / 2);
	g_assert_cmpuint(hanging.begun, ==, 1);
	far.takes_ns = NS_PER_S;
	began_ns = clock_monotonic();
	asker_remove(a, &hanging);
	g_assert_cmpint(clock_monotonic() - began_ns, <=, NS_PER_S);
	g_assert_cmpint(hanging.ret, ==, -ECANCELED);
	wait_sleep(5 * NS_PER_S);
	g_assert_true(next.done);
	asker_remove(a, &next);
	asker_put(a);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	clock_simulate(INT64_C(1795395113) * NS_PER_S, 1000 * NS_PER_S);
	g_test_add_func("/nova/asker/once", test_once);
	g_test_add_func("/nova/asker/spread", test_spread);
	g_test_add_func("/nova/asker/pauses", test_pauses);
	g_test_add_func("/nova/asker/objects", test_objects);
	g_test_add_func("/nova/asker/remove", test_remove);
	return g_test_run();
}
