/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of memcached, and each value as a list of members. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/coordinator/memcached/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct mc_reply *reply)
{
	GPtrArray *names;
	char told[100];

	mc_reply_tell(reply, told, sizeof(told));
	if (!reply->value) {
		return;
	}
	names = mc_list_parse(reply->value, reply->value_len);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);

		if (!*name || strlen(name) > 255 || strchr(name, ' ')) {
			abort();
		}
	}
	g_ptr_array_unref(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mc_reply reply;
	ssize_t n;

	while (size > 0 && (n = mc_reply_parse((const char *)data, size, &reply)) > 0) {
		if ((size_t)n > size) {
			abort();
		}
		look(&reply);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}
