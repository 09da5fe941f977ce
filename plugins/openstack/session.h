/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with OpenStack's services: logs in at Keystone when it is needed, keeps the token until 30 s before its end,
 * and once more where a service says that it is not good.  One thread, but for session_wake().
 */
#ifndef OPENSTACK_SESSION_H
#define OPENSTACK_SESSION_H

#include "plugins/openstack/http.h"

struct session;

/* Main thread; asks nobody.  `conf`'s texts are copied.  -EINVAL, -ENOTSUP: nobody could log in with it. */
int session_new(const struct openstack_conf *conf, struct session **ret_session,
		struct vmt_error *error);
void session_free(struct session *session); /* NULL is fine */
/* Whether it is one of these options. */
bool session_is(const struct session *session, const struct openstack_conf *conf);

/* The address of a service of the catalogue, without a '/' at its end; logs in if need be.  It holds until the next
 * call.  -ENOENT: there is none; else as session_get(). */
int session_endpoint(struct session *session, const char *type, const struct vmt_call *call,
		     const char **ret_url, struct vmt_error *error);

/* The same for version 3 of Keystone itself ("http://HOST:5000/v3"): that of the catalogue, or the one to log in at. */
int session_identity(struct session *session, const struct vmt_call *call, const char **ret_url,
		     struct vmt_error *error);

/* GETs a URL with a token.  0: answered with 2xx, *ret_answer holds until the next call.  -ENOENT: with 404.  -EAGAIN: the
 * far side is busy, in vain before session_retry_after() has passed.  Else another -errno.  The reason says who, what
 * and what to do. */
int session_get(struct session *session, const char *url, const char *const *headers,
		const struct vmt_call *call, const struct http_answer **ret_answer,
		struct vmt_error *error);
/* What the far side of the last call asked for, 0: nothing. */
int64_t session_retry_after(const struct session *session);

/* Requests so far, those to Keystone too. */
uint64_t session_requests(const struct session *session);
/* The call in hand looks at its `cancel` now.  Any thread. */
void session_wake(struct session *session);

#endif
