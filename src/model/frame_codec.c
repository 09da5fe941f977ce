/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the byte form of frames, as doc/formats.md describes it: little-endian on every machine,
 * each resource once, a checksum over all.  Reading trusts nothing: every count is compared with
 * the bytes that are left before memory is taken for it.  Any thread; blocks on nothing.
 */
#include "base/arena.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/frame_private.h"
#include "model/json_text.h"
#include "model/resource.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

enum {
	BODY_FIXED = 24, /* sequence, profile, counts */
	HEAD_LEAST = 6 * 4, /* bytes of the smallest head, resource, batch, row */
	RESOURCE_LEAST = 3 * 4,
	BATCH_FIXED = 8 + 3 * 8 + 16,
	BATCH_LEAST = 2 * 4 + BATCH_FIXED,
	ROW_LEAST = 4 + 8,
	METADATA_DEPTH = 2 * JSON_DEPTH,
};

enum columns {
	COLUMN_KINDS = 1,
	COLUMN_TIMES = 2,
	COLUMN_MONOS = 4,
	COLUMN_IDS = 8,
	COLUMN_DERIVED = 16, /* no column: the name that ids are derived with */
	COLUMNS = 31,
};

static const char magic[4] = { 'V', 'M', 'F', 'R' };

/* ------------------------------------------------------------------ writing */

static char *put(char *at, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		*at++ = (char)(v >> (8 * i));
	}
	return at;
}

static void add(struct buf *out, uint64_t v, int bytes)
{
	put(buf_reserve(out, 8), v, bytes);
	buf_commit(out, (size_t)bytes);
}

/* Length plus one and the bytes; NULL is 0. */
static void add_text(struct buf *out, const char *s, size_t n)
{
	add(out, s ? n + 1 : 0, 4);
	buf_add(out, s, s ? n : 0);
}

static void add_string(struct buf *out, const char *s)
{
	add_text(out, s, s ? strlen(s) : 0);
}

static void add_column(struct buf *out, const void *column, size_t count, int bytes)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	buf_add(out, column, count * (size_t)bytes);
#else
	for (size_t i = 0; i < count; i++) {
		uint64_t v = bytes == 4 ? ((const uint32_t *)column)[i]
					: ((const uint64_t *)column)[i];

		add(out, v, bytes);
	}
#endif
}

static void add_head(struct buf *out, const struct resource_head *h)
{
	add_string(out, h->project_id);
	add_string(out, h->user_id);
	add_string(out, h->project_name);
	add_string(out, h->user_name);
	add_string(out, h->source);
	add_text(out, h->text, h->text_len);
}

static void add_batch(struct buf *out, const struct vmt_batch *b, const uint32_t *index)
{
	unsigned columns = (b->kinds ? COLUMN_KINDS : 0) | (b->times ? COLUMN_TIMES : 0) |
			   (b->monos ? COLUMN_MONOS : 0) | (b->ids ? COLUMN_IDS : 0) |
			   (b->derived ? COLUMN_DERIVED : 0);

	add_string(out, b->name);
	add_string(out, b->unit);
	add(out, b->type, 1);
	add(out, b->kind, 1);
	add(out, columns, 1);
	add(out, 0, 1);
	add(out, b->count, 4);
	add(out, (uint64_t)b->time_ns, 8);
	add(out, (uint64_t)b->mono_ns, 8);
	add(out, b->publishers, 8);
	buf_add(out, b->id, sizeof(b->id));
	add_column(out, index, b->count, 4);
	add_column(out, b->value, b->count, 8);
	if (b->kinds) {
		buf_add(out, b->kinds, b->count);
	}
	if (b->times) {
		add_column(out, b->times, b->count, 8);
	}
	if (b->monos) {
		add_column(out, b->monos, b->count, 8);
	}
	if (b->ids) {
		buf_add(out, b->ids, b->count * sizeof(*b->ids));
	}
	if (b->derived) {
		add_string(out, b->derived);
	}
}

static uint64_t checksum(const char *header, const char *body, size_t len)
{
	return hash64(body, len, hash64(header, 16, 0));
}

