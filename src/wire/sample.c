/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding of samples.  One thread at a time for an encoder; blocks on nothing.
 *
 * A sample is put together from pieces: what is the same for the batch is text before the first row,
 * what is the same for neighbouring rows (owner, source) is kept until it changes, and the metadata is
 * text already.  Pieces of fixed text are copied 32 bytes at a time, whatever their length, hence
 * the slack in the room reserved.
 */
#include "wire/sample.h"
#include "base/uuid.h"
#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/pytext.h"
#include "wire/text_cache.h"

#include <glib.h>
#include <math.h>

enum { PIECE = 32, SLACK = 320, CACHE_MAX = 4 << 20 };

/* What stands before a field, and fixed values. */
struct piece {
	uint8_t len;
	char text[PIECE];
};

struct pieces {
	struct piece name, type, unit, volume, user, user_name, project, project_name, resource,
		time, metadata, source, id, mono, end, null, empty;
};

#define TEXT(s)                                                                                    \
	{                                                                                          \
		sizeof(s) - 1, s                                                                   \
	}
static const struct pieces pieces[] = {
	[SAMPLE_JSON] = {
		.name = TEXT("{\"name\": "),
		.type = TEXT(", \"type\": \""),
		.unit = TEXT("\", \"unit\": "),
		.volume = TEXT(", \"volume\": "),
		.user = TEXT(", \"user_id\": "),
		.user_name = TEXT(", \"user_name\": "),
		.project = TEXT(", \"project_id\": "),
		.project_name = TEXT(", \"project_name\": "),
		.resource = TEXT(", \"resource_id\": "),
		.time = TEXT(", \"timestamp\": \""),
		.metadata = TEXT("\", \"resource_metadata\": "),
		.source = TEXT(", \"source\": "),
		.id = TEXT(", \"id\": \""),
		.mono = TEXT("\", \"monotonic_time\": "),
		.end = TEXT("\"}"),
		.null = TEXT("null"),
		.empty = TEXT("{}"),
	},
	[SAMPLE_PYTEXT] = {
		.name = TEXT("{'name': "),
		.type = TEXT(", 'type': '"),
		.unit = TEXT("', 'unit': "),
		.volume = TEXT(", 'volume': "),
		.user = TEXT(", 'user_id': "),
		.user_name = TEXT(", 'user_name': "),
		.project = TEXT(", 'project_id': "),
		.project_name = TEXT(", 'project_name': "),
		.resource = TEXT(", 'resource_id': "),
		.time = TEXT(", 'timestamp': '"),
		.metadata = TEXT("', 'resource_metadata': "),
		.source = TEXT(", 'source': "),
		.id = TEXT(", 'id': '"),
		.mono = TEXT("', 'monotonic_time': "),
		.end = TEXT("'}"),
		.null = TEXT("None"),
		.empty = TEXT("{}"),
	},
};

static const char *const types[] = {
	[VMT_CUMULATIVE] = "cumulative",
	[VMT_GAUGE] = "gauge",
	[VMT_DELTA] = "delta",
};

static char *put_piece(char *at, const struct piece *p)
{
	memcpy(at, p->text, PIECE);
	return at + p->len;
}

static char *put(char *at, const char *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}

static void add_piece(struct buf *out, const struct piece *p)
{
	buf_add(out, p->text, p->len);
}

/* Room for a string of n bytes in either form. */
static size_t string_room(size_t n)
{
	return 6 * n + 16;
}

/* In its quotes.  `own`: the agent's own text, see SAMPLE_PYTEXT. */
static char *put_string(const struct sample_encoder *e, char *at, const char *s, size_t n, bool own)
{
	if (e->form == SAMPLE_JSON) {
		*at++ = '"';
		at += json_escape(at, s, n);
		*at++ = '"';
		return at;
	}
	return at + pytext_put(at, s, n,
			       e->profile != VMT_PROFILE_JUNO ? PYTEXT_STR
			       : own                          ? PYTEXT_PY2_STR
							      : PYTEXT_PY2_UNICODE);
}

static void add_string(const struct sample_encoder *e, struct buf *out, const char *s, bool own)
{
	size_t n;
	char *at;

	if (!s) {
		add_piece(out, &pieces[e->form].null);
		return;
	}
	n = strlen(s);
	at = buf_reserve(out, string_room(n));
	buf_commit(out, (size_t)(put_string(e, at, s, n, own) - at));
}

