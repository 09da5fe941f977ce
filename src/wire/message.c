/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding and signing of sample messages.  One thread at a time for an encoder; blocks on nothing.
 *
 * A message is put together from pieces that stay the same for a while, and so is the text that its
 * signature covers (flatten.h: all members by sorted name).  Behind each other, {} is what each row
 * brings itself:
 *
 *   message   batch {volume} owner {resource id} time {metadata} id{message id} mono {signature}
 *   signed    batch {volume} id{message id} mono owner {resource id} {metadata} time users
 */
#include "wire/message.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "wire/json.h"
#include "wire/pack.h"
#include "wire/pynum.h"
#include "wire/sample_check.h"
#include "wire/sample_time.h"
#include "wire/signature.h"
#include "wire/text_cache.h"

#include <errno.h>
#include <glib.h>
#include <math.h>

enum { CACHE_MAX = 32 << 20, SLACK = 128 };

/* A piece in the message's form and in the signature's. */
struct part {
	struct buf sent, signed_;
};

struct message_encoder {
	struct message_options o;
	struct signer *signer;
	struct text_cache *cache;
	struct buf flat; /* the text to be signed, of the row in hand */
	struct buf scratch;
	struct sample_time clock;
	/* the batch in hand */
	const struct vmt_batch *batch;
	int batch_status, owner_status;
	struct part head, owner, users, time, mono;
	const char *owner_of[4], *source_of;
	struct buf id; /* what stands before the message id */
};

/* What the cache keeps of a resource version, before the signed text and, unless the form is JSON, the
 * packed metadata. */
struct entry {
	int32_t status;
	uint32_t flat_len;
};

static const char *const types[] = {
	[VMT_CUMULATIVE] = "cumulative",
	[VMT_GAUGE] = "gauge",
	[VMT_DELTA] = "delta",
};

static bool is_json(const struct message_encoder *e)
{
	return e->o.form == MESSAGE_JSON;
}

static bool is_raw(const struct message_encoder *e)
{
	return e->o.form == MESSAGE_MSGPACK_RAW;
}

/* ------------------------------------------------------------------ pieces */

static void part_reset(struct part *p)
{
	buf_reset(&p->sent);
	buf_reset(&p->signed_);
}

static void part_init(struct part *p)
{
	buf_init(&p->sent);
	buf_init(&p->signed_);
}

static void part_fini(struct part *p)
{
	buf_fini(&p->sent);
	buf_fini(&p->signed_);
}

/* A key of the message; names are plain ASCII. */
static void add_key(const struct message_encoder *e, struct buf *out, const char *key)
{
	if (is_json(e)) {
		buf_puts(out, strcmp(key, "source") == 0 ? "{\"" : ", \"");
		buf_puts(out, key);
		buf_puts(out, "\": ");
	} else {
		pack_text(out, key, is_raw(e));
	}
}

static void add_string(const struct message_encoder *e, struct buf *out, const char *s, size_t n)
{
	char *at;

	if (!is_json(e)) {
		pack_string(out, s, n, is_raw(e));
		return;
	}
	at = buf_reserve(out, JSON_ESCAPE_ROOM(n) + 2);
	*at = '"';
	n = json_escape(at + 1, s, n) + 2;
	at[n - 1] = '"';
	buf_commit(out, n);
}

static void add_text(const struct message_encoder *e, struct buf *out, const char *text)
{
	if (text) {
		add_string(e, out, text, strlen(text));
	} else if (is_json(e)) {
		buf_add(out, "null", 4);
	} else {
		pack_text(out, NULL, is_raw(e));
	}
}

/* The member `key` with a text, or null. */
static void add_sent(const struct message_encoder *e, struct part *p, const char *key,
		     const char *text)
{
	add_key(e, &p->sent, key);
	add_text(e, &p->sent, text);
}

static void add_signed(struct part *p, const char *key, const char *text)
{
	buf_puts(&p->signed_, key);
	buf_puts(&p->signed_, text ? text : "None");
}

static void add_member(const struct message_encoder *e, struct part *p, const char *key,
		       const char *text)
{
	add_sent(e, p, key, text);
	add_signed(p, key, text);
}

static bool is_text(const char *s)
{
	return s && utf8_valid(s, strlen(s));
}

static bool is_text_or_null(const char *s)
{
	return !s || utf8_valid(s, strlen(s));
}

/* ------------------------------------------------------------------ what batches bring */

static size_t members(const struct message_encoder *e)
{
	size_t n = 12; /* juno's, the signature among them */

	n += e->o.profile == VMT_PROFILE_JUNO ? 0 : 1;
	n += e->o.profile == VMT_PROFILE_26 ? 2 : 0;
	return n + (e->o.publisher_id ? 1 : 0);
}

