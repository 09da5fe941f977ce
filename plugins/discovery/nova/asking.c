/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the questions to Keystone.  On the plugin's own thread; blocks on the network, until the deadline. */
#include "plugins/discovery/nova/asking.h"

#include <errno.h>

#include "base/buf.h"

static const struct {
	const char *path, *member;
} kinds[KNOWN_KINDS] = {
	[KNOWN_USER] = { "users", "user" },
	[KNOWN_PROJECT] = { "projects", "project" },
	[KNOWN_DOMAIN] = { "domains", "domain" },
};

static int get(struct session *session, const char *url, const char *member,
	       const struct vmt_call *call, struct identity_object *ret_object,
	       struct vmt_error *error)
{
	const struct http_answer *answer = NULL;
	struct vmt_error why;
	int ret = session_get(session, url, NULL, call, &answer, error);

	if (ret == -ENOENT) {
		return 0;
	}
	if (ret == -EACCES && answer && answer->status == 403) {
		return -EPERM; /* logged in, but this one is not for us */
	}
	if (ret == 0) {
		identity_object_fini(ret_object);
		ret = identity_read_object(answer->body.data, answer->body.len, member, ret_object,
					   &why);
		if (ret < 0) {
			vmt_error_set(error, ret, "%s: %s", url, why.text);
		}
	}
	return ret;
}

int asking_identity(struct session *session, enum known_kind kind, const char *id,
		    const struct vmt_call *call, struct identity_object *ret_object,
		    struct vmt_error *error)
{
	struct buf url = BUF_INIT;
	const char *keystone;
	char *escaped;
	int ret = session_identity(session, call, &keystone, error);

	*ret_object = (struct identity_object){ .enabled = true };
	if (ret < 0) {
		return ret;
	}
	escaped = g_uri_escape_string(id, NULL, FALSE);
	buf_printf(&url, "%s/%s/%s", keystone, kinds[kind].path, escaped);
	ret = get(session, url.data, kinds[kind].member, call, ret_object, error);
	g_free(escaped);
	buf_fini(&url);
	return ret;
}

bool asking_goes_on(int ret)
{
	return ret == 0 || ret == -EPERM || ret == -EPROTO || ret == -EREMOTEIO || ret == -EBADMSG;
}
