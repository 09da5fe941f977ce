/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines of a configuration for a command.  Main thread; blocks on nothing. */
#include "cmd/pipes.h"

#include <errno.h>
#include <string.h>

static void release_nothing(void *owner)
{
}

static gboolean is_url(gconstpointer item, gconstpointer url)
{
	return strcmp(((const struct polling_text *)item)->text, url) == 0;
}

uint64_t pipes_bits(struct pipes *p, const struct pipeline_sink *sink)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sink->publishers.count; i++) {
		const struct polling_text *url = &sink->publishers.item[i];
		guint at;

		if (!g_ptr_array_find_with_equal_func(p->publishers, url->text, is_url, &at)) {
			at = p->publishers->len;
			g_ptr_array_add(p->publishers, (void *)(uintptr_t)url);
		}
		bits |= at < PIPES_PUBLISHERS ? UINT64_C(1) << at : 0;
	}
	return bits;
}

int pipes_add(struct pipes *p, const struct pipeline_pair *pair, struct problems *problems)
{
	struct sink *sink = g_hash_table_lookup(p->sinks, pair->sink);
	bool known = sink != NULL;
	struct pipeline *pipeline;

	if (!known && sink_open(p->registry, pair->sink, p->settings, problems, &sink) < 0) {
		return -EINVAL;
	}
	pipeline = pipeline_new(pair->name, pair->source->match, pipes_bits(p, pair->sink), NULL,
				release_nothing);
	pipeline_set_sink(pipeline, sink);
	g_ptr_array_add(p->pipelines, pipeline);
	if (sink && !known) {
		g_hash_table_insert(p->sinks, (void *)(uintptr_t)pair->sink, sink);
		sink_unref(sink); /* the pipeline has it */
	}
	return 0;
}

struct pipeline_set *pipes_set(struct pipes *p)
{
	if (!p->set) {
		p->set = pipeline_set_new((struct pipeline *const *)p->pipelines->pdata,
					  p->pipelines->len);
		g_ptr_array_set_size(p->pipelines, 0);
	}
	return p->set;
}

void pipes_init(struct pipes *p, struct registry *registry, const struct sink_settings *settings)
{
	*p = (struct pipes){ .publishers = g_ptr_array_new(),
			     .registry = registry,
			     .settings = settings,
			     .pipelines = g_ptr_array_new(),
			     .sinks = g_hash_table_new(NULL, NULL) };
}

void pipes_fini(struct pipes *p)
{
	pipeline_set_unref(pipes_set(p));
	g_ptr_array_unref(p->publishers);
	g_ptr_array_unref(p->pipelines);
	g_hash_table_unref(p->sinks);
}
