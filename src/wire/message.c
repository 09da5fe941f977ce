/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding and signing of sample messages.  One thread at a time for an encoder; blocks on nothing.
 *
 * A message is put together from pieces that stay the same for a while, and so is the text that its
 * signature covers (flatten.h: all members by sorted name).  Behind each other, {} is what each row
 * brings itself, [] what its resource does:
 *
 *   message   batch {volume} [owner] time [metadata] id{message id} mono {signature}
 *   signed    batch {volume} id{message id} mono [owner, metadata] time [users]
 *
 * In JSON the quotes around the message id and the signature are the pieces' beside them.  Text is looked at when a
 * piece is made of it, once; what a row brings itself is digits.
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
	struct buf flat
		[2]; /* the texts to be signed: of the row in hand, or of the one that waits and that one */
	size_t flat_len[2];
	struct buf *out; /* of the row that waits for its signature; NULL: none does */
	size_t hole; /* where it goes */
	struct buf scratch, piece;
	struct sample_time clock;
	/* the batch in hand */
	const struct vmt_batch *batch;
	int batch_status;
	struct part head, time, mono;
	const char *source_of;
	size_t signature_len;
	struct buf id; /* what stands before the message id */
	struct buf end; /* what stands behind the signature */
};

/* What the cache keeps of a resource version, before the text of its pieces: what is signed, and what is sent. */
struct entry {
	int32_t status;
	uint32_t flat_len, users_len; /* signed */
	uint32_t owner_len, metadata_len; /* sent; metadata_len 0: as it is in the resource */
};

static const char *const types[] = {
	[VMT_CUMULATIVE] = "cumulative",
	[VMT_GAUGE] = "gauge",
	[VMT_DELTA] = "delta",
};

static bool is_quoted(const struct message_encoder *e)
{
	return e->o.form == MESSAGE_JSON_QUOTED;
}

static bool is_json(const struct message_encoder *e)
{
	return e->o.form == MESSAGE_JSON || is_quoted(e);
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

/* Adds JSON to what is sent. */
static void add_layer(const struct message_encoder *e, struct buf *out, const char *p, size_t n)
{
	if (is_quoted(e)) {
		buf_commit(out, json_escape(buf_reserve(out, JSON_ESCAPE_ROOM(n)), p, n));
	} else {
		buf_add(out, p, n);
	}
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
		add_layer(e, out, ", \"", 3);
		buf_puts(out, key);
		add_layer(e, out, "\": ", 3);
	} else {
		pack_text(out, key, is_raw(e));
	}
}

static void add_string(struct message_encoder *e, struct buf *out, const char *s, size_t n)
{
	char *at;

	if (!is_json(e)) {
		pack_string(out, s, n, is_raw(e));
		return;
	}
	buf_reset(&e->piece);
	at = buf_reserve(&e->piece, JSON_ESCAPE_ROOM(n) + 2);
	*at = '"';
	n = json_escape(at + 1, s, n) + 2;
	at[n - 1] = '"';
	add_layer(e, out, at, n);
}

/* What stands before a text of the row's own, of n bytes that need no escapes. */
static void begin_own(const struct message_encoder *e, struct buf *out, size_t n)
{
	if (is_json(e)) {
		add_layer(e, out, "\"", 1);
	} else {
		pack_string_begin(out, n, is_raw(e));
	}
}

static void add_text(struct message_encoder *e, struct buf *out, const char *text)
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
static void add_sent(struct message_encoder *e, struct buf *out, const char *key, const char *text)
{
	add_key(e, out, key);
	add_text(e, out, text);
}

static void add_signed(struct buf *out, const char *key, const char *text)
{
	buf_puts(out, key);
	buf_puts(out, text ? text : "None");
}

