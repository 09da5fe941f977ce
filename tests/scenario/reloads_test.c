/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ten reloads a second for a thousand cycles: the secret of a publisher changes, another publisher comes and
 * goes, the settings of the samples change, every fourth file is broken.  Not one sample is lost or doubled.
 */
#include "tests/scenario/stage.h"

#include "pipeline/pipeline.h"
#include "tests/scenario/tally.h"

enum { CYCLES = 1000 };

/* ---- a thousand cycles */

static unsigned reloads, refused;

static void storm(struct stage *stage)
{
	unsigned k = reloads++;
	int ret;

	tally_write_conf(stage, k % 40 < 20 ? "one" : "two", k % 8 < 4 ? "old" : "new");
	stage_write_pipeline(stage, "'*'",
			     k % 4 == 3   ? "'tally://a', {"
			     : k % 4 == 2 ? "'tally://a', 'tally://b'"
					  : "'tally://a'");
	ret = stage_reload(stage);
	g_assert_cmpint(ret < 0, ==, k % 4 == 3);
	refused += ret < 0;
	if (k < CYCLES * 10) {
		stage_at(stage, NS_PER_S / 10, storm);
	}
}

static void test_storm(void)
{
	struct stage stage = { NULL };
	struct pipeline_ledger ledger;
	struct outlet_status st;

	stage_open(&stage, TALLY_WORLD, 1, "'tally://a'");
	stage_write(&stage, "polling.yaml",
		    "sources:\n  - name: all\n    interval: 1\n    meters: ['*']\n");
	tally_write_conf(&stage, "one", "old");
	stage_write_pipeline(&stage, "'*'", "'tally://a'");
	g_assert_cmpint(stage_reload(&stage), ==, 0);
	stage_at(&stage, NS_PER_S / 20, storm);
	g_assert_cmpint(stage_run(&stage, (CYCLES + 2) * NS_PER_S), ==, 0);
	g_assert_cmpuint(reloads, >=, CYCLES * 10);
	g_assert_cmpuint(refused, ==, reloads / 4);
	/* two instances, once a cycle, no cycle left out */
	g_assert_cmpuint(tally_a.cpu / 2, >=, CYCLES);
	g_assert_cmpuint(tally_a.doubled, ==, 0);
	g_assert_cmpint(tally_a.widest_ns, ==, NS_PER_S);
	g_assert_cmpuint(tally_b.samples, >, 0);
	g_assert_cmpuint(tally_b.doubled, ==, 0);
	/* the ledgers go on over all of it */
	st = stage_outlet(&stage, 0);
	g_assert_cmpuint(st.ledger.confirmed, ==, st.ledger.produced);
	g_assert_cmpuint(st.ledger.confirmed, ==, tally_a.samples);
	pipeline_ledger(g_ptr_array_index(stage.agent->pipelines, 0), &ledger);
	g_assert_cmpuint(ledger.in, ==, ledger.out + ledger.filtered);
	g_assert_cmpuint(ledger.out, ==, tally_a.samples);
	stage_close(&stage);
	/* a new secret is a new object, the same one is not */
	g_assert_cmpuint(tally_a.opened, ==, tally_a.closed);
	g_assert_cmpuint(tally_a.opened, <=, reloads / 4 + 2);
	g_assert_cmpuint(tally_a.opened, >=, reloads / 4 - 2);
	g_assert_cmpuint(tally_b.opened, ==, tally_b.closed);
	tally_clear(&tally_a);
	tally_clear(&tally_b);
}

int main(int argc, char **argv)
{
	stage_add_plugin(&tally_plugin);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/reloads", test_storm);
	return g_test_run();
}
