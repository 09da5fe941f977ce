/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of one sample: its members, their types and bounds, its time and its signature.  One thread
 * at a time; blocks on nothing.
 */
#include "base/clock.h"
#include "base/uuid.h"
#include "wire/message_read_private.h"
#include "wire/sample_time.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <openssl/crypto.h>
#include <string.h>

#define AHEAD_NS (86400 * NS_PER_S) /* a clock may be wrong by so much */
enum { TEXT_MAX = 1024, METADATA_MAX = 1 << 20 };

enum member {
	M_NAME,
	M_TYPE,
	M_UNIT,
	M_RESOURCE,
	M_SOURCE,
	M_TIME,
	M_ID,
	M_USER,
	M_PROJECT,
	M_USER_NAME,
	M_PROJECT_NAME,
	M_SIGNATURE,
	TEXTS, /* the above are strings */
	M_VOLUME = TEXTS,
	M_METADATA,
	M_MONO,
	MEMBERS
};

static const struct {
	const char *key;
	bool needed; /* must be there */
	bool null; /* may be null */
	bool empty; /* may be "" */
} members[MEMBERS] = {
	[M_NAME] = { "counter_name", .needed = true },
	[M_TYPE] = { "counter_type", .needed = true },
	[M_UNIT] = { "counter_unit", .needed = true, .null = true, .empty = true },
	[M_RESOURCE] = { "resource_id", .needed = true },
	[M_SOURCE] = { "source", .needed = true, .empty = true },
	[M_TIME] = { "timestamp", .needed = true },
	[M_ID] = { "message_id", .needed = true },
	[M_USER] = { "user_id", .needed = true, .null = true, .empty = true },
	[M_PROJECT] = { "project_id", .needed = true, .null = true, .empty = true },
	[M_USER_NAME] = { "user_name", .null = true, .empty = true },
	[M_PROJECT_NAME] = { "project_name", .null = true, .empty = true },
	[M_SIGNATURE] = { "message_signature", .null = true, .empty = true },
	[M_VOLUME] = { "counter_volume", .needed = true },
	[M_METADATA] = { "resource_metadata", .needed = true },
	[M_MONO] = { "monotonic_time", .null = true },
};

/* A sample being read. */
struct reading {
	struct message_sample_reader *r;
	struct json_reader json;
	unsigned seen; /* bit: that member came */
	const char *text[TEXTS];
	struct message_sample *sample;
};

static int reject(enum message_reject reason)
{
	return -1 - (int)reason;
}

/* ------------------------------------------------------------------ members */

static int take_text(struct reading *g, enum member m, enum json_event event)
{
	struct buf *texts = &g->r->texts; /* has room for all */
	char *to = texts->data + texts->len;
	size_t n;

	if (event == JSON_NULL && members[m].null) {
		g->text[m] = NULL;
		return 0;
	}
	if (event != JSON_STRING) {
		return reject(REJECT_TYPE);
	}
	if (g->json.span_len > (size_t)TEXT_MAX * 6) {
		return reject(REJECT_SIZE);
	}
	n = json_decode(g->json.span, g->json.span_len, to);
	if (n > TEXT_MAX) {
		return reject(REJECT_SIZE);
	}
	if (memchr(to, '\0', n) || (n == 0 && !members[m].empty)) {
		return reject(REJECT_TYPE);
	}
	buf_commit(texts, n);
	texts->len++; /* the zero */
	g->text[m] = to;
	return 0;
}

static int take_volume(struct reading *g, enum json_event event)
{
	struct message_sample *s = g->sample;

	if (event != JSON_NUMBER) {
		return reject(REJECT_TYPE);
	}
	if (!g->json.integer) {
		s->kind = VMT_DOUBLE;
		return json_double(&g->json, &s->value.d) == 0 && isfinite(s->value.d)
			       ? 0
			       : reject(REJECT_RANGE);
	}
	s->kind = VMT_UINT64;
	if (json_uint(&g->json, &s->value.u) == 0) {
		return 0;
	}
	s->kind = VMT_INT64;
	return json_int(&g->json, &s->value.i) == 0 ? 0 : reject(REJECT_RANGE);
}

