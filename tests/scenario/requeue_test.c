/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is queued for a publisher goes where its new URL says, with its new secret, at once.
 */
#include "tests/scenario/stage.h"

#include "tests/scenario/tally.h"

static void queue_only(struct stage *stage)
{
	struct outlet_status st = stage_outlet(stage, 0);

	g_assert_cmpuint(tally_a.samples, ==, 0);
	g_assert_cmpuint(st.ledger.queued, ==, st.ledger.produced);
	g_assert_cmpuint(st.ledger.queued, >, 0);
}

static void other_url(struct stage *stage)
{
	queue_only(stage);
	stage_write_pipeline(stage, "'*'", "'tally://here?policy=queue'");
	g_assert_cmpint(stage_reload(stage), ==, 0);
	g_assert_cmpuint(stage->agent->outlets->len, ==, 1);
	g_assert_cmpstr(
		outlet_url(((struct agent_outlet *)stage->agent->outlets->pdata[0])->outlet), ==,
		"tally://here?policy=queue");
}

static void right_secret(struct stage *stage)
{
	queue_only(stage);
	tally_write_conf(stage, "one", "right");
	g_assert_cmpint(stage_reload(stage), ==, 0);
	g_assert_cmpuint(stage->agent->outlets->len, ==, 1);
}

static void all_there(struct stage *stage)
{
	struct outlet_status st = stage_outlet(stage, 0);

	g_assert_cmpuint(tally_a.samples, ==, st.ledger.produced);
	g_assert_cmpuint(st.ledger.confirmed, ==, st.ledger.produced);
	g_assert_cmpint(st.state, ==, OUTLET_OK);
}

static void test_requeue(void)
{
	struct stage stage = { NULL };

	stage_open(&stage, TALLY_WORLD "[tally]\nsecret = wrong\n", 60,
		   "'tally://away?policy=queue'");
	/* the configuration of the stage, written anew, says the same */
	tally_write_conf(&stage, "openstack", "wrong");
	stage_write_pipeline(&stage, "'*'", "'tally://away?policy=queue'");
	stage_at(&stage, HOUR, other_url);
	stage_at(&stage, HOUR + 10 * 60 * NS_PER_S, right_secret);
	/* the pause between attempts, a minute by now, is not waited for */
	stage_at(&stage, HOUR + 601 * NS_PER_S, all_there);
	g_assert_cmpint(stage_run(&stage, 2 * HOUR), ==, 0);
	all_there(&stage);
	g_assert_cmpuint(tally_a.doubled, ==, 0);
	stage_close(&stage);
	g_assert_cmpuint(tally_a.opened, ==, 3);
	g_assert_cmpuint(tally_a.closed, ==, 3);
	tally_clear(&tally_a);
}

int main(int argc, char **argv)
{
	stage_add_plugin(&tally_plugin);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/requeue", test_requeue);
	return g_test_run();
}
