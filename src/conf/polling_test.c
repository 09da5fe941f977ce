/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of polling.yaml and pipeline.yaml: the shapes, and each error with its place. */
#include "conf/polling.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "conf/yaml_tree.h"

static struct polling *accept(const char *text, enum polling_role role)
{
	struct problems *problems = problems_new();
	struct polling *p = NULL;
	int ret = polling_read_text("f.yaml", text, strlen(text), role, &p, problems);

	g_assert_cmpstr(problems_first_error(problems), ==, "");
	g_assert_cmpint(ret, ==, 0);
	problems_free(problems);
	return p;
}

static const char today_polling[] = "---\n"
				    "sources:\n"
				    "    - name: some_pollsters\n"
				    "      interval: 300\n"
				    "      meters:\n"
				    "        - cpu\n"
				    "        - network.*\n"
				    "    - name: often\n"
				    "      interval: '10'\n"
				    "      meters: [power.state]\n"
				    "      resources: [a, b]\n"
				    "      discovery: ['local_instances']\n";

static void test_today(void)
{
	struct polling *p = accept(today_polling, POLLING_FILE);

	g_assert_cmpint(p->shape, ==, POLLING_TODAY);
	g_assert_true(polling_has_intervals(p));
	g_assert_cmpuint(p->source_count, ==, 2);
	g_assert_cmpint(p->sources[0].interval_ns, ==, INT64_C(300000000000));
	g_assert_cmpint(p->sources[1].interval_ns, ==, INT64_C(10000000000));
	g_assert_true(pattern_match(p->sources[0].match, "network.incoming.bytes"));
	g_assert_false(pattern_match(p->sources[0].match, "memory.usage"));
	g_assert_cmpuint(p->sources[1].resources.count, ==, 2);
	g_assert_cmpstr(p->sources[1].discovery.item[0].text, ==, "local_instances");
	g_assert_cmpuint(p->sources[0].meters.item[1].at.line, ==, 7);
	g_assert_cmpuint(p->sources[0].meters.item[1].at.column, ==, 11);
	polling_free(p);

	p = accept(
		"sources:\n  - {name: meter_source, meters: ['*'], sinks: [meter_sink]}\n"
		"sinks:\n  - name: meter_sink\n    publishers: ['gnocchi://', 'file:///x?json']\n",
		PIPELINE_FILE);
	g_assert_cmpint(p->shape, ==, PIPELINE_TODAY);
	g_assert_false(polling_has_intervals(p));
	g_assert_cmpuint(p->pair_count, ==, 1);
	g_assert_cmpstr(p->pairs[0].name, ==, "meter_source:meter_sink");
	g_assert_cmpstr(p->pairs[0].sink->publishers.item[1].text, ==, "file:///x?json");
	polling_free(p);
}

/* The default file of Juno, its meaning in our words. */
static const char juno[] =
	"sources:\n"
	"  - {name: meter_source, interval: 600, meters: ['*'], sinks: [meter_sink]}\n"
	"  - {name: cpu_source, interval: 600, meters: [cpu], sinks: [cpu_sink]}\n"
	"  - {name: cpu_sink, interval: 60, counters: ['instance:*'], sinks: [cpu_sink]}\n"
	"sinks:\n"
	"  - {name: meter_sink, transformers: , publishers: ['notifier://']}\n"
	"  - name: cpu_sink\n"
	"    transformers:\n"
	"      - name: rate_of_change\n"
	"        parameters:\n"
	"          target: {name: cpu_util, unit: '%', type: gauge}\n"
	"    publishers: [rpc]\n";

static void test_juno(void)
{
	struct polling *p = accept(juno, PIPELINE_FILE);

	g_assert_cmpint(p->shape, ==, PIPELINE_JUNO);
	g_assert_true(polling_has_intervals(p));
	g_assert_cmpuint(p->pair_count, ==, 3);
	g_assert_cmpstr(p->pairs[1].name, ==, "cpu_source:cpu_sink");
	g_assert_cmpstr(p->pairs[2].name, ==, "cpu_sink");
	g_assert_cmpuint(p->sinks[0].transformer_count, ==, 0);
	g_assert_cmpuint(p->sinks[1].transformer_count, ==, 1);
	g_assert_cmpstr(p->sinks[1].transformers[0].name, ==, "rate_of_change");
	g_assert_nonnull(p->sinks[1].transformers[0].parameters);
	/* a name with a colon is matched by what is before it */
	g_assert_true(pattern_match(p->sources[2].match, "instance:m1.tiny"));
	polling_free(p);

	p = accept(
		"- name: flat\n  interval: 60\n  meters: [cpu]\n  transformers:\n  publishers: ['file:///x']\n",
		PIPELINE_FILE);
	g_assert_cmpint(p->shape, ==, PIPELINE_FLAT);
	g_assert_cmpuint(p->pair_count, ==, 1);
	g_assert_cmpstr(p->pairs[0].name, ==, "flat");
	polling_free(p);
}