/* ------------------------------------------------------------------ the batch */

static void set_time(struct sample_encoder *e, int64_t time_ns)
{
	const struct pieces *p = &pieces[e->form];
	char text[SAMPLE_TIME_MAX], *at = e->middle;
	size_t n = sample_time_put(&e->clock, time_ns, e->profile, text);

	at = put(at, p->time.text, p->time.len);
	at = put(at, text, n);
	at = put(at, p->metadata.text, p->metadata.len);
	e->middle_len = (size_t)(at - e->middle);
}

static void set_mono(struct sample_encoder *e, int64_t mono_ns)
{
	const struct pieces *p = &pieces[e->form];
	char *at = e->mono;

	if (e->profile == VMT_PROFILE_JUNO) {
		at = put(at, p->end.text, p->end.len);
	} else {
		at = put(at, p->mono.text, p->mono.len);
		if (mono_ns == INT64_MIN) {
			at = put(at, p->null.text, p->null.len);
		} else {
			at += pynum_double(at, (double)mono_ns / 1e9);
		}
		*at++ = '}';
	}
	e->mono_len = (size_t)(at - e->mono);
}

void sample_encoder_batch(struct sample_encoder *e, const struct vmt_batch *batch)
{
	const struct pieces *p = &pieces[e->form];

	e->batch = batch;
	buf_reset(&e->prefix);
	add_piece(&e->prefix, &p->name);
	add_string(e, &e->prefix, batch->name, true);
	add_piece(&e->prefix, &p->type);
	buf_puts(&e->prefix, types[batch->type]);
	add_piece(&e->prefix, &p->unit);
	add_string(e, &e->prefix, batch->unit ? batch->unit : "", true);
	add_piece(&e->prefix, &p->volume);
	/* pointers of the batch before may have other text by now */
	buf_reset(&e->owner);
	buf_reset(&e->source);
	if (!batch->times) {
		set_time(e, batch->time_ns);
	}
	if (!batch->monos) {
		set_mono(e, batch->mono_ns);
	}
}

/* ------------------------------------------------------------------ the row */

static char *put_text(const struct sample_encoder *e, char *at, const char *s, size_t n)
{
	return s ? put_string(e, at, s, n, false) : put_piece(at, &pieces[e->form].null);
}

/* Nearly every row has another owner than the one before. */
static void set_owner(struct sample_encoder *e, const struct vmt_resource *r)
{
	const struct pieces *p = &pieces[e->form];
	const char *const texts[] = { r->user_id, r->user_name, r->project_id, r->project_name };
	const struct piece *const before[] = { &p->user, &p->user_name, &p->project,
					       &p->project_name };
	size_t step = e->profile == VMT_PROFILE_26 ? 1 : 2; /* with names or without */
	size_t length[G_N_ELEMENTS(texts)], room = SLACK;
	char *start, *at;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i += step) {
		length[i] = texts[i] ? strlen(texts[i]) : 0;
		room += string_room(length[i]);
	}
	buf_reset(&e->owner);
	start = at = buf_reserve(&e->owner, room);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i += step) {
		at = put_piece(at, before[i]);
		at = put_text(e, at, texts[i], length[i]);
	}
	at = put_piece(at, &p->resource);
	buf_commit(&e->owner, (size_t)(at - start));
	e->owner_of[0] = r->user_id;
	e->owner_of[1] = r->project_id;
	e->owner_of[2] = r->user_name;
	e->owner_of[3] = r->project_name;
}

static void set_source(struct sample_encoder *e, const char *source)
{
	buf_reset(&e->source);
	add_piece(&e->source, &pieces[e->form].source);
	add_string(e, &e->source, source, true);
	add_piece(&e->source, &pieces[e->form].id);
	e->source_of = source;
}

static bool same_owner(const struct sample_encoder *e, const struct vmt_resource *r)
{
	return e->owner.len && e->owner_of[0] == r->user_id && e->owner_of[1] == r->project_id &&
	       e->owner_of[2] == r->user_name && e->owner_of[3] == r->project_name;
}

