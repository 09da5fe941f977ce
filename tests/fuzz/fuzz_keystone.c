/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Keystone: the versions that it tells of, tokens, of v2.0 and v3, and users.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/openstack/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct openstack_conf conf = { .username = "u" };
	enum identity_version version = IDENTITY_NONE;
	struct identity_token token;
	struct identity_object object;
	struct vmt_error error;
	int ret = identity_read_token((const char *)data, size, &token, &error);

	if (ret == 0) {
		if (token.lifetime_ns < -1 || token.endpoints > IDENTITY_ENDPOINTS) {
			abort();
		}
		for (size_t i = 0; i < token.endpoints; i++) {
			const struct identity_endpoint *e = &token.endpoint[i];

			if (!identity_find(&token, e->type, e->interface, e->region) &&
			    !g_str_has_suffix(e->interface, "URL") && *e->interface) {
				abort();
			}
		}
	}
	identity_token_fini(&token);
	identity_read_object((const char *)data, size, "user", &object, &error);
	identity_object_fini(&object);
	if (identity_read_versions(&conf, (const char *)data, size, &version, &error) == 0 &&
	    version == IDENTITY_NONE) {
		abort();
	}
	return 0;
}