#define SRC "sources:\n- name: a\n  meters: ['*']\n  sinks: [s]\n"
#define JSRC "sources:\n- name: a\n  interval: 1\n  meters: ['*']\n  sinks: [s]\n"
#define SINK "sinks:\n- name: s\n  publishers: ['x://']\n"

static const struct {
	const char *text;
	enum polling_role role;
	const char *error;
} bad[] = {
	{ "sinks: []\n", POLLING_FILE, "f.yaml:1:1: sources required" },
	{ "", POLLING_FILE, "f.yaml:1:1: sources required" },
	{ "sources: []\n", POLLING_FILE, "f.yaml:1:1: sources required" },
	{ "sources:\n- interval: 1\n  meters: [a]\n", POLLING_FILE,
	  "f.yaml:2:3: Required field name not specified" },
	{ "sources:\n- name: a\n  interval: 1\n", POLLING_FILE,
	  "f.yaml:2:3: Missing meters value" },
	{ "sources:\n- name: a\n  meters: [a]\n", POLLING_FILE,
	  "f.yaml:2:3: Missing interval value" },
	{ "sources:\n- name: a\n  meters: [a]\n  interval: soon\n", POLLING_FILE,
	  "f.yaml:4:13: Invalid interval value" },
	{ "sources:\n- name: a\n  meters: [a]\n  interval: 0\n", POLLING_FILE,
	  "f.yaml:4:13: Interval value should > 0" },
	{ "sources:\n- name: a\n  meters: [a]\n  interval: -5\n", POLLING_FILE,
	  "f.yaml:4:13: Interval value should > 0" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: []\n", POLLING_FILE,
	  "f.yaml:4:11: No meters specified" },
	{ "sources:\n- name: a\n  interval: 1\n  meters:\n", POLLING_FILE,
	  "f.yaml:4:10: No meters specified" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: cpu\n", POLLING_FILE,
	  "f.yaml:4:11: Meters should be a list" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: [cpu, '!b']\n", POLLING_FILE,
	  "f.yaml:4:12: Both included and excluded meters specified" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: ['*', cpu]\n", POLLING_FILE,
	  "f.yaml:4:17: Included meters specified with wildcard" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: [c]\n  resources: x\n", POLLING_FILE,
	  "f.yaml:5:14: Resources should be a list" },
	{ "sources:\n- name: a\n  interval: 1\n  meters: [c]\n  discovery: x\n", POLLING_FILE,
	  "f.yaml:5:14: Discovery should be a list" },
	{ "sources:\n- {name: a, interval: 1, meters: [c]}\n- {name: a, interval: 2, meters: [c]}\n",
	  POLLING_FILE, "f.yaml:3:3: Duplicated source names: a" },
	{ SRC SINK, POLLING_FILE, "f.yaml:2:1: Missing interval value" },
	{ "sources: [}\n", POLLING_FILE, "f.yaml:1:11: " },
	{ "sources:\n\t- a\n", POLLING_FILE, "f.yaml:2:1: " },
	{ "a: &x [*x]\n", POLLING_FILE, "f.yaml:1:8: an alias of what is not there (yet)" },
	{ "a: 1\n---\nb: 1\n", POLLING_FILE, "f.yaml:2:1: a second document in one file" },
	{ SRC, PIPELINE_FILE, "f.yaml:1:1: Both sources & sinks are required" },
	{ SINK, PIPELINE_FILE, "f.yaml:1:1: Both sources & sinks are required" },
	{ SRC "sinks:\n- name: t\n  publishers: ['x://']\n", PIPELINE_FILE,
	  "f.yaml:4:11: Dangling sink s from source a" },
	{ SRC "sinks:\n- name: s\n", PIPELINE_FILE, "f.yaml:6:3: No publisher specified" },
	{ SRC SINK "- name: s\n  publishers: ['x://']\n", PIPELINE_FILE,
	  "f.yaml:8:3: Duplicated sink names: s" },
	{ "sources:\n- name: a\n  meters: ['*']\n" SINK, PIPELINE_FILE,
	  "f.yaml:2:3: Required field sinks not specified" },
	{ "sources:\n- name: a\n  meters: ['*']\n  sinks: []\n" SINK, PIPELINE_FILE,
	  "f.yaml:2:3: No sink defined in source a" },
	{ "sources:\n- name: a\n  meters: ['*']\n  sinks: [s, s]\n" SINK, PIPELINE_FILE,
	  "f.yaml:4:14: Duplicate pipeline name: a:s" },
	{ JSRC SINK, PIPELINE_FILE, "f.yaml:7:3: Required field transformers not specified" },
	{ JSRC "sinks:\n- name: s\n  transformers:\n    - name: delta\n  publishers: [x]\n",
	  PIPELINE_FILE, "f.yaml:9:7: Required field parameters not specified" },
	{ "sources:\n- {name: a, interval: 1, meters: [], sinks: [s]}\nsinks:\n- {name: s, transformers: , publishers: "
	  "[x]}\n",
	  PIPELINE_FILE, "f.yaml:2:34: No meter specified" },
	{ "- {name: f, meters: [cpu], transformers: , publishers: [x]}\n", PIPELINE_FILE,
	  "f.yaml:1:3: Required field interval not specified" },
	{ "sources: {a: 1}\nsinks: []\n", PIPELINE_FILE, "f.yaml:1:10: sources should be a list" },
	{ "sources: [a]\nsinks: [b]\n", PIPELINE_FILE, "f.yaml:1:11: a source is a mapping" },
};

