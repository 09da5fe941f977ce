/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from outside as JSON, bare and in envelopes: with signatures looked at and not.  What is taken is fit to
 * be sent on, and what is not is counted.
 */
#include "wire/message_read.h"

#include <stdlib.h>

#include "wire/sample_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS INT64_C(1795396320000000000)

static void check(const struct frame *f, uint64_t taken)
{
	struct sample_check *c = sample_check_new();
	uint64_t rows = 0;

	for (size_t i = 0; f && i < f->public.count; i++) {
		for (uint32_t row = 0; row < f->public.batch[i].count; row++, rows++) {
			if (sample_check_row(c, &f->public.batch[i], row)) {
				abort();
			}
		}
	}
	if (rows != taken) {
		abort();
	}
	sample_check_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message_reader *readers[2];
	static struct frame_pool *pool;

	for (int i = 0; i < 2; i++) {
		struct message_read_options o = { .secret = i ? ""
							      : "change this for valid signing",
						  .bytes_max = 1 << 20 };
		struct message_tally tally = { .taken = 0 };
		struct frame_builder b;
		struct frame *f;
		uint64_t rejected = 0;
		int ret;

		pool = pool ? pool : frame_pool_new(1);
		readers[i] = readers[i] ? readers[i] : message_reader_new(&o);
		frame_builder_init(&b, pool);
		ret = message_read_json(readers[i], data, size, NOW_NS, &tally);
		for (int r = 0; r < MESSAGE_REJECTS; r++) {
			rejected += tally.rejected[r];
		}
		if ((ret < 0) != (rejected > 0)) {
			abort();
		}
		f = message_reader_frame(readers[i], &b, VMT_PROFILE_26, NOW_NS);
		check(f, tally.taken);
		frame_unref(f);
		frame_builder_fini(&b);
	}
	return 0;
}
