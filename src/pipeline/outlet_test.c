/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of an outlet on the simulated clock, with publishers that confirm, refuse, fail for a while or
 * for ever, and hang until they are cancelled.
 */
#include "pipeline/outlet.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "base/clock.h"
#include "base/wait.h"
#include "model/batch.h"

static struct frame_pool *pool;
static struct resource *resource;
static struct spool *spool;

/* A far side: fails `failing` times, then confirms or refuses. */
struct far_side {
	unsigned failing, calls;
	bool refuses, hangs;
	bool piecemeal; /* answers row by row: row 0 refused, row 1 arrived, then as above */
	int64_t pause_ns; /* asks for this much when it fails */
	uint64_t got;
	int64_t at[100]; /* when it was called */
	uint64_t sequence[100]; /* of the frame then */
};

static int far_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		       const struct vmt_call *call, struct vmt_error *error)
{
	struct far_side *far = self;

	far->at[far->calls % 100] = clock_monotonic();
	far->sequence[far->calls % 100] = frame->sequence;
	far->calls++;
	if (far->hangs) {
		while (clock_monotonic() < call->deadline_ns && !atomic_load(call->cancel)) {
			wait_sleep(NS_PER_S);
		}
		return vmt_error_set(error, -ETIMEDOUT, "far: no answer");
	}
	if (far->piecemeal) {
		vmt_delivery_refuse(call->delivery, &(struct vmt_rows){ 0, 0, 1 }, 1, "no", "x", 1);
		if (!vmt_delivery_settled(call->delivery, 0, 1)) {
			far->got++;
		}
		vmt_delivery_confirm(call->delivery, &(struct vmt_rows){ 0, 1, 1 }, 1);
	}
	if (far->failing > 0) {
		far->failing--;
		vmt_delivery_pause(call->delivery, far->pause_ns);
		return vmt_error_set(error, -ECONNREFUSED, "far: connect: Connection refused");
	}
	if (far->refuses) {
		return vmt_error_set(error, -EBADMSG, "far: not this one");
	}
	far->got += frame_rows_for(frame, bit) - (far->piecemeal ? 2 : 0);
	return 0;
}

static const struct policy keep = { .kind = POLICY_QUEUE, .max_retry = 100 };
static const struct vmt_publisher_ops far_ops = { .publish = far_publish };

static struct frame *make_frame(unsigned rows)
{
	struct frame_builder builder;
	struct batch_spec spec = {
		.name = "cpu", .unit = "ns", .kind = VMT_UINT64, .publishers = 1
	};
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, 1, 2);
	batch_begin(&builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(&builder, resource, (union vmt_num){ .u = r }, 1, 2);
	}
	batch_end(&builder);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

/* On the log there is. */
static struct outlet *open_at(struct far_side *far, struct policy policy, double backlog_rate)
{
	const struct outlet_parts parts = { .url = "far://",
					    .name = "sink/far/0",
					    .ops = &far_ops,
					    .self = far,
					    .policy = policy,
					    .timeout_ns = 30 * NS_PER_S,
					    .backlog_rate = backlog_rate };
	struct outlet *o = NULL;

	g_assert_cmpint(outlet_new(spool, &parts, &o), ==, 0);
	return o;
}

static struct outlet *open_outlet(struct far_side *far, struct policy policy)
{
	spool = spool_new_memory(&(struct spool_limits){ .frames = 100, .bytes = 1 << 30 });
	return open_at(far, policy, 0);
}

static struct outlet_status close_outlet(struct outlet *o, int64_t within_ns)
{
	int64_t deadline = clock_monotonic() + within_ns;
	struct outlet_status status;

	outlet_leave(o, deadline);
	while (!outlet_done(o)) {
		g_assert_cmpint(clock_monotonic(), <=, deadline + NS_PER_S);
		wait_sleep(NS_PER_S / 10);
	}
	outlet_status(o, &status);
	outlet_free(o);
	spool_free(spool);
	return status;
}