static int take_mono(struct reading *g, enum json_event event)
{
	double seconds;

	g->sample->mono_ns = INT64_MIN;
	if (event == JSON_NULL) {
		return 0;
	}
	if (event != JSON_NUMBER) {
		return reject(REJECT_TYPE);
	}
	if (json_double(&g->json, &seconds) < 0 || !(fabs(seconds) < 9e9)) {
		return reject(REJECT_RANGE);
	}
	g->sample->mono_ns = llround(seconds * 1e9);
	return 0;
}

static bool is_nonfinite(const struct json_reader *json)
{
	return !json->integer &&
	       (memchr(json->span, 'N', json->span_len) || memchr(json->span, 'I', json->span_len));
}

/* A string with escapes, with those that are needed alone. */
static void add_escaped(struct buf *out, const struct json_reader *json, struct buf *scratch)
{
	size_t n = json_decode(json->span, json->span_len, buf_reserve(scratch, json->span_len));
	char *to = buf_reserve(out, JSON_ESCAPE_ROOM(n));

	buf_commit(out, json_escape(to, scratch->data, n));
}

/* The metadata as it is, but for escapes: texts of one meaning are one text, however their sender wrote them. */
static int take_metadata(struct reading *g, enum json_event event)
{
	struct buf *out = &g->r->metadata;
	struct json_reader *json = &g->json;
	const struct json_reader begin = *json;
	const char *from = json->start;
	unsigned depth = json->depth;

	if (event != JSON_OBJECT) {
		return reject(REJECT_TYPE);
	}
	buf_reset(out);
	if (json_skip(json, event) == 0 && json->plain) { /* nearly always */
		buf_add(out, from, (size_t)(json->at - from));
		return out->len > METADATA_MAX ? reject(REJECT_SIZE) : 0;
	}
	*json = begin;
	while ((event = json_next(json)) > JSON_END && json->depth >= depth) {
		if (event == JSON_NUMBER && is_nonfinite(json)) {
			return reject(REJECT_RANGE);
		}
		if ((event == JSON_KEY || event == JSON_STRING) && json->escaped) {
			buf_add(out, from, (size_t)(json->span - from));
			add_escaped(out, json, &g->r->text);
			from = json->span + json->span_len;
		}
	}
	if (event == JSON_ERROR) {
		return reject(REJECT_FORMAT);
	}
	buf_add(out, from, (size_t)(json->at - from));
	return out->len > METADATA_MAX ? reject(REJECT_SIZE) : 0;
}

static int take_member(struct reading *g)
{
	enum json_event event;
	unsigned m = 0;

	while (m < MEMBERS && !json_is(&g->json, members[m].key)) {
		m++;
	}
	if (m == MEMBERS) {
		return json_skip(&g->json, JSON_KEY) < 0 ? reject(REJECT_FORMAT) : 0;
	}
	g->seen |= 1U << m;
	event = json_next(&g->json);
	switch (m) {
	case M_VOLUME:
		return take_volume(g, event);
	case M_METADATA:
		return take_metadata(g, event);
	case M_MONO:
		return take_mono(g, event);
	default:
		return take_text(g, m, event);
	}
}

/* ------------------------------------------------------------------ what they mean */

static int find_type(const char *text, enum vmt_meter_type *ret_type)
{
	static const char *const types[] = {
		[VMT_CUMULATIVE] = "cumulative", [VMT_GAUGE] = "gauge", [VMT_DELTA] = "delta"
	};

	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(types[i], text) == 0) {
			*ret_type = (enum vmt_meter_type)i;
			return 0;
		}
	}
	return reject(REJECT_TYPE);
}

static int check_time(const struct reading *g, int64_t now_ns)
{
	const char *text = g->text[M_TIME];
	int64_t keep_ns = g->r->o.keep_ns, *time_ns = &g->sample->time_ns;

	/* no ages, which the parser takes from people */
	if (!g_ascii_isdigit(text[0]) || sample_time_parse(text, now_ns, time_ns) < 0) {
		return reject(REJECT_TIME);
	}
	if (*time_ns > now_ns + AHEAD_NS) {
		return reject(REJECT_FUTURE);
	}
	return keep_ns > 0 && *time_ns < now_ns - keep_ns ? reject(REJECT_OLD) : 0;
}

