/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from a message to its samples: envelope, call or notification, list.  One thread at a time; blocks
 * on nothing.
 */
#include "wire/message_read_private.h"
#include "wire/unpack.h"

#include <errno.h>
#include <glib.h>

struct message_reader {
	struct message_sample_reader sample;
	struct message_gather *rows;
	struct buf inner; /* the message of an envelope */
	struct buf json; /* of msgpack */
	/* of the message in hand */
	int64_t now_ns;
	struct message_tally *tally;
	uint64_t rejected;
};

static const char *const reject_names[MESSAGE_REJECTS] = {
	[REJECT_FORMAT] = "format",
	[REJECT_SIZE] = "size",
	[REJECT_ENVELOPE] = "envelope",
	[REJECT_SHAPE] = "shape",
	[REJECT_TYPE] = "type",
	[REJECT_RANGE] = "range",
	[REJECT_TIME] = "time",
	[REJECT_FUTURE] = "future",
	[REJECT_OLD] = "old",
	[REJECT_UNSIGNED] = "unsigned",
	[REJECT_SIGNATURE] = "signature",
};

const char *message_reject_name(enum message_reject reason)
{
	return reject_names[reason];
}

/* A value within a message, as it stands there. */
struct value {
	enum json_event event; /* its first; JSON_END: it is not there */
	const char *at;
	size_t len;
	struct json_reader token; /* of a scalar */
};

static void reject(struct message_reader *r, enum message_reject reason)
{
	r->tally->rejected[reason]++;
	r->rejected++;
}

/* ------------------------------------------------------------------ JSON */

/* The values of these keys (NULL-terminated) in the object that the text is; of repeated ones the last.  `again`: it was
 * read before.  -EBADMSG: not JSON; -EINVAL: not an object. */
static int find_values(const char *text, size_t n, bool again, const char *const *keys,
		       struct value *ret_values)
{
	struct json_reader json;
	enum json_event event;

	if (again) {
		json_reader_init_again(&json, text, n);
	} else {
		json_reader_init(&json, text, n);
	}
	json.nonfinite = true;
	event = json_next(&json);
	if (event != JSON_OBJECT) {
		return event == JSON_ERROR ? -EBADMSG : -EINVAL;
	}
	while ((event = json_next(&json)) == JSON_KEY) {
		struct value ignored, *v = &ignored;

		for (size_t i = 0; keys[i]; i++) {
			v = json_is(&json, keys[i]) ? &ret_values[i] : v;
		}
		v->event = json_next(&json);
		v->token = json;
		v->at = json.start;
		if (v->event == JSON_ERROR || json_skip(&json, v->event) < 0) {
			return -EBADMSG;
		}
		v->len = (size_t)(json.at - v->at);
	}
	return event == JSON_OBJECT_END && json_next(&json) == JSON_END ? 0 : -EBADMSG;
}

static void read_sample(struct message_reader *r, const char *text, size_t n)
{
	struct message_sample sample;
	int ret = message_sample_read(&r->sample, text, n, r->now_ns, &sample);

	if (ret < 0) {
		reject(r, (enum message_reject)(-1 - ret));
	} else if (message_gather_add(r->rows, &sample) < 0) {
		reject(r, REJECT_SIZE);
	} else {
		r->tally->taken++;
	}
}

/* The list is JSON: all of the message was read before. */
static void read_list(struct message_reader *r, const char *text, size_t n)
{
	struct json_reader json;
	enum json_event event;

	json_reader_init_again(&json, text, n);
	json.nonfinite = true;
	json_next(&json);
	while ((event = json_next(&json)) != JSON_ARRAY_END && event > JSON_END) {
		const char *at = json.start;

		if (json_skip(&json, event) < 0) {
			break;
		}
		read_sample(r, at, (size_t)(json.at - at));
	}
}

/* A sample, or a list of them. */
static void read_data(struct message_reader *r, const struct value *v)
{
	if (v->event == JSON_ARRAY) {
		read_list(r, v->at, v->len);
	} else if (v->event == JSON_OBJECT) {
		read_sample(r, v->at, v->len);
	} else {
		reject(r, REJECT_ENVELOPE);
	}
}

/* ------------------------------------------------------------------ messages */

static bool is_text(const struct value *v, const char *text)
{
	return v->event == JSON_STRING && json_is(&v->token, text);
}

static bool is_version_1(const struct value *v)
{
	return v->event == JSON_END || (v->event == JSON_STRING && v->token.span_len >= 2 &&
					memcmp(v->token.span, "1.", 2) == 0);
}

static void read_call(struct message_reader *r, const struct value *args)
{
	static const char *const keys[] = { "data", NULL };
	struct value data = { .event = JSON_END };

	if (args->event == JSON_OBJECT) {
		(void)find_values(args->at, args->len, true, keys, &data);
	}
	read_data(r, &data);
}