/* Another publisher in the place of one that hangs in its pause: at once, with what is queued. */
static void test_replace(void)
{
	struct far_side away = { .failing = 1000 }, never = { .failing = 0 },
			here = { .failing = 0 };
	struct outlet *o = open_outlet(&away, keep);
	struct outlet_parts parts = { .url = "never://",
				      .ops = &far_ops,
				      .self = &never,
				      .policy = keep,
				      .timeout_ns = 30 * NS_PER_S };
	struct outlet_status st;
	uint64_t first, second;

	spool_append(spool, make_frame(3));
	spool_append(spool, make_frame(4));
	wait_sleep(100 * NS_PER_S);
	g_assert_cmpuint(outlet_generation(o), ==, 0);
	first = outlet_replace(o, &parts);
	parts.url = "here://";
	parts.self = &here;
	second = outlet_replace(o, &parts);
	g_assert_cmpuint(second, >, first);
	g_assert_cmpstr(outlet_url(o), ==, "here://");
	wait_sleep(NS_PER_S);
	g_assert_cmpuint(outlet_generation(o), ==, second);
	g_assert_cmpuint(never.calls, ==, 0);
	g_assert_cmpuint(here.got, ==, 7);
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(st.ledger.confirmed, ==, 7);
	g_assert_cmpuint(away.calls, <, 10);
}

static void test_confirm(void)
{
	struct far_side far = { .failing = 0 };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	spool_append(spool, make_frame(4));
	st = close_outlet(o, 60 * NS_PER_S);
	g_assert_cmpuint(far.got, ==, 7);
	g_assert_cmpuint(st.ledger.confirmed, ==, 7);
	g_assert_cmpint(st.state, ==, OUTLET_OK);
}

/* Ten failures: the same frame again and again, at growing distances, and nothing lost. */
static void test_retry(void)
{
	struct far_side far = { .failing = 10 };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	wait_sleep(5 * NS_PER_S);
	outlet_status(o, &st);
	g_assert_cmpint(st.state, ==, OUTLET_RETRYING);
	g_assert_cmpstr(st.last_error, ==, "far: connect: Connection refused");
	g_assert_cmpuint(st.ledger.queued, ==, 3);
	wait_sleep(3600 * NS_PER_S);
	g_assert_cmpuint(far.calls, ==, 11);
	for (unsigned i = 1; i < 11; i++) {
		int64_t pause = far.at[i] - far.at[i - 1];
		int64_t base = MIN(NS_PER_S << (i - 1), 60 * NS_PER_S);

		g_assert_cmpint(pause, >=, base);
		g_assert_cmpint(pause, <=, base + base / 5);
	}
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(far.got, ==, 3);
	g_assert_cmpuint(st.ledger.confirmed, ==, 3);
	g_assert_cmpint(st.state, ==, OUTLET_OK);
}

static void test_refused(void)
{
	struct far_side far = { .refuses = true };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	spool_append(spool, make_frame(2));
	wait_sleep(NS_PER_S);
	g_assert_cmpuint(far.calls, ==, 2); /* a refused frame does not hold up the next */
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_REFUSED], ==, 5);
	g_assert_cmpuint(st.ledger.queued, ==, 0);
}

/* Leaving while the far side is down: at the deadline what is left is dropped, and counted. */
static void test_leave(void)
{
	struct far_side far = { .failing = UINT_MAX };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;
	int64_t began;

	spool_append(spool, make_frame(3));
	wait_sleep(100 * NS_PER_S);
	began = clock_monotonic();
	st = close_outlet(o, 20 * NS_PER_S);
	g_assert_cmpint(clock_monotonic() - began, <, 22 * NS_PER_S);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_SHUTDOWN], ==, 3);
	g_assert_cmpuint(st.ledger.queued, ==, 0);
}

