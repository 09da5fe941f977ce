/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader on any bytes, with what stands on it: decoding, numbers, Python text.  What is read
 * is written again and must be read as the same.
 */
#include "wire/json.h"
#include "wire/pytext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_event(struct json_writer *w, const struct json_reader *r, enum json_event event,
		      struct buf *text)
{
	double d;
	int64_t i;
	uint64_t u;

	buf_reset(text);
	switch (event) {
	case JSON_OBJECT:
		json_begin_object(w);
		break;
	case JSON_OBJECT_END:
		json_end_object(w);
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		break;
	case JSON_ARRAY_END:
		json_end_array(w);
		break;
	case JSON_KEY:
		/* decoded, with no zero in it, or as it stands */
		json_text(r, text);
		json_is(r, "key");
		json_key(w, text->data);
		break;
	case JSON_STRING:
		json_text(r, text);
		json_put_string(w, text->data, text->len);
		break;
	case JSON_NUMBER:
		(void)json_double(r, &d);
		(void)json_int(r, &i);
		(void)json_uint(r, &u);
		json_put_raw(w, r->span, r->span_len);
		break;
	default:
		json_put_raw(w, r->start, (size_t)(r->at - r->start));
		break;
	}
}

/* Reads the text and writes it to `out`; whether it was valid. */
static bool copy(const char *text, size_t n, struct buf *out, bool ascii)
{
	struct buf string = BUF_INIT;
	struct json_reader r;
	struct json_writer w;
	enum json_event event;

	json_reader_init(&r, text, n);
	json_writer_init(&w, out);
	w.ascii = ascii;
	while ((event = json_next(&r)) > JSON_END) {
		if (r.depth >= JSON_DEPTH_MAX - 1) {
			break; /* the writer stops a little earlier */
		}
		put_event(&w, &r, event, &string);
	}
	buf_fini(&string);
	return event == JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	bool ascii = size & 1;

	if (copy((const char *)data, size, &first, ascii)) {
		if (!copy(first.data, first.len, &second, ascii) || first.len != second.len ||
		    memcmp(first.data, second.data, first.len) != 0) {
			abort();
		}
	}
	buf_reset(&second);
	for (int form = 0; form < PYTEXT_FORMS; form++) {
		pytext_add_json(&second, (const char *)data, size, (enum pytext_form)form);
	}
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