/* An id that is no UUID stands for one that follows from it. */
static void take_id(struct reading *g)
{
	static const uint8_t space[16];
	const char *text = g->text[M_ID];

	if (strlen(text) != UUID_TEXT - 1 || uuid_parse(text, g->sample->id) < 0) {
		uuid5(space, text, strlen(text), g->sample->id);
	}
}

/* Nearly always all of a sender's samples are of one dialect: that of the last one is tried first. */
static int verify(struct message_sample_reader *r, const char *json, size_t n, const char *text)
{
	char right[SIGNATURE_TEXT];

	if (!r->signer[0]) {
		return 0;
	}
	if (!text || !*text) {
		return r->o.accept_unsigned ? 0 : reject(REJECT_UNSIGNED);
	}
	if (strlen(text) != SIGNATURE_TEXT - 1) {
		return reject(REJECT_SIGNATURE);
	}
	for (int i = 0; i < FLATTEN_DIALECTS; i++) {
		int dialect = (r->dialect + i) % FLATTEN_DIALECTS;

		if (signer_sign(r->signer[dialect], json, n, right) == 0 &&
		    CRYPTO_memcmp(right, text, SIGNATURE_TEXT - 1) == 0) {
			r->dialect = dialect;
			return 0;
		}
	}
	return reject(REJECT_SIGNATURE);
}

static int understand(struct reading *g, const char *json, size_t n, int64_t now_ns)
{
	struct message_sample *s = g->sample;
	int ret;

	for (unsigned m = 0; m < MEMBERS; m++) {
		if (members[m].needed && !(g->seen >> m & 1)) {
			return reject(REJECT_SHAPE);
		}
	}
	s->name = g->text[M_NAME];
	s->unit = g->text[M_UNIT] ? g->text[M_UNIT] : "";
	s->resource_id = g->text[M_RESOURCE];
	s->source = g->text[M_SOURCE];
	s->user_id = g->text[M_USER];
	s->project_id = g->text[M_PROJECT];
	s->user_name = g->text[M_USER_NAME];
	s->project_name = g->text[M_PROJECT_NAME];
	s->metadata = g->r->metadata.data;
	s->metadata_len = g->r->metadata.len;
	take_id(g);
	ret = find_type(g->text[M_TYPE], &s->type);
	ret = ret < 0 ? ret : verify(g->r, json, n, g->text[M_SIGNATURE]);
	return ret < 0 ? ret : check_time(g, now_ns);
}

int message_sample_read(struct message_sample_reader *r, const char *json, size_t n, int64_t now_ns,
			struct message_sample *ret_sample)
{
	struct reading g = { .r = r, .sample = ret_sample };
	enum json_event event;
	int ret = 0;

	*ret_sample = (struct message_sample){ .mono_ns = INT64_MIN };
	buf_reset(&r->texts);
	buf_reserve(&r->texts, n + TEXTS + 1);
	json_reader_init_again(&g.json, json, n);
	g.json.nonfinite = true;
	if (json_next(&g.json) != JSON_OBJECT) {
		return reject(REJECT_SHAPE);
	}
	while (ret == 0 && (event = json_next(&g.json)) == JSON_KEY) {
		ret = take_member(&g);
	}
	if (ret == 0 && event != JSON_OBJECT_END) {
		ret = reject(REJECT_FORMAT);
	}
	return ret < 0 ? ret : understand(&g, json, n, now_ns);
}

int message_sample_init(struct message_sample_reader *r, const struct message_read_options *o)
{
	r->o = *o;
	r->o.secret = g_strdup(o->secret);
	buf_init(&r->texts);
	buf_init(&r->metadata);
	buf_init(&r->text);
	for (int d = 0; d < FLATTEN_DIALECTS && o->secret[0]; d++) {
		r->signer[d] = signer_new((enum flatten_dialect)d, o->secret);
		if (!r->signer[d]) {
			return -ENOTSUP;
		}
	}
	return 0;
}

void message_sample_fini(struct message_sample_reader *r)
{
	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		signer_free(r->signer[d]);
	}
	if (r->o.secret) {
		OPENSSL_cleanse((char *)(uintptr_t)r->o.secret, strlen(r->o.secret));
		g_free((char *)(uintptr_t)r->o.secret);
	}
	buf_fini(&r->texts);
	buf_fini(&r->metadata);
	buf_fini(&r->text);
}
