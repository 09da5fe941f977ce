/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the book of suspects, with flights of real jobs on libvirt's test driver.
 */
#include "plugins/libvirt/suspects.h"

#include "base/clock.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const uint8_t one[16] = { 1 }, two[16] = { 2 }, three[16] = { 3 };

/* A job waits here until it is told with what to end. */
struct gate {
	atomic_uint refs;
	struct wait wait;
	bool open, entered;
	int result;
};

static struct gate *gate_new(void)
{
	struct gate *g = g_new0(struct gate, 1);

	atomic_init(&g->refs, 2);
	wait_init(&g->wait);
	return g;
}

static void gate_unref(void *data)
{
	struct gate *g = data;

	if (atomic_fetch_sub(&g->refs, 1) == 1) {
		wait_fini(&g->wait);
		g_free(g);
	}
}

static int hang(struct session *s, void *arg, struct vmt_error *error)
{
	struct gate *g = arg;

	wait_lock(&g->wait);
	g->entered = true;
	wait_wake(&g->wait);
	while (!g->open) {
		wait_until(&g->wait, WAIT_FOREVER);
	}
	wait_unlock(&g->wait);
	return g->result;
}

/* A call that was left behind. */
static struct flight *leave(struct caller *c, struct gate *g)
{
	struct vmt_error error;
	struct flight *flight;
	struct job *job;

	g_assert_cmpint(caller_submit(c, hang, g, gate_unref, &job, &error), ==, 0);
	flight = job_flight(job);
	wait_lock(&g->wait); /* a job that was not begun comes back by itself */
	while (!g->entered) {
		wait_until(&g->wait, WAIT_FOREVER);
	}
	wait_unlock(&g->wait);
	job_leave(job);
	job_unref(job);
	return flight;
}

static void come_back(struct gate *g, const struct flight *flight, int result)
{
	int64_t until = clock_monotonic() + 20 * NS_PER_S;
	int got = 1;

	wait_lock(&g->wait);
	g->open = true;
	g->result = result;
	wait_wake(&g->wait);
	wait_unlock(&g->wait);
	while (!flight_done(flight, &got) && clock_monotonic() < until) {
		wait_sleep(NS_PER_MS);
	}
	g_assert_cmpint(got, ==, result);
	gate_unref(g);
}

static void test_pauses(void)
{
	struct suspects *s = suspects_new();
	struct suspects_count count;
	struct suspect known;
	int64_t since = 0;

	g_assert_false(suspects_get(s, one, &known));
	g_assert_false(suspects_probe(s, one));
	g_assert_true(suspects_put(s, one, 7, SUSPECT_STOPPED, 0, NULL));
	g_assert_false(suspects_put(s, one, 7, SUSPECT_HUNG, 5, NULL));
	g_assert_true(suspects_get(s, one, &known));
	g_assert_cmpint(known.why, ==, SUSPECT_HUNG);
	g_assert_cmpuint(known.epoch, ==, 7);
	g_assert_cmpint(known.latency_ns, ==, 5);
	g_assert_false(known.outstanding);
	/* It may be asked at once, then not before a pause, which doubles. */
	g_assert_true(suspects_probe(s, one));
	g_assert_false(suspects_probe(s, one));
	suspects_get(s, one, &known);
	g_assert_cmpint(known.probe_ns - clock_monotonic(), <=, NS_PER_S);
	suspects_hope(s, one);
	for (int i = 0; i < 3; i++) {
		g_assert_true(suspects_probe(s, one));
		suspects_hope(s, one); /* something says that it may answer again */
	}
	g_assert_true(suspects_clear(s, one, &since));
	g_assert_cmpint(since, >, 0);
	g_assert_false(suspects_clear(s, one, &since));
	suspects_count(s, &count);
	g_assert_cmpuint(count.quarantined, ==, 0);
	g_assert_cmpuint(count.found, ==, 1);
	g_assert_cmpuint(count.cleared, ==, 1);
	suspects_free(s);
}

/* Who waits for a call of ours is not asked; the call's return clears it, or lets it be asked. */
static void test_flights(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct suspects *s = hub_suspects(h);
	struct caller *a = caller_new(h, "a", CALLER_HEAVY), *b = caller_new(h, "b", CALLER_HEAVY);
	struct gate *good = gate_new(), *bad = gate_new();
	struct flight *answers = leave(a, good), *fails = leave(b, bad), *found;
	uint8_t list[2][16], (*watched)[16];
	struct suspects_count count;
	int64_t limit;

	memcpy(list[0], one, 16);
	memcpy(list[1], two, 16);
	suspects_leave(s, answers, (const uint8_t(*)[16])list, 2, 9);
	suspects_leave(s, fails, &three, 1, 9);
	/* Nobody is known to hold them up: all in them are pending. */
	g_assert_true(suspects_is_pending(s, one));
	g_assert_true(suspects_is_pending(s, three));
	found = suspects_flight(s, two, &limit);
	g_assert_true(found == answers);
	g_assert_cmpint(limit, ==, 9);
	suspects_put(s, two, 1, SUSPECT_HUNG, 1, found);
	flight_unref(found);
	suspects_put(s, three, 1, SUSPECT_HUNG, 1, fails);
	g_assert_false(suspects_is_pending(s, one)); /* it is the other one's fault */
	g_assert_false(suspects_probe(s, two));
	suspects_count(s, &count);
	g_assert_cmpuint(count.quarantined, ==, 2);
	g_assert_cmpuint(count.outstanding, ==, 2);
	g_assert_cmpuint(suspects_watched(s, &watched), ==, 3);
	g_free(watched);
	come_back(good, answers, 0);
	come_back(bad, fails, -EIO);
	suspects_sweep(s);
	g_assert_false(suspects_get(s, two, NULL));
	g_assert_true(suspects_get(s, three, NULL));
	g_assert_true(suspects_probe(s, three));
	suspects_count(s, &count);
	g_assert_cmpuint(count.quarantined, ==, 1);
	g_assert_cmpuint(count.outstanding, ==, 0);
	flight_unref(answers);
	flight_unref(fails);
	caller_free(a);
	caller_free(b);
	hub_unref(h);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	libvirt_prepare();
	g_test_add_func("/suspects/pauses", test_pauses);
	g_test_add_func("/suspects/flights", test_flights);
	return g_test_run();
}
