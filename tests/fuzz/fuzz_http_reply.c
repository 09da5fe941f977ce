/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP replies as far as they are ours: two bytes of status, then the body, in pieces of which the first byte of
 * each says how long it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/publisher/http/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply r;
	char told[300];

	reply_reset(&r);
	if (size >= 2) {
		r.status = data[0] << 8 | data[1];
		data += 2;
		size -= 2;
	}
	while (size > 0) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		if (!reply_body(&r, (const char *)data + 1, n)) {
			break;
		}
		data += n + 1;
		size -= n + 1;
	}
	reply_tell(&r, told, sizeof(told));
	for (const char *c = told; *c; c++) {
		if (*c < 0x20 || *c >= 0x7f) {
			abort();
		}
	}
	if (reply_judge(&r) == REPLY_TAKEN && (r.status < 200 || r.status > 299)) {
		abort();
	}
	return 0;
}
