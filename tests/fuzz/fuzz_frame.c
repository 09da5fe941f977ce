/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames in their byte form: the input as a whole frame, and, since no fuzzer guesses a checksum,
 * the input as number of rows (4 bytes, little-endian) and body below a header that fits.  What is
 * read must be written again to the same bytes.
 */
#include "base/hash.h"
#include "model/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(struct frame_pool *pool, const char *bytes, size_t len)
{
	struct buf again = BUF_INIT;
	struct vmt_error error;
	struct frame *f;

	if (frame_decode(pool, bytes, len, &f, &error) == 0) {
		if (frame_encode(f, &again) < 0 || again.len != len ||
		    memcmp(again.data, bytes, len) != 0) {
			abort();
		}
		frame_unref(f);
	}
	buf_fini(&again);
}

static void put(char *at, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		at[i] = (char)(v >> (8 * i));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_pool *pool = frame_pool_new(1);
	char *frame, *header;
	size_t body;

	read_one(pool, (const char *)data, size);
	if (size >= 4) {
		body = size - 4;
		frame = header = malloc(FRAME_HEADER + body);
		if (!frame) {
			abort();
		}
		memcpy(header, "VMFR\1\0\0\0", 8);
		put(header + 8, body, 4);
		memcpy(header + 12, data, 4);
		memcpy(header + FRAME_HEADER, data + 4, body);
		put(header + 16, hash64(header + FRAME_HEADER, body, hash64(header, 16, 0)), 8);
		read_one(pool, frame, FRAME_HEADER + body);
		free(frame);
	}
	frame_pool_free(pool);
	return 0;
}