/* Up to the volume.  The source stands first, and belongs to the resource. */
static void set_head(struct message_encoder *e, const char *source)
{
	const struct vmt_batch *b = e->batch;
	struct part *p = &e->head;

	part_reset(p);
	if (!is_json(e)) {
		pack_map(&p->sent, members(e));
	}
	add_sent(e, p, "source", source);
	add_member(e, p, "counter_name", b->name);
	add_member(e, p, "counter_type", types[b->type]);
	add_member(e, p, "counter_unit", b->unit ? b->unit : "");
	add_key(e, &p->sent, "counter_volume");
	buf_puts(&p->signed_, "counter_volume");
	e->source_of = source;
}

static void set_time(struct message_encoder *e, int64_t time_ns)
{
	struct part *p = &e->time;
	char text[SAMPLE_TIME_MAX];

	sample_time_put(&e->clock, time_ns, e->o.profile, text);
	part_reset(p);
	add_member(e, p, "timestamp", text);
	add_key(e, &p->sent, "resource_metadata");
}

static void add_mono(struct message_encoder *e, int64_t mono_ns)
{
	struct part *p = &e->mono;
	double seconds = (double)mono_ns / 1e9;
	bool py2 = e->o.dialect != FLATTEN_PY3;
	char text[PYNUM_MAX];
	size_t n;

	if (mono_ns == INT64_MIN) {
		add_member(e, p, "monotonic_time", NULL);
		return;
	}
	add_key(e, &p->sent, "monotonic_time");
	buf_puts(&p->signed_, "monotonic_time");
	n = pynum_double(text, seconds);
	if (is_json(e)) {
		buf_add(&p->sent, text, n);
	} else {
		pack_double(&p->sent, seconds);
	}
	n = py2 ? pynum_py2(text, seconds) : n;
	buf_add(&p->signed_, text, n);
}

/* With what follows in the message. */
static void set_mono(struct message_encoder *e, int64_t mono_ns)
{
	struct part *p = &e->mono;

	part_reset(p);
	if (e->o.profile != VMT_PROFILE_JUNO) {
		add_mono(e, mono_ns);
	}
	if (e->o.publisher_id) {
		add_sent(e, p, "publisher_id", e->o.publisher_id);
	}
	add_key(e, &p->sent, "message_signature");
}

void message_encoder_batch(struct message_encoder *e, const struct vmt_batch *batch)
{
	e->batch = batch;
	e->batch_status = is_text(batch->name) && *batch->name && is_text_or_null(batch->unit) &&
					  batch->type < G_N_ELEMENTS(types)
				  ? 0
				  : -EBADMSG;
	/* pointers of the batch before may have other text by now */
	part_reset(&e->head);
	part_reset(&e->owner);
	if (!batch->times) {
		set_time(e, batch->time_ns);
	}
	if (!batch->monos) {
		set_mono(e, batch->mono_ns);
	}
}

static bool same_owner(const struct message_encoder *e, const struct vmt_resource *r)
{
	return e->owner.sent.len && e->owner_of[0] == r->user_id &&
	       e->owner_of[1] == r->project_id && e->owner_of[2] == r->user_name &&
	       e->owner_of[3] == r->project_name;
}

static void set_owner(struct message_encoder *e, const struct vmt_resource *r)
{
	const char *owner_of[] = { r->user_id, r->project_id, r->user_name, r->project_name };
	bool names = e->o.profile == VMT_PROFILE_26;

	e->owner_status = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(owner_of); i++) {
		e->owner_of[i] = owner_of[i];
		e->owner_status |= is_text_or_null(owner_of[i]) ? 0 : -EBADMSG;
	}
	part_reset(&e->owner);
	buf_reset(&e->users.signed_);
	add_sent(e, &e->owner, "user_id", r->user_id);
	add_signed(&e->users, "user_id", r->user_id);
	if (names) {
		add_sent(e, &e->owner, "user_name", r->user_name);
		add_signed(&e->users, "user_name", r->user_name);
	}
	add_member(e, &e->owner, "project_id", r->project_id);
	if (names) {
		add_member(e, &e->owner, "project_name", r->project_name);
	}
	if (e->o.publisher_id) { /* stands elsewhere in the message */
		add_signed(&e->owner, "publisher_id", e->o.publisher_id);
	}
	add_key(e, &e->owner.sent, "resource_id");
	buf_puts(&e->owner.signed_, "resource_id");
}

/* ------------------------------------------------------------------ what resources bring */

