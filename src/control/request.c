/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of a request.  Any thread; blocks on nothing.
 */
#include "control/request.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const char *const names[CONTROL_VERBS] = {
	[CONTROL_PING] = "ping",
	[CONTROL_RELOAD] = "reload",
	[CONTROL_STATUS] = "status",
};

const char *control_verb_name(enum control_verb verb)
{
	return names[verb];
}

int control_request_parse(const char *p, size_t n, enum control_verb *ret)
{
	const char *end = n ? memchr(p, '\n', MIN(n, CONTROL_REQUEST_MAX)) : NULL;
	size_t len;

	if (!end) {
		return n >= CONTROL_REQUEST_MAX ? -EMSGSIZE : -EAGAIN;
	}
	len = (size_t)(end - p);
	while (len && (p[len - 1] == ' ' || p[len - 1] == '\r')) {
		len--;
	}
	for (size_t i = 0; i < len; i++) {
		if (!g_ascii_isprint(p[i])) {
			return -EBADMSG;
		}
	}
	for (int i = 0; i < CONTROL_VERBS; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], p, len) == 0) {
			*ret = (enum control_verb)i;
			return 0;
		}
	}
	return -ENOENT;
}
