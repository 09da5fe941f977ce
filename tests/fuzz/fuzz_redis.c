/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Redis, in pieces of which the first byte says how long each is: read as each of the things they may be. */
#include <stdint.h>
#include <stdlib.h>

#include "model/members.h"
#include "plugins/coordinator/redis/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct rd_reply *reply)
{
	struct vmt_members members;
	char told[100];

	members_init(&members);
	(void)rd_reply_members(reply, &members);
	members_fini(&members);
	if (rd_reply_time_ms(reply) > INT64_MAX / 2) {
		abort();
	}
	rd_reply_tell(reply, told, sizeof(told));
	for (const char *c = told; *c; c++) {
		if (*c < 0x20 || *c >= 0x7f) {
			abort();
		}
	}
	rd_reply_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd_reply_reader *reader = rd_reply_reader_new();
	struct rd_reply *reply;
	int ret = 0;

	while (size > 0 && ret >= 0) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		ret = rd_reply_reader_feed(reader, (const char *)data + 1, n);
		while (ret >= 0 && (ret = rd_reply_reader_next(reader, &reply)) == 1) {
			look(reply);
		}
		data += n + 1;
		size -= n + 1;
	}
	rd_reply_reader_free(reader);
	return 0;
}