/* `scratch` becomes {"resource_metadata": …}; answers where the metadata begins. */
static size_t wrap_metadata(struct buf *scratch, const struct vmt_resource *r)
{
	static const char before[] = "{\"resource_metadata\": ";

	buf_reset(scratch);
	buf_puts(scratch, before);
	if (r->meta_head_len + r->meta_tail_len == 0) {
		buf_add(scratch, "{}", 2);
	}
	buf_add(scratch, r->meta_head, r->meta_head_len);
	buf_add(scratch, r->meta_tail, r->meta_tail_len);
	buf_putc(scratch, '}');
	return sizeof(before) - 1;
}

static int fill_texts(struct message_encoder *e, const struct vmt_resource *r, struct buf *text,
		      uint32_t *ret_flat_len)
{
	struct buf *scratch = &e->scratch;
	size_t before = text->len, at = wrap_metadata(scratch, r);
	size_t n = scratch->len - at - 1;
	struct flatten flatten;
	int status;

	if (!is_text(r->id) || !is_text(r->source) || !sample_check_object(scratch->data + at, n)) {
		return -EBADMSG;
	}
	flatten_init(&flatten);
	status = flatten_json(&flatten, scratch->data, scratch->len, e->o.dialect, text);
	flatten_fini(&flatten);
	*ret_flat_len = (uint32_t)(text->len - before);
	if (!status && !is_json(e)) {
		status = pack_json(text, scratch->data + at, n, is_raw(e));
	}
	return status;
}

static void fill(void *context, const struct vmt_resource *r, struct buf *text)
{
	struct entry entry = { 0, 0 };
	size_t at = text->len;

	buf_add(text, &entry, sizeof(entry));
	entry.status = fill_texts(context, r, text, &entry.flat_len);
	if (entry.status) {
		buf_cut(text, at + sizeof(entry));
		entry.flat_len = 0;
	}
	memcpy(text->data + at, &entry, sizeof(entry));
}

/* ------------------------------------------------------------------ the row */

static inline char *put(char *at, const void *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}

static inline char *put_buf(char *at, const struct buf *b)
{
	return put(at, b->data, b->len);
}

/* Adds the volume to the message, writes it as it is signed; answers its length there, -EDOM. */
static int add_volume(const struct message_encoder *e, uint32_t row, struct buf *out, char *text)
{
	const struct vmt_batch *b = e->batch;
	union vmt_num v = b->value[row];
	size_t n;

	switch ((enum vmt_kind)(b->kinds ? b->kinds[row] : b->kind)) {
	case VMT_INT64:
		n = pynum_int(text, v.i);
		if (!is_json(e)) {
			pack_int(out, v.i);
			return (int)n;
		}
		break;
	case VMT_UINT64:
		n = pynum_uint(text, v.u);
		if (!is_json(e)) {
			pack_uint(out, v.u);
			return (int)n;
		}
		break;
	default:
		if (!isfinite(v.d)) {
			return -EDOM;
		}
		n = pynum_double(text, v.d);
		if (!is_json(e)) {
			pack_double(out, v.d);
		} else {
			buf_add(out, text, n);
		}
		return (int)(e->o.dialect == FLATTEN_PY3 ? n : pynum_py2(text, v.d));
	}
	buf_add(out, text, n);
	return (int)n;
}

/* The metadata in the message's form; `entry` is the resource's in the cache. */
static void add_metadata(const struct message_encoder *e, const struct vmt_resource *r,
			 const char *packed, size_t packed_len, struct buf *out)
{
	if (!is_json(e)) {
		buf_add(out, packed, packed_len);
	} else if (r->meta_head_len + r->meta_tail_len == 0) {
		buf_add(out, "{}", 2);
	} else {
		buf_add(out, r->meta_head, r->meta_head_len);
		buf_add(out, r->meta_tail, r->meta_tail_len);
	}
}

/* Puts the text together that is signed, all but the volume being known, and signs it. */
static int sign(struct message_encoder *e, const struct vmt_resource *r, const char *volume,
		size_t volume_len, const char *id, const char *metadata, size_t metadata_len,
		char ret_text[SIGNATURE_TEXT])
{
	size_t rid_len = strlen(r->id), source_len = strlen(r->source);
	char *at;

	buf_reset(&e->flat);
	at = buf_reserve(&e->flat, e->head.signed_.len + e->mono.signed_.len +
					   e->owner.signed_.len + e->time.signed_.len +
					   e->users.signed_.len + rid_len + source_len +
					   metadata_len + SLACK);
	at = put_buf(at, &e->head.signed_);
	at = put(at, volume, volume_len);
	at = put(at, "message_id", 10);
	at = put(at, id, UUID_TEXT - 1);
	at = put_buf(at, &e->mono.signed_);
	at = put_buf(at, &e->owner.signed_);
	at = put(at, r->id, rid_len);
	at = put(at, metadata, metadata_len);
	at = put(at, "source", 6);
	at = put(at, r->source, source_len);
	at = put_buf(at, &e->time.signed_);
	at = put_buf(at, &e->users.signed_);
	return signer_sign_flat(e->signer, e->flat.data, (size_t)(at - e->flat.data), ret_text);
}