static char *put_volume(const struct sample_encoder *e, char *at, uint32_t row)
{
	const struct vmt_batch *b = e->batch;
	union vmt_num v = b->value[row];

	switch ((enum vmt_kind)(b->kinds ? b->kinds[row] : b->kind)) {
	case VMT_INT64:
		return at + pynum_int(at, v.i);
	case VMT_UINT64:
		at += pynum_uint(at, v.u);
		if (v.u > INT64_MAX && e->form == SAMPLE_PYTEXT && e->profile == VMT_PROFILE_JUNO) {
			*at++ = 'L';
		}
		return at;
	case VMT_DOUBLE:
		break;
	}
	if (e->form == SAMPLE_JSON && !isfinite(v.d)) {
		return put_piece(at, &pieces[e->form].null);
	}
	return at + pynum_double(at, v.d);
}

static char *put_id(const struct sample_encoder *e, char *at, uint32_t row)
{
	uint8_t id[16];

	vmt_batch_id(e->batch, row, id);
	uuid_format(id, at);
	return at + UUID_TEXT - 1;
}

/* The metadata as Python text; what is not JSON shows as {}. */
static void add_pytext(void *context, const struct vmt_resource *r, struct buf *text)
{
	const struct sample_encoder *e = context;
	struct buf json = BUF_INIT;

	buf_add(&json, r->meta_head, r->meta_head_len);
	buf_add(&json, r->meta_tail, r->meta_tail_len);
	if (pytext_add_json(text, json.data, json.len,
			    e->profile == VMT_PROFILE_JUNO ? PYTEXT_PY2_UNICODE : PYTEXT_STR)) {
		buf_add(text, "{}", 2);
	}
	buf_fini(&json);
}

void sample_encoder_row(struct sample_encoder *e, uint32_t row, struct buf *out)
{
	const struct vmt_batch *b = e->batch;
	const struct vmt_resource *r = b->resource[row];
	const char *head = r->meta_head, *tail = r->meta_tail;
	size_t head_len = r->meta_head_len, tail_len = r->meta_tail_len, id_len = strlen(r->id);
	char *start, *at;

	if (row + 1 < b->count) { /* its text is most likely out of cache */
		__builtin_prefetch(b->resource[row + 1]);
	}
	if (!same_owner(e, r)) {
		set_owner(e, r);
	}
	if (!e->source.len || e->source_of != r->source) {
		set_source(e, r->source);
	}
	if (b->times) {
		set_time(e, b->times[row]);
	}
	if (b->monos) {
		set_mono(e, b->monos[row]);
	}
	if (e->form == SAMPLE_PYTEXT) {
		head = text_cache_get(e->cache, r, e, &head_len);
		tail_len = 0;
	}
	if (!head_len) {
		head = pieces[e->form].empty.text;
		head_len = 2;
	}
	if (!tail_len) {
		tail = "";
	}
	start = at = buf_reserve(out, e->prefix.len + e->owner.len + e->source.len + head_len +
					      tail_len + string_room(id_len) + SLACK);
	at = put(at, e->prefix.data, e->prefix.len);
	at = put_volume(e, at, row);
	at = put(at, e->owner.data, e->owner.len);
	at = put_string(e, at, r->id, id_len, false);
	at = put(at, e->middle, e->middle_len);
	at = put(at, head, head_len);
	at = put(at, tail, tail_len);
	at = put(at, e->source.data, e->source.len);
	at = put_id(e, at, row);
	at = put(at, e->mono, e->mono_len);
	buf_commit(out, (size_t)(at - start));
}

void sample_encoder_init(struct sample_encoder *e, enum sample_form form, enum vmt_profile profile)
{
	memset(e, 0, sizeof(*e));
	e->form = form;
	e->profile = profile;
	sample_time_init(&e->clock);
	buf_init(&e->prefix);
	buf_init(&e->owner);
	buf_init(&e->source);
	if (form == SAMPLE_PYTEXT) {
		e->cache = text_cache_new(CACHE_MAX, add_pytext);
	}
}

void sample_encoder_fini(struct sample_encoder *e)
{
	if (e) {
		buf_fini(&e->prefix);
		buf_fini(&e->owner);
		buf_fini(&e->source);
		text_cache_free(e->cache);
		e->cache = NULL;
	}
}
