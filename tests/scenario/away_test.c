/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A far side that is away for hours, beside one that is not: neither the poll nor the other publisher
 * takes notice; under policy=queue what fits the queue arrives later, in order, once; what does not fit is
 * counted.
 */
#include "tests/scenario/stage.h"

#define INTERVAL 60

static uint64_t healthy_at[4];
static unsigned looks;

static void look(struct stage *stage)
{
	struct outlet_status good = stage_outlet(stage, 0), bad = stage_outlet(stage, 1);

	healthy_at[looks++] = good.ledger.confirmed;
	if (looks == 1) {
		g_assert_cmpint(bad.state, ==, OUTLET_RETRYING);
		g_assert_cmpuint(bad.ledger.confirmed, ==, 0);
		g_assert_cmpuint(bad.ledger.queued, >, 0);
		g_assert_cmpuint(good.ledger.queued, ==, 0);
	}
}

static void test_away(void)
{
	struct stage stage = { NULL };
	struct outlet_status good, bad;
	const void *late, *steady;

	/* some 60 attempts an hour: away for about two hours */
	stage_open(&stage, "[simulated]\ninstances = 2\nstopped = 0\n", INTERVAL,
		   "'test://?keep=1000000', 'test://?keep=1000001&fail=120&policy=queue'");
	for (unsigned h = 1; h <= 4; h++) {
		stage_at(&stage, h * HOUR, look);
	}
	g_assert_cmpint(stage_run(&stage, 6 * HOUR), ==, 0);
	for (unsigned i = 1; i < 4; i++) {
		g_assert_cmpuint(healthy_at[i] - healthy_at[i - 1], ==,
				 healthy_at[1] - healthy_at[0]);
	}
	good = stage_outlet(&stage, 0);
	bad = stage_outlet(&stage, 1);
	g_assert_cmpint(bad.state, ==, OUTLET_OK);
	g_assert_cmpuint(bad.ledger.confirmed, ==, good.ledger.confirmed);
	steady = stage_test(&stage, 0);
	late = stage_test(&stage, 1);
	g_assert_cmpuint(test_publisher_failed(late), ==, 120);
	g_assert_cmpuint(test_publisher_count(late), ==, test_publisher_count(steady));
	for (size_t i = 0; i < test_publisher_count(late); i++) {
		const struct test_sample *a = test_publisher_at(late, i),
					 *b = test_publisher_at(steady, i);

		g_assert_cmpmem(a->id, 16, b->id,
				16); /* the same samples, the same ids, the same order */
		g_assert_cmpuint(a->value.u, ==, b->value.u);
	}
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/away", test_away);
	return g_test_run();
}
