/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way into msgpack-c.  Any thread; blocks on nothing.
 */
#include "wire/pack.h"
#include "wire/json.h"

#include <errno.h>
#include <msgpack/pack.h>

static int to_buf(void *data, const char *p, size_t n)
{
	buf_add(data, p, n);
	return 0;
}

static msgpack_packer packer(struct buf *out)
{
	return (msgpack_packer){ .data = out, .callback = to_buf };
}

void pack_string_begin(struct buf *out, size_t n, bool raw)
{
	msgpack_packer pk = packer(out);

	if (raw) {
		msgpack_pack_v4raw(&pk, n);
	} else {
		msgpack_pack_str(&pk, n);
	}
}

void pack_string(struct buf *out, const char *p, size_t n, bool raw)
{
	pack_string_begin(out, n, raw);
	buf_add(out, p, n);
}

void pack_text(struct buf *out, const char *text, bool raw)
{
	msgpack_packer pk = packer(out);

	if (text) {
		pack_string(out, text, strlen(text), raw);
	} else {
		msgpack_pack_nil(&pk);
	}
}

void pack_map(struct buf *out, size_t members)
{
	msgpack_packer pk = packer(out);

	msgpack_pack_map(&pk, members);
}

void pack_int(struct buf *out, int64_t v)
{
	msgpack_packer pk = packer(out);

	msgpack_pack_int64(&pk, v);
}

void pack_uint(struct buf *out, uint64_t v)
{
	msgpack_packer pk = packer(out);

	msgpack_pack_uint64(&pk, v);
}

void pack_double(struct buf *out, double v)
{
	msgpack_packer pk = packer(out);

	msgpack_pack_double(&pk, v);
}

/* ------------------------------------------------------------------ from JSON */

static int pack_number(struct buf *out, const struct json_reader *r)
{
	int64_t i;
	uint64_t u;
	double d;

	if (!r->integer) {
		if (json_double(r, &d) < 0) {
			return -ERANGE;
		}
		pack_double(out, d);
	} else if (json_int(r, &i) == 0) {
		pack_int(out, i);
	} else if (json_uint(r, &u) == 0) {
		pack_uint(out, u);
	} else {
		return -ERANGE;
	}
	return 0;
}

/* How many members or items the container has whose beginning `r` has just read. */
static int count_members(struct json_reader r, size_t *ret_n)
{
	enum json_event event;
	size_t n = 0;

	while ((event = json_next(&r)) != JSON_OBJECT_END && event != JSON_ARRAY_END) {
		if (event <= JSON_END || json_skip(&r, event) < 0) {
			return -EBADMSG;
		}
		n++;
	}
	*ret_n = n;
	return 0;
}

static int pack_container(struct buf *out, const struct json_reader *r, enum json_event event)
{
	msgpack_packer pk = packer(out);
	size_t n;

	if (count_members(*r, &n) < 0) {
		return -EBADMSG;
	}
	if (event == JSON_OBJECT) {
		msgpack_pack_map(&pk, n);
	} else {
		msgpack_pack_array(&pk, n);
	}
	return 0;
}

static int pack_event(struct buf *out, const struct json_reader *r, enum json_event event, bool raw,
		      struct buf *scratch)
{
	msgpack_packer pk = packer(out);

	switch (event) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return pack_container(out, r, event);
	case JSON_KEY:
	case JSON_STRING:
		buf_reset(scratch);
		json_text(r, scratch);
		pack_string(out, scratch->data, scratch->len, raw);
		return 0;
	case JSON_NUMBER:
		return pack_number(out, r);
	case JSON_TRUE:
		msgpack_pack_true(&pk);
		return 0;
	case JSON_FALSE:
		msgpack_pack_false(&pk);
		return 0;
	case JSON_NULL:
		msgpack_pack_nil(&pk);
		return 0;
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return 0;
	default:
		return -EBADMSG;
	}
}

int pack_json(struct buf *out, const char *json, size_t n, bool raw)
{
	struct buf scratch = BUF_INIT;
	struct json_reader r;
	size_t before = out->len;
	enum json_event event;
	int status = 0;

	json_reader_init(&r, json, n);
	while (!status && (event = json_next(&r)) != JSON_END) {
		status = pack_event(out, &r, event, raw, &scratch);
	}
	if (status) {
		buf_cut(out, before);
	}
	buf_fini(&scratch);
	return status;
}
