/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack from outside: what becomes JSON is JSON, and is the same after another way to msgpack and back.
 */
#include "wire/unpack.h"

#include <stdlib.h>

#include "wire/json.h"
#include "wire/message_read.h"
#include "wire/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(const struct buf *text)
{
	struct json_reader r;
	enum json_event event;

	json_reader_init(&r, text->data, text->len);
	r.nonfinite = true;
	while ((event = json_next(&r)) > JSON_END) {
	}
	return event == JSON_END;
}

static void check(const struct buf *text)
{
	struct buf packed = BUF_INIT, again = BUF_INIT;

	if (!is_json(text)) {
		abort();
	}
	if (pack_json(&packed, text->data, text->len, false) == 0 &&
	    (unpack_json(packed.data, packed.len, &again) < 0 || again.len != text->len ||
	     memcmp(again.data, text->data, text->len) != 0)) {
		abort();
	}
	buf_fini(&packed);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message_reader *reader;
	struct message_tally tally = { .taken = 0 };
	struct buf text = BUF_INIT;

	if (unpack_json(data, size, &text) == 0) {
		check(&text);
	} else if (text.len) {
		abort();
	}
	buf_fini(&text);
	if (!reader) {
		struct message_read_options o = { .secret = "", .bytes_max = 1 << 20 };

		reader = message_reader_new(&o);
	}
	if (message_reader_rows(reader) < 1000) {
		(void)message_read_msgpack(reader, data, size, INT64_C(1795396320000000000),
					   &tally);
	}
	return 0;
}