int frame_encode(const struct frame *f, struct buf *out)
{
	const struct vmt_frame *public = &f->public;
	size_t start = out->len, row = 0, len;
	char *header;

	memset(buf_reserve(out, FRAME_HEADER), 0, FRAME_HEADER);
	buf_commit(out, FRAME_HEADER);
	add(out, public->sequence, 8);
	add(out, public->profile, 4);
	add(out, f->heads, 4);
	add(out, f->used_count, 4);
	add(out, public->count, 4);
	for (size_t i = 0; i < f->heads; i++) {
		add_head(out, f->head[i]);
	}
	for (size_t i = 0; i < f->used_count; i++) {
		const struct vmt_resource *r = &f->used[i]->public;

		add(out, f->used_head[i], 4);
		add_string(out, r->id);
		add_text(out, r->meta_tail, r->meta_tail_len);
	}
	for (size_t i = 0; i < public->count && out->len - start <= FRAME_MAX; i++) {
		add_batch(out, &public->batch[i], f->index + row);
		row += public->batch[i].count;
	}
	len = out->len - start - FRAME_HEADER;
	if (len > FRAME_MAX - FRAME_HEADER) {
		out->len = start;
		out->data[start] = '\0';
		return -EFBIG;
	}
	header = out->data + start;
	memcpy(header, magic, sizeof(magic));
	put(header + 4, FRAME_VERSION, 4);
	put(header + 8, len, 4);
	put(header + 12, f->rows, 4);
	put(header + 16, checksum(header, header + FRAME_HEADER, len), 8);
	return 0;
}

/* ------------------------------------------------------------------ reading */

/* What is left to read; `bad`, once set, stays, and everything read from then on is empty. */
struct in {
	const unsigned char *at, *end;
	const char *bad;
};

static size_t left(const struct in *in)
{
	return (size_t)(in->end - in->at);
}

static void fail(struct in *in, const char *reason)
{
	if (!in->bad) {
		in->bad = reason;
	}
	in->at = in->end;
}

static const unsigned char *get_bytes(struct in *in, size_t n)
{
	const unsigned char *p = in->at;

	if (n > left(in)) {
		fail(in, "cut short");
		return NULL;
	}
	in->at += n;
	return p;
}

static uint64_t get(struct in *in, int bytes)
{
	const unsigned char *p = get_bytes(in, (size_t)bytes);
	uint64_t v = 0;

	for (int i = 0; p && i < bytes; i++) {
		v |= (uint64_t)p[i] << (8 * i);
	}
	return v;
}

/* A count of things of at least `least` bytes each. */
static size_t get_count(struct in *in, size_t least)
{
	size_t n = get(in, 4);

	if (n > left(in) / least) {
		fail(in, "a count beyond its end");
		return 0;
	}
	return n;
}

struct text {
	const char *p; /* NULL: null */
	size_t n;
};

static struct text get_text(struct in *in)
{
	size_t n = get(in, 4);
	struct text t = { NULL, 0 };

	if (in->bad || !n) {
		return t;
	}
	t.p = (const char *)get_bytes(in, n - 1);
	t.n = n - 1;
	if (t.p && (memchr(t.p, 0, t.n) || !utf8_valid(t.p, t.n))) {
		fail(in, "text that is not UTF-8");
		t.p = NULL;
	}
	return t;
}

static struct text need_text(struct in *in)
{
	struct text t = get_text(in);

	if (!t.p) {
		fail(in, "a text missing");
		t = (struct text){ "", 0 };
	}
	return t;
}

static const char *copy(struct arena *a, struct text t)
{
	return t.p ? arena_strndup(a, t.p, t.n) : NULL;
}

