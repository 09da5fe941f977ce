/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps through JSON objects member by member, for readers of answers: what is not asked for is skipped, and what has
 * another type than it should is as if it were null.  An error of the text ends every loop; ask for it at the end.
 */
#ifndef OPENSTACK_WALK_H
#define OPENSTACK_WALK_H

#include "base/arena.h"
#include "wire/json.h"

/* Whether there is another key of the object in hand. */
static inline bool walk_key(struct json_reader *r)
{
	return json_next(r) == JSON_KEY;
}

/* The text in hand. */
static inline const char *walk_copy(const struct json_reader *r, struct arena *arena)
{
	char *text = arena_alloc(arena, r->span_len + 1);

	text[json_decode(r->span, r->span_len, text)] = '\0';
	return text;
}

/* The next value, if it is a text; else NULL. */
static inline const char *walk_text(struct json_reader *r, struct arena *arena)
{
	enum json_event event = json_next(r);

	if (event == JSON_STRING) {
		return walk_copy(r, arena);
	}
	json_skip(r, event);
	return NULL;
}

/* The next value, if it is an integer; else `other`. */
static inline int64_t walk_int(struct json_reader *r, int64_t other)
{
	enum json_event event = json_next(r);
	int64_t value;

	if (event == JSON_NUMBER && json_int(r, &value) == 0) {
		return value;
	}
	json_skip(r, event);
	return other;
}

/* Whether the next value is an object, or an array; anything else is skipped. */
static inline bool walk_into(struct json_reader *r, enum json_event wanted)
{
	enum json_event event = json_next(r);

	if (event != wanted) {
		json_skip(r, event);
	}
	return event == wanted;
}

/* Whether the array in hand has another object; other elements are skipped. */
static inline bool walk_object(struct json_reader *r)
{
	enum json_event event;

	while ((event = json_next(r)) > JSON_END && event != JSON_ARRAY_END) {
		if (event == JSON_OBJECT) {
			return true;
		}
		json_skip(r, event);
	}
	return false;
}

static inline void walk_skip(struct json_reader *r)
{
	json_skip(r, JSON_KEY);
}

#endif