static void test_abort(void)
{
	struct far_side far = { .hangs = true };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	wait_sleep(10 * NS_PER_S);
	outlet_abort(o, SPOOL_REMOVED);
	wait_sleep(2 * NS_PER_S);
	g_assert_true(outlet_done(o));
	outlet_status(o, &st);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_REMOVED], ==, 3);
	outlet_free(o);
	spool_free(spool);
}

/* Rows settled by themselves stay so over the attempts that follow, and are counted as what they are. */
static void test_piecemeal(void)
{
	struct far_side far = { .piecemeal = true, .failing = 3 };
	struct outlet *o = open_outlet(&far, keep);
	struct outlet_status st;

	spool_append(spool, make_frame(5));
	wait_sleep(2 * NS_PER_S);
	outlet_status(o, &st);
	g_assert_cmpuint(st.ledger.queued, ==, 5); /* until the frame is settled */
	wait_sleep(100 * NS_PER_S);
	outlet_status(o, &st);
	g_assert_cmpuint(far.calls, ==, 4);
	g_assert_cmpuint(far.got, ==, 4); /* row 1 once, and three */
	g_assert_cmpuint(st.ledger.confirmed, ==, 4);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_REFUSED], ==, 1);
	/* given up half way: what arrived is confirmed */
	far.failing = UINT_MAX;
	spool_append(spool, make_frame(5));
	wait_sleep(10 * NS_PER_S);
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(st.ledger.confirmed, ==, 5);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_REFUSED], ==, 2);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_SHUTDOWN], ==, 3);
	g_assert_cmpuint(st.ledger.queued, ==, 0);
}

/* policy=drop: one attempt each, and the next frame is not held up by a pause. */
static void test_drop(void)
{
	struct far_side far = { .failing = 2 };
	struct outlet *o = open_outlet(&far, (struct policy){ POLICY_DROP, 0, 100 });
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	spool_append(spool, make_frame(2));
	spool_append(spool, make_frame(4));
	wait_sleep(NS_PER_S / 10);
	g_assert_cmpuint(far.calls, ==, 3);
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_FAILED], ==, 5);
	g_assert_cmpuint(st.ledger.confirmed, ==, 4);
	g_assert_cmpuint(st.ledger.queued, ==, 0);
}

/* policy=default without a durable log: max_retry failures, then the frame goes. */
static void test_max_retry(void)
{
	struct far_side far = { .failing = 4 };
	struct outlet *o = open_outlet(&far, (struct policy){ POLICY_DEFAULT, 0, 3 });
	struct outlet_status st;

	spool_append(spool, make_frame(3));
	spool_append(spool, make_frame(2));
	wait_sleep(100 * NS_PER_S);
	g_assert_cmpuint(far.calls, ==, 5); /* 3 in vain, 1 failure and 1 success */
	st = close_outlet(o, NS_PER_S);
	g_assert_cmpuint(st.ledger.dropped[SPOOL_RETRIES], ==, 3);
	g_assert_cmpuint(st.ledger.confirmed, ==, 2);
}

/* The far side says when it wants to be asked again. */
static void test_pause(void)
{
	struct far_side far = { .failing = 1, .pause_ns = 30 * NS_PER_S };
	struct outlet *o = open_outlet(&far, keep);

	spool_append(spool, make_frame(3));
	wait_sleep(100 * NS_PER_S);
	g_assert_cmpuint(far.calls, ==, 2);
	g_assert_cmpint(far.at[1] - far.at[0], >=, 30 * NS_PER_S);
	g_assert_cmpint(far.at[1] - far.at[0], <=, 36 * NS_PER_S);
	close_outlet(o, NS_PER_S);
	g_assert_cmpuint(far.got, ==, 3);
}

static void open_durable(const char *dir)
{
	const struct spool_limits limits = { .frames = 100, .bytes = 1 << 30 };
	struct vmt_error error;

	g_assert_cmpint(spool_open(dir, &limits, pool, &spool, &error), ==, 0);
}