static void add_member(struct message_encoder *e, struct part *p, const char *key, const char *text)
{
	add_sent(e, &p->sent, key, text);
	add_signed(&p->signed_, key, text);
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
	if (is_json(e)) {
		add_layer(e, &p->sent, "{\"source\": ", 11);
		add_text(e, &p->sent, source);
	} else {
		pack_map(&p->sent, members(e));
		add_sent(e, &p->sent, "source", source);
	}
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
	if (is_json(e)) {
		add_layer(e, &p->sent, "\"", 1); /* of the message id */
	}
	if (e->o.profile != VMT_PROFILE_JUNO) {
		add_mono(e, mono_ns);
	}
	if (e->o.publisher_id) {
		add_sent(e, &p->sent, "publisher_id", e->o.publisher_id);
	}
	add_key(e, &p->sent, "message_signature");
	begin_own(e, &p->sent, e->signature_len);
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
	if (!batch->times) {
		set_time(e, batch->time_ns);
	}
	if (!batch->monos) {
		set_mono(e, batch->mono_ns);
	}
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

/* Whose it is, and its id: what is signed of it and stands before the metadata. */
static void sign_owner(const struct message_encoder *e, const struct vmt_resource *r,
		       struct buf *out)
{
	add_signed(out, "project_id", r->project_id);
	if (e->o.profile == VMT_PROFILE_26) {
		add_signed(out, "project_name", r->project_name);
	}
	if (e->o.publisher_id) { /* stands elsewhere in the message */
		add_signed(out, "publisher_id", e->o.publisher_id);
	}
	add_signed(out, "resource_id", r->id);
}

static void sign_users(const struct message_encoder *e, const struct vmt_resource *r,
		       struct buf *out)
{
	add_signed(out, "user_id", r->user_id);
	if (e->o.profile == VMT_PROFILE_26) {
		add_signed(out, "user_name", r->user_name);
	}
}

static void add_owner(struct message_encoder *e, const struct vmt_resource *r, struct buf *out)
{
	bool names = e->o.profile == VMT_PROFILE_26;

	add_sent(e, out, "user_id", r->user_id);
	if (names) {
		add_sent(e, out, "user_name", r->user_name);
	}
	add_sent(e, out, "project_id", r->project_id);
	if (names) {
		add_sent(e, out, "project_name", r->project_name);
	}
	add_sent(e, out, "resource_id", r->id);
}

/* The metadata in the message's form, where it is another than the resource's own. */
static int add_metadata(const struct message_encoder *e, const char *json, size_t n,
			struct buf *out)
{
	if (!is_json(e)) {
		return pack_json(out, json, n, is_raw(e));
	}
	if (is_quoted(e)) {
		add_layer(e, out, json, n);
	}
	return 0;
}

static bool has_texts(const struct vmt_resource *r)
{
	return is_text(r->id) && is_text(r->source) && is_text_or_null(r->user_id) &&
	       is_text_or_null(r->project_id) && is_text_or_null(r->user_name) &&
	       is_text_or_null(r->project_name);
}

/* What was added to `text` since `*at`, which moves behind it. */
static uint32_t added(const struct buf *text, size_t *at)
{
	uint32_t n = (uint32_t)(text->len - *at);

	*at = text->len;
	return n;
}

static int fill_texts(struct message_encoder *e, const struct vmt_resource *r, struct buf *text,
		      struct entry *entry)
{
	struct buf *scratch = &e->scratch;
	size_t from = wrap_metadata(scratch, r), at = text->len;
	const char *metadata = scratch->data + from;
	size_t n = scratch->len - from - 1;
	struct flatten flatten;
	int status;

	if (!has_texts(r) || !sample_check_object(metadata, n)) {
		return -EBADMSG;
	}
	sign_owner(e, r, text);
	flatten_init(&flatten);
	status = flatten_json(&flatten, scratch->data, scratch->len, e->o.dialect, text);
	flatten_fini(&flatten);
	add_signed(text, "source", r->source);
	entry->flat_len = added(text, &at);
	sign_users(e, r, text);
	entry->users_len = added(text, &at);
	add_owner(e, r, text);
	entry->owner_len = added(text, &at);
	status = status ? status : add_metadata(e, metadata, n, text);
	entry->metadata_len = added(text, &at);
	return status;
}

static void fill(void *context, const struct vmt_resource *r, struct buf *text)
{
	struct entry entry = { .status = 0 };
	size_t at = text->len;

	buf_add(text, &entry, sizeof(entry));
	entry.status = fill_texts(context, r, text, &entry);
	if (entry.status) {
		buf_cut(text, at + sizeof(entry));
	}
	memcpy(text->data + at, &entry, sizeof(entry));
}

/* ------------------------------------------------------------------ the row */

/* `p` may be NULL where n is 0. */
static inline char *put(char *at, const void *p, size_t n)
{
	if (n > 0) {
		memcpy(at, p, n);
	}
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

/* Puts the text together that is signed, the second one where a row waits.  `kept`: behind the entry. */
static void put_flat(struct message_encoder *e, const struct entry *entry, const char *kept,
		     const char *volume, size_t volume_len, const char *id)
{
	int which = e->out ? 1 : 0;
	struct buf *flat = &e->flat[which];
	char *at;

	buf_reset(flat);
	at = buf_reserve(flat, e->head.signed_.len + e->mono.signed_.len + e->time.signed_.len +
				       entry->flat_len + entry->users_len + SLACK + SIGNATURE_ROOM);
	at = put_buf(at, &e->head.signed_);
	at = put(at, volume, volume_len);
	at = put(at, "message_id", 10);
	at = put(at, id, UUID_TEXT - 1);
	at = put_buf(at, &e->mono.signed_);
	at = put(at, kept, entry->flat_len);
	at = put_buf(at, &e->time.signed_);
	at = put(at, kept + entry->flat_len, entry->users_len);
	e->flat_len[which] = (size_t)(at - flat->data);
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
	if (b->times) {
		set_time(e, b->times[row]);
	}
	if (b->monos) {
		set_mono(e, b->monos[row]);
	}
	return 0;
}

/* The message behind its volume; answers where its signature goes. */
static size_t add_rest(const struct message_encoder *e, const struct vmt_resource *r,
		       const struct entry *entry, const char *kept, const char *id, struct buf *out)
{
	size_t metadata_len = entry->metadata_len ? entry->metadata_len
						  : r->meta_head_len + r->meta_tail_len + 2;
	char *at = buf_reserve(out, entry->owner_len + e->time.sent.len + metadata_len + e->id.len +
					    e->mono.sent.len + e->end.len + 4 * SLACK);
	size_t hole;

	kept += entry->flat_len + entry->users_len;
	at = put(at, kept, entry->owner_len);
	at = put_buf(at, &e->time.sent);
	if (entry->metadata_len) {
		at = put(at, kept + entry->owner_len, entry->metadata_len);
	} else if (r->meta_head_len + r->meta_tail_len == 0) {
		at = put(at, "{}", 2);
	} else {
		at = put(at, r->meta_head, r->meta_head_len);
		at = put(at, r->meta_tail, r->meta_tail_len);
	}
	at = put_buf(at, &e->id);
	at = put(at, id, UUID_TEXT - 1);
	at = put_buf(at, &e->mono.sent);
	hole = (size_t)(at - out->data);
	at = put_buf(at + e->signature_len, &e->end);
	buf_commit(out, (size_t)(at - (out->data + out->len)));
	return hole;
}

/* The row but for its signature, and the text of that.  0 with *ret_hole, where it goes; why it can't be sent. */
static int encode(struct message_encoder *e, uint32_t row, struct buf *out, size_t *ret_hole)
{
	const struct vmt_resource *r = e->batch->resource[row];
	char volume[PYNUM_MAX], id[UUID_TEXT];
	uint8_t id_bytes[16];
	struct entry entry;
	const char *kept;
	size_t kept_len, before = out->len;
	int status, n;

	if (row + 1 < e->batch->count) { /* its text is most likely out of cache */
		__builtin_prefetch(e->batch->resource[row + 1]);
	}
	kept = text_cache_get(e->cache, r, e, &kept_len);
	memcpy(&entry, kept, sizeof(entry));
	kept += sizeof(entry);
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
	put_flat(e, &entry, kept, volume, (size_t)n, id);
	*ret_hole = add_rest(e, r, &entry, kept, id, out);
	return 0;
}

int message_encoder_row(struct message_encoder *e, uint32_t row, struct buf *out)
{
	char signature[SIGNATURE_TEXT];
	size_t hole, before = out->len;
	int status;

	message_encoder_finish(e);
	status = encode(e, row, out, &hole);
	if (status) {
		return status;
	}
	status = signer_sign_flat(e->signer, e->flat[0].data, e->flat_len[0], signature);
	if (status) {
		buf_cut(out, before);
		return status;
	}
	put(out->data + hole, signature, e->signature_len);
	return 0;
}

int message_encoder_put(struct message_encoder *e, uint32_t row, struct buf *out)
{
	size_t hole;
	int status;

	if (!signer_pairs(e->signer)) {
		return message_encoder_row(e, row, out);
	}
	status = encode(e, row, out, &hole);
	if (status) {
		return status;
	}
	if (!e->out) {
		e->out = out;
		e->hole = hole;
		return 0;
	}
	signer_sign_pair(e->signer, (char *const[2]){ e->flat[0].data, e->flat[1].data },
			 e->flat_len, (char *const[2]){ e->out->data + e->hole, out->data + hole });
	e->out = NULL;
	return 0;
}

void message_encoder_finish(struct message_encoder *e)
{
	const size_t n[2] = { e->flat_len[0], e->flat_len[0] };

	if (e->out) {
		char *at = e->out->data + e->hole;

		signer_sign_pair(e->signer, (char *const[2]){ e->flat[0].data, e->flat[0].data }, n,
				 (char *const[2]){ at, at });
		e->out = NULL;
	}
}

/* ------------------------------------------------------------------ the encoder */

struct message_encoder *message_encoder_new(const struct message_options *o)
{
	struct message_encoder *e = g_new0(struct message_encoder, 1);
	struct part *parts[] = { &e->head, &e->time, &e->mono };

	e->o = *o;
	e->o.secret = NULL; /* the signer has it */
	e->o.publisher_id = g_strdup(o->publisher_id);
	e->cache = text_cache_new(CACHE_MAX, fill);
	sample_time_init(&e->clock);
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		part_init(parts[i]);
	}
	buf_init(&e->flat[0]);
	buf_init(&e->flat[1]);
	buf_init(&e->scratch);
	buf_init(&e->piece);
	buf_init(&e->id);
	buf_init(&e->end);
	e->signature_len = *o->secret || o->dialect != FLATTEN_PY3 ? SIGNATURE_TEXT - 1 : 0;
	add_key(e, &e->id, "message_id");
	begin_own(e, &e->id, UUID_TEXT - 1);
	if (is_json(e)) {
		add_layer(e, &e->end, "\"}", 2);
	}
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
		struct part *parts[] = { &e->head, &e->time, &e->mono };

		for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
			part_fini(parts[i]);
		}
		buf_fini(&e->flat[0]);
		buf_fini(&e->flat[1]);
		buf_fini(&e->scratch);
		buf_fini(&e->piece);
		buf_fini(&e->id);
		buf_fini(&e->end);
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
