/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Juno's default pipeline on simulated instances, for a day: every rate that comes out is worked out anew from
 * the counters that came out beside it, to the last digit.  A reload in the middle that changes nothing of the
 * sinks costs no rate; instances that are replaced leave no state behind.
 */
#include "tests/scenario/stage.h"

#include <string.h>

#include "base/buf.h"
#include "pipeline/pipeline.h"
#include "wire/json.h"

enum { INTERVAL = 600 };

static char *juno; /* the file */

static void use_juno(struct stage *stage)
{
	struct buf answer = BUF_INIT;

	stage_write(stage, "pipeline.yaml", "%s", juno);
	if (agent_reload(stage->agent, &answer) != 0) {
		g_error("%s", answer.data);
	}
	g_assert_cmpuint(stage->agent->pipelines->len, ==, 4);
	g_assert_cmpuint(stage->agent->sinks->len, ==, 3);
	buf_fini(&answer);
}

/* Another publisher for all, and a source more; the sinks' transformers as they were. */
static void change_others(struct stage *stage)
{
	void *before[3] = { stage->agent->sinks->pdata[0], stage->agent->sinks->pdata[1],
			    stage->agent->sinks->pdata[2] };

	use_juno(stage);
	for (guint i = 0; i < 3; i++) {
		g_assert_true(stage->agent->sinks->pdata[i] == before[i]);
	}
}

/* Values of series: name and resource → the samples in their order. */
static GHashTable *by_series(const void *store)
{
	GHashTable *all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
						(GDestroyNotify)g_ptr_array_unref);

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);
		char *key = g_strdup_printf("%s %s", s->name, s->resource);
		GPtrArray *list = g_hash_table_lookup(all, key);

		if (!list) {
			list = g_ptr_array_new();
			g_hash_table_insert(all, g_strdup(key), list);
		}
		g_ptr_array_add(list, (void *)(uintptr_t)s);
		g_free(key);
	}
	return all;
}

static int64_t cpu_number(const struct test_sample *s)
{
	struct json_reader r;
	int64_t n = 0;

	json_reader_init(&r, s->metadata, strlen(s->metadata));
	for (enum json_event e = json_next(&r); e > JSON_END; e = json_next(&r)) {
		if (e == JSON_KEY && json_is(&r, "cpu_number")) {
			json_next(&r);
			g_assert_cmpint(json_int(&r, &n), ==, 0);
		}
	}
	return n;
}

/* The rate at `now`, as the reference works it out. */
static double rate_of(const struct test_sample *then, const struct test_sample *now, bool cpu)
{
	double dv = (double)(now->value.u >= then->value.u ? now->value.u - then->value.u
							   : now->value.u);
	double dt = (double)(now->mono_ns - then->mono_ns) / 1e9;
	double scale = 1;

	if (cpu) {
		int64_t n = cpu_number(now);

		scale = 100.0 / (double)(1000000000 * (n ? n : 1));
	}
	return scale * (dv / dt);
}

/* Each rate follows from its counter; answers how many there are. */
static size_t check(GHashTable *all, const char *from, const char *to, const char *unit)
{
	GHashTableIter it;
	void *key, *value;
	size_t rates = 0;

	g_hash_table_iter_init(&it, all);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		GPtrArray *counters = value, *list;
		char *other;

		if (!g_str_has_prefix(key, from) || ((char *)key)[strlen(from)] != ' ') {
			continue;
		}
		other = g_strdup_printf("%s%s", to, (char *)key + strlen(from));
		list = g_hash_table_lookup(all, other);
		g_assert_cmpuint(list ? list->len : 0, ==, counters->len - 1);
		for (guint i = 0; list && i < list->len; i++) {
			const struct test_sample *rate = list->pdata[i];
			const struct test_sample *then = counters->pdata[i];
			const struct test_sample *now = counters->pdata[i + 1];

			g_assert_cmpint(rate->time_ns, ==, now->time_ns);
			g_assert_cmpint(rate->mono_ns, ==, INT64_MIN);
			g_assert_cmpint(rate->type, ==, VMT_GAUGE);
			g_assert_cmpstr(rate->unit, ==, unit);
			g_assert_cmpstr(rate->metadata, ==, now->metadata);
			g_assert_cmpuint(rate->id[6] >> 4, ==, 5);
			g_assert_true(rate->value.d == rate_of(then, now, strcmp(unit, "%") == 0));
			rates++;
		}
		g_free(other);
	}
	return rates;
}

static void check_ledgers(struct stage *stage)
{
	struct pipeline_ledger l;

	for (guint i = 0; i < stage->agent->pipelines->len; i++) {
		pipeline_ledger(g_ptr_array_index(stage->agent->pipelines, i), &l);
		g_assert_cmpuint(l.in, ==, l.out + l.filtered + l.consumed - l.made);
		g_assert_cmpuint(l.in, >, 0);
		if (i >
		    0) { /* all but meter_sink's: a sample makes one, but for the first of each series */
			g_assert_cmpuint(l.out, ==, l.made);
			g_assert_cmpuint(l.consumed, >=, l.made);
			g_assert_cmpuint(l.filtered, >, 0);
		}
	}
}

static void test_juno(gconstpointer churn)
{
	struct stage stage = { NULL };
	char *conf =
		g_strdup_printf("[simulated]\ninstances = 5\nstopped = 0\ndisks = 2\nnics = 1\n"
				"churn = %s\n",
				(const char *)churn);
	GHashTable *all;
	size_t rates, least;

	stage_open(&stage, conf, INTERVAL, "'test://?keep=999999'");
	stage_at(&stage, NS_PER_S / 2, use_juno);
	stage_at(&stage, 12 * HOUR, change_others);
	g_assert_cmpint(stage_run(&stage, DAY), ==, 0);
	all = by_series(stage_test(&stage, 0));
	rates = check(all, "cpu", "cpu_util", "%");
	/* a day has 144 cycles; the first sample of each instance, also of one that replaces another, makes none */
	least = 5 * (143 - (size_t)g_ascii_strtoull(churn, NULL, 10));
	g_assert_cmpuint(rates, >=, least);
	rates = check(all, "disk.read.bytes", "disk.read.bytes.rate", "B/s");
	rates += check(all, "disk.write.requests", "disk.write.requests.rate", "request/s");
	rates += check(all, "network.incoming.bytes", "network.incoming.bytes.rate", "B/s");
	rates +=
		check(all, "network.outgoing.packets", "network.outgoing.packets.rate", "packet/s");
	g_assert_cmpuint(rates, >=, 4 * least);
	check_ledgers(&stage);
	g_hash_table_unref(all);
	stage_close(&stage);
	g_free(conf);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_assert_true(g_file_get_contents(argv[1], &juno, NULL, NULL));
	g_test_add_data_func("/scenario/transform", argc > 2 ? argv[2] : "0", test_juno);
	ret = g_test_run();
	g_free(juno);
	return ret;
}
