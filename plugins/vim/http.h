/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP with a vCenter or an ESXi host: one connection, one request at a time, made again when it is needed; the
 * session's cookie is kept here.  Runs on a worker; blocks on the network until a call's deadline.
 */
#ifndef VIM_HTTP_H
#define VIM_HTTP_H

#include <virtmeter/plugin.h>

#include "base/buf.h"

enum { VIM_ANSWER_MAX = 64 << 20 }; /* bytes */

struct vim_conf {
	const char *host; /* name or address, IPv6 without brackets */
	int64_t port;
	const char *user, *password;
	const char *ca_file; /* NULL: the system's authorities */
	bool insecure; /* any certificate will do; counts only without ca_file */
	int64_t retries; /* of what may go better at the next attempt */
};

struct vim_http;

/* 0; -EINVAL for what cannot work, with the reason.  No traffic yet; *conf is copied. */
int vim_http_new(const struct vim_conf *conf, struct vim_http **ret, struct vmt_error *error);
void vim_http_free(struct vim_http *h); /* accepts NULL */

/* How the server is called in messages. */
const char *vim_http_address(const struct vim_http *h);
const struct vim_conf *vim_http_conf(const struct vim_http *h);

/* Bytes that all answers together may have from now on; then -E2BIG. */
void vim_http_budget(struct vim_http *h, uint64_t bytes);

/* The session is not ours any more. */
void vim_http_forget(struct vim_http *h);

/* Of the API, for the requests that follow: "6.5". */
void vim_http_version(struct vim_http *h, const char *version);

/* Sends a request and takes the answer, which holds until the next one.  0: an answer, or a fault (HTTP 200, 500).
 * -ECONNRESET (no connection, or it broke), -EBUSY (HTTP 502, 503, 504): it may go better at the next attempt.
 * -ETIMEDOUT, -ECANCELED, -E2BIG, -EKEYREJECTED (certificate), -EIO. */
int vim_http_post(struct vim_http *h, const struct buf *request, const struct buf **ret_answer,
		  const struct vmt_call *call, struct vmt_error *error);

#endif
