/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flattening any bytes in each dialect.  After another message it gives the same as before, for the
 * memory is used again.
 */
#include "wire/flatten.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		struct flatten f;
		struct buf first = BUF_INIT, again = BUF_INIT;
		int status;

		flatten_init(&f);
		status = flatten_json(&f, text, size, (enum flatten_dialect)d, &first);
		(void)flatten_json(&f, text, size / 2, (enum flatten_dialect)d, &again);
		buf_reset(&again);
		if (flatten_json(&f, text, size, (enum flatten_dialect)d, &again) != status ||
		    first.len != again.len || memcmp(first.data, again.data, first.len) != 0) {
			abort();
		}
		buf_fini(&first);
		buf_fini(&again);
		flatten_fini(&f);
	}
	return 0;
}
