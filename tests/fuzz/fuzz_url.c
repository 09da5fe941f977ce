/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a URL: its parts, and no secret in the text for people. */
#include <glib.h>
#include <string.h>

#include "conf/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = g_strndup((const char *)data, size);
	struct url *u = NULL;
	struct vmt_error error;

	if (url_parse(text, &u, &error) == 0) {
		const struct vmt_url *v = url_get(u);

		g_assert(v->scheme[0] && v->host && v->path && v->query);
		g_assert(v->port >= 0 && v->port <= 65535);
		g_assert(!v->password || strstr(v->text, ":****@"));
		while (v->query[0].key) {
			char *key = g_strdup(v->query[0].key);

			g_assert(url_take(u, key, true));
			g_assert(!url_take(u, key, true));
			g_free(key);
		}
		url_free(u);
	} else {
		g_assert(error.text[0]);
	}
	g_free(text);
	return 0;
}
