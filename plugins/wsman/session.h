/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a WS-Management server: one connection, one request at a time.  It is made again when it is
 * needed.  Runs on a worker; blocks on the network until a call's deadline.
 */
#ifndef WSMAN_SESSION_H
#define WSMAN_SESSION_H

#include <virtmeter/plugin.h>

#include "base/buf.h"

enum wsman_auth { WSMAN_BASIC, WSMAN_NEGOTIATE, WSMAN_KERBEROS };

enum { WSMAN_ANSWER_MAX = 8 << 20 }; /* bytes */

struct wsman_conf {
	const char *host; /* name or address, IPv6 without brackets */
	int64_t port;
	bool tls;
	enum wsman_auth auth;
	const char *user, *password, *domain; /* NULL: none */
	const char *ca_file; /* NULL: the system's authorities */
	bool insecure; /* any certificate will do */
	bool allow_unencrypted; /* passwords and data may go over plain HTTP as they are */
	int64_t timeout_ns; /* in which the server is to answer a request */
	int64_t max_envelope; /* bytes of an answer that are asked for */
	int64_t page_size; /* instances that are asked for at a time */
	bool namespace_selector;
};

struct wsman_session;

/* 0; -EINVAL for what cannot work, with the reason.  No traffic yet; *conf is copied. */
int wsman_session_new(const struct wsman_conf *conf, struct wsman_session **ret,
		      struct vmt_error *error);
void wsman_session_free(struct wsman_session *s); /* accepts NULL */

/* How the server is called in messages, and in requests. */
const char *wsman_session_address(const struct wsman_session *s);
const struct wsman_conf *wsman_session_conf(const struct wsman_session *s);

/* Bytes that all answers together may have from now on; then -E2BIG. */
void wsman_session_budget(struct wsman_session *s, uint64_t bytes);

/* Which connection it is, in the order in which they were made; 0: none.  What was learned on another may be out of
 * date. */
uint64_t wsman_session_connection(const struct wsman_session *s);

/* Sends a request and takes the answer, which holds until the next one.  Answers the HTTP status (200, or 500
 * with a fault); or -EACCES, -ECANCELED, -ETIMEDOUT, -E2BIG, -EKEYREJECTED (certificate), -EIO. */
int wsman_session_post(struct wsman_session *s, const struct buf *request,
		       const struct buf **ret_answer, const struct vmt_call *call,
		       struct vmt_error *error);

/* The answer made no sense: the next request goes over another connection. */
void wsman_session_drop(struct wsman_session *s);

#endif