/* What the polling agent sends is an object around the list. */
static void read_payload(struct message_reader *r, const struct value *payload)
{
	static const char *const keys[] = { "samples", NULL };
	struct value samples = { .event = JSON_END };

	if (payload->event == JSON_OBJECT) {
		(void)find_values(payload->at, payload->len, true, keys, &samples);
		if (samples.event != JSON_ARRAY) {
			reject(r, REJECT_ENVELOPE);
			return;
		}
		payload = &samples;
	}
	if (payload->event != JSON_ARRAY) {
		reject(r, REJECT_ENVELOPE);
		return;
	}
	read_list(r, payload->at, payload->len);
}

/* What an object is, is known by its keys. */
static void read_object(struct message_reader *r, const char *text, size_t n, bool enveloped);

static void read_envelope(struct message_reader *r, const struct value *version,
			  const struct value *message)
{
	struct buf *inner = &r->inner;

	if (!is_text(version, "2.0") || message->event != JSON_STRING) {
		reject(r, REJECT_ENVELOPE);
		return;
	}
	buf_reset(inner);
	json_text(&message->token, inner);
	read_object(r, inner->data, inner->len, true);
}

static void read_object(struct message_reader *r, const char *text, size_t n, bool enveloped)
{
	enum { VERSION_2, MESSAGE, METHOD, VERSION, ARGS, PAYLOAD, NAME, KEYS };
	static const char *const keys[] = { "oslo.version", "oslo.message",
					    "method",       "version",
					    "args",         "payload",
					    "counter_name", NULL };
	struct value v[KEYS];
	int ret;

	for (int i = 0; i < KEYS; i++) {
		v[i].event = JSON_END;
	}
	ret = find_values(text, n, false, keys, v);
	if (ret < 0) {
		reject(r, ret == -EINVAL ? REJECT_ENVELOPE : REJECT_FORMAT);
	} else if (!enveloped && v[VERSION_2].event != JSON_END && v[MESSAGE].event != JSON_END) {
		read_envelope(r, &v[VERSION_2], &v[MESSAGE]);
	} else if (v[METHOD].event != JSON_END) {
		if (is_text(&v[METHOD], "record_metering_data") && is_version_1(&v[VERSION])) {
			read_call(r, &v[ARGS]);
		} else {
			reject(r, REJECT_ENVELOPE);
		}
	} else if (v[PAYLOAD].event != JSON_END) {
		read_payload(r, &v[PAYLOAD]);
	} else if (v[NAME].event != JSON_END) {
		read_sample(r, text, n);
	} else {
		reject(r, REJECT_ENVELOPE);
	}
}

/* A list by itself; anything else is an object, or nothing for us. */
static void read_text(struct message_reader *r, const char *text, size_t n)
{
	struct json_reader json;
	enum json_event event;

	json_reader_init(&json, text, n);
	json.nonfinite = true;
	event = json_next(&json);
	if (event != JSON_ARRAY) {
		read_object(r, text, n, false);
	} else if (json_skip(&json, event) < 0 || json_next(&json) != JSON_END) {
		reject(r, REJECT_FORMAT);
	} else {
		read_list(r, text, n);
	}
}

static int begin(struct message_reader *r, size_t n, int64_t now_ns, struct message_tally *tally)
{
	r->now_ns = now_ns;
	r->tally = tally;
	r->rejected = 0;
	if (n > r->sample.o.bytes_max) {
		reject(r, REJECT_SIZE);
		return -EBADMSG;
	}
	return 0;
}

int message_read_json(struct message_reader *r, const void *text, size_t n, int64_t now_ns,
		      struct message_tally *tally)
{
	if (begin(r, n, now_ns, tally) == 0) {
		read_text(r, text, n);
		message_gather_end(r->rows);
	}
	return r->rejected ? -EBADMSG : 0;
}

int message_read_msgpack(struct message_reader *r, const void *bytes, size_t n, int64_t now_ns,
			 struct message_tally *tally)
{
	int ret = begin(r, n, now_ns, tally);

	if (ret == 0) {
		buf_reset(&r->json);
		ret = unpack_json(bytes, n, &r->json);
		if (ret < 0) {
			reject(r, REJECT_FORMAT);
		} else {
			read_sample(r, r->json.data, r->json.len);
			message_gather_end(r->rows);
		}
	}
	return r->rejected ? -EBADMSG : 0;
}

/* ------------------------------------------------------------------ the object */

size_t message_reader_rows(const struct message_reader *r)
{
	return message_gather_count(r->rows);
}

struct frame *message_reader_frame(struct message_reader *r, struct frame_builder *b,
				   enum vmt_profile profile, int64_t now_ns)
{
	return message_gather_frame(r->rows, b, profile, now_ns);
}

struct message_reader *message_reader_new(const struct message_read_options *o)
{
	struct message_reader *r = g_new0(struct message_reader, 1);

	buf_init(&r->inner);
	buf_init(&r->json);
	r->rows = message_gather_new();
	if (message_sample_init(&r->sample, o) < 0) {
		message_reader_free(r);
		return NULL;
	}
	r->sample.o.bytes_max = MIN(o->bytes_max, MESSAGE_BYTES_MAX);
	return r;
}

void message_reader_free(struct message_reader *r)
{
	if (r) {
		message_sample_fini(&r->sample);
		message_gather_free(r->rows);
		buf_fini(&r->inner);
		buf_fini(&r->json);
		g_free(r);
	}
}
