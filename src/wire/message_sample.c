/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of one sample: its members, their types and bounds, its time and its signature.  One thread
 * at a time; blocks on nothing.
 */
#include "base/clock.h"
#include "base/uuid.h"
#include "wire/message_read_private.h"
#include "wire/sample_time.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <openssl/crypto.h>
#include <string.h>

#define AHEAD_NS (86400 * NS_PER_S) /* a clock may be wrong by so much */
enum { TEXT_MAX = 1024, TEXT_ROOM = 6 * TEXT_MAX + 1, METADATA_MAX = 1 << 20, DEPTH_KEPT = 48 };

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

#define KEY(text) .key = (text), .len = sizeof(text) - 1

static const struct {
	const char *key;
	uint8_t len; /* of the key */
	bool needed; /* must be there */
	bool null; /* may be null */
	bool empty; /* may be "" */
} members[MEMBERS] = {
	[M_NAME] = { KEY("counter_name"), .needed = true },
	[M_TYPE] = { KEY("counter_type"), .needed = true },
	[M_UNIT] = { KEY("counter_unit"), .needed = true, .null = true, .empty = true },
	[M_RESOURCE] = { KEY("resource_id"), .needed = true },
	[M_SOURCE] = { KEY("source"), .needed = true, .empty = true },
	[M_TIME] = { KEY("timestamp"), .needed = true },
	[M_ID] = { KEY("message_id"), .needed = true },
	[M_USER] = { KEY("user_id"), .needed = true, .null = true, .empty = true },
	[M_PROJECT] = { KEY("project_id"), .needed = true, .null = true, .empty = true },
	[M_USER_NAME] = { KEY("user_name"), .null = true, .empty = true },
	[M_PROJECT_NAME] = { KEY("project_name"), .null = true, .empty = true },
	[M_SIGNATURE] = { KEY("message_signature"), .null = true, .empty = true },
	[M_VOLUME] = { KEY("counter_volume"), .needed = true },
	[M_METADATA] = { KEY("resource_metadata"), .needed = true },
	[M_MONO] = { KEY("monotonic_time"), .null = true },
};

/* Those that are signed, by name. */
static const uint8_t in_order[] = { M_NAME,   M_TYPE,    M_UNIT,         M_VOLUME,   M_ID,
				    M_MONO,   M_PROJECT, M_PROJECT_NAME, M_RESOURCE, M_METADATA,
				    M_SOURCE, M_TIME,    M_USER,         M_USER_NAME };

static_assert((int)MEMBERS == (int)MESSAGE_MEMBERS,
	      "the reader remembers the order of all members");

/* A sample being read. */
struct reading {
	struct message_sample_reader *r;
	const struct message_gather *rows;
	struct json_reader json;
	unsigned seen; /* bit: that member came */
	bool odd; /* a member came twice, or one that is not known */
	const char *text[TEXTS];
	size_t len[TEXTS];
	struct number {
		const char *digits; /* NULL for null */
		size_t len;
		bool integer;
	} volume, mono;
	struct message_sample *sample;
};

static int reject(enum message_reject reason)
{
	return -1 - (int)reason;
}

/* ------------------------------------------------------------------ members */

static int take_text(struct reading *g, enum member m, enum json_event event)
{
	char *to = g->r->texts.data + m * TEXT_ROOM;
	size_t n;

	if (event == JSON_NULL && members[m].null) {
		g->text[m] = NULL;
		return 0;
	}
	if (event != JSON_STRING) {
		return reject(REJECT_TYPE);
	}
	if (g->json.span_len >= TEXT_ROOM) {
		return reject(REJECT_SIZE);
	}
	n = g->json.span_len;
	if (g->json.escaped) {
		n = json_decode(g->json.span, n, to);
	} else {
		memcpy(to, g->json.span, n);
	}
	if (n > TEXT_MAX) {
		return reject(REJECT_SIZE);
	}
	if ((g->json.escaped && memchr(to, '\0', n)) || (n == 0 && !members[m].empty)) {
		return reject(REJECT_TYPE);
	}
	to[n] = '\0';
	g->text[m] = to;
	g->len[m] = n;
	return 0;
}

static struct number number_of(const struct json_reader *json)
{
	return (struct number){ json->span, json->span_len, json->integer };
}