static void remove_folder(char *dir)
{
	const char *const names[] = { "lock", "reserve", "spool.db", "spool.db-journal", "" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = g_build_filename(dir, names[i], NULL);

		g_assert_cmpint(g_remove(path), ==, 0);
		g_free(path);
	}
	g_free(dir);
}

enum { BACKLOG = 50, ROWS = 100 };

/* The outlet that finds what an earlier process left, with `rate`; when it has sent it all, in seconds.  What comes
 * meanwhile waits behind it. */
static double send_backlog(double rate)
{
	char *dir = g_dir_make_tmp("virtmeter-outlet-XXXXXX", NULL);
	struct far_side away = { .failing = UINT_MAX }, far = { .failing = 0 };
	struct outlet *o;
	int64_t began;

	open_durable(dir);
	o = open_at(&away, keep, rate);
	for (unsigned i = 0; i < BACKLOG; i++) {
		spool_append(spool, make_frame(ROWS));
	}
	g_assert_cmpuint(close_outlet(o, 0).ledger.queued, ==, BACKLOG * ROWS);

	open_durable(dir);
	began = clock_monotonic();
	o = open_at(&far, keep, rate);
	spool_append(spool, make_frame(ROWS));
	wait_sleep(60 * NS_PER_S);
	g_assert_cmpuint(close_outlet(o, NS_PER_S).ledger.confirmed, ==, (BACKLOG + 1) * ROWS);
	g_assert_cmpuint(far.got, ==, (BACKLOG + 1) * ROWS);
	for (unsigned i = 0; i <= BACKLOG; i++) {
		g_assert_cmpuint(far.sequence[i], ==, i + 1);
	}
	for (unsigned i = 1; i < BACKLOG && rate > 0; i++) { /* evenly */
		g_assert_cmpfloat((double)(far.at[i] - far.at[i - 1]), >=,
				  0.999 * ROWS / rate * NS_PER_S);
	}
	remove_folder(dir);
	return (double)(far.at[BACKLOG] - began) / NS_PER_S;
}

/* A far side that has come back gets the oldest first, and no faster than queue_rate. */
static void test_backlog(void)
{
	double slow = send_backlog(500), all = send_backlog(0);

	g_test_message("%.3f s at 500/s, %.3f s without a bound", slow, all);
	g_assert_cmpfloat(slow, >=, 0.99 * (BACKLOG - 1) * ROWS / 500);
	g_assert_cmpfloat(slow, <=, 1.01 * (BACKLOG + 1) * ROWS / 500);
	g_assert_cmpfloat(all, <, 0.1);
}

static void test_failed(void)
{
	struct outlet *o = outlet_new_failed("far://", "far: no such plugin");
	struct outlet_status st;

	outlet_status(o, &st);
	g_assert_cmpint(st.state, ==, OUTLET_FAILED);
	g_assert_cmpstr(st.last_error, ==, "far: no such plugin");
	g_assert_cmpuint(outlet_bit(o), ==, 0);
	g_assert_true(outlet_done(o));
	outlet_free(o);
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
	g_test_add_func("/outlet/confirm", test_confirm);
	g_test_add_func("/outlet/replace", test_replace);
	g_test_add_func("/outlet/retry", test_retry);
	g_test_add_func("/outlet/refused", test_refused);
	g_test_add_func("/outlet/leave", test_leave);
	g_test_add_func("/outlet/abort", test_abort);
	g_test_add_func("/outlet/piecemeal", test_piecemeal);
	g_test_add_func("/outlet/drop", test_drop);
	g_test_add_func("/outlet/max-retry", test_max_retry);
	g_test_add_func("/outlet/pause", test_pause);
	g_test_add_func("/outlet/backlog", test_backlog);
	g_test_add_func("/outlet/failed", test_failed);
	ret = g_test_run();
	resource_unref(resource);
	frame_pool_free(pool);
	return ret;
}
