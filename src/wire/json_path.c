/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the object once with the pull reader, keeps the path of the value at hand, and compares.
 * What cannot be on the way to the path is skipped.  Any thread; blocks on nothing.
 */
#include "wire/json_path.h"

#include <glib.h>

#include "wire/json.h"

struct level {
	size_t len; /* of the path at this level */
	bool array;
	unsigned index; /* of the next value in the array */
};

struct walk {
	struct json_reader reader;
	const char *path;
	struct buf at; /* path of the value at hand */
	struct level level[JSON_DEPTH_MAX + 1];
	size_t depth;
};

static void walk_init(struct walk *w, const char *json, size_t len, const char *path)
{
	json_reader_init(&w->reader, json, len);
	w->path = path;
	buf_init(&w->at);
	w->depth = 0;
}

/* Whether the path goes through what is at hand, or ends there. */
static bool on_the_way(const struct walk *w)
{
	return strncmp(w->path, w->at.data, w->at.len) == 0;
}

/* A key, or the next place of an array, behind the path of the level. */
static void step(struct walk *w, bool key)
{
	struct level *level = &w->level[w->depth];
	char place[16];

	buf_cut(&w->at, level->len);
	if (!key) {
		g_snprintf(place, sizeof place, "[%u]", level->index++);
		buf_puts(&w->at, place);
		return;
	}
	if (level->len) {
		buf_putc(&w->at, '.');
	}
	json_text(&w->reader, &w->at);
}

/* The next scalar at the path, decoded into `out`.  Its event, or JSON_END. */
static enum json_event walk_next(struct walk *w, struct buf *out)
{
	for (;;) {
		enum json_event event = json_next(&w->reader);

		if (event == JSON_ERROR || event == JSON_END) {
			return JSON_END;
		}
		if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
			w->depth--;
			continue;
		}
		if (event == JSON_KEY) {
			step(w, true);
			if (!on_the_way(w)) {
				json_skip(&w->reader, event);
			}
			continue;
		}
		if (w->depth && w->level[w->depth].array) {
			step(w, false);
			if (!on_the_way(w)) {
				json_skip(&w->reader, event);
				continue;
			}
		}
		if (event == JSON_OBJECT || event == JSON_ARRAY) {
			w->level[++w->depth] =
				(struct level){ .len = w->at.len, .array = event == JSON_ARRAY };
			continue;
		}
		if (strcmp(w->at.data, w->path) == 0) {
			buf_reset(out);
			if (event == JSON_STRING) {
				json_text(&w->reader, out);
			} else if (event == JSON_NUMBER) {
				buf_add(out, w->reader.span, w->reader.span_len);
			}
			return event;
		}
	}
}

static bool is_value(enum json_event event, const struct buf *text, const char *value)
{
	switch (event) {
	case JSON_TRUE:
		return g_ascii_strcasecmp(value, "true") == 0;
	case JSON_FALSE:
		return g_ascii_strcasecmp(value, "false") == 0;
	case JSON_NULL:
		return g_ascii_strcasecmp(value, "null") == 0 ||
		       g_ascii_strcasecmp(value, "none") == 0;
	default:
		return strlen(value) == text->len && memcmp(text->data, value, text->len) == 0;
	}
}

bool json_path_is(const char *json, size_t len, const char *path, const char *value)
{
	struct buf text = BUF_INIT;
	struct walk w;
	enum json_event event;
	bool is = false;

	walk_init(&w, json, len, path);
	while (!is && (event = walk_next(&w, &text)) != JSON_END) {
		is = is_value(event, &text, value);
	}
	buf_fini(&w.at);
	buf_fini(&text);
	return is;
}

bool json_path_text(const char *json, size_t len, const char *path, struct buf *out)
{
	struct buf text = BUF_INIT;
	struct walk w;
	enum json_event event;

	walk_init(&w, json, len, path);
	event = walk_next(&w, &text);
	if (event == JSON_TRUE || event == JSON_FALSE) {
		buf_puts(out, event == JSON_TRUE ? "true" : "false");
	} else if (event != JSON_END && event != JSON_NULL) {
		buf_add(out, text.data, text.len);
	}
	buf_fini(&w.at);
	buf_fini(&text);
	return event != JSON_END && event != JSON_NULL;
}