static int take_volume(struct reading *g, enum json_event event)
{
	struct message_sample *s = g->sample;

	if (event != JSON_NUMBER) {
		return reject(REJECT_TYPE);
	}
	g->volume = number_of(&g->json);
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
	g->mono = (struct number){ .digits = NULL };
	if (event == JSON_NULL) {
		return 0;
	}
	if (event != JSON_NUMBER) {
		return reject(REJECT_TYPE);
	}
	g->mono = number_of(&g->json);
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

/* Nearly all metadata came before, with an earlier sample of the resource. */
static bool take_known(struct reading *g)
{
	struct json_reader *json = &g->json;
	struct message_sample *s = g->sample;
	const struct vmt_resource *p;

	s->known = NULL;
	if (g->seen >> M_RESOURCE & 1) {
		s->known = message_gather_known(g->rows, g->text[M_RESOURCE], json->start,
						(size_t)(json->end - json->start));
	}
	if (!s->known) {
		return false;
	}
	p = &s->known->resource->public;
	s->tail = p->meta_tail;
	s->tail_len = p->meta_tail_len;
	s->raw = json->start;
	s->raw_len = (size_t)s->known->raw_len + 1;
	json_skip_equal(json, s->raw_len);
	return true;
}

/* The metadata as it is, but for escapes: texts of one meaning are one text, however their sender wrote them. */
static int take_metadata(struct reading *g, enum json_event event)
{
	struct buf *out = &g->r->metadata;
	struct json_reader *json = &g->json;
	const char *begin = json->start, *from = begin;
	unsigned depth = json->depth, deepest = depth;

	if (event != JSON_OBJECT) {
		return reject(REJECT_TYPE);
	}
	if (take_known(g)) {
		return 0;
	}
	buf_reset(out);
	while ((event = json_next(json)) > JSON_END && json->depth >= depth) {
		deepest = MAX(deepest, json->depth);
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
	if (out->len > METADATA_MAX) {
		return reject(REJECT_SIZE);
	}
	g->sample->tail = out->data + 1;
	g->sample->tail_len = out->len - 1;
	g->sample->raw = deepest - depth < DEPTH_KEPT ? begin : NULL;
	g->sample->raw_len = (size_t)(json->at - begin);
	return 0;
}

static bool is_member(const struct json_reader *json, unsigned m)
{
	return json->escaped ? json_is(json, members[m].key)
			     : json->span_len == members[m].len &&
				       memcmp(json->span, members[m].key, members[m].len) == 0;
}

/* A sender's members come in one order. */
static unsigned find_member(struct reading *g, unsigned before)
{
	unsigned m = g->r->next[before];

	if (is_member(&g->json, m)) {
		return m;
	}
	for (m = 0; m < MEMBERS && !is_member(&g->json, m); m++) {
	}
	if (m < MEMBERS) {
		g->r->next[before] = (uint8_t)m;
	}
	return m;
}

/* The member whose key came, behind `*at`. */
static int take_member(struct reading *g, unsigned *at)
{
	enum json_event event;
	unsigned m = find_member(g, *at);

	if (m == MEMBERS) {
		g->odd = true;
		return json_skip(&g->json, JSON_KEY) < 0 ? reject(REJECT_FORMAT) : 0;
	}
	*at = m;
	g->odd |= g->seen >> m & 1;
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
	struct message_sample_reader *r = g->r;
	int64_t keep_ns = r->o.keep_ns, *time_ns = &g->sample->time_ns;

	if (r->time.len == g->len[M_TIME] && memcmp(r->time.data, text, r->time.len) == 0) {
		*time_ns = r->time_ns;
	} else if (!g_ascii_isdigit(text[0]) || sample_time_parse(text, now_ns, time_ns) < 0) {
		return reject(REJECT_TIME); /* ages, too, which the parser takes from people */
	} else {
		buf_reset(&r->time);
		buf_add(&r->time, text, g->len[M_TIME]);
		r->time_ns = *time_ns;
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

	if (g->len[M_ID] != UUID_TEXT - 1 || uuid_parse(text, g->sample->id) < 0) {
		uuid5(space, text, g->len[M_ID], g->sample->id);
	}
}

/* What is signed of the metadata. */
static int sign_metadata(struct reading *g, int dialect)
{
	struct message_sample *s = g->sample;
	struct buf *flat = &g->r->flat;
	int ret;

	if (s->known && s->known->flat && s->known->dialect == dialect) {
		s->flat = s->known->flat;
		s->flat_len = s->known->flat_len;
		s->dialect = dialect;
		return 0;
	}
	buf_reset(flat);
	ret = flatten_member(&g->r->flatten, members[M_METADATA].key, s->raw, s->raw_len,
			     (enum flatten_dialect)dialect, flat);
	if (ret == 0) {
		s->flat = flat->data;
		s->flat_len = flat->len;
		s->dialect = dialect;
	}
	return ret;
}

static int add_number(struct buf *out, const struct number *n, int dialect)
{
	if (!n->digits) {
		buf_add(out, "None", 4);
		return 0;
	}
	return flatten_number(n->digits, n->len, n->integer, (enum flatten_dialect)dialect, out);
}

/* What is signed of a sample with each member once, from what was read: what flatten_json() makes of it. */
static int flatten_members(struct reading *g, int dialect)
{
	struct buf *out = &g->r->owed[g->r->owes].text;
	int ret = sign_metadata(g, dialect);

	buf_reset(out);
	for (size_t i = 0; i < G_N_ELEMENTS(in_order) && ret == 0; i++) {
		unsigned m = in_order[i];

		if (!(g->seen >> m & 1)) {
			continue;
		}
		if (m == M_METADATA) {
			buf_add(out, g->sample->flat, g->sample->flat_len);
			continue;
		}
		buf_add(out, members[m].key, members[m].len);
		if (m >= TEXTS) {
			ret = add_number(out, m == M_VOLUME ? &g->volume : &g->mono, dialect);
		} else if (g->text[m]) {
			buf_add(out, g->text[m], g->len[m]);
		} else {
			buf_add(out, "None", 4);
		}
	}
	return ret;
}

static int sign(struct reading *g, int dialect, const char *json, size_t n,
		char ret_text[SIGNATURE_TEXT])
{
	struct signer *signer = g->r->signer[dialect];
	const struct buf *text = &g->r->owed[g->r->owes].text;
	int ret;

	if (g->odd || !g->sample->raw) {
		return signer_sign(signer, json, n, ret_text);
	}
	ret = flatten_members(g, dialect);
	return ret < 0 ? ret : signer_sign_flat(signer, text->data, text->len, ret_text);
}

/* Nearly always all of a sender's samples are of one dialect: that of the last one is tried first. */
static int try_dialects(struct reading *g, const char *json, size_t n)
{
	struct message_sample_reader *r = g->r;
	char right[SIGNATURE_TEXT];

	for (int i = 0; i < FLATTEN_DIALECTS; i++) {
		int dialect = (r->dialect + i) % FLATTEN_DIALECTS;

		if (sign(g, dialect, json, n, right) == 0 &&
		    CRYPTO_memcmp(right, g->text[M_SIGNATURE], SIGNATURE_TEXT - 1) == 0) {
			r->dialect = dialect;
			return 0;
		}
	}
	return reject(REJECT_SIGNATURE);
}

/* What is needed to look at the signature later; false: it has to be now. */
static bool defer(struct reading *g, const char *json, size_t n)
{
	struct message_sample_reader *r = g->r;
	struct message_owed *owed = &r->owed[r->owes];

	if (!r->defers || g->odd || !g->sample->raw || !signer_pairs(r->signer[r->dialect]) ||
	    flatten_members(g, r->dialect) < 0) {
		return false;
	}
	buf_reserve(&owed->text, SIGNATURE_ROOM);
	memcpy(owed->signature, g->text[M_SIGNATURE], sizeof(owed->signature));
	owed->json = json;
	owed->len = n;
	r->owed_dialect = r->dialect; /* which changes only when nothing is owed */
	return true;
}

/* `now`: the signature is not to be owed. */
static int verify(struct reading *g, const char *json, size_t n, bool now)
{
	struct message_sample_reader *r = g->r;
	const char *text = g->text[M_SIGNATURE];

	if (!r->signer[0]) {
		return 0;
	}
	if (!text || !*text) {
		return r->o.accept_unsigned ? 0 : reject(REJECT_UNSIGNED);
	}
	if (g->len[M_SIGNATURE] != SIGNATURE_TEXT - 1) {
		return reject(REJECT_SIGNATURE);
	}
	g->sample->owed = !now && defer(g, json, n);
	return g->sample->owed ? 0 : try_dialects(g, json, n);
}

bool message_sample_owe(struct message_sample_reader *r, size_t row)
{
	r->owed[r->owes].row = row;
	return ++r->owes == G_N_ELEMENTS(r->owed);
}

/* Another dialect than the last sample's, or wrong. */
static bool is_right(struct message_sample_reader *r, const struct message_owed *owed)
{
	char right[SIGNATURE_TEXT];

	for (int i = 0; i < FLATTEN_DIALECTS; i++) {
		if (i != r->owed_dialect &&
		    signer_sign(r->signer[i], owed->json, owed->len, right) == 0 &&
		    CRYPTO_memcmp(right, owed->signature, SIGNATURE_TEXT - 1) == 0) {
			r->dialect = i;
			return true;
		}
	}
	return false;
}

unsigned message_sample_settle(struct message_sample_reader *r, size_t ret_row[2])
{
	struct message_owed *owed = r->owed;
	char right[2][SIGNATURE_TEXT] = { "" };
	unsigned owes = r->owes, wrong = 0;

	r->owes = 0;
	if (owes == G_N_ELEMENTS(r->owed)) {
		signer_sign_pair(r->signer[r->owed_dialect],
				 (char *const[2]){ owed[0].text.data, owed[1].text.data },
				 (const size_t[2]){ owed[0].text.len, owed[1].text.len },
				 (char *const[2]){ right[0], right[1] });
	} else if (owes) {
		(void)signer_sign_flat(r->signer[r->owed_dialect], owed[0].text.data,
				       owed[0].text.len, right[0]); /* "": it failed */
	}
	while (owes-- > 0) {
		if (CRYPTO_memcmp(right[owes], owed[owes].signature, SIGNATURE_TEXT - 1) != 0 &&
		    !is_right(r, &owed[owes])) {
			ret_row[wrong++] = owed[owes].row;
		}
	}
	return wrong;
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
	take_id(g);
	ret = find_type(g->text[M_TYPE], &s->type);
	if (ret == 0) {
		int time = check_time(g, now_ns);

		ret = verify(g, json, n, time < 0);
		ret = ret < 0 ? ret : time;
	}
	return ret;
}

/* To the end of the sample, which is at `depth`, from anywhere within it. */
static void leave(struct json_reader *json, unsigned depth)
{
	while (json->depth >= depth && json_next(json) > JSON_END) {
	}
}

int message_sample_read(struct message_sample_reader *r, struct json_reader *json,
			const struct message_gather *rows, int64_t now_ns,
			struct message_sample *ret_sample)
{
	struct reading g = { .r = r, .rows = rows, .json = *json, .sample = ret_sample };
	const char *begin = json->start;
	unsigned at = MEMBERS, depth = json->depth;
	enum json_event event = JSON_OBJECT_END;
	int ret = 0;

	*ret_sample = (struct message_sample){ .mono_ns = INT64_MIN };
	while (ret == 0 && (event = json_next(&g.json)) == JSON_KEY) {
		ret = take_member(&g, &at);
	}
	if (ret == 0 && event != JSON_OBJECT_END) {
		ret = reject(REJECT_FORMAT);
	}
	if (ret == 0) {
		ret = understand(&g, begin, (size_t)(g.json.at - begin), now_ns);
	} else {
		leave(&g.json, depth);
	}
	*json = g.json;
	return ret;
}

int message_sample_init(struct message_sample_reader *r, const struct message_read_options *o)
{
	r->o = *o;
	r->o.secret = g_strdup(o->secret);
	buf_init(&r->texts);
	buf_reserve(&r->texts, (size_t)TEXTS * TEXT_ROOM);
	buf_init(&r->metadata);
	buf_init(&r->text);
	buf_init(&r->flat);
	buf_init(&r->owed[0].text);
	buf_init(&r->owed[1].text);
	buf_init(&r->time);
	flatten_init(&r->flatten);
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
	buf_fini(&r->flat);
	buf_fini(&r->owed[0].text);
	buf_fini(&r->owed[1].text);
	buf_fini(&r->time);
	flatten_fini(&r->flatten);
}