/* Brings the pieces up to this row; answers why it can't be sent. */
static int take_up(struct message_encoder *e, const struct vmt_resource *r, uint32_t row)
{
	const struct vmt_batch *b = e->batch;

	if (e->batch_status) {
		return e->batch_status;
	}
	if (!e->head.sent.len || e->source_of != r->source) {
		set_head(e, r->source);
	}
	if (!same_owner(e, r)) {
		set_owner(e, r);
	}
	if (b->times) {
		set_time(e, b->times[row]);
	}
	if (b->monos) {
		set_mono(e, b->monos[row]);
	}
	return e->owner_status;
}

int message_encoder_row(struct message_encoder *e, uint32_t row, struct buf *out)
{
	const struct vmt_resource *r = e->batch->resource[row];
	char volume[PYNUM_MAX], id[UUID_TEXT], signature[SIGNATURE_TEXT];
	uint8_t id_bytes[16];
	struct entry entry;
	const char *cached;
	size_t cached_len, before = out->len;
	int status, n;

	if (row + 1 < e->batch->count) { /* its text is most likely out of cache */
		__builtin_prefetch(e->batch->resource[row + 1]);
	}
	cached = text_cache_get(e->cache, r, e, &cached_len);
	memcpy(&entry, cached, sizeof(entry));
	cached += sizeof(entry);
	cached_len -= sizeof(entry);
	status = entry.status ? entry.status : take_up(e, r, row);
	if (status) {
		return status;
	}
	buf_add(out, e->head.sent.data, e->head.sent.len);
	n = add_volume(e, row, out, volume);
	if (n < 0) {
		buf_cut(out, before);
		return n;
	}
	vmt_batch_id(e->batch, row, id_bytes);
	uuid_format(id_bytes, id);
	status = sign(e, r, volume, (size_t)n, id, cached, entry.flat_len, signature);
	if (status) {
		buf_cut(out, before);
		return status;
	}
	buf_add(out, e->owner.sent.data, e->owner.sent.len);
	add_text(e, out, r->id);
	buf_add(out, e->time.sent.data, e->time.sent.len);
	add_metadata(e, r, cached + entry.flat_len, cached_len - entry.flat_len, out);
	buf_add(out, e->id.data, e->id.len);
	add_string(e, out, id, UUID_TEXT - 1);
	buf_add(out, e->mono.sent.data, e->mono.sent.len);
	add_string(e, out, signature, strlen(signature));
	if (is_json(e)) {
		buf_putc(out, '}');
	}
	return 0;
}

/* ------------------------------------------------------------------ the encoder */

struct message_encoder *message_encoder_new(const struct message_options *o)
{
	struct message_encoder *e = g_new0(struct message_encoder, 1);
	struct part *parts[] = { &e->head, &e->owner, &e->users, &e->time, &e->mono };

	e->o = *o;
	e->o.secret = NULL; /* the signer has it */
	e->o.publisher_id = g_strdup(o->publisher_id);
	e->cache = text_cache_new(CACHE_MAX, fill);
	sample_time_init(&e->clock);
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		part_init(parts[i]);
	}
	buf_init(&e->flat);
	buf_init(&e->scratch);
	buf_init(&e->id);
	add_key(e, &e->id, "message_id");
	e->signer = signer_new(o->dialect, o->secret);
	if (!e->signer) {
		message_encoder_free(e);
		return NULL;
	}
	return e;
}

void message_encoder_free(struct message_encoder *e)
{
	if (e) {
		struct part *parts[] = { &e->head, &e->owner, &e->users, &e->time, &e->mono };

		for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
			part_fini(parts[i]);
		}
		buf_fini(&e->flat);
		buf_fini(&e->scratch);
		buf_fini(&e->id);
		text_cache_free(e->cache);
		signer_free(e->signer);
		g_free((char *)e->o.publisher_id);
		g_free(e);
	}
}

const char *message_refusal(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ -EBADMSG,
		  "its metadata is not a JSON object, or a text is missing or not UTF-8" },
		{ -EDOM, "its volume is not finite" },
		{ -EILSEQ, "a peer of 2014.2.0 cannot sign a metadata key that is not ASCII" },
		{ -ERANGE, "a number in its metadata cannot be held" },
		{ -E2BIG, "its metadata has too much in it" },
		{ -EIO, "the cryptographic library failed" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
		if (reasons[i].status == status) {
			return reasons[i].reason;
		}
	}
	return g_strerror(-status);
}

enum flatten_dialect message_dialect(enum vmt_profile profile)
{
	return profile == VMT_PROFILE_JUNO ? FLATTEN_PY2 : FLATTEN_PY3;
}
