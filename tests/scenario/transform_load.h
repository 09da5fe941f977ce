/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a test and a benchmark: frames of many instances and meters through a source's patterns and a sink with
 * rate_of_change and unit_conversion, by pipeline_route() and nothing else.
 */
#ifndef SCENARIO_TRANSFORM_LOAD_H
#define SCENARIO_TRANSFORM_LOAD_H

#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/polling.h"
#include "model/batch.h"
#include "pipeline/pipeline.h"
#include "pipeline/route.h"
#include "pipeline/sink.h"

extern const struct vmt_plugin vmt_plugin_transformer_rate_of_change,
	vmt_plugin_transformer_unit_conversion;

struct load {
	unsigned instances, meters;
	struct frame_pool *pool;
	struct frame_builder in, out;
	struct resource **resource; /* instances × meters: each meter has its own metadata */
	struct pipeline *pipeline;
	struct pipeline_set *set;
	struct polling *polling;
	struct registry *registry;
	int64_t cycle;
};

static const char load_yaml[] =
	"sources:\n- {name: s, interval: 60, meters: ['*', '!memory.*', '!vcpus'], sinks: [k]}\n"
	"sinks:\n- name: k\n  publishers: ['null://']\n  transformers:\n"
	"  - name: rate_of_change\n    parameters:\n      source: {map_from: {name: 'meter\\.(.*)', unit: B}}\n"
	"      target: {map_to: {name: 'rate.\\1', unit: B/s}, type: gauge,\n"
	"        scale: '100.0 / (10**9 * (resource_metadata.cpu_number or 1))'}\n"
	"  - name: unit_conversion\n    parameters: {target: {unit: KiB/s, scale: 'volume / 1024'}}\n";

static inline void load_init(struct load *l, unsigned instances, unsigned meters)
{
	static const struct vmt_plugin *const plugins[] = { &vmt_plugin_transformer_rate_of_change,
							    &vmt_plugin_transformer_unit_conversion,
							    NULL };
	struct problems *problems = problems_new();
	struct sink_settings settings = { .profile = VMT_PROFILE_26, .source = "openstack" };
	struct sink *sink = NULL;

	*l = (struct load){ .instances = instances, .meters = meters };
	l->pool = frame_pool_new(4);
	frame_builder_init(&l->in, l->pool);
	frame_builder_init(&l->out, l->pool);
	l->registry = registry_new(plugins);
	l->resource = g_new0(struct resource *, (size_t)instances * meters);
	for (unsigned i = 0; i < instances; i++) {
		struct resource_owner owner = { .project_id = "p", .source = "openstack" };
		struct resource_head *head =
			resource_head_new(&owner, "{\"display_name\": \"vm\"", 21);

		for (unsigned m = 0; m < meters; m++) {
			char id[40], tail[40];

			g_snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012u", i);
			g_snprintf(tail, sizeof(tail), ", \"m\": %u, \"cpu_number\": %u}", m / 6,
				   1 + i % 8);
			l->resource[m * instances + i] = resource_new(head, id, tail, strlen(tail));
		}
		resource_head_unref(head);
	}
	g_assert_cmpint(polling_read_text("load", load_yaml, strlen(load_yaml), PIPELINE_FILE,
					  &l->polling, problems),
			==, 0);
	g_assert_cmpint(sink_open(l->registry, &l->polling->sinks[0], &settings, problems, &sink),
			==, 0);
	l->pipeline = pipeline_new("load", l->polling->sources[0].match, 1, l->polling,
				   (void (*)(void *))polling_free);
	pipeline_set_sink(l->pipeline, sink);
	sink_unref(sink);
	l->set = pipeline_set_new(&l->pipeline, 1);
	problems_free(problems);
}

/* The next cycle's samples; every sixth meter has the resources of the one before it. */
static inline struct frame *load_frame(struct load *l)
{
	int64_t time = (1000 + 60 * l->cycle) * NS_PER_S;

	frame_begin(&l->in, VMT_PROFILE_26, time, time);
	for (unsigned m = 0; m < l->meters; m++) {
		char name[32];
		struct batch_spec spec = { .unit = "B",
					   .type = VMT_CUMULATIVE,
					   .kind = VMT_UINT64 };

		g_snprintf(name, sizeof(name), "meter.%u", m);
		spec.name = batch_text(&l->in, name);
		batch_begin(&l->in, &spec, l->instances);
		for (unsigned i = 0; i < l->instances; i++) {
			union vmt_num v = { .u = (uint64_t)l->cycle * (i + 1) * 1000003 };

			batch_add(&l->in, l->resource[m / 6 * l->instances + i], v, time, time);
		}
		batch_end(&l->in);
	}
	l->cycle++;
	return frame_finish(&l->in);
}

static inline void load_fini(struct load *l)
{
	for (size_t i = 0; i < (size_t)l->instances * l->meters; i++) {
		resource_unref(l->resource[i]);
	}
	g_free(l->resource);
	pipeline_set_unref(l->set);
	frame_builder_fini(&l->in);
	frame_builder_fini(&l->out);
	frame_pool_free(l->pool);
	registry_free(l->registry);
}

#endif