/* What is wrong with one part does not hide another. */
static void test_rest(void)
{
	static const char text[] =
		"sources:\n- {interval: 0, meters: ['']}\n- {interval: 1, meters: x}\n"
		"sinks:\n- {name: s, transformers: [{name: t, parameters: }], publishers: [u]}\n";
	struct problems *problems = problems_new();
	struct polling *p = NULL;

	g_assert_cmpint(polling_read_text("f.yaml", text, strlen(text), PIPELINE_FILE, &p,
					  problems),
			==, -EINVAL);
	g_assert_nonnull(p);
	g_assert_cmpuint(p->sink_count, ==, 1);
	g_assert_cmpstr(p->sinks[0].transformers[0].name, ==, "t");
	g_assert_cmpstr(p->sinks[0].publishers.item[0].text, ==, "u");
	g_assert_cmpuint(p->source_count, ==, 2);
	g_assert_null(p->sources[0].match);
	for (size_t i = 0; i < problems_count(problems); i++) {
		g_assert_null(strstr(problems_at(problems, i)->text,
				     "Duplicate")); /* two without names */
	}
	polling_free(p);
	problems_free(problems);
}

/* A text within a file has the file's places; one that was made has the place of what it was made for. */
static void test_part(void)
{
	static const char text[] = "sources:\n- name: a\n  interval: 0\n  meters: [cpu]\n";
	static const struct {
		struct yaml_origin origin;
		const char *error;
	} rows[] = {
		{ { { "g", 10, 5 }, false }, "g:12:17: Interval value should > 0" },
		{ { { "g", 10, 5 }, true }, "g:10:5: Interval value should > 0" },
		{ { { NULL, 0, 0 }, true }, "Interval value should > 0" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct problems *problems = problems_new();
		struct polling *p;

		g_assert_cmpint(polling_read_part(&rows[i].origin, text, strlen(text), POLLING_FILE,
						  &p, problems),
				==, -EINVAL);
		g_assert_cmpstr(problems_first_error(problems), ==, rows[i].error);
		polling_free(p);
		problems_free(problems);
	}
}

/* An interval that is null makes no Juno file; one of several does, and that is told. */
static void test_some_intervals(void)
{
	static const char null[] = "sources:\n- {name: a, interval: , meters: [cpu], sinks: [s]}\n"
				   "sinks:\n- {name: s, publishers: [u]}\n";
	static const char some[] = "sources:\n- {name: a, interval: 5, meters: [cpu], sinks: [s]}\n"
				   "- {name: b, meters: [cpu], sinks: [s]}\n"
				   "sinks:\n- {name: s, transformers: , publishers: [u]}\n";
	struct problems *problems = problems_new();
	struct polling *p = NULL;

	g_assert_cmpint(polling_read_text("f.yaml", null, strlen(null), PIPELINE_FILE, &p,
					  problems),
			==, 0);
	g_assert_cmpint(p->shape, ==, PIPELINE_TODAY);
	polling_free(p);
	g_assert_cmpint(polling_read_text("f.yaml", some, strlen(some), PIPELINE_FILE, &p,
					  problems),
			==, -EINVAL);
	g_assert_true(g_str_has_prefix(problems_at(problems, 0)->text,
				       "f.yaml:2:1: some of the sources have an interval"));
	g_assert_cmpstr(problems_first_error(problems), ==,
			"f.yaml:3:3: Required field interval not specified");
	polling_free(p);
	problems_free(problems);
}

/* Juno let a source name a sink twice, and sent everything twice. */
static void test_twice(void)
{
	static const char text[] =
		"sources:\n- {name: a, interval: 5, meters: [cpu], sinks: [s, s]}\n"
		"sinks:\n- {name: s, transformers: , publishers: [u]}\n";
	struct problems *problems = problems_new();
	struct polling *p = NULL;

	g_assert_cmpint(polling_read_text("f.yaml", text, strlen(text), PIPELINE_FILE, &p,
					  problems),
			==, 0);
	g_assert_cmpuint(p->pair_count, ==, 2);
	g_assert_cmpuint(problems_count(problems), ==, 1);
	g_assert_cmpstr(problems_at(problems, 0)->text, ==,
			"f.yaml:2:52: sink s is named twice by source a: samples go there twice");
	polling_free(p);
	problems_free(problems);
}

static void test_errors(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct problems *problems = problems_new();
		struct polling *p = NULL;

		g_test_message("%s", bad[i].text);
		g_assert_cmpint(polling_read_text("f.yaml", bad[i].text, strlen(bad[i].text),
						  bad[i].role, &p, problems),
				==, -EINVAL);
		polling_free(p); /* what could be read, for who looks for more */
		if (!g_str_has_prefix(problems_first_error(problems), bad[i].error)) {
			g_assert_cmpstr(problems_first_error(problems), ==, bad[i].error);
		}
		problems_free(problems);
	}
}

