/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of encoders: golden lines, and a sample taken apart again, a batch of one row.
 */
#ifndef WIRE_SAMPLE_FIXTURE_H
#define WIRE_SAMPLE_FIXTURE_H

#include "base/hash.h"
#include "base/uuid.h"
#include "wire/json.h"
#include "wire/sample_time.h"

#include <glib.h>
#include <math.h>

/* One sample, taken apart again: a batch of one row. */
struct one {
	GStringChunk *strings;
	struct vmt_batch batch;
	struct vmt_resource resource;
	const struct vmt_resource *resource_column;
	const char *signature; /* NULL: none */
	union vmt_num value;
};

static inline const char *text_or_null(struct one *o, const struct json_reader *r,
				       enum json_event event)
{
	struct buf b = BUF_INIT;
	const char *s;

	if (event == JSON_NULL) {
		return NULL;
	}
	g_assert_cmpint(event, ==, JSON_STRING);
	json_text(r, &b);
	s = g_string_chunk_insert(o->strings, b.data);
	buf_fini(&b);
	return s;
}

static inline void take_volume(struct one *o, const struct json_reader *r)
{
	if (!r->integer) {
		o->batch.kind = VMT_DOUBLE;
		g_assert_cmpint(json_double(r, &o->value.d), ==, 0);
	} else {
		o->batch.kind = VMT_UINT64;
		g_assert_cmpint(json_uint(r, &o->value.u), ==, 0);
	}
}

/* Cuts the object in two before its second member, as the host does somewhere. */
static inline void take_metadata(struct one *o, struct json_reader *r)
{
	const char *start = r->start, *cut;

	g_assert_cmpint(json_skip(r, JSON_OBJECT), ==, 0);
	cut = strchr(start, ',');
	g_assert_true(cut && cut < r->at);
	o->resource.meta_head = start;
	o->resource.meta_head_len = (uint32_t)(cut - start);
	o->resource.meta_tail = cut;
	o->resource.meta_tail_len = (uint32_t)(r->at - cut);
}

static inline void take_mono(struct one *o, const struct json_reader *r, enum json_event event)
{
	double seconds;

	if (event != JSON_NULL) {
		g_assert_cmpint(json_double(r, &seconds), ==, 0);
		o->batch.mono_ns = llround(seconds * 1e9);
	}
}

/* Both the internal names and those of messages. */
static inline void take_field(struct one *o, const char *key, struct json_reader *r)
{
	enum json_event event = json_next(r);
	bool counter = g_str_has_prefix(key, "counter_");
	const struct {
		const char *key, **field;
	} texts[] = {
		{ "name", &o->batch.name },
		{ "unit", &o->batch.unit },
		{ "user_id", &o->resource.user_id },
		{ "project_id", &o->resource.project_id },
		{ "resource_id", &o->resource.id },
		{ "source", &o->resource.source },
		{ "user_name", &o->resource.user_name },
		{ "project_name", &o->resource.project_name },
		{ "message_signature", &o->signature },
	};

	key += counter ? strlen("counter_") : 0;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].field = text_or_null(o, r, event);
			return;
		}
	}
	if (strcmp(key, "type") == 0) {
		o->batch.type = json_is(r, "cumulative") ? VMT_CUMULATIVE
				: json_is(r, "gauge")    ? VMT_GAUGE
							 : VMT_DELTA;
	} else if (strcmp(key, "volume") == 0) {
		take_volume(o, r);
	} else if (strcmp(key, "timestamp") == 0) {
		g_assert_cmpint(sample_time_parse(text_or_null(o, r, event), 0, &o->batch.time_ns),
				==, 0);
	} else if (strcmp(key, "id") == 0 || strcmp(key, "message_id") == 0) {
		g_assert_cmpint(uuid_parse(text_or_null(o, r, event), o->batch.id), ==, 0);
	} else if (strcmp(key, "resource_metadata") == 0) {
		take_metadata(o, r);
	} else {
		g_assert_cmpstr(key, ==, "monotonic_time");
		take_mono(o, r, event);
	}
}

static inline void one_init(struct one *o, const char *line)
{
	struct json_reader r;
	enum json_event event;

	*o = (struct one){ .strings = g_string_chunk_new(1024), .batch.mono_ns = INT64_MIN };
	json_reader_init(&r, line, strlen(line));
	g_assert_cmpint(json_next(&r), ==, JSON_OBJECT);
	while ((event = json_next(&r)) == JSON_KEY) {
		char *key = g_strndup(r.span, r.span_len);

		take_field(o, key, &r);
		g_free(key);
	}
	g_assert_cmpint(event, ==, JSON_OBJECT_END);
	g_assert_cmpint(json_next(&r), ==, JSON_END);
	o->resource.digest = hash64(line, strlen(line), 0);
	o->resource_column = &o->resource;
	o->batch.count = 1;
	o->batch.resource = &o->resource_column;
	o->batch.value = &o->value;
}

static inline void one_fini(struct one *o)
{
	g_string_chunk_free(o->strings);
}

static inline char **golden_lines(const char *name)
{
	char *path = g_build_filename(GOLDEN, "sample", name, NULL), *text, **lines;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(g_strchomp(text), "\n", -1);
	g_free(path);
	g_free(text);
	g_assert_cmpuint(g_strv_length(lines), >, 10);
	return lines;
}

#endif