static void get_column(struct in *in, void *column, size_t count, int bytes)
{
	const unsigned char *p = get_bytes(in, count * (size_t)bytes);

	if (!p) {
		return;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(column, p, count * (size_t)bytes);
#else
	for (size_t i = 0; i < count; i++) {
		struct in one = { p + i * (size_t)bytes, p + (i + 1) * (size_t)bytes, NULL };

		if (bytes == 4) {
			((uint32_t *)column)[i] = (uint32_t)get(&one, 4);
		} else {
			((uint64_t *)column)[i] = get(&one, 8);
		}
	}
#endif
}

/* Heads, each with a reference of ours until the resources have theirs. */
static void get_heads(struct in *in, struct frame *f, size_t count, struct arena *scratch)
{
	for (size_t i = 0; i < count && !in->bad; i++) {
		struct resource_owner owner = { .instance_id = NULL }; /* not in the bytes */
		struct text text;

		arena_reset(scratch);
		owner.project_id = copy(scratch, get_text(in));
		owner.user_id = copy(scratch, get_text(in));
		owner.project_name = copy(scratch, get_text(in));
		owner.user_name = copy(scratch, get_text(in));
		owner.source = copy(scratch, need_text(in));
		text = need_text(in);
		if (!text.n || text.p[0] != '{') {
			fail(in, "metadata that is no object");
		} else {
			frame_use_head(f, resource_head_new(&owner, text.p, text.n));
		}
	}
}

static bool metadata_valid(const struct resource_head *h, struct text tail, struct buf *scratch)
{
	buf_reset(scratch);
	buf_add(scratch, h->text, h->text_len);
	buf_add(scratch, tail.p, tail.n);
	return tail.n && tail.p[tail.n - 1] == '}' &&
	       json_valid(scratch->data, scratch->len, METADATA_DEPTH);
}

static void get_resources(struct in *in, struct frame *f, size_t count, struct arena *scratch)
{
	struct buf joined = BUF_INIT;

	for (size_t i = 0; i < count && !in->bad; i++) {
		uint32_t head = (uint32_t)get(in, 4);
		struct text id = need_text(in), tail = need_text(in);

		arena_reset(scratch);
		if (in->bad) {
			break;
		}
		if (head >= f->heads) {
			fail(in, "a resource without head");
		} else if (!metadata_valid(f->head[head], tail, &joined)) {
			fail(in, "metadata that is no JSON");
		} else {
			frame_use(f, resource_new(f->head[head], copy(scratch, id), tail.p, tail.n),
				  head);
		}
	}
	buf_fini(&joined);
}

/* The rows' resources and numbers are ones that can be. */
static void check_rows(struct in *in, const struct frame *f, const struct vmt_batch *b,
		       size_t first)
{
	for (size_t i = first; i < first + b->count; i++) {
		unsigned kind = b->kinds ? f->kind[i] : b->kind;

		if (f->index[i] >= f->used_count) {
			fail(in, "a row without resource");
		} else if (kind > VMT_DOUBLE || (kind == VMT_DOUBLE && !isfinite(f->value[i].d))) {
			fail(in, "a value that is no number");
		}
		if (in->bad) {
			return;
		}
	}
}

static void get_ids(struct in *in, struct frame *f, uint32_t count)
{
	const unsigned char *p = get_bytes(in, (size_t)count * sizeof(*f->id));

	frame_reserve_ids(f);
	if (p) {
		memcpy(f->id + f->rows, p, (size_t)count * sizeof(*f->id));
	}
}

static void get_rows(struct in *in, struct frame *f, struct vmt_batch *b, unsigned columns)
{
	size_t first = f->rows;

	get_column(in, f->index + first, b->count, 4);
	get_column(in, f->value + first, b->count, 8);
	if (columns & COLUMN_KINDS) {
		get_column(in, f->kind + first, b->count, 1);
		b->kinds = f->kind;
	}
	if (columns & COLUMN_TIMES) {
		get_column(in, f->time + first, b->count, 8);
		b->times = f->time;
	}
	if (columns & COLUMN_MONOS) {
		get_column(in, f->mono + first, b->count, 8);
		b->monos = f->mono;
	}
	if (columns & COLUMN_IDS) {
		get_ids(in, f, b->count);
		b->ids = (const uint8_t(*)[16])f->id;
	}
	if (columns & COLUMN_DERIVED) {
		b->derived = copy(f->names, need_text(in));
	}
	if (in->bad) {
		return;
	}
	check_rows(in, f, b, first);
	for (size_t i = first; i < first + b->count && !in->bad; i++) {
		f->resource[i] = &f->used[f->index[i]]->public;
	}
	f->rows += b->count;
	f->public.count++;
}

/* `rows`: of the whole frame, as its header says; there is room for them. */
static void get_batch(struct in *in, struct frame *f, size_t rows)
{
	struct vmt_batch *b = &f->batch[f->public.count];
	struct text name = need_text(in), unit = need_text(in);
	const unsigned char *id;
	unsigned columns;

	*b = (struct vmt_batch){ .count = 0 };
	b->type = (uint8_t)get(in, 1);
	b->kind = (uint8_t)get(in, 1);
	columns = (unsigned)get(in, 1);
	if (get(in, 1) || b->type > VMT_DELTA || b->kind > VMT_DOUBLE || columns > COLUMNS) {
		fail(in, "a batch of a kind not known");
	}
	b->count = (uint32_t)get(in, 4);
	b->time_ns = (int64_t)get(in, 8);
	b->mono_ns = (int64_t)get(in, 8);
	b->publishers = get(in, 8);
	id = get_bytes(in, sizeof(b->id));
	if (in->bad) {
		return;
	}
	memcpy(b->id, id, sizeof(b->id));
	if (!b->count || b->count > rows - f->rows) {
		fail(in, "rows beyond those announced");
		return;
	}
	b->name = copy(f->names, name);
	b->unit = copy(f->names, unit);
	get_rows(in, f, b, columns);
}

static void get_body(struct in *in, struct frame *f, size_t rows)
{
	struct arena *scratch;
	size_t heads, resources, batches;
	uint64_t profile;

	f->public.sequence = get(in, 8);
	profile = get(in, 4);
	heads = get_count(in, HEAD_LEAST);
	resources = get_count(in, RESOURCE_LEAST);
	batches = get_count(in, BATCH_LEAST);
	if (profile > VMT_PROFILE_26 || batches > FRAME_BATCHES || rows > left(in) / ROW_LEAST) {
		fail(in, "counts that cannot be");
		return;
	}
	f->public.profile = (uint8_t)profile;
	scratch = arena_new(0);
	get_heads(in, f, heads, scratch);
	get_resources(in, f, resources, scratch);
	arena_free(scratch);
	for (size_t i = 0; i < f->heads; i++) {
		if (atomic_load(&f->head[i]->refs) == 1) {
			fail(in, "a head without resources");
		}
		resource_head_unref(f->head[i]);
	}
	if (in->bad) {
		return;
	}
	frame_reserve(f, batches, rows);
	for (size_t i = 0; i < batches && !in->bad; i++) {
		get_batch(in, f, rows);
	}
	if (!in->bad && (f->rows != rows || left(in))) {
		fail(in, "bytes left over");
	}
}

int64_t frame_length(const void *header)
{
	struct in in = { header, (const unsigned char *)header + FRAME_HEADER, NULL };
	uint64_t len;

	if (memcmp(get_bytes(&in, sizeof(magic)), magic, sizeof(magic)) != 0 ||
	    get(&in, 4) != FRAME_VERSION) {
		return -EBADMSG;
	}
	len = get(&in, 4);
	if (len < BODY_FIXED) {
		return -EBADMSG;
	}
	return len > FRAME_MAX - FRAME_HEADER ? -EFBIG : (int64_t)(len + FRAME_HEADER);
}

int frame_decode(struct frame_pool *pool, const void *bytes, size_t len, struct frame **ret_frame,
		 struct vmt_error *error)
{
	const char *header = bytes;
	struct in in = { (const unsigned char *)header + 12, (const unsigned char *)header + len,
			 NULL };
	struct frame *f;
	uint64_t sum;
	size_t rows;

	if (len < FRAME_HEADER || frame_length(header) != (int64_t)len) {
		return vmt_error_set(error, -EBADMSG, "frame of %zu bytes: no frame of version %d",
				     len, FRAME_VERSION);
	}
	rows = get(&in, 4);
	sum = get(&in, 8);
	if (sum != checksum(header, header + FRAME_HEADER, len - FRAME_HEADER)) {
		return vmt_error_set(error, -EBADMSG, "frame of %zu bytes: wrong checksum", len);
	}
	f = frame_pool_take(pool);
	get_body(&in, f, rows);
	if (in.bad) {
		frame_unref(f);
		return vmt_error_set(error, -EBADMSG, "frame of %zu bytes: %s", len, in.bad);
	}
	frame_point(f);
	*ret_frame = f;
	return 0;
}