/* What is taken although it is odd, as Ceilometer does. */
static void test_odd(void)
{
	static const struct {
		const char *text, *warning;
		enum polling_role role;
	} rows[] = {
		{ "sources:\n- {name: a, interval: 1, meters: {cpu: 1, memory: }}\n",
		  "f.yaml:2:34: a mapping instead of a list: its keys are taken", POLLING_FILE },
		{ JSRC "sinks:\n- {name: s, transformers: , publishers: [a]}\n"
		       "- {name: s, transformers: , publishers: [b]}\n",
		  "f.yaml:8:3: sink s is there twice: sources mean the last one", PIPELINE_FILE },
		{ "sources:\n- {name: a, interval: 1, meters: [cpu], resource: [x]}\n",
		  "f.yaml:2:41: resource: no such key here (did you mean resources?); it has no effect",
		  POLLING_FILE },
		{ JSRC "sinks:\n- {name: s, transformers: , publishers: [a], zzz: 1}\n",
		  "f.yaml:7:46: zzz: no such key here; it has no effect", PIPELINE_FILE },
		{ "- {name: f, interval: 1, meters: [cpu], transformers: , publishers: [x]}\n",
		  "f.yaml:1:1: a list of pipelines is the form that Juno deprecated",
		  PIPELINE_FILE },
		{ "sources:\n- {name: a, interval: 1.9, meters: [cpu]}\n",
		  "f.yaml:2:23: 1.9: only whole seconds count: 1", POLLING_FILE },
		{ "sources:\n- {name: a, interval: 1, meters: [cpu]}\nsink: []\n",
		  "f.yaml:3:1: sink: no such key here (did you mean sinks?); it has no effect",
		  POLLING_FILE },
		{ SRC SINK "- {name: t, publishers: [x]}\n",
		  "f.yaml:8:3: sink t: no source names it, so nothing comes to it", PIPELINE_FILE },
		{ JSRC SINK, "f.yaml:3:13: interval: has no effect here", PIPELINE_OF_PAIR },
		{ "sources:\n- {name: a, interval: 1, meters: [cpu], sinks: [s], publishers: [x]}\n"
		  "sinks: [{name: s, transformers: , publishers: [a]}]\n",
		  "f.yaml:2:53: publishers: no such key here", PIPELINE_FILE },
		{ "sources:\n- {name: a, interval: 1, meters: [cpu], publishers: [x]}\n",
		  "f.yaml:2:41: publishers: no such key here", POLLING_FILE },
		{ "- {name: f, interval: 1, meters: [cpu], transformers: , publishers: [x], sinks: [s]}\n",
		  "f.yaml:1:74: sinks: no such key here", PIPELINE_FILE },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct problems *problems = problems_new();
		struct polling *p = NULL;
		size_t found;

		g_assert_cmpint(polling_read_text("f.yaml", rows[i].text, strlen(rows[i].text),
						  rows[i].role, &p, problems),
				==, 0);
		found = problems_count(problems);
		g_assert_cmpuint(found, ==,
				 rows[i].text[0] == '-' && strstr(rows[i].text, "sinks") ? 2 : 1);
		g_assert_true(
			g_str_has_prefix(problems_at(problems, found - 1)->text, rows[i].warning));
		if (i == 0) {
			g_assert_true(pattern_match(p->sources[0].match, "memory"));
			g_assert_false(pattern_match(p->sources[0].match, "memory.usage"));
		}
		if (i == 1) {
			g_assert_cmpstr(p->pairs[0].sink->publishers.item[0].text, ==, "b");
		}
		problems_free(problems);
		polling_free(p);
	}
}

