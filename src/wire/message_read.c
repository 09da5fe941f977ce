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
	/* a list of samples that was read on the way through the message, before it was known what the message is */
	struct early {
		const char *at; /* where it begins; NULL: none was */
		size_t len; /* 0: it was not read to its end */
		bool meant; /* it is what the message is about */
		struct message_tally tally;
	} early;
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

/* Looks at the signatures that are owed: what is wrong was not taken. */
static void settle(struct message_reader *r, struct message_tally *tally)
{
	size_t row[2];
	unsigned wrong = message_sample_settle(&r->sample, row);

	tally->taken -= wrong;
	tally->rejected[REJECT_SIGNATURE] += wrong;
	for (unsigned i = 0; i < wrong; i++) {
		message_gather_remove(r->rows, row[i]);
	}
}

/* A sample whose first event came. */
static void read_sample(struct message_reader *r, struct json_reader *json,
			struct message_tally *tally)
{
	struct message_sample sample;
	int ret = message_sample_read(&r->sample, json, r->rows, r->now_ns, &sample);

	if (ret < 0) {
		tally->rejected[-1 - ret]++;
	} else if (message_gather_add(r->rows, &sample) < 0) {
		tally->rejected[REJECT_SIZE]++;
	} else {
		tally->taken++;
		if (sample.owed &&
		    message_sample_owe(&r->sample, message_gather_count(r->rows) - 1)) {
			settle(r, tally);
		}
	}
}

/* The items of a list; answers what came behind them. */
static enum json_event read_items_until(struct message_reader *r, struct json_reader *json,
					struct message_tally *tally)
{
	enum json_event event;

	while ((event = json_next(json)) > JSON_END && event != JSON_ARRAY_END) {
		if (event == JSON_OBJECT) {
			read_sample(r, json, tally);
		} else {
			tally->rejected[REJECT_SHAPE]++;
			if (json_skip(json, event) < 0) {
				return JSON_ERROR;
			}
		}
	}
	return event;
}

/* The rest of a list.  -EBADMSG: not JSON. */
static int read_items(struct message_reader *r, struct json_reader *json,
		      struct message_tally *tally)
{
	enum json_event event;

	r->sample.defers = true;
	event = read_items_until(r, json, tally);
	r->sample.defers = false;
	settle(r, tally);
	return event == JSON_ARRAY_END ? 0 : -EBADMSG;
}

static void add_tally(struct message_reader *r, const struct message_tally *more)
{
	r->tally->taken += more->taken;
	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		r->tally->rejected[i] += more->rejected[i];
		r->rejected += more->rejected[i];
	}
}

static void drop_early(struct message_reader *r)
{
	if (r->early.at && !r->early.meant) {
		message_gather_drop(r->rows);
		r->early.at = NULL;
	}
}

/* A list, of which nobody knows yet whether it is the one.  -EBADMSG: not JSON. */
static int read_early(struct message_reader *r, struct json_reader *json)
{
	int ret;

	if (r->early.at) { /* there are several */
		drop_early(r);
		return json_skip(json, JSON_ARRAY);
	}
	r->early.at = json->start;
	r->early.len = 0;
	r->early.tally = (struct message_tally){ .taken = 0 };
	ret = read_items(r, json, &r->early.tally);
	if (ret == 0) {
		r->early.len = (size_t)(json->at - r->early.at);
	}
	return ret;
}

/* The same within an object. */
static int read_early_within(struct message_reader *r, struct json_reader *json, const char *key)
{
	enum json_event event;

	while ((event = json_next(json)) == JSON_KEY) {
		bool it = json_is(json, key);
		int ret;

		event = json_next(json);
		ret = it && event == JSON_ARRAY ? read_early(r, json) : json_skip(json, event);
		if (ret < 0 || event == JSON_ERROR) {
			return -EBADMSG;
		}
	}
	return event == JSON_OBJECT_END ? 0 : -EBADMSG;
}

/* The rest of a value, once its first event came; the samples that are probably in it are read at once. */
static int pass(struct message_reader *r, struct json_reader *json, enum json_event event,
		const char *list_key)
{
	if (list_key && event == JSON_ARRAY) {
		return read_early(r, json);
	}
	if (list_key && event == JSON_OBJECT) {
		return read_early_within(r, json, list_key);
	}
	if (event == JSON_ARRAY && json->start == r->early.at && r->early.len) {
		json_skip_equal(json, r->early.len);
		return 0;
	}
	return event == JSON_ERROR ? -EBADMSG : json_skip(json, event);
}

