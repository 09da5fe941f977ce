/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means for each meter.  Main thread; blocks on the stream only. */
#include "cmd/explain.h"

#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/url.h"
#include "model/json_text.h"
#include "model/meter.h"

/* A meter under the name that is polled and the one that its samples have. */
struct named {
	const char *polled, *published;
};

static GArray *all_meters(const struct registry *registry, enum vmt_profile profile)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct named));

	for (size_t i = 0; i < meter_count(); i++) {
		struct named n = { meter_at(i)->name, meter_name(meter_at(i), profile) };

		g_array_append_val(list, n);
	}
	for (size_t i = 0; i < registry_count(registry); i++) {
		const struct vmt_plugin *p = registry_at(registry, i);

		for (size_t m = 0; p->ns == VMT_POLLSTER && m < p->ops.pollster->count; m++) {
			struct named n = { p->ops.pollster->meters[m].name,
					   p->ops.pollster->meters[m].name };

			g_array_append_val(list, n);
		}
	}
	return list;
}

/* ---- the ways of the meters */

static const struct table_column columns[] = {
	{ .key = "meter" },
	{ .key = "every_s", .title = "EVERY", .right = true },
	{ .key = "source" },
	{ .key = "pipeline", .wide = true },
	{ .key = "transformers", .json_only = true },
	{ .key = "publishers", .wide = true },
};

static void add_transformers(const struct pipeline_sink *sink, struct buf *json, struct buf *shown)
{
	buf_putc(json, '[');
	for (size_t i = 0; i < sink->transformer_count; i++) {
		buf_printf(shown, "%s > ", sink->transformers[i].name);
		buf_puts(json, i ? "," : "");
		json_add(json, sink->transformers[i].name);
	}
	buf_putc(json, ']');
}

/* Those that can be used; of the others the table says so. */
static void add_publishers(const struct explain *e, const struct pipeline_sink *sink,
			   struct buf *json, struct buf *shown)
{
	buf_putc(json, '[');
	for (size_t i = 0; i < sink->publishers.count; i++) {
		bool used = g_hash_table_contains(e->publishers, sink->publishers.item[i].text);
		struct vmt_error error;
		struct url *url = NULL;
		const char *text = "(not a URL)";

		if (url_parse(sink->publishers.item[i].text, &url, &error) == 0) {
			text = url_get(url)->text; /* without secrets */
		}
		buf_puts(shown, i ? ", " : "");
		buf_printf(shown, "%s%s", text, used ? "" : " (left out)");
		if (used) {
			buf_puts(json, json->len > 1 ? "," : "");
			json_add(json, text);
		}
		url_free(url);
	}
	buf_putc(json, ']');
}

static void add_sink(struct table *table, const struct explain *e, const struct pipeline_sink *sink)
{
	struct buf shown = BUF_INIT, transformers = BUF_INIT, publishers = BUF_INIT;

	add_transformers(sink, &transformers, &shown);
	add_publishers(e, sink, &publishers, &shown);
	table_raw(table, transformers.data, NULL);
	table_raw(table, publishers.data, shown.data);
	buf_fini(&shown);
	buf_fini(&transformers);
	buf_fini(&publishers);
}

static void add_row(struct table *table, const char *meter, const struct polling_source *source,
		    const struct pipeline_pair *pair, const struct explain *e)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	table_text(table, meter);
	table_raw(table,
		  g_ascii_formatd(number, sizeof(number), "%.9g",
				  (double)source->interval_ns / 1e9),
		  NULL);
	table_text(table, source->name);
	if (pair) {
		table_text(table, pair->name);
		add_sink(table, e, pair->sink);
	} else {
		table_raw(table, "null", "(none takes it)");
		table_raw(table, "[]", "");
		table_raw(table, "[]", "");
	}
	table_row(table);
}

/* The rows of one meter of one source; how many. */
static unsigned explain_way(struct table *table, const struct named *meter,
			    const struct polling_source *source, const struct polling *way,
			    const struct explain *e)
{
	bool juno = way == e->polling; /* a source has sinks of its own */
	unsigned rows = 0;

	for (size_t i = 0; i < way->pair_count; i++) {
		const struct pipeline_pair *pair = &way->pairs[i];

		if (juno && pair->source != source) {
			continue;
		}
		if (pair->source->match && pattern_match(pair->source->match, meter->published)) {
			add_row(table, meter->polled, source, pair, e);
			rows++;
		}
	}
	return rows;
}

static void explain_meter(struct table *table, const struct named *meter,
			  const struct polling_source *source, const struct explain *e)
{
	unsigned rows = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(e->ways); i++) {
		if (e->ways[i]) {
			rows += explain_way(table, meter, source, e->ways[i], e);
		}
	}
	if (rows == 0) {
		add_row(table, meter->polled, source, NULL, e);
	}
}

int explain_print(FILE *out, enum table_format format, const struct explain *e)
{
	struct table *table = table_new(out, format, columns, G_N_ELEMENTS(columns), 0);
	GArray *meters = all_meters(e->registry, e->profile);

	for (guint m = 0; m < meters->len; m++) {
		const struct named *meter = &g_array_index(meters, struct named, m);

		for (size_t i = 0; i < e->polling->source_count; i++) {
			const struct pattern *match = e->polling->sources[i].match;

			if (match && pattern_match(match, meter->polled)) {
				explain_meter(table, meter, &e->polling->sources[i], e);
			}
		}
	}
	g_array_unref(meters);
	return table_close(table);
}