/* Ocata to Rocky: no interval, and transformers; with the places of their parameters. */
static void test_transformers(void)
{
	struct polling *p = accept(SRC "sinks:\n- name: s\n  transformers:\n"
				       "  - name: delta\n    parameters: {growth_only: true}\n"
				       "  - name: unit_conversion\n    parameters:\n"
				       "      target: {scale: 0.5}\n"
				       "  - name: of_a_plugin\n    parameters:\n"
				       "  publishers: [rpc]\n",
				   PIPELINE_FILE);
	const struct pipeline_transformer *t = p->pairs[0].sink->transformers;
	const struct yaml_node *scale = yaml_get(yaml_get(t[1].parameters, "target"), "scale");
	double number = 0;

	g_assert_cmpint(p->shape, ==, PIPELINE_TODAY);
	g_assert_cmpuint(p->pairs[0].sink->transformer_count, ==, 3);
	g_assert_cmpstr(t[2].name, ==, "of_a_plugin");
	g_assert_cmpuint(t[2].name_at.line, ==, 13);
	g_assert_cmpuint(t[2].name_at.column, ==, 11);
	g_assert_cmpstr(t[0].name, ==, "delta");
	g_assert_cmpstr(t[1].name, ==, "unit_conversion");
	g_assert_cmpuint(t[1].at.line, ==, 10);
	g_assert_true(yaml_number(scale, &number));
	g_assert_true(number == 0.5);
	g_assert_cmpuint(scale->at.line, ==, 12);
	g_assert_cmpuint(scale->at.column, ==, 23);
	polling_free(p);
}

/* Thousands of names are compared without looking at each pair of them. */
static void test_many(void)
{
	GString *text = g_string_new("sources:\n");
	struct polling *p;

	for (int i = 0; i < 8000; i++) {
		g_string_append_printf(text, "- {name: s%d, interval: 1, meters: [m%d]}\n", i, i);
	}
	p = accept(text->str, POLLING_FILE);
	g_assert_cmpuint(p->source_count, ==, 8000);
	polling_free(p);
	g_string_free(text, TRUE);
}

/* An alias of aliases must not cost more than the cap on nodes. */
static void test_laughs(void)
{
	GString *text = g_string_new("a0: &a0 [x]\n");
	struct problems *problems = problems_new();
	struct polling *p = NULL;

	for (int i = 1; i < 30; i++) {
		g_string_append_printf(text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
				       i - 1, i - 1, i - 1);
	}
	g_assert_cmpint(polling_read_text("f.yaml", text->str, text->len, POLLING_FILE, &p,
					  problems),
			==, -EINVAL);
	g_assert_nonnull(strstr(problems_first_error(problems), "too many entries"));
	problems_free(problems);
	g_string_free(text, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/polling/today", test_today);
	g_test_add_func("/polling/juno", test_juno);
	g_test_add_func("/polling/errors", test_errors);
	g_test_add_func("/polling/rest", test_rest);
	g_test_add_func("/polling/part", test_part);
	g_test_add_func("/polling/twice", test_twice);
	g_test_add_func("/polling/some-intervals", test_some_intervals);
	g_test_add_func("/polling/odd", test_odd);
	g_test_add_func("/polling/transformers", test_transformers);
	g_test_add_func("/polling/many", test_many);
	g_test_add_func("/polling/laughs", test_laughs);
	return g_test_run();
}