/* A key, and where in its value a list of samples may be: NULL, or the name of the member that it may be, too. */
struct key {
	const char *name, *list;
};

/* The values of these keys (NULL-terminated) in the object that the text is; of repeated ones the last.  `again`: it was
 * read before.  -EBADMSG: not JSON; -EINVAL: not an object. */
static int find_values(struct message_reader *r, const char *text, size_t n, bool again,
		       const struct key *keys, struct value *ret_values)
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
		const char *list = NULL;

		for (size_t i = 0; keys[i].name; i++) {
			if (json_is(&json, keys[i].name)) {
				v = &ret_values[i];
				list = keys[i].list;
			}
		}
		v->event = json_next(&json);
		v->token = json;
		v->at = json.start;
		if (pass(r, &json, v->event, list) < 0) {
			return -EBADMSG;
		}
		v->len = (size_t)(json.at - v->at);
	}
	return event == JSON_OBJECT_END && json_next(&json) == JSON_END ? 0 : -EBADMSG;
}

/* The list is JSON: all of the message was read before, and perhaps the list itself. */
static void read_list(struct message_reader *r, const char *text, size_t n)
{
	struct json_reader json;

	if (r->early.at == text) {
		r->early.meant = true;
		add_tally(r, &r->early.tally);
		return;
	}
	drop_early(r);
	r->early.tally = (struct message_tally){ .taken = 0 };
	json_reader_init_again(&json, text, n);
	json.nonfinite = true;
	json_next(&json);
	(void)read_items(r, &json, &r->early.tally);
	add_tally(r, &r->early.tally);
}

/* A sample by itself, which is JSON. */
static void read_one(struct message_reader *r, const char *text, size_t n)
{
	struct message_tally tally = { .taken = 0 };
	struct json_reader json;

	drop_early(r);
	json_reader_init_again(&json, text, n);
	json.nonfinite = true;
	if (json_next(&json) == JSON_OBJECT) {
		read_sample(r, &json, &tally);
	} else {
		tally.rejected[REJECT_SHAPE]++;
	}
	add_tally(r, &tally);
}

/* A sample, or a list of them. */
static void read_data(struct message_reader *r, const struct value *v)
{
	if (v->event == JSON_ARRAY) {
		read_list(r, v->at, v->len);
	} else if (v->event == JSON_OBJECT) {
		read_one(r, v->at, v->len);
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
	static const struct key keys[] = { { "data", NULL }, { NULL, NULL } };
	struct value data = { .event = JSON_END };

	if (args->event == JSON_OBJECT) {
		(void)find_values(r, args->at, args->len, true, keys, &data);
	}
	read_data(r, &data);
}

/* What the polling agent sends is an object around the list. */
static void read_payload(struct message_reader *r, const struct value *payload)
{
	static const struct key keys[] = { { "samples", NULL }, { NULL, NULL } };
	struct value samples = { .event = JSON_END };

	if (payload->event == JSON_OBJECT) {
		(void)find_values(r, payload->at, payload->len, true, keys, &samples);
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
	static const struct key keys[] = { [VERSION_2] = { "oslo.version", NULL },
					   [MESSAGE] = { "oslo.message", NULL },
					   [METHOD] = { "method", NULL },
					   [VERSION] = { "version", NULL },
					   [ARGS] = { "args", "data" },
					   [PAYLOAD] = { "payload", "samples" },
					   [NAME] = { "counter_name", NULL },
					   [KEYS] = { NULL, NULL } };
	struct value v[KEYS];
	int ret;

	for (int i = 0; i < KEYS; i++) {
		v[i].event = JSON_END;
	}
	ret = find_values(r, text, n, false, keys, v);
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
		read_one(r, text, n);
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
	} else if (read_early(r, &json) < 0 || json_next(&json) != JSON_END) {
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
	r->early = (struct early){ .at = NULL };
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
		drop_early(r);
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
			read_one(r, r->json.data, r->json.len);
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
