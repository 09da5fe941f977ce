/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading and compiling a pipeline.yaml of 1000 sources and sinks, patterns, transformers and their expressions,
 * beside libyaml's bare parse of the same text into events.  Usage: conf-bench [ROUNDS]
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/clock.h"
#include "conf/polling.h"
#include "pipeline/sink.h"

extern const struct vmt_plugin vmt_plugin_transformer_rate_of_change;
static const struct vmt_plugin *const plugins[] = { &vmt_plugin_transformer_rate_of_change, NULL };
static struct registry *registry;

enum { SOURCES = 1000, LIMIT_MS = 100 };

static GString *make_text(void)
{
	GString *s = g_string_new("sources:\n");

	for (int i = 0; i < SOURCES; i++) {
		g_string_append_printf(s,
				       "  - name: source_%d\n    interval: %d\n    meters:\n"
				       "      - disk.*.bytes.%d\n      - network.[io]*.%d\n"
				       "      - cpu\n    sinks:\n      - sink_%d\n",
				       i, 60 + i % 10, i, i, i);
	}
	g_string_append(s, "sinks:\n");
	for (int i = 0; i < SOURCES; i++) {
		g_string_append_printf(
			s,
			"  - name: sink_%d\n    transformers:\n      - name: rate_of_change\n"
			"        parameters:\n          target:\n            name: rate_%d\n"
			"            unit: '%%'\n            type: gauge\n"
			"            scale: \"100.0 / (10**9 * (resource_metadata.cpu_number or 1))\"\n"
			"    publishers:\n      - notifier://\n",
			i, i);
	}
	return s;
}

static void parse_bare(const GString *text)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool more = true;

	if (!yaml_parser_initialize(&parser)) {
		abort();
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->str, text->len);
	while (more) {
		if (!yaml_parser_parse(&parser, &event)) {
			abort();
		}
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

static void load(const GString *text)
{
	const struct sink_settings settings = { .profile = VMT_PROFILE_26, .source = "openstack" };
	struct sink *sinks[SOURCES];
	struct polling *p = NULL;

	if (polling_read_text("bench", text->str, text->len, PIPELINE_FILE, &p, NULL) < 0 ||
	    p->pair_count != SOURCES) {
		abort();
	}
	for (int i = 0; i < SOURCES; i++) {
		if (sink_open(registry, &p->sinks[i], &settings, NULL, &sinks[i]) < 0) {
			abort();
		}
	}
	for (int i = 0; i < SOURCES; i++) {
		sink_unref(sinks[i]);
	}
	polling_free(p);
}

/* CPU time of the best round, in ms: others on the machine do not count. */
static double best(void (*fn)(const GString *), const GString *text, int rounds)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < rounds; i++) {
		int64_t before = clock_cpu_process();

		fn(text);
		least = MIN(least, clock_cpu_process() - before);
	}
	return (double)least / 1e6;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20;
	GString *text = make_text();
	double bare = best(parse_bare, text, rounds), ours;

	registry = registry_new(plugins);
	ours = best(load, text, rounds);
	printf("configuration   %d sources, %d sinks, %zu KiB: %.2f ms to load and compile, "
	       "bare libyaml %.2f ms, ratio %.2f  <= %d ms  %s\n",
	       SOURCES, SOURCES, text->len / 1024, ours, bare, ours / bare, LIMIT_MS,
	       ours > LIMIT_MS ? "MISSED" : "met");
	registry_free(registry);
	g_string_free(text, TRUE);
	return ours > LIMIT_MS;
}
