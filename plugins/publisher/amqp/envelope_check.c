/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reader of messages.  One thread; blocks on nothing. */
#include "envelope_check.h"

#include <errno.h>
#include <glib.h>

#include "wire/json.h"

/* A key that has to be there, once, and what its value may be. */
struct wanted {
	const char *key;
	enum { TEXT, TEXT_OR_NULL, NUMBER, OBJECT, PAYLOAD, ANY } type;
};

static const struct wanted sample_keys[] = {
	{ "source", TEXT },
	{ "counter_name", TEXT },
	{ "counter_type", TEXT },
	{ "counter_unit", TEXT },
	{ "counter_volume", NUMBER },
	{ "user_id", TEXT_OR_NULL },
	{ "project_id", TEXT_OR_NULL },
	{ "resource_id", TEXT },
	{ "timestamp", TEXT },
	{ "resource_metadata", OBJECT },
	{ "message_id", TEXT },
	{ "message_signature", TEXT },
	{ NULL, ANY },
};
static const struct wanted notification_keys[] = {
	{ "message_id", TEXT }, { "publisher_id", TEXT },
	{ "event_type", TEXT }, { "priority", TEXT },
	{ "payload", PAYLOAD }, { "timestamp", TEXT },
	{ "_unique_id", TEXT }, { NULL, ANY },
};
static const struct wanted cast_keys[] = {
	{ "method", TEXT },     { "version", TEXT }, { "args", PAYLOAD },
	{ "_unique_id", TEXT }, { NULL, ANY },
};

struct check {
	struct json_reader r;
	enum envelope_kind kind;
	size_t samples;
	const char *why;
};

static int fail(struct check *c, const char *why)
{
	c->why = c->why ? c->why : why;
	return -EBADMSG;
}

static int check_payload(struct check *c, enum json_event event);

static int check_value(struct check *c, const struct wanted *w, enum json_event event)
{
	static const unsigned allowed[] = {
		[TEXT] = 1u << JSON_STRING,
		[TEXT_OR_NULL] = 1u << JSON_STRING | 1u << JSON_NULL,
		[NUMBER] = 1u << JSON_NUMBER,
		[OBJECT] = 1u << JSON_OBJECT,
		[PAYLOAD] = 1u << JSON_OBJECT | 1u << JSON_ARRAY,
	};

	if (event <= JSON_END || (w->type != ANY && !(allowed[w->type] & 1u << event))) {
		return fail(c, w->key ? w->key : "no JSON");
	}
	if (w->type == PAYLOAD) {
		return check_payload(c, event);
	}
	return json_skip(&c->r, event) < 0 ? fail(c, "no JSON") : 0;
}

/* The members of an object whose beginning was read. */
static int check_object(struct check *c, const struct wanted *wanted)
{
	enum json_event event;
	unsigned seen = 0, all = 0;

	while ((event = json_next(&c->r)) == JSON_KEY) {
		const struct wanted *w = wanted;

		while (w->key && !json_is(&c->r, w->key)) {
			w++;
		}
		if (w->key && (seen & 1u << (w - wanted))) {
			return fail(c, "a key that is there twice");
		}
		seen |= w->key ? 1u << (w - wanted) : 0;
		if (check_value(c, w, json_next(&c->r)) < 0) {
			return -EBADMSG;
		}
	}
	if (event != JSON_OBJECT_END) {
		return fail(c, "no JSON");
	}
	for (; wanted[all].key; all++) {
		if (!(seen & 1u << all)) {
			return fail(c, wanted[all].key);
		}
	}
	return 0;
}

static int check_samples(struct check *c)
{
	enum json_event event;

	while ((event = json_next(&c->r)) == JSON_OBJECT) {
		if (check_object(c, sample_keys) < 0) {
			return -EBADMSG;
		}
		c->samples++;
	}
	return event == JSON_ARRAY_END && c->samples > 0 ? 0 : fail(c, "no list of samples");
}

/* […], or { "samples" or "data": […] } */
static int check_payload(struct check *c, enum json_event event)
{
	const char *key = c->kind == ENVELOPE_POLLING ? "samples" : "data";

	if (c->kind == ENVELOPE_NOTIFIER) {
		return event == JSON_ARRAY ? check_samples(c) : fail(c, "payload");
	}
	if (event != JSON_OBJECT || json_next(&c->r) != JSON_KEY || !json_is(&c->r, key) ||
	    json_next(&c->r) != JSON_ARRAY) {
		return fail(c, key);
	}
	if (check_samples(c) < 0) {
		return -EBADMSG;
	}
	return json_next(&c->r) == JSON_OBJECT_END ? 0 : fail(c, key);
}

/* The string of the envelope, decoded into `scratch`. */
static int open_envelope(struct check *c, struct buf *scratch)
{
	bool version = false;

	buf_reset(scratch);
	if (json_next(&c->r) != JSON_OBJECT) {
		return fail(c, "no envelope");
	}
	while (json_next(&c->r) == JSON_KEY) {
		bool message = json_is(&c->r, "oslo.message");
		bool is_version = json_is(&c->r, "oslo.version");

		if (json_next(&c->r) != JSON_STRING) {
			return fail(c, "envelope");
		}
		if (message) {
			json_text(&c->r, scratch);
		}
		version = version || (is_version && json_is(&c->r, "2.0"));
	}
	return json_next(&c->r) == JSON_END && version && scratch->len > 0 ? 0
									   : fail(c, "envelope");
}

int envelope_check(const char *body, size_t n, enum envelope_kind kind, bool bare,
		   struct buf *scratch, const char **ret_why)
{
	struct check c = { .kind = kind };
	int ret = 0;

	json_reader_init(&c.r, body, n);
	if (!bare) {
		ret = open_envelope(&c, scratch);
		json_reader_init(&c.r, scratch->data, scratch->len);
	}
	if (ret == 0 && json_next(&c.r) != JSON_OBJECT) {
		ret = fail(&c, "no JSON");
	}
	if (ret == 0) {
		ret = check_object(&c, kind == ENVELOPE_CAST ? cast_keys : notification_keys);
	}
	if (ret == 0 && json_next(&c.r) != JSON_END) {
		ret = fail(&c, "something behind it");
	}
	*ret_why = c.why;
	return ret;
}
